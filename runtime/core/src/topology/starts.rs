//! Where event handlers begin that have not reacted to everything: declared by a deployment, so that
//! every process, and every restart, begins where the first one did.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{HandlerIndex, Topology};
use crate::model::DeploymentNumber;

/// From which event on an event handler reacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFrom {
    /// From the first event that it has not reacted to: of one that has never run, the first of all.
    Beginning,
    /// From the next event on. What it has not reacted to by then it never does.
    Now,
}

/// A declared start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Where.
    pub from: StartFrom,
    /// The deployment that declared it. In each partition it holds once: in the first turn under this
    /// deployment or a later one.
    pub since: DeploymentNumber,
}

/// What is declared, by name of the handler.
pub type Starts = BTreeMap<Arc<str>, Start>;

impl StartFrom {
    /// As people and configurations write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Beginning => "beginning",
            Self::Now => "now",
        }
    }

    /// What is written so, if it is anything.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Beginning, Self::Now].into_iter().find(|from| from.name() == name)
    }
}

impl Topology {
    /// The same, with these declared starts.
    #[must_use]
    pub fn starting(self, starts: Starts) -> Self {
        Self { starts, ..self }
    }

    /// All that is declared.
    #[must_use]
    pub fn starts(&self) -> &Starts {
        &self.starts
    }

    /// Where a handler starts that has not reacted to everything, if that is declared.
    #[must_use]
    pub fn start(&self, handler: HandlerIndex) -> Option<Start> {
        self.starts.get(&self.handlers[handler].spec.name).copied()
    }

    /// The handler of that name.
    #[must_use]
    pub fn handler_named(&self, name: &str) -> Option<HandlerIndex> {
        self.handlers.binary_search_by(|handler| (*handler.spec.name).cmp(name)).ok()
    }
}
