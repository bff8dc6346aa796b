//! Why handlers cannot take over from others, each with what to do about it.

/// Handlers that cannot take over while the process runs, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionError {
    /// Partition counts and windows belong to the process.
    #[error("the aggregate types differ: they are configured, and read at a start only")]
    Types,
    /// A handler would no longer be there.
    #[error(
        "handler `{0}` would no longer be there: handlers are removed in the configuration, by a restart"
    )]
    Gone(String),
    /// A handler would be there that is not an event handler only.
    #[error(
        "handler `{handler}` is not in force and {what}: put it into the configuration and restart; what can be added while the node runs is a handler that only reacts to events"
    )]
    New {
        /// Which handler.
        handler: String,
        /// What it is besides.
        what: &'static str,
    },
    /// States and rows that were folded by one fold number cannot be used by another.
    #[error(
        "handler `{handler}` has fold number {after}, and {what} were made with {before}: give it fold number {before} if its `{function}` and schemas are still the same; another fold cannot take over from this one while it runs{remedy}"
    )]
    Fold {
        /// Which handler.
        handler: String,
        /// In force.
        before: u32,
        /// Of the one that would be.
        after: u32,
        /// What was made.
        what: &'static str,
        /// By which function.
        function: &'static str,
        /// What can be done instead, if anything.
        remedy: &'static str,
    },
    /// Another handler would own a type.
    #[error(
        "aggregate type `{aggregate_type}` is owned by handler `{before}`, and would be by `{after}`: a type keeps its owner"
    )]
    Owner {
        /// Which type.
        aggregate_type: String,
        /// In force.
        before: String,
        /// Would be.
        after: String,
    },
    /// Commands or events that may be on their way, or in the log, would not be understood.
    #[error(
        "handler `{handler}` no longer {verb} `{kind}` of `{aggregate_type}`, and the log may hold some: {remedy}"
    )]
    Kind {
        /// Which handler.
        handler: String,
        /// `takes` or `reads`.
        verb: &'static str,
        /// Which kind.
        kind: String,
        /// Of which type.
        aggregate_type: String,
        /// What to do.
        remedy: &'static str,
    },
    /// States that are stored would not be understood.
    #[error(
        "handler `{handler}` no longer reads state schema `{schema}`, and stored states may have it: list it among its state schemas and read it"
    )]
    Schema {
        /// Which handler.
        handler: String,
        /// Which schema.
        schema: String,
    },
    /// An event would be decided in a form that who hears it does not know.
    #[error(
        "handler `{handler}` would decide `{kind}` of `{aggregate_type}`, which `{deaf}` hears in other forms only, and would miss: first deploy a `{deaf}` that hears this one, too"
    )]
    Unheard {
        /// Who would decide it.
        handler: String,
        /// Which kind.
        kind: String,
        /// Of which type.
        aggregate_type: String,
        /// Who would miss it.
        deaf: String,
    },
    /// It is not said from which event on it reacts.
    #[error(
        "event handler `{handler}` begins to react to events of `{aggregate_type}`: say from which one on, `beginning` (it catches up with what has happened) or `now`"
    )]
    Reaction {
        /// Which handler.
        handler: String,
        /// Which type.
        aggregate_type: String,
    },
    /// Other tables would be made, or of other events.
    #[error(
        "handler `{handler}` would make other tables than it does, or make them of other events: raise its fold number, put it into the configuration and restart, and its tables are made anew"
    )]
    Tables {
        /// Which handler.
        handler: String,
    },
}
