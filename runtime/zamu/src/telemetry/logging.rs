//! Log lines: to standard error, as text or as JSON.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Telemetry};

/// Starts writing log lines. Once per process.
///
/// # Errors
/// If the filter is not understood, or another logger runs already.
pub fn start_logging(settings: &Telemetry) -> Result<()> {
    let filter = EnvFilter::try_new(&settings.log)
        .with_context(|| format!("configuration: `telemetry.log` is `{}`", settings.log))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("log lines cannot be written: {error}"))
}
