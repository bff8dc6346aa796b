//! Whether the handlers of one deployment may take over from those of another between two turns.
//!
//! What is on its way and what was written must mean the same to both: records in `commands` that the
//! ones sent the others take, events and states that the ones made the others read, and nobody begins
//! to react to a type in the middle of its events. Everything else is the new handlers' own business.
//!
//! Whether they fit together at all is [`Topology::new`]'s to say.

use std::collections::BTreeSet;

use super::{BoundHandler, KindIndex, Topology};
use crate::guest::manifest::Table;
use crate::model::{Kind, TypeId};

/// Handlers that cannot take over while the process runs, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionError {
    /// Partition counts and windows belong to the process.
    #[error("the aggregate types differ: they are configured, and read at a start only")]
    Types,
    /// A handler is there that was not in force, or the other way round.
    #[error(
        "the handlers in force are {before}, and these are {after}: handlers are added and removed in the configuration, by a restart"
    )]
    Handlers {
        /// Names of those in force.
        before: String,
        /// Names of those that would be.
        after: String,
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
    /// A cursor would be missing, or stand still.
    #[error(
        "event handler `{handler}` {verb} events of `{aggregate_type}`: whether it reacts to a type is settled at a start, where `start-at-tail` says from which event on"
    )]
    Reaction {
        /// Which handler.
        handler: String,
        /// Begins or ends.
        verb: &'static str,
        /// Which type.
        aggregate_type: String,
    },
    /// Other tables would be made.
    #[error(
        "handler `{handler}` would make other tables than it does: tables are opened at a start, so put it into the configuration and restart"
    )]
    Tables {
        /// Which handler.
        handler: String,
    },
}

impl Topology {
    /// Whether `next` may take over from these handlers between two turns.
    ///
    /// # Errors
    /// The first thing that it would break.
    pub fn may_be_succeeded_by(&self, next: &Self) -> Result<(), SuccessionError> {
        if self.types != next.types {
            return Err(SuccessionError::Types);
        }
        let names = |of: &Self| {
            let names: Vec<String> =
                of.handlers.iter().map(|handler| format!("`{}`", handler.spec.name)).collect();
            names.join(", ")
        };
        let (before, after) = (names(self), names(next));
        if before != after {
            return Err(SuccessionError::Handlers { before, after });
        }
        self.check_owners(next)?;
        for (before, after) in self.handlers.iter().zip(&next.handlers) {
            if before.spec != after.spec {
                self.check_handler(before, after)?;
            }
        }
        Ok(())
    }

    fn check_owners(&self, next: &Self) -> Result<(), SuccessionError> {
        for (index, settings) in self.types.iter().enumerate() {
            if self.owners[index] != next.owners[index] {
                let owner = |of: &Self| of.handlers[of.owners[index]].spec.name.to_string();
                return Err(SuccessionError::Owner {
                    aggregate_type: settings.name.to_string(),
                    before: owner(self),
                    after: owner(next),
                });
            }
        }
        Ok(())
    }

    fn check_handler(
        &self,
        before: &BoundHandler,
        after: &BoundHandler,
    ) -> Result<(), SuccessionError> {
        check_fold(before, after)?;
        let read = &after.spec.manifest.state_schemas;
        if let Some(schema) = before.spec.manifest.state_schemas.iter().find(|s| !read.contains(s))
        {
            let (handler, schema) = (before.spec.name.to_string(), schema.clone());
            return Err(SuccessionError::Schema { handler, schema });
        }
        let take = "go on to take it, and refuse it if it is not wanted any more";
        self.check_kinds(before, (&before.commands, &after.commands), "takes", take)?;
        let read = "go on to read it, even if it is not decided any more";
        self.check_kinds(before, (&before.events, &after.events), "reads", read)?;
        self.check_reactions(before, after)?;
        if makes(before) != makes(after) {
            return Err(SuccessionError::Tables { handler: before.spec.name.to_string() });
        }
        Ok(())
    }

    fn check_kinds(
        &self,
        handler: &BoundHandler,
        (before, after): (&KindIndex, &KindIndex),
        verb: &'static str,
        remedy: &'static str,
    ) -> Result<(), SuccessionError> {
        for (aggregate_type, kinds) in before {
            let of_type = after.get(aggregate_type);
            let kept = |kind: &Kind| of_type.is_some_and(|kinds| kinds.contains_key(kind));
            // The first by name, so that the same mistake is told in the same words.
            if let Some(kind) = kinds.keys().filter(|kind| !kept(kind)).min() {
                return Err(SuccessionError::Kind {
                    handler: handler.spec.name.to_string(),
                    verb,
                    kind: kind.to_string(),
                    aggregate_type: self.settings(*aggregate_type).name.to_string(),
                    remedy,
                });
            }
        }
        Ok(())
    }

    fn check_reactions(
        &self,
        before: &BoundHandler,
        after: &BoundHandler,
    ) -> Result<(), SuccessionError> {
        let reacts = |of: &BoundHandler, id| of.subscribed.contains_key(id);
        let begun = after.subscribed.keys().find(|id| !reacts(before, id));
        let ended = before.subscribed.keys().find(|id| !reacts(after, id));
        for (id, verb) in [(begun, "begins to react to"), (ended, "no longer reacts to")] {
            if let Some(id) = id {
                return Err(SuccessionError::Reaction {
                    handler: before.spec.name.to_string(),
                    verb,
                    aggregate_type: self.settings(*id).name.to_string(),
                });
            }
        }
        Ok(())
    }
}

/// A table: name, whose rows, keyed, reference.
type Made<'a> = (&'a str, TypeId, bool, bool);

/// The tables that a handler makes, and of whose events.
fn makes(handler: &BoundHandler) -> (Vec<Made<'_>>, BTreeSet<TypeId>) {
    let of_type = |table: &Table| handler.types[table.aggregate_type as usize];
    let tables = handler.spec.manifest.tables.iter();
    let tables = tables.map(|t| (&*t.name, of_type(t), t.keyed, t.reference)).collect();
    (tables, handler.projected.keys().copied().collect())
}

fn check_fold(before: &BoundHandler, after: &BoundHandler) -> Result<(), SuccessionError> {
    let (of, next) = (&before.spec.manifest, &after.spec.manifest);
    if of.fold == next.fold {
        return Ok(());
    }
    let (what, function, remedy) = if of.aggregates.is_empty() {
        let remedy = "; put it into the configuration and restart, and its tables are made anew";
        ("its tables", "project", remedy)
    } else {
        ("its states", "evolve", "")
    };
    let handler = before.spec.name.to_string();
    Err(SuccessionError::Fold {
        handler,
        before: of.fold,
        after: next.fold,
        what,
        function,
        remedy,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::*;
    use crate::guest::manifest::{Class, HandlerSpec, Manifest, OwnedType, TypeKinds};
    use crate::model::KindName;
    use crate::topology::TypeSettings;

    fn kind(name: &str) -> Kind {
        Arc::new(KindName { name: name.into(), ..KindName::default() })
    }

    fn table(name: &str) -> Table {
        Table { name: name.into(), ..Table::default() }
    }

    /// Owns `a`, and reacts to and projects what happens there.
    fn cells() -> Manifest {
        let own = TypeKinds { aggregate_type: 0, kinds: vec![1] };
        Manifest {
            name: "cells".into(),
            version: "1.0.0".into(),
            fold: 1,
            types: vec!["a".into(), "b".into()],
            kinds: ["Add", "Added"].map(kind).to_vec(),
            state_schemas: vec!["s1".into()],
            aggregates: vec![OwnedType { aggregate_type: 0, commands: vec![0], events: vec![1] }],
            subscriptions: vec![own.clone()],
            tables: vec![table("rows")],
            projections: vec![own],
            ..Manifest::default()
        }
    }

    fn topology(manifests: impl IntoIterator<Item = Manifest>) -> Topology {
        let types = ["a", "b"].map(|name| TypeSettings {
            name: name.into(),
            partitions: 2,
            window_ids: 8,
            window_ms: 1,
        });
        let others = Manifest {
            name: "others".into(),
            types: vec!["b".into()],
            aggregates: vec![OwnedType::default()],
            ..Manifest::default()
        };
        let specs = manifests.into_iter().chain([others]).map(|manifest| {
            let name = manifest.name.as_str().into();
            let digest = format!("{manifest:?}");
            let (class, configuration) = (Class::Pure, bytes::Bytes::new());
            Arc::new(HandlerSpec { name, digest, class, manifest, configuration })
        });
        Topology::new(1, types.to_vec(), specs.collect()).unwrap()
    }

    fn refused(change: impl FnOnce(&mut Manifest)) -> String {
        let mut next = cells();
        change(&mut next);
        topology([cells()]).may_be_succeeded_by(&topology([next])).unwrap_err().to_string()
    }

    fn assert_says(error: &str, parts: &[&str]) {
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }

    #[test]
    fn what_only_grows_may_take_over() {
        let mut next = cells();
        next.version = "1.1.0".into();
        next.kinds.push(kind("Take"));
        next.aggregates[0].commands.push(2);
        next.state_schemas.push("s2".into());
        topology([cells()]).may_be_succeeded_by(&topology([next])).unwrap();
    }

    #[test]
    fn another_fold_is_refused_and_the_remedy_fits_what_was_folded() {
        assert_says(
            &refused(|next| next.fold = 2),
            &["`cells`", "2", "its states", "with 1", "`evolve`"],
        );
        let views = Manifest {
            name: "views".into(),
            types: vec!["a".into()],
            tables: vec![table("seen")],
            ..Manifest::default()
        };
        let next = Manifest { fold: 7, ..views.clone() };
        let error = topology([cells(), views]).may_be_succeeded_by(&topology([cells(), next]));
        let error = error.unwrap_err().to_string();
        assert_says(&error, &["`views`", "7", "its tables", "`project`", "restart"]);
    }

    #[test]
    fn what_is_in_the_log_must_be_taken_and_read() {
        let taken = refused(|next| next.aggregates[0].commands.clear());
        assert_says(&taken, &["`cells`", "no longer takes", "Add", "`a`", "refuse it"]);
        let read = refused(|next| next.aggregates[0].events.clear());
        assert_says(&read, &["`cells`", "no longer reads", "Added", "`a`"]);
        let schema = refused(|next| next.state_schemas = vec!["s2".into()]);
        assert_says(&schema, &["`cells`", "state schema `s1`"]);
    }

    #[test]
    fn nobody_begins_or_ends_to_react_to_a_type_in_the_middle() {
        let ended = refused(|next| next.subscriptions.clear());
        assert_says(&ended, &["`cells`", "no longer reacts to", "`a`", "start-at-tail"]);
        let b = TypeKinds { aggregate_type: 1, kinds: vec![] };
        let begun = refused(|next| next.subscriptions.push(b));
        assert_says(&begun, &["begins to react to", "`b`"]);
    }

    #[test]
    fn other_tables_or_tables_of_other_events_are_refused() {
        let b = TypeKinds { aggregate_type: 1, kinds: vec![] };
        for error in [
            refused(|next| next.tables.push(table("more"))),
            refused(|next| next.tables[0].keyed = true),
            refused(|next| next.projections.push(b)),
        ] {
            assert_says(&error, &["`cells`", "other tables", "restart"]);
        }
    }

    #[test]
    fn handlers_are_neither_added_nor_removed_and_types_keep_their_owners() {
        let added = Manifest { name: "added".into(), ..Manifest::default() };
        let error = topology([cells()]).may_be_succeeded_by(&topology([cells(), added]));
        assert_says(&error.unwrap_err().to_string(), &["`added`, `cells`", "configuration"]);
        let owner = |name: &str, owns: bool| {
            let mut manifest = Manifest { name: name.into(), ..cells() };
            manifest.tables.clear();
            if !owns {
                manifest.aggregates.clear();
            }
            manifest
        };
        let before = topology([owner("x", true), owner("y", false)]);
        let after = topology([owner("x", false), owner("y", true)]);
        let error = before.may_be_succeeded_by(&after).unwrap_err().to_string();
        assert_says(&error, &["`a`", "by handler `x`", "by `y`"]);
    }

    #[test]
    fn partition_counts_are_no_matter_of_handlers() {
        let mut other = topology([cells()]);
        let mut types = other.types.to_vec();
        types[0].partitions = 3;
        other.types = types.into();
        let error = topology([cells()]).may_be_succeeded_by(&other).unwrap_err();
        assert_eq!(error, SuccessionError::Types);
    }
}
