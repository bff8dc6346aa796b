//! `zamu run`: a node, from its configuration to its end.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use zamu_core::failpoints;

use crate::config::Config;
use crate::http::Server;
use crate::node::Node;
use crate::telemetry::start_logging;

/// What `zamu run` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "zamu.toml")]
    pub config: PathBuf,
    /// Folder of everything durable, instead of the configured one.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address and port to listen on, instead of the configured ones; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Put the configuration file's handlers in force, whatever was deployed since.
    ///
    /// The way out when what was deployed does not load, or does not fit to the file any more. It stands
    /// in the history. What was deployed may have written events and states that the file's handlers do
    /// not read: then its partitions are out of service until a version is deployed that does.
    #[arg(long)]
    pub handlers_from_file: bool,
}

/// Name of the file in the data directory that says where the node listens.
pub const ADDRESS_FILE: &str = "http-address";

/// Runs a node until it is told to stop (SIGTERM, SIGINT), or cannot go on.
///
/// # Errors
/// When it cannot start, with the remedy; or when it could not go on.
pub fn run(args: RunArgs) -> Result<()> {
    failpoints::check_environment()?;
    let config = configured(args)?;
    start_logging(&config.telemetry)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "zamu starts");
    let node = Node::start(&config)?;
    let http = runtime(&config)?;
    let served = http.block_on(serve(&config, &node));
    // Streams and reads that are still open end with the runtime; then nobody uses the log.
    http.shutdown_timeout(std::time::Duration::from_secs(5));
    let stopped = node.stop();
    served.and(stopped)
}

fn configured(args: RunArgs) -> Result<Config> {
    let mut config = Config::load(&args.config)?;
    if let Some(data) = args.data {
        ensure!(
            !data.as_os_str().is_empty(),
            "--data is empty: name the folder of everything durable"
        );
        config.data = data;
    }
    config.handlers_from_file = args.handlers_from_file;
    if let Some(listen) = args.listen {
        if !listen.ip().is_loopback() && !config.http.allow_remote {
            bail!(
                "--listen {listen} can be reached by others, and the interface has neither authentication nor TLS: use 127.0.0.1, or set `http.allow-remote = true` behind something that has both"
            );
        }
        config.http.listen = listen;
    }
    Ok(config)
}

fn runtime(config: &Config) -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(config.http_threads())
        .max_blocking_threads(8)
        .thread_name("zamu-http")
        .enable_all()
        .build()
        .context("cannot start the threads for HTTP")
}

async fn serve(config: &Config, node: &Node) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = Server::bind(node.services(), &config.http).await?;
    let address = server.address()?;
    tell_address(&config.data, address)?;
    tracing::info!("listening on http://{address}");
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(server.run(stopped));
    let end = async {
        node.ready().await?;
        // It ends with the shards, and then another branch says why.
        node.keep_watch().await;
        std::future::pending::<Result<()>>().await
    };
    let ended = tokio::select! {
        ended = end => ended,
        reason = node.failed() => Err(anyhow::anyhow!(reason)),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    tracing::info!("stopping: no new commands are taken");
    if ended.is_ok() {
        node.drain().await;
    }
    stop.send_replace(true);
    server.await.context("the HTTP server had panicked")?;
    ended
}

/// Written whole, by rename: whoever waits for the file reads all of it.
fn tell_address(data: &Path, address: SocketAddr) -> Result<()> {
    let path = data.join(ADDRESS_FILE);
    let temporary = data.join(format!("{ADDRESS_FILE}.tmp"));
    fs::write(&temporary, format!("{address}\n"))
        .and_then(|()| fs::rename(&temporary, &path))
        .with_context(|| format!("cannot write {}", path.display()))
}
