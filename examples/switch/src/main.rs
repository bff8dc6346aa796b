//! `switch-demo`: shows real transfers going through the host, and a crash that loses none.

use std::process::ExitCode;

use clap::Parser;
use switch::show::note;

// One thread: both cores are the host's, as far as possible.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = switch::Args::parse();
    // While it serves, Ctrl-C is the ordinary end; before, it ends the host with us.
    let ended = tokio::select! {
        ended = switch::run(&args) => ended,
        _ = tokio::signal::ctrl_c(), if !args.serve => Err(anyhow::anyhow!("interrupted")),
        () = terminated() => Err(anyhow::anyhow!("terminated")),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            note("something was lost, doubled, unbalanced or ended as it must not: see above");
            ExitCode::FAILURE
        }
        Err(error) => {
            note(format_args!("error: {error:#}"));
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
