//! Deciding history once more: the turns of one partition, with the handlers, configurations and
//! reference tables that the log says were in force, compared with what the log has.
//!
//! | file | its noun |
//! |---|---|
//! | `span` | the turns that can be audited: what retention has left |
//! | `auditor` | the way through them: fold what was before, then turn by turn |
//! | `past` | aggregates as they were before a turn |
//! | `tables` | reference tables as a turn saw them |
//! | `turn` | one turn, decided once more |
//! | `compare`, `difference` | what is not as it was |
//! | `channels` | both ends of each channel, as the newest turns have left them |
//!
//! - States are folds of the events, never taken from a store: that `evolve` makes of events what
//!   `decide` went on with is audited, too. Where a turn's events were changed after it was committed
//!   (its hash tells), what follows is decided on what they had been.
//! - **Verdicts are read, not derived**: that a handler broke on an item is taken from the batch record
//!   and its dead letter. What it broke on is compared.
//! - **Nobody reacts**: which commands event handlers send is not decided once more. That the commands
//!   of a channel came without a gap, and that no more were taken than were sent, is.
//! - Turns are decided in the batches that they were: results would be the same in any other.
//!
//! This module reads no file and no clock, loads no component, and counts nothing: whoever drives it
//! does.

mod auditor;
mod channels;
mod compare;
mod difference;
mod past;
mod span;
mod tables;
mod turn;

use std::sync::Arc;

use crate::error::EngineError;
use crate::guest::Guest;
use crate::guest::manifest::HandlerSpec;
use crate::model::{DeploymentNumber, TurnNumber};
use crate::topology::Topology;

pub use auditor::{Auditor, Parts, Progress};
pub use channels::{Unsent, unsent};
pub use difference::{Difference, Subject};
pub use span::Span;

/// The handlers of a deployment, ready to decide.
pub struct InForce {
    /// Who does what.
    pub topology: Arc<Topology>,
    /// One instance per handler of the topology.
    pub guests: Vec<Box<dyn Guest>>,
}

/// Gives the handlers that were in force, as the control topic recorded them.
pub trait Deployments {
    /// Those of a deployment. Called whenever another one is come upon.
    ///
    /// # Errors
    /// What is missing, and the remedy.
    fn handlers(&mut self, deployment: DeploymentNumber) -> Result<InForce, String>;
}

/// One turn, audited.
#[derive(Clone, Debug)]
pub struct Audited {
    /// Its number.
    pub turn: TurnNumber,
    /// The deployment that was in force.
    pub deployment: DeploymentNumber,
    /// The handler that decided.
    pub handler: Arc<HandlerSpec>,
    /// Records of `requests` that were decided once more.
    pub requests: u64,
    /// Records of `commands`, likewise.
    pub commands: u64,
    /// Events that the log has of it.
    pub events: u64,
    /// Verdicts of faults that were read.
    pub faults: u64,
    /// Duplicates of what retention has removed: taken as they are recorded.
    pub as_recorded: u64,
    /// What is not as it was.
    pub differences: Vec<Difference>,
    /// Why it was not decided, if it was not: no reference table as of its version.
    pub undecided: Option<String>,
}

/// An audit cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The log, or what the audit keeps for itself, failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Turns that retention has removed, or whose input it has.
    #[error("turn {asked} is gone: retention has left what is needed for turn {oldest} and later")]
    Gone {
        /// The first turn that was asked for.
        asked: TurnNumber,
        /// The first that can be audited.
        oldest: TurnNumber,
    },
    /// A batch record cannot be read.
    #[error("the batch record of turn {turn} {problem}")]
    Record {
        /// Its turn.
        turn: TurnNumber,
        /// What is wrong with it.
        problem: String,
    },
    /// A deployment cannot be had.
    #[error("deployment {number}: {problem}")]
    Deployment {
        /// Its number.
        number: DeploymentNumber,
        /// What is missing, and the remedy.
        problem: String,
    },
    /// Numbers of a channel are missing in the input of a turn.
    #[error(
        "turn {turn}: command {came} of a channel came where {due} was due: records are missing"
    )]
    Gap {
        /// The turn.
        turn: TurnNumber,
        /// The number that was due.
        due: u64,
        /// The number that came.
        came: u64,
    },
    /// The events before the audited turns, or a turn's, cannot be folded.
    #[error("turn {turn}: {problem}")]
    Fold {
        /// The first turn that is not folded.
        turn: TurnNumber,
        /// Why not.
        problem: String,
    },
    /// The guest could not be run, through no fault of what it was asked.
    #[error("a handler cannot be run here: {0}")]
    Host(String),
}
