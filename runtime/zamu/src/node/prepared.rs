//! A deployment that is made ready: loaded, checked against what is in force, with instances for every shard.
//! Nothing is written, and nothing in force changes; what is not fit is refused here.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use zamu_core::guest::manifest::{HandlerSpec, Manifest, TypeKinds};
use zamu_core::guest::{Fault, Guest};
use zamu_core::model::{DeploymentNumber, Kind};
use zamu_core::proto::{DeployedHandler, Deployment};
use zamu_core::topology::{HandlerIndex, Start, StartFrom, Topology};
use zamu_wasm::cache::digest;
use zamu_wasm::{Counters, Handler, Instance};

use super::aside::aside;
use super::deployment::{DeployError, Deployed, Order, Swap, What};
use super::{Handlers, Services, clock};
use crate::handlers::{History, Proposal, previous, specs, starts};
use crate::json::Flow;

/// Why a handler that is new is not rolled back by itself.
const NEW: &str = "there is no version before it";
/// Why a version that was brought back is not rolled back by itself.
const BROUGHT_BACK: &str = "it was brought back by a rollback";

/// All that is needed to change over.
pub(super) struct Prepared {
    pub(super) handler: Arc<Handler>,
    pub(super) index: HandlerIndex,
    pub(super) before: Option<DeployedHandler>,
    pub(super) deployment: Deployment,
    pub(super) topology: Arc<Topology>,
    pub(super) loaded: Vec<Arc<Handler>>,
    /// One for each shard.
    pub(super) instances: Vec<Box<dyn Guest>>,
    /// What they use.
    pub(super) counters: Vec<Arc<Counters>>,
    /// For the tables that it makes.
    pub(super) projecting: Option<Box<dyn Guest>>,
    pub(super) wasm: Option<Bytes>,
    pub(super) loose: Vec<(String, String, &'static str)>,
    pub(super) stays: Option<String>,
    /// Whether it makes rows of events that the version in force leaves out.
    pub(super) projects_more: bool,
}

impl Services {
    pub(super) fn make_ready(&self, what: &What, order: Order) -> Result<Prepared, DeployError> {
        let prepared = self.prepare_aside(what, order);
        if let (Err(DeployError::Same(_)), What::Component { wasm, .. }) = (&prepared, what) {
            // What is kept of it may be damaged.
            let kept = self.deployer.workshop.keep(&digest(wasm), wasm);
            kept.map_err(DeployError::Failed)?;
        }
        prepared
    }

    /// Makes ready on a thread of its own, which gives way to the shards'.
    pub(super) fn prepare_aside(&self, what: &What, order: Order) -> Result<Prepared, DeployError> {
        let prepared = aside("zamu-deploy", || self.prepare(what, order));
        let prepared = prepared.context("the system has no thread for a deployment");
        let broken = |_| Err(DeployError::Failed(anyhow!("it broke off: see the node's log")));
        prepared.map_err(DeployError::Failed)?.unwrap_or_else(broken)
    }

    fn prepare(&self, what: &What, order: Order) -> Result<Prepared, DeployError> {
        let now = self.in_force.now();
        let history = &self.terms.history;
        let Order { principal, reason } = order;
        let proposal = Proposal { time: clock(), principal, reason };
        let (number, newest) = history.newest().unwrap_or_default();
        if now.topology.deployment != number {
            return Err(DeployError::Unfinished(number));
        }
        let (handler, deployment, wasm) = match what {
            What::Component { wasm, configuration, from } => {
                let handler = self.component(wasm, configuration.as_ref(), *from, &now)?;
                let deployment = proposal.replace(history, handler.spec(), *from);
                (handler, deployment, Some(wasm.clone()))
            }
            What::Configuration { handler, configuration } => {
                let digest = &now.loaded[position(&now, handler)?].spec().digest;
                let kept = self.deployer.workshop.load_kept(digest, configuration.clone());
                let handler = kept.map_err(DeployError::Kept)?;
                let deployment = proposal.replace(history, handler.spec(), None);
                (handler, deployment, None)
            }
            What::RollBack { handler, to, of } => {
                let index = position(&now, handler)?;
                still_in_force(&newest, handler, *of)?;
                let to = earlier(history, handler, *to)?;
                let (digest, configuration) = (&to.digest, to.configuration.clone());
                let kept = self.deployer.workshop.load_kept(digest, configuration);
                let handler = kept.map_err(DeployError::Kept)?;
                let from = comes_back_to(handler.spec(), now.loaded[index].spec());
                let deployment = proposal.roll_back(history, &to, from);
                (handler, deployment, None)
            }
        };
        let name = &handler.spec().name;
        let deployment = deployment.ok_or_else(|| DeployError::Same(name.to_string()))?;
        let mut loaded = now.loaded.clone();
        let (index, replaced) = match place(&loaded, name) {
            Ok(index) => (index, Some(std::mem::replace(&mut loaded[index], Arc::clone(&handler)))),
            Err(index) => {
                loaded.insert(index, Arc::clone(&handler));
                (index, None)
            }
        };
        let replaced = replaced.as_ref().map(|replaced| replaced.spec());
        let mut starts = starts(&deployment);
        for start in starts.values_mut().filter(|start| start.since == 0) {
            start.since = number + 1;
        }
        let topology = Topology::new(number + 1, self.types.clone(), specs(&loaded))?;
        let topology = topology.starting(starts);
        now.topology.may_be_succeeded_by(&topology)?;
        let stays = match (what, replaced) {
            (_, None) => Some(NEW.to_owned()),
            (What::RollBack { .. }, _) => Some(BROUGHT_BACK.to_owned()),
            (_, Some(replaced)) => {
                let from = comes_back_to(replaced, handler.spec());
                no_way_back(&topology, &now.loaded, (name, from))
            }
        };
        let stood_alone = loose(&now.topology);
        let mut loose = loose(&topology);
        loose.retain(|kind| !stood_alone.contains(kind));
        let before = newest.handlers.iter().find(|entry| *entry.name == **name).cloned();
        let is_projection = topology.projections().any(|projection| projection == index);
        let mut counters = Vec::new();
        // What was sent does not start, or what was kept.
        let broken = if wasm.is_some() { DeployError::Load } else { DeployError::Kept };
        let mut instance = || -> Result<Box<dyn Guest>, DeployError> {
            let guest = warm(&handler).map_err(|fault| broken(fault.into()))?;
            counters.push(guest.counters());
            Ok(Box::new(guest))
        };
        Ok(Prepared {
            instances: (0..self.shards.count()).map(|_| instance()).collect::<Result<_, _>>()?,
            projecting: is_projection.then(instance).transpose()?,
            counters,
            stays,
            projects_more: replaced.is_some_and(|replaced| projects_more(replaced, handler.spec())),
            before,
            topology: Arc::new(topology),
            handler,
            index,
            deployment,
            loaded,
            wasm,
            loose,
        })
    }

    /// A component that was sent. It keeps the configuration of the version in force unless it comes
    /// with another.
    fn component(
        &self,
        wasm: &Bytes,
        configuration: Option<&Bytes>,
        from: Option<StartFrom>,
        now: &Handlers,
    ) -> Result<Arc<Handler>, DeployError> {
        let load = |configuration: &Bytes| {
            let loaded = self.deployer.workshop.load(wasm, configuration.clone());
            loaded.map_err(DeployError::Load)
        };
        // Only the component itself says which handler it is.
        let handler = load(configuration.unwrap_or(&Bytes::new()))?;
        let name = &handler.spec().name;
        match (place(&now.loaded, name), from) {
            (Ok(index), _) => {
                let kept = &now.loaded[index].spec().configuration;
                let keeps = configuration.is_none() && !kept.is_empty();
                if keeps { load(kept) } else { Ok(handler) }
            }
            (Err(_), Some(_)) => Ok(handler),
            (Err(_), None) => {
                Err(DeployError::New { handler: name.to_string(), known: known(now) })
            }
        }
    }
}

impl Prepared {
    pub(super) fn deployed(self, swap: Option<Swap>) -> Deployed {
        let Self { handler, before, loose, stays, .. } = self;
        Deployed { spec: Arc::new(handler.spec().clone()), before, loose, stays, swap }
    }
}

/// An instance whose sandbox is there already, so that no turn waits for it.
fn warm(handler: &Arc<Handler>) -> Result<Instance, Fault> {
    let mut guest = handler.instance();
    guest.warm()?;
    Ok(guest)
}

/// Whether the next version makes rows of events that the one before leaves out.
fn projects_more(before: &HandlerSpec, next: &HandlerSpec) -> bool {
    !projected(next).is_subset(&projected(before))
}

/// The events of which a handler makes rows: type, and kind.
fn projected(spec: &HandlerSpec) -> BTreeSet<(&str, &Kind)> {
    let Manifest { types, kinds, projections, .. } = &spec.manifest;
    let of = |all: &'_ TypeKinds| {
        let r#type = &*types[all.aggregate_type as usize];
        let kinds = all.kinds.iter().map(|kind| (r#type, &kinds[*kind as usize]));
        kinds.collect::<Vec<_>>()
    };
    projections.iter().flat_map(of).collect()
}

/// Kinds that stand alone: of which type, which, and what is missing.
fn loose(topology: &Topology) -> Vec<(String, String, &'static str)> {
    let types = topology.types.iter().map(|t| (&*t.name, t.partitions));
    let specs: Vec<_> = topology.handlers.iter().map(|h| Arc::clone(&h.spec)).collect();
    let flow = Flow::of(types, &specs);
    let owned = flow.loose().map(|l| (l.aggregate_type.to_owned(), l.kind.to_owned(), l.what));
    owned.collect()
}

/// Why those before cannot take over again from the next ones, if that is so. `from` is where a rollback
/// would have the handler start.
fn no_way_back(
    next: &Topology,
    before: &[Arc<Handler>],
    (name, from): (&Arc<str>, Option<StartFrom>),
) -> Option<String> {
    let deployment = next.deployment + 1;
    let mut starts = next.starts().clone();
    starts.extend(from.map(|from| (Arc::clone(name), Start { from, since: deployment })));
    let misfit = match Topology::new(deployment, next.types.clone(), specs(before)) {
        Ok(back) => next.may_be_succeeded_by(&back.starting(starts)).err()?.to_string(),
        Err(misfit) => misfit.to_string(),
    };
    Some(format!("the version before cannot take over from it again: {misfit}"))
}

/// Where a handler is among others, in the order of names, or where it would be.
fn place(loaded: &[Arc<Handler>], name: &str) -> Result<HandlerIndex, HandlerIndex> {
    loaded.binary_search_by(|handler| (*handler.spec().name).cmp(name))
}

fn position(now: &Handlers, name: &str) -> Result<HandlerIndex, DeployError> {
    place(&now.loaded, name)
        .map_err(|_| DeployError::Unknown { handler: name.to_owned(), known: known(now) })
}

fn known(now: &Handlers) -> String {
    let known: Vec<&str> = now.loaded.iter().map(|handler| &*handler.spec().name).collect();
    known.join(", ")
}

/// Where a version starts that is brought back: it makes up for what it has missed, if that one has not
/// reacted to all that it reacts to.
fn comes_back_to(back: &HandlerSpec, now: &HandlerSpec) -> Option<StartFrom> {
    let types = |of: &HandlerSpec| -> BTreeSet<String> {
        let subscribed = of.manifest.subscriptions.iter();
        subscribed.map(|s| of.manifest.types[s.aggregate_type as usize].clone()).collect()
    };
    (!types(back).is_subset(&types(now))).then_some(StartFrom::Beginning)
}

/// Whether the version that is to be rolled back still is the one in force.
fn still_in_force(
    newest: &Deployment,
    handler: &str,
    of: Option<DeploymentNumber>,
) -> Result<(), DeployError> {
    let Some(of) = of else { return Ok(()) };
    let entry = newest.handlers.iter().find(|entry| entry.name == handler);
    match entry.map_or(0, |entry| entry.since) {
        since if since == of => Ok(()),
        since => Err(DeployError::Overtaken { handler: handler.to_owned(), of, since }),
    }
}

/// What to roll back to.
fn earlier(
    history: &History,
    handler: &str,
    to: Option<DeploymentNumber>,
) -> Result<DeployedHandler, DeployError> {
    match to {
        None => {
            let previous = previous(history, handler).map(|(_, entry)| entry);
            previous.ok_or_else(|| DeployError::First(handler.to_owned()))
        }
        Some(number) => history
            .entry(number, handler)
            .ok_or_else(|| DeployError::NoDeployment { number, handler: handler.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use zamu_core::guest::manifest::Class;
    use zamu_core::model::KindName;

    use super::*;

    fn spec(kinds: &[(&str, &str)]) -> HandlerSpec {
        let kind = |(name, schema): &(&str, &str)| -> Kind {
            let (name, schema) = ((*name).into(), (*schema).into());
            Arc::new(KindName { name, schema, ..KindName::default() })
        };
        let all = (0..kinds.len() as u32).collect();
        let manifest = Manifest {
            types: vec!["a".to_owned()],
            kinds: kinds.iter().map(kind).collect(),
            projections: vec![TypeKinds { aggregate_type: 0, kinds: all }],
            ..Manifest::default()
        };
        let (name, digest, configuration) = ("h".into(), String::new(), Bytes::new());
        HandlerSpec { name, digest, class: Class::Pure, manifest, configuration }
    }

    #[test]
    fn rows_of_another_kind_and_of_another_form_of_one_are_more_and_another_order_is_not() {
        let before = spec(&[("x", "1"), ("y", "1")]);
        assert!(!projects_more(&before, &spec(&[("y", "1"), ("x", "1")])));
        assert!(!projects_more(&before, &spec(&[("y", "1")])));
        assert!(projects_more(&before, &spec(&[("x", "1"), ("y", "1"), ("z", "1")])));
        assert!(projects_more(&before, &spec(&[("x", "2"), ("y", "1")])));
    }
}
