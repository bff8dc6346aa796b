//! A node as a process of its own, and its files after it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::configuration;
use crate::done::{Done, ZAMU, zamu};

/// The value that a counter may reach.
const LIMIT: u64 = 100;

/// How long anything may take before a test gives up. Far beyond what it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node as a process. It ends with this value.
pub(crate) struct Node {
    pub(crate) folder: TempDir,
    process: Child,
    pub(crate) url: String,
    log: Receiver<String>,
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// The same, with more configuration.
    pub(crate) fn with(more: &str) -> Self {
        Self::over(TempDir::new().unwrap(), more)
    }

    /// The same, over the files of a node that was stopped.
    pub(crate) fn over(folder: TempDir, more: &str) -> Self {
        Self::of(folder, more, None)
    }

    /// The same, where another component may be the counter.
    fn of(folder: TempDir, more: &str, counter: Option<&Path>) -> Self {
        std::fs::write(
            folder.path().join("zamu.toml"),
            configuration::text(&folder.path().join("data"), more, LIMIT),
        )
        .unwrap();
        let variables = counter.map(|component| ("ZAMU_HANDLERS_COUNTER_COMPONENT", component));
        let mut process = Command::new(ZAMU)
            .args(["run", "--listen", "127.0.0.1:0", "--config"])
            .arg(folder.path().join("zamu.toml"))
            .envs(variables)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = follow(process.stderr.take().unwrap());
        let mut node = Self { folder, process, url: String::new(), log };
        node.url = node.says_where_it_listens();
        let url = node.url.clone();
        node.until("its partitions run", || {
            let done = zamu(&["topics", "--json", "--node", &url]);
            done.code == 0
                && done.json().as_array().unwrap().iter().all(|topic| topic["status"] == "running")
        });
        node
    }

    fn says_where_it_listens(&self) -> String {
        let mut log = Vec::new();
        let end = Instant::now() + PATIENCE;
        while let Ok(line) = self.log.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if line.contains("listening on ") {
                let address = self.data().join(zamu::run::ADDRESS_FILE);
                let address = std::fs::read_to_string(address).unwrap();
                return format!("http://{}", address.trim());
            }
            log.push(line);
        }
        panic!("it does not say where it listens: {log:#?}");
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Looks again and again, each time by a process of its own, until something holds; it fails
    /// when the node ends or nothing happens for long.
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            let log = || self.log.try_iter().collect::<Vec<_>>();
            assert!(self.process.try_wait().unwrap().is_none(), "the node has ended: {:#?}", log());
            assert!(start.elapsed() < PATIENCE, "gave up waiting until {what}: {:#?}", log());
            thread::yield_now();
        }
    }

    /// Asks the running node.
    pub(crate) fn ask(&self, words: &[&str]) -> Done {
        zamu(&[words, &["--node", &self.url]].concat())
    }

    pub(crate) fn increment(&self, key: &str, id: &str, by: u64) -> Done {
        let body = json!({ "by": by }).to_string();
        self.ask(&[
            "send",
            "counter",
            key,
            "Increment",
            &body,
            "--id",
            id,
            "--wait",
            "60",
            "--json",
        ])
    }

    pub(crate) fn act(&self, id: &str, body: &str) -> Done {
        let more = ["--id", id, "--content-type", "text/plain", "--wait", "60", "--json"];
        self.ask(&[&["send", "animal", "a", "Act", body], &more[..]].concat())
    }

    /// Ends it in good order and leaves its files.
    pub(crate) fn stop(mut self) -> Files {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let ended = self.process.wait().unwrap();
        assert!(ended.success(), "{ended}");
        let folder = std::mem::replace(&mut self.folder, TempDir::new().unwrap());
        Files { folder }
    }

    /// Kills it where it stands and leaves its files.
    pub(crate) fn kill(mut self) -> Files {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let folder = std::mem::replace(&mut self.folder, TempDir::new().unwrap());
        Files { folder }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The files of a node that was stopped.
pub(crate) struct Files {
    pub(crate) folder: TempDir,
}

impl Files {
    /// Starts a node over them again, with a counter that does the same and is another component.
    pub(crate) fn start_with_another_counter(self) -> Node {
        let mut component = std::fs::read(configuration::guests().join("counter.wasm")).unwrap();
        // An empty custom section named `x`.
        component.extend([0, 2, 1, b'x']);
        let another = self.folder.path().join("another-counter.wasm");
        std::fs::write(&another, component).unwrap();
        Node::of(self.folder, "", Some(&another))
    }

    pub(crate) fn ask(&self, words: &[&str]) -> Done {
        let data = self.folder.path().join("data");
        zamu(&[words, &["--data", data.to_str().unwrap()]].concat())
    }

    /// All files with their bytes.
    pub(crate) fn bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut folders = vec![self.folder.path().join("data")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(path);
                } else if entry.file_type().unwrap().is_file() {
                    let bytes = std::fs::read(&path).unwrap();
                    files.push((path, bytes));
                }
            }
        }
        files.sort();
        files
    }
}

/// The lines of its log as they come.
fn follow(stderr: ChildStderr) -> Receiver<String> {
    let (lines, log) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Read to its end even if nobody wants it: a full pipe would hold the node up.
            drop(lines.send(line));
        }
    });
    log
}
