//! The operator: gives orders with the host's own command line, as people do.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::process::Command;

use crate::client::Client;

/// Who gives orders to one host.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    zamu: PathBuf,
    url: String,
}

/// What came of putting a version of a handler in force.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deployed {
    /// Its number.
    pub(crate) deployment: u64,
    /// The version that took over.
    pub(crate) version: String,
    /// For how long any shard stood still for it, at most, in microseconds.
    pub(crate) stall_us: u64,
}

impl Operator {
    /// The operator of the host that this client talks to.
    pub(crate) fn new(zamu: &Path, client: &Client) -> Self {
        Self { zamu: zamu.to_owned(), url: client.url().to_owned() }
    }

    /// Puts a component in force.
    ///
    /// # Errors
    /// When the host refuses it.
    pub(crate) async fn deploy(&self, component: &Path, reason: &str) -> Result<Deployed> {
        let words = ["handlers".as_ref(), "deploy".as_ref(), component.as_os_str()];
        self.order(&words, &["--reason", reason]).await
    }

    /// Brings the version before back, if what this deployment put in force still is.
    ///
    /// # Errors
    /// When it is not, or there is no version before.
    pub(crate) async fn roll_back(&self, handler: &str, of: u64, reason: &str) -> Result<Deployed> {
        let of = of.to_string();
        self.order(&["handlers", "rollback", handler], &["--of", &of, "--reason", reason]).await
    }

    /// Has these dead letters processed again.
    ///
    /// # Errors
    /// When the host does not answer, or one is not open.
    pub(crate) async fn redrive(&self, letters: &[String]) -> Result<()> {
        let words = ["dead-letters", "redrive"].into_iter();
        let words: Vec<&str> = words.chain(letters.iter().map(String::as_str)).collect();
        self.run(&words).await.map(drop)
    }

    /// How a process went, for people.
    ///
    /// # Errors
    /// When the host knows nothing of it.
    pub(crate) async fn trace(&self, id: &str) -> Result<String> {
        self.run(&["trace", id]).await
    }

    async fn order<T: DeserializeOwned>(
        &self,
        words: &[impl AsRef<OsStr>],
        options: &[&str],
    ) -> Result<T> {
        let all = words.iter().map(AsRef::as_ref).chain(options.iter().map(OsStr::new));
        let all: Vec<&OsStr> = all.chain([OsStr::new("--json")]).collect();
        let told = self.run(&all).await?;
        serde_json::from_str(&told).with_context(|| format!("not the expected answer: {told}"))
    }

    async fn run(&self, words: &[impl AsRef<OsStr>]) -> Result<String> {
        let mut command = Command::new(&self.zamu);
        command.args(words).env("ZAMU_NODE", &self.url).kill_on_drop(true);
        let shown = || {
            let words = words.iter().map(|word| word.as_ref().to_string_lossy());
            format!("zamu {}", words.collect::<Vec<_>>().join(" "))
        };
        let ended = command.output().await.with_context(|| format!("cannot run {}", shown()))?;
        let said = String::from_utf8_lossy(&ended.stderr);
        ensure!(ended.status.success(), "{} failed: {}", shown(), said.trim());
        String::from_utf8(ended.stdout).with_context(|| format!("{} says no text", shown()))
    }
}
