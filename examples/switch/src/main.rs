//! `switch-demo`: shows real transfers going through the host, and a crash that loses none.
//!
//! Driver and payee are plain HTTP clients of the host, which is a process of its own and knows
//! nothing of transfers. `demo` puts the parts together; `load` is the payer's side, `payee` the
//! other; `node` is the host's process; `audit` and `books` count at the end.

mod args;
mod audit;
mod books;
mod client;
mod demo;
mod environment;
mod load;
mod node;
mod pace;
mod payee;
mod provision;
mod report;
mod show;
mod split;
mod stream;
mod tally;
mod transfer;

use std::process::ExitCode;

use clap::Parser;

// One thread: both cores are the host's, as far as possible.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = args::Args::parse();
    // While it serves, Ctrl-C is the ordinary end; before, it ends the host with us.
    let ended = tokio::select! {
        ended = demo::run(&args) => ended,
        _ = tokio::signal::ctrl_c(), if !args.serve => Err(anyhow::anyhow!("interrupted")),
        () = terminated() => Err(anyhow::anyhow!("terminated")),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            show::note("something was lost, doubled or unbalanced: see above");
            ExitCode::FAILURE
        }
        Err(error) => {
            show::note(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Until SIGTERM: whoever stops us does not leave the host behind.
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}
