//! What a start puts in force: what the configuration file has, or what was deployed since it last changed.
//!
//! All of it is loaded and bound before anything is written, so that a start that is refused leaves no
//! deployment behind.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use zamu_core::proto::Deployment;
use zamu_core::topology::{StartFrom, Topology, Types};
use zamu_rocks::EmbeddedLog;
use zamu_wasm::Handler;

use super::clock;
use crate::handlers::{Chosen, History, Proposal, Workshop, added, specs, starts};

/// The way out where what was deployed cannot run.
const FROM_FILE: &str =
    "`zamu run --handlers-from-file` starts with what the configuration file has instead";

/// A handler of the configuration file, and where that says that it starts.
pub(super) type Configured = (Arc<Handler>, Option<StartFrom>);

/// What a start puts in force.
pub(super) struct Start {
    /// Who does what.
    pub(super) topology: Arc<Topology>,
    /// The handlers, in the topology's order.
    pub(super) loaded: Vec<Arc<Handler>>,
    /// What is to be written, unless it is in force already.
    deployment: Option<Deployment>,
}

/// What is to be in force after a start: what the file has, or what was deployed since it last changed;
/// with `from_file` what the file has, whatever was deployed. Nothing is written.
///
/// # Errors
/// When a component that was deployed does not load, the fold of one has changed, or they do not fit
/// together.
pub(super) fn choose(
    types: &Types,
    history: &History,
    workshop: &Workshop,
    configured: &[Configured],
    from_file: bool,
) -> Result<Start> {
    let (number, newest) = history.newest().unwrap_or_default();
    let (mut all, mut others) = (Vec::new(), Vec::new());
    for (handler, from) in configured {
        let file = Chosen::of(handler.spec(), *from);
        let name = &handler.spec().name;
        let chosen = match from_file {
            true => file.clone(),
            false => Chosen::at_start(history, name, file.clone()),
        };
        if (&chosen.digest, &chosen.configuration) == (&file.digest, &file.configuration) {
            all.push((Arc::clone(handler), chosen.from, file));
            continue;
        }
        let kept = workshop.load_kept(&chosen.digest, chosen.configuration).with_context(|| {
            format!("handler `{name}`: the version that was deployed cannot run ({FROM_FILE})")
        })?;
        tracing::info!(
            handler = &**name,
            version = kept.spec().manifest.version,
            file = handler.spec().manifest.version,
            "what was deployed holds until the configuration file changes"
        );
        others.push(format!("`{name}`"));
        all.push((kept, chosen.from, file));
    }
    // With `from_file` those stay behind: no file has them.
    for entry in added(&newest).filter(|_| !from_file) {
        if configured.iter().any(|(handler, _)| *handler.spec().name == *entry.name) {
            continue;
        }
        let name = &entry.name;
        let kept = workshop.load_kept(&entry.digest, entry.configuration.clone());
        let kept = kept.with_context(|| {
            format!(
                "handler `{name}`, which was added while the node ran ({FROM_FILE}, without it)"
            )
        })?;
        let version = &entry.version;
        tracing::info!(handler = name, version, "added, and not in the configuration file");
        others.push(format!("`{name}`"));
        all.push((kept, StartFrom::named(&entry.from), Chosen::default()));
    }
    all.sort_by(|(a, ..), (b, ..)| a.spec().name.cmp(&b.spec().name));
    let files: Vec<Chosen> = all.iter().map(|(.., file)| file.clone()).collect();
    let chosen: Vec<_> =
        all.iter().map(|(handler, from, _)| (Arc::new(handler.spec().clone()), *from)).collect();
    let loaded: Vec<_> = all.into_iter().map(|(handler, ..)| handler).collect();
    let reason = if from_file { "zamu run --handlers-from-file" } else { "" }.to_owned();
    let proposal = Proposal { time: clock(), reason, ..Proposal::default() };
    let deployment = proposal.start(history, &files, &chosen)?;
    let number = number + u64::from(deployment.is_some());
    let mut starts = starts(deployment.as_ref().unwrap_or(&newest));
    for start in starts.values_mut().filter(|start| start.since == 0) {
        start.since = number;
    }
    let topology = Topology::new(number, types.clone(), specs(&loaded));
    let topology = topology.map_err(anyhow::Error::new).with_context(|| match &*others {
        [] => "the handlers of the configuration file do not fit together".to_owned(),
        others => format!(
            "what was deployed of {} and what the configuration file has do not fit together ({FROM_FILE})",
            others.join(", ")
        ),
    })?;
    Ok(Start { topology: Arc::new(topology.starting(starts)), loaded, deployment })
}

/// Puts in force what a start has chosen.
///
/// # Errors
/// When the log fails.
pub(super) fn enact(log: &EmbeddedLog, history: &History, start: &mut Start) -> Result<()> {
    let Some(deployment) = start.deployment.take() else { return Ok(()) };
    let (number, guessed) = (history.write(log, deployment)?, start.topology.deployment);
    ensure!(number == guessed, "the control topic gave number {number}, and {guessed} was next");
    tracing::info!(number, "new deployment");
    Ok(())
}
