//! A host under test: a folder of its own, deaths of every kind, and its files read when it is down.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use switch::client::Client;
use switch::node::{self, Node};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::plan;

/// How long anything may take before a test gives up. Far beyond what it takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at something that tells nobody when it changes.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

/// So seldom that what a run does is not in the store when it dies.
const SELDOM: &str = "3600000";

/// See the file's head.
pub(crate) struct Host {
    pub(crate) node: Node,
    pub(crate) client: Client,
    folder: TempDir,
    /// Bytes of the host's log that earlier incarnations wrote.
    log_before: usize,
}

/// What an incarnation is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arming {
    /// Failpoints, as `ZAMU_FAILPOINTS` takes them.
    pub(crate) points: Vec<String>,
    /// Whether changed states go to the store all the time, instead of hardly ever.
    pub(crate) flushes: bool,
}

impl Arming {
    pub(crate) fn points(points: &[&str]) -> Self {
        let points = points.iter().map(|point| (*point).to_owned()).collect();
        Self { points, flushes: false }
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let (every, chunk) = if self.flushes { ("5", "2") } else { (SELDOM, "256") };
        vec![
            // Always set: a build without failpoints refuses to start, and says how to build one.
            ("ZAMU_FAILPOINTS", self.points.join(",")),
            ("ZAMU_STORE_FLUSH_EVERY_MS", every.to_owned()),
            ("ZAMU_STORE_FLUSH_CHUNK", chunk.to_owned()),
            ("ZAMU_TELEMETRY_LOG_FORMAT", "json".to_owned()),
        ]
    }
}

impl Host {
    /// Starts one that has its participants and accounts, and nothing else.
    pub(crate) async fn start(arming: &Arming) -> Self {
        let provisioned = PROVISIONED.get_or_init(provision).await;
        let folder = tempfile::tempdir().unwrap();
        copy(&provisioned.join("data"), &folder.path().join("data"));
        let (node, client) = start(folder.path(), arming).await;
        Self { node, client, folder, log_before: 0 }
    }

    /// Starts it again, after it has ended.
    pub(crate) async fn restart(&mut self, arming: &Arming) {
        self.log_before = self.log().len();
        self.node.restart_with(arming.variables()).unwrap();
    }

    /// Waits until it has died of a failpoint.
    pub(crate) async fn dies(&mut self) {
        let mut children = signal(SignalKind::child()).unwrap();
        loop {
            if let Some(status) = self.node.ended().unwrap() {
                // SIGABRT: no other way out of the program ends in it.
                assert_eq!(status.signal(), Some(6), "{status}: {}", self.log());
                return;
            }
            // Some child ended, not only this one.
            let ended = timeout(PATIENCE, children.recv()).await;
            assert!(ended.is_ok(), "its failpoint was never reached");
        }
    }

    /// Turns that its last incarnation folded when it started.
    pub(crate) fn folded_turns(&self) -> u64 {
        let log = self.log();
        let lines = log[self.log_before..].lines();
        let fields = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let fields = fields.map(|mut line| line["fields"].take());
        fields
            .filter(|fields| fields["message"] == "partition restored")
            .filter_map(|fields| fields["turns"].as_u64())
            .sum()
    }

    /// Cuts the power, after the process has died: of the log stays what surely was on the disk, of
    /// the store, which is never synced before an answer, nothing that was not in sorted files.
    pub(crate) fn cut_power(&self) {
        let log = self.folder.path().join("data/log");
        let note = fs::read_to_string(log.join("zamu.synced")).expect("`note-synced` was armed");
        let synced = |name: &str| {
            let line = note.lines().find_map(|line| line.strip_suffix(name)?.strip_suffix(' '));
            line.map_or(0, |length| length.parse().unwrap())
        };
        let mut cut = 0;
        for (path, name) in write_ahead_logs(&log) {
            cut += shorten(&path, synced(&name));
        }
        assert!(cut > 0, "nothing was written that was not synced: {note}");
        for (path, _) in write_ahead_logs(&self.folder.path().join("data/store")) {
            shorten(&path, 0);
        }
    }

    /// All events in its files, a line each, as they are shown while it is down.
    pub(crate) fn events(&self) -> String {
        self.read(&["events"])
    }

    /// All deployments in its files.
    pub(crate) fn history(&self) -> Value {
        serde_json::from_str(&self.read(&["handlers", "history"])).unwrap()
    }

    fn read(&self, what: &[&str]) -> String {
        let data = self.folder.path().join("data");
        let output = Command::new(zamu()).args(what).args(["--json", "--data"]).arg(data).output();
        let output = output.unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "its files cannot be read: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("zamu.log")).unwrap()
    }
}

/// The folder of a host that has what every test begins with. Compiling the handlers is most of a
/// first start, so that is done once.
static PROVISIONED: OnceCell<PathBuf> = OnceCell::const_new();

async fn provision() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("crash-provisioned");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    let (mut node, client) = start(&folder, &Arming::default()).await;
    for request in plan::provision() {
        let answers = client.ask(request.batch()).await.unwrap();
        assert!(answers[0].get().starts_with(r#"{"status":200"#), "{answers:?}");
    }
    node.stop().unwrap();
    folder
}

async fn start(folder: &Path, arming: &Arming) -> (Node, Client) {
    let mut node = node::start(&zamu(), &guests(), folder, arming.variables()).unwrap();
    let client = Client::new(node.address).unwrap();
    node.ready(&client).await.unwrap();
    (node, client)
}

/// The binary that was built beside this test.
fn zamu() -> PathBuf {
    let binary = target().join("debug/zamu");
    assert!(
        binary.is_file(),
        "no {}: build it with `cargo build --workspace --features failpoints`",
        binary.display()
    );
    binary
}

pub(crate) fn guests() -> PathBuf {
    std::env::var_os("ZAMU_GUESTS_DIR").map_or_else(|| target().join("guests"), PathBuf::from)
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned()
}

fn write_ahead_logs(folder: &Path) -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = files.map(|file| (file.path(), file.file_name().into_string().unwrap()));
    named.filter(|(_, name)| name.ends_with(".log")).collect()
}

/// Returns how many bytes were cut off.
fn shorten(path: &Path, length: u64) -> u64 {
    let file = fs::File::options().write(true).open(path).unwrap();
    let before = file.metadata().unwrap().len();
    file.set_len(length.min(before)).unwrap();
    before.saturating_sub(length)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.metadata().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
