//! What the records of a frame share: kinds, contexts, handlers, senders.
//!
//! Writing: [`Shared`] gives each distinct value an index. Reading: [`Names`] keeps one copy of each
//! kind and handler name for a whole reader, so that a thousand frames share them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use zamu_core::error::EngineError;
use zamu_core::model::{Context, DeploymentNumber, Kind, KindName};

use super::{damaged, proto};

/// Distinct values of one frame in order of appearance.
pub(super) struct Distinct<T>(Vec<T>);

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone> Distinct<T> {
    /// The index of the value that `same` recognises, or else of `value`, which is then added. The
    /// latest come first: neighbours are alike.
    pub(super) fn index(&mut self, value: &T, same: impl Fn(&T, &T) -> bool) -> u32 {
        if let Some(back) = self.0.iter().rev().position(|known| same(known, value)) {
            return (self.0.len() - 1 - back) as u32;
        }
        self.0.push(value.clone());
        (self.0.len() - 1) as u32
    }

    /// The values, by index.
    pub(super) fn into_values(self) -> Vec<T> {
        self.0
    }
}

/// The tables that all topics have.
#[derive(Default)]
pub(super) struct Shared {
    kinds: Distinct<Kind>,
    contexts: Vec<proto::Context>,
    context_index: HashMap<*const Context, u32, foldhash::fast::RandomState>,
    deciders: Distinct<(Arc<str>, DeploymentNumber)>,
}

impl Shared {
    /// Index of a kind.
    pub(super) fn kind(&mut self, kind: &Kind) -> u32 {
        self.kinds.index(kind, |a, b| Arc::ptr_eq(a, b) || a == b)
    }

    /// Index of a context. Records that share one have the same `Arc`; equal ones are left to
    /// compression.
    pub(super) fn context(&mut self, context: &Arc<Context>) -> u32 {
        let next = self.contexts.len() as u32;
        let index = *self.context_index.entry(Arc::as_ptr(context)).or_insert(next);
        if index == next {
            self.contexts.push(proto::Context {
                correlation: context.correlation.clone(),
                principal: context.principal.clone(),
                trace_parent: context.trace_parent.clone(),
            });
        }
        index
    }

    /// Index of a handler in a deployment.
    pub(super) fn decider(&mut self, handler: &Arc<str>, deployment: DeploymentNumber) -> u32 {
        self.deciders.index(&(handler.clone(), deployment), |a, b| {
            a.1 == b.1 && (Arc::ptr_eq(&a.0, &b.0) || a.0 == b.0)
        })
    }

    /// The tables as they are stored: kinds, contexts, deciders.
    pub(super) fn into_tables(
        self,
    ) -> (Vec<proto::Kind>, Vec<proto::Context>, Vec<proto::Decider>) {
        let kind = |kind: Kind| proto::Kind {
            name: kind.name.clone(),
            schema: kind.schema.clone(),
            content_type: kind.content_type.clone(),
        };
        let decider = |(handler, deployment): (Arc<str>, _)| proto::Decider {
            handler: handler.to_string(),
            deployment,
        };
        (
            self.kinds.into_values().into_iter().map(kind).collect(),
            self.contexts,
            self.deciders.into_values().into_iter().map(decider).collect(),
        )
    }
}

/// One copy of each name that a reader has met. Kinds and handlers are few: they come from admitted
/// handlers; still, a client can send what it likes, so the number is bounded.
#[derive(Debug, Default)]
pub(crate) struct Names {
    kinds: HashSet<Kind, foldhash::fast::RandomState>,
    handlers: HashSet<Arc<str>, foldhash::fast::RandomState>,
}

/// Names kept at most, of each sort.
const NAMES_MAX: usize = 4_096;

impl Names {
    fn kind(&mut self, stored: proto::Kind) -> Kind {
        let name = KindName {
            name: stored.name,
            schema: stored.schema,
            content_type: stored.content_type,
        };
        if let Some(known) = self.kinds.get(&name) {
            return known.clone();
        }
        let kind = Arc::new(name);
        if self.kinds.len() < NAMES_MAX {
            self.kinds.insert(kind.clone());
        }
        kind
    }

    /// The shared copy of a handler's name.
    pub(super) fn handler(&mut self, stored: &str) -> Arc<str> {
        if let Some(known) = self.handlers.get(stored) {
            return known.clone();
        }
        let handler: Arc<str> = stored.into();
        if self.handlers.len() < NAMES_MAX {
            self.handlers.insert(handler.clone());
        }
        handler
    }
}

/// The tables of a frame that is being read.
pub(super) struct Tables {
    kinds: Vec<Kind>,
    contexts: Vec<Arc<Context>>,
    deciders: Vec<(Arc<str>, DeploymentNumber)>,
}

impl Tables {
    /// Takes over what [`Shared::into_tables`] stored.
    pub(super) fn new(
        kinds: Vec<proto::Kind>,
        contexts: Vec<proto::Context>,
        deciders: &[proto::Decider],
        names: &mut Names,
    ) -> Self {
        let context = |stored: proto::Context| {
            Arc::new(Context {
                correlation: stored.correlation,
                principal: stored.principal,
                trace_parent: stored.trace_parent,
            })
        };
        Self {
            kinds: kinds.into_iter().map(|kind| names.kind(kind)).collect(),
            contexts: contexts.into_iter().map(context).collect(),
            deciders: deciders
                .iter()
                .map(|decider| (names.handler(&decider.handler), decider.deployment))
                .collect(),
        }
    }

    /// The kind at an index.
    pub(super) fn kind(&self, index: u32) -> Result<Kind, EngineError> {
        entry(&self.kinds, index, "kind").cloned()
    }

    /// The context at an index.
    pub(super) fn context(&self, index: u32) -> Result<Arc<Context>, EngineError> {
        entry(&self.contexts, index, "context").cloned()
    }

    /// The handler and deployment at an index.
    pub(super) fn decider(&self, index: u32) -> Result<(Arc<str>, DeploymentNumber), EngineError> {
        entry(&self.deciders, index, "decider").cloned()
    }
}

/// An entry of a table, or what is wrong with the frame.
pub(super) fn entry<'a, T>(table: &'a [T], index: u32, what: &str) -> Result<&'a T, EngineError> {
    table.get(index as usize).ok_or_else(|| damaged(format!("{what} {index} is not in its table")))
}
