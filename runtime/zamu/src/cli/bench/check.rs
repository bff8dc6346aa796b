//! What only this program can check of a load: that its configuration is one, and, before anything is
//! started, that its handlers know what the load names.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use zamu::config::Config;
use zamu::handlers;
use zamu::json::Flow;
use zamu_bench::load::Plan;
use zamu_bench::overlay::{Host, configuration};

/// The configuration that would be run.
///
/// # Errors
/// When it is none: names the key.
pub(super) fn configured(plan: &Plan, host: &Host) -> Result<Config> {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let text = configuration(plan, host, Path::new("data"), nowhere)?;
    let origin = format!("{} with the load's overlays", plan.config.display());
    Config::parse(&text, &origin, std::env::vars()).map_err(Into::into)
}

/// Whether its handlers know the kinds that the load names. Loads them all.
///
/// # Errors
/// Names what there is not, or the component that cannot be loaded.
pub(super) fn kinds(plan: &Plan, config: &Config) -> Result<()> {
    let specs = handlers::describe(&config.handlers, &config.guest_limits())?;
    let types = config.types.iter().map(|(name, of)| (name.as_str(), of.partitions));
    let flow = serde_json::to_value(Flow::of(types, &specs))?;
    plan.fits(&serde_json::from_value(flow).context("the topology")?)
}
