//! Deployments as they are asked for and told of: what is to be put in force, what came of it, and why
//! nothing did.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use zamu_core::guest::manifest::HandlerSpec;
use zamu_core::model::DeploymentNumber;
use zamu_core::proto::DeployedHandler;
use zamu_core::topology::{StartFrom, SuccessionError, WiringError};

use crate::handlers::DeploymentError;

/// What is to be put in force.
#[derive(Clone, Debug)]
pub enum What {
    /// A component, and its configuration if it is not to keep the one of the version in force.
    Component {
        /// Its bytes.
        wasm: Bytes,
        /// JSON, or nothing.
        configuration: Option<Bytes>,
        /// From which event on it reacts where it has not reacted to all. One that is not in force yet
        /// is added if this is said.
        from: Option<StartFrom>,
    },
    /// Another configuration of the component that is in force.
    Configuration {
        /// Of which handler.
        handler: String,
        /// JSON, or nothing.
        configuration: Bytes,
    },
    /// What a handler was before.
    RollBack {
        /// Which handler.
        handler: String,
        /// Under this deployment; otherwise before its newest version.
        to: Option<DeploymentNumber>,
        /// Only if what this deployment put in force still is.
        of: Option<DeploymentNumber>,
    },
}

/// Who asks, and why.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Who.
    pub principal: String,
    /// Why, for people.
    pub reason: String,
}

/// A deployment that was made, or could be.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The version.
    pub spec: Arc<HandlerSpec>,
    /// The version that was in force; none of a handler that is new.
    pub before: Option<DeployedHandler>,
    /// Kinds that nobody else knows any more, or yet: of which type, which, and what is missing.
    pub loose: Vec<(String, String, &'static str)>,
    /// Why it is not rolled back by itself if it breaks; nothing if it is.
    pub stays: Option<String>,
    /// What came of it, unless it was only asked whether it could be made.
    pub swap: Option<Swap>,
}

/// How the shards changed over.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Swap {
    /// The number of the deployment.
    pub deployment: DeploymentNumber,
    /// The longest time for which a shard did nothing else.
    pub stall: Duration,
    /// The longest time from the end of a shard's last step before it to the end of its first step after
    /// it: what a partition may have waited between two turns, the turns themselves included.
    pub gap: Duration,
    /// From the moment the first shard was told until the last one had changed over.
    pub spread: Duration,
}

/// A deployment that was not made: everything is as it was. Only where the log or the node has failed
/// meanwhile, the record may be written; then the next start has it in force.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// There is no such handler.
    #[error(
        "there is no handler `{handler}`; there are {known}. One that only reacts to events is added if it is said from which one on: `from` is `beginning` or `now`"
    )]
    New {
        /// Its name.
        handler: String,
        /// Those that there are.
        known: String,
    },
    /// There is no such handler.
    #[error("there is no handler `{handler}`; there are {known}")]
    Unknown {
        /// As it was asked for.
        handler: String,
        /// Those that there are.
        known: String,
    },
    /// It does not load.
    #[error("{0:#}")]
    Load(anyhow::Error),
    /// The handlers would not fit together.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// It cannot take over from what is in force.
    #[error(transparent)]
    Succession(#[from] SuccessionError),
    /// It is in force already.
    #[error("this version of `{0}` is in force already, with this configuration")]
    Same(String),
    /// There is no earlier version.
    #[error("`{0}` has no earlier version to go back to: `zamu handlers history` lists all")]
    First(String),
    /// That deployment did not have the handler.
    #[error(
        "deployment {number} is not known, or had no handler `{handler}`: `zamu handlers history` lists all"
    )]
    NoDeployment {
        /// Which.
        number: DeploymentNumber,
        /// Whose version was asked for.
        handler: String,
    },
    /// Another version was put in force than the one that is to be rolled back.
    #[error(
        "deployment {since} has put another version of `{handler}` in force than deployment {of} had: nothing was rolled back"
    )]
    Overtaken {
        /// Whose.
        handler: String,
        /// What was to be rolled back.
        of: DeploymentNumber,
        /// What is in force.
        since: DeploymentNumber,
    },
    /// Somebody else is at it.
    #[error(
        "another deployment, or a dry run of one, is under way: try again when it is done (`zamu handlers history` tells)"
    )]
    Busy,
    /// A kept component is gone, damaged or does not run any more.
    #[error("{0:#}")]
    Kept(anyhow::Error),
    /// A deployment is written that this node has not carried through.
    #[error(
        "deployment {0} is written, and not in force here: restart the node, which then has it in force"
    )]
    Unfinished(DeploymentNumber),
    /// The log failed, or the node is stopping.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

impl From<DeploymentError> for DeployError {
    fn from(error: DeploymentError) -> Self {
        Self::Failed(error.into())
    }
}
