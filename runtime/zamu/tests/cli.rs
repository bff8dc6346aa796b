//! The command line against the real binary: a node as a process of its own, asked by other
//! processes, and its files read after it has stopped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

const ZAMU: &str = env!("CARGO_BIN_EXE_zamu");
/// How long anything may take before a test gives up. Far beyond what it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node as a process. It ends with this value.
struct Node {
    folder: TempDir,
    process: Child,
    url: String,
}

/// What a command left behind.
#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Node {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("zamu.toml"), configuration(&folder)).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new(ZAMU)
            .args(["run", "--listen", "127.0.0.1:0", "--config"])
            .arg(folder.path().join("zamu.toml"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut node = Self { folder, process, url: String::new() };
        let address = node.data().join(zamu::run::ADDRESS_FILE);
        node.until("it says where it listens", || address.exists());
        let address = std::fs::read_to_string(address).unwrap();
        node.url = format!("http://{}", address.trim());
        let url = node.url.clone();
        node.until("its partitions run", || {
            let done = zamu(&["topics", "--json", "--node", &url]);
            done.code == 0
                && done.json().as_array().unwrap().iter().all(|topic| topic["status"] == "running")
        });
        node
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Polls until something holds; it fails when the process ends or nothing happens for long.
    fn until(&mut self, what: &str, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(self.process.try_wait().unwrap().is_none(), "the node has ended: {}", log());
            assert!(start.elapsed() < PATIENCE, "gave up waiting until {what}: {}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks the running node.
    fn ask(&self, words: &[&str]) -> Done {
        zamu(&[words, &["--node", &self.url]].concat())
    }

    fn increment(&self, key: &str, id: &str, by: u64) -> Done {
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

    fn act(&self, id: &str, body: &str) -> Done {
        let more = ["--id", id, "--content-type", "text/plain", "--wait", "60", "--json"];
        self.ask(&[&["send", "animal", "a", "Act", body], &more[..]].concat())
    }

    /// Ends it in good order and leaves its files.
    fn stop(mut self) -> Files {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let ended = self.process.wait().unwrap();
        assert!(ended.success(), "{ended}");
        let folder = std::mem::replace(&mut self.folder, TempDir::new().unwrap());
        Files { folder }
    }
}

impl Node {
    /// Kills it where it stands and leaves its files.
    fn kill(mut self) -> Files {
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
struct Files {
    folder: TempDir,
}

impl Files {
    fn ask(&self, words: &[&str]) -> Done {
        let data = self.folder.path().join("data");
        zamu(&[words, &["--data", data.to_str().unwrap()]].concat())
    }
}

impl Files {
    /// All files with their bytes.
    fn bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
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

impl Done {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    #[track_caller]
    fn fails(&self, code: i32, part: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.contains(part), "should tell `{part}`: {self:?}");
    }
}

fn zamu(words: &[&str]) -> Done {
    Done::of(Command::new(ZAMU).args(words).env_remove("ZAMU_NODE").output().unwrap())
}

/// Counters up to 100, and the zoo of misbehaving handlers.
fn configuration(folder: &TempDir) -> String {
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    // Compiled once for all tests and later runs.
    let compiled = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/zamu-compiled"));
    zamu_wasm::cache::Cache::open(&compiled).unwrap();
    std::os::unix::fs::symlink(&compiled, data.join("compiled")).unwrap();
    let guests = guests();
    format!(
        r#"
data = {data:?}
[types.counter]
partitions = 3
[types.animal]
partitions = 1
[types.keeper]
partitions = 1
[handlers.counter]
component = "{guests}/counter.wasm"
configuration = {{ limit = 100 }}
[handlers.zoo]
component = "{guests}/zoo.wasm"
"#,
        guests = guests.display(),
    )
}

fn guests() -> PathBuf {
    let target = || match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    };
    let guests =
        std::env::var_os("ZAMU_GUESTS_DIR").map_or_else(|| target().join("guests"), PathBuf::from);
    assert!(
        guests.join("counter.wasm").exists(),
        "{}: run `cargo xtask guests` first (or set ZAMU_GUESTS_DIR)",
        guests.display()
    );
    guests.canonicalize().unwrap()
}

/// In one order for all: a node's stream has none between partitions.
fn sorted(mut events: Vec<Value>) -> Vec<Value> {
    let place = |event: &Value| {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        (text("type"), event["partition"].as_u64().unwrap(), event["number"].as_u64().unwrap())
    };
    events.sort_by_key(place);
    events
}

#[test]
fn a_node_and_its_files_tell_the_same() {
    let mut node = Node::start();
    for (key, by) in [("a", 1), ("b/ü %", 2), ("a", 3), ("c", 4)] {
        node.increment(key, &format!("{key}{by}"), by).ok();
    }
    node.act("1", "trap").fails(4, "animal/0/1");
    // Every increment of a counter is added to the total, by choreography.
    let url = node.url.clone();
    node.until("all is added up", || {
        let total = zamu(&["state", "counter", "total", "--json", "--node", &url]);
        total.code == 0 && total.json()["sequence"] == 4
    });

    let asks: [&[&str]; 6] = [
        &["events", "--json"],
        &["events", "--json", "--type", "counter", "--key", "a"],
        &["events", "--json", "--type", "counter", "--key", "a", "--after", "1"],
        &["events", "--json", "--kind", "Incremented", "--type", "counter"],
        &["dead-letters", "list", "--json"],
        &["dead-letters", "show", "animal/0/1", "--json"],
    ];
    let live: Vec<Vec<Value>> = asks.iter().map(|ask| node.ask(ask).ok().lines()).collect();
    let state = node.ask(&["state", "counter", "b/ü %", "--json"]).ok().json();
    let topics = node.ask(&["topics", "--json"]).ok().json();
    let files = node.stop();

    assert_eq!(live.iter().map(Vec::len).collect::<Vec<_>>(), [8, 2, 1, 8, 1, 1]);
    for (ask, live) in asks.iter().zip(live) {
        let stored = files.ask(ask).ok().lines();
        if ask[0] == "events" {
            assert_eq!(sorted(stored), sorted(live), "{ask:?}");
        } else {
            assert_eq!(stored, live, "{ask:?}");
        }
    }
    let mut stored = files.ask(&["state", "counter", "b/ü %", "--json"]).ok().json();
    let stored = stored.as_object_mut().unwrap();
    assert_eq!(stored.remove("storeTurn"), stored.remove("logTurn"), "stopped in good order");
    assert_eq!(Value::Object(stored.clone()), state);
    let mut stopped = files.ask(&["topics", "--json"]).ok().json();
    for topic in stopped.as_array_mut().unwrap() {
        assert_eq!(topic["status"], "stopped");
        topic["status"] = json!("running");
    }
    assert_eq!(stopped, topics);
}

#[test]
fn an_import_is_applied_once_however_often_it_is_run() {
    let node = Node::start();
    let csv = node.folder.path().join("visits.csv");
    let map = node.folder.path().join("map.toml");
    let rows: String = (0..50).map(|n| format!("k{},{}\n", n % 7, n % 3 + 1)).collect();
    std::fs::write(&csv, format!("who,by\n{rows}big,1000\n")).unwrap();
    let mapping = "[[commands]]\ntype='counter'\nkey='{who}'\nkind='Increment'\ndata={by='{by}'}";
    std::fs::write(&map, mapping).unwrap();
    let (csv, map) = (csv.to_str().unwrap(), map.to_str().unwrap());

    // Cells of CSV are texts, and this handler wants numbers.
    node.ask(&["import", csv, "--map", map]).fails(3, "51 commands");
    let jsonl = node.folder.path().join("visits.jsonl");
    let line = |n: u64| json!({ "who": format!("k{}", n % 7), "by": n % 3 + 1 }).to_string();
    let lines: Vec<String> =
        (0..50).map(line).chain([r#"{"who":"big","by":1000}"#.into()]).collect();
    std::fs::write(&jsonl, lines.join("\n")).unwrap();
    let jsonl = jsonl.to_str().unwrap();
    let import = ["import", jsonl, "--map", map, "--batch", "8"];

    let dry = node.ask(&[&import[..], &["--dry-run"]].concat()).ok().out;
    assert!(dry.contains("51 Increment of counter"), "{dry}");
    let state = node.ask(&["state", "counter", "k1"]);
    state.fails(1, "k1");

    let first = node.ask(&import);
    first.fails(3, "1 commands");
    assert!(
        first.out.contains("line 51: Increment of counter/big refused: over-limit"),
        "{first:?}"
    );
    assert!(first.out.contains("done: 50 accepted, 1 refused"), "{first:?}");
    let before = node.ask(&["state", "counter", "k1", "--json"]).ok().json();
    let again = node.ask(&[&import[..], &["--json"]].concat());
    again.fails(3, "1 commands");
    assert_eq!(again.lines().last().unwrap()["done"]["duplicates"], 50);
    assert_eq!(node.ask(&["state", "counter", "k1", "--json"]).ok().json(), before);
}

#[test]
fn an_import_that_was_broken_off_goes_on_where_it_ended() {
    let node = Node::start();
    let file = node.folder.path().join("a.jsonl");
    let line = |n: u64| {
        // No node takes so long a key.
        let key = if n == 13 { "k".repeat(2_000) } else { format!("k{n}") };
        json!({ "aggregatetype": "counter", "subject": key, "type": "Increment", "data": { "by": 1 } })
            .to_string()
    };
    std::fs::write(&file, (1..=20).map(line).collect::<Vec<_>>().join("\n")).unwrap();
    let import = ["import", file.to_str().unwrap(), "--batch", "5"];
    let broken_off = node.ask(&import);
    broken_off.fails(1, "line 13");
    let again = node.ask(&import);
    again.fails(1, "line 13");
    assert!(again.out.contains("10 commands were answered before"), "{again:?}");
    // Another node knows nothing of it.
    let other = Node::start();
    let elsewhere = other.ask(&import);
    elsewhere.fails(1, "line 13");
    assert!(!elsewhere.out.contains("answered before"), "{elsewhere:?}");
    other.ask(&["state", "counter", "k10"]).ok();
}

#[test]
fn the_topology_of_a_node_is_that_of_its_configuration() {
    let node = Node::start();
    let file = node.folder.path().join("zamu.toml");
    let file = file.to_str().unwrap();
    let running = node.ask(&["topology", "--json"]).ok().json();
    let configured = zamu(&["topology", "--config", file, "--json"]).ok().json();
    assert_eq!(running, configured);
    let text = zamu(&["topology", "--config", file]).ok().out;
    assert!(text.contains("owned by counter") && text.contains("from clients"), "{text}");
    let svg = node.folder.path().join("t.svg");
    node.ask(&["topology", "--svg", svg.to_str().unwrap()]).ok();
    assert!(std::fs::read_to_string(svg).unwrap().contains(">Increment<"));
}

#[test]
fn every_event_is_one_line_with_its_provenance() {
    let node = Node::start();
    node.increment("a", "1", 1).ok();
    let files = node.stop();
    let done = files.ask(&["events", "--json"]).ok();
    let events = done.lines();
    let event = &events[0];
    assert_eq!(event["id"], "counter/a/1");
    assert_eq!((&event["kind"], &event["sequence"]), (&json!("Incremented"), &json!(1)));
    assert_eq!(event["cause"]["request"], json!({ "offset": 0, "source": "zamu-cli", "id": "1" }));
    assert_eq!(event["handler"]["name"], "counter");
    assert_eq!(event["handler"]["digest"].as_str().unwrap().len(), 64);
    assert_eq!(event["data"], json!({ "by": 1, "value": 1 }));
    let people = files.ask(&["events"]).ok().out;
    assert!(people.contains("counter/a/1  Incremented  by counter"), "{people}");
}

#[test]
fn exit_codes_tell_refused_and_broken_from_wrong() {
    let node = Node::start();
    let accepted = node.increment("a", "1", 7).ok().json();
    assert_eq!(
        (&accepted["outcome"], &accepted["sequences"], &accepted["reply"]),
        (&json!("accepted"), &json!([1]), &json!(7))
    );
    assert_eq!(node.increment("a", "1", 7).ok().json()["duplicate"], true);
    let refused = node.increment("a", "2", 100);
    refused.fails(3, "refused: ");
    assert_eq!(refused.json()["outcome"], "refused");
    let fault = node.act("1", "trap");
    fault.fails(4, "zamu dead-letters show animal/0/1");
    assert_eq!(fault.json()["deadLetter"], "animal/0/1");

    node.ask(&["send", "nobody", "a", "Increment"]).fails(1, "nobody");
    node.ask(&["send", "counter", "a", "Decrement"]).fails(1, "Decrement");
    node.ask(&["state", "counter", "absent"]).fails(1, "`absent`");
    node.ask(&["events", "--type", "nobody", "--key", "a"]).fails(1, "nobody");
    node.ask(&["dead-letters", "show", "animal/0/9"]).fails(1, "dead letter 9");
    node.ask(&["topics", "resume", "counter", "9"]).fails(1, "partitions 0 to 2");
    zamu(&["send", "counter"]).fails(2, "Usage");
    let data = node.data();
    zamu(&["topics", "--data", data.to_str().unwrap()]).fails(1, "in use");
}

#[test]
fn without_a_node_or_its_files_the_remedy_is_told() {
    let nobody = ["topics", "--node", "http://127.0.0.1:1"];
    for part in ["http://127.0.0.1:1", "zamu run", "--data"] {
        zamu(&nobody).fails(1, part);
    }
    let folder = TempDir::new().unwrap();
    let nowhere = folder.path().join("nowhere");
    for command in [&["topics"][..], &["events"], &["state", "t", "k"], &["dead-letters", "list"]] {
        let words = [command, &["--data", nowhere.to_str().unwrap()]].concat();
        zamu(&words).fails(1, "nowhere");
    }
    assert!(!nowhere.exists(), "reading makes nothing");
}

#[test]
fn the_environment_names_a_node_and_files_do_not_care() {
    let ask = |words: &[&str]| {
        Done::of(Command::new(ZAMU).args(words).env("ZAMU_NODE", "no-url").output().unwrap())
    };
    ask(&["topics"]).fails(1, "ZAMU_NODE is `no-url`");
    let folder = TempDir::new().unwrap();
    ask(&["topics", "--data", folder.path().to_str().unwrap()]).fails(1, "holds no data");
}

#[test]
fn a_body_may_come_from_the_standard_input() {
    let node = Node::start();
    let mut process = Command::new(ZAMU)
        .args(["send", "counter", "a", "Increment", "-", "--wait", "--json", "--node", &node.url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(b"{\"by\": 5}").unwrap();
    let done = Done::of(process.wait_with_output().unwrap()).ok();
    assert_eq!(done.json()["reply"], 5);
}

#[test]
fn rows_are_told_by_a_node_and_by_its_files() {
    let mut node = Node::start();
    for id in 1..=9_u64 {
        node.increment(&format!("k{}", id % 3), &id.to_string(), 1).ok();
    }
    let last = node.increment("k1", "10", 5).ok().json();
    let position = last["position"].as_str().unwrap();
    let row = node.ask(&["query", "counters", "k1", "--min-position", position, "--json"]);
    let row = row.ok().json();
    assert_eq!((&row["value"]["value"], &row["stale"]), (&json!(8), &json!(null)), "{row}");
    let shown = node.ask(&["query", "counters", "k1"]).ok().out;
    assert!(shown.contains("\"highest\": 8"), "{shown}");

    let url = node.url.clone();
    let caught_up = || {
        let told = zamu(&["tables", "--json", "--node", &url]).ok().json();
        let parts = told["projections"][0]["serving"]["partitions"].as_array().unwrap().clone();
        parts.iter().all(|part| part["lag"] == 0)
    };
    node.until("its tables have caught up", caught_up);
    let table = node.ask(&["tables"]).ok().out;
    assert!(table.contains("counters  counter     counter"), "{table}");
    let done = node.ask(&["tables", "rebuild", "counter"]).ok().out;
    assert!(done.contains("is served: "), "{done}");
    assert_eq!(node.ask(&["tables", "resume", "counter", "--json"]).ok().json()["resumed"], 0);
    node.until("its tables have caught up", caught_up);

    let told = node.ask(&["query", "counts", "--prefix", "k", "--all", "--json"]).ok().out;
    assert_eq!(told.lines().count(), 10, "{told}");
    let some = node.ask(&["query", "counts", "--limit", "3"]).ok().out;
    assert_eq!(some.lines().count(), 3, "{some}");
    node.ask(&["query", "nothing"]).fails(1, "no table `nothing`");
    node.ask(&["query", "counters", "absent"]).fails(1, "no row `absent`");
    node.ask(&["tables", "rebuild", "nobody"]).fails(1, "`nobody`");

    let files = node.stop();
    assert_eq!(files.ask(&["query", "counts", "--prefix", "k", "--all", "--json"]).ok().out, told);
    let again = files.ask(&["query", "counters", "k1", "--json"]).ok().json();
    assert_eq!(again["value"], row["value"]);
    let tables = files.ask(&["tables", "--json"]).ok().json();
    assert_eq!(tables["projections"][0]["serving"]["events"]["done"], 20, "{tables}");
    files.ask(&["query", "nothing"]).fails(1, "no table `nothing`");
    files.ask(&["query", "counters", "absent"]).fails(1, "no row `absent`");
}

#[test]
fn dead_letters_are_redriven_one_by_one_or_by_partition() {
    let node = Node::start();
    for id in ["1", "2"] {
        assert_eq!(node.act(id, "trap").code, 4);
    }
    let one = node.ask(&["dead-letters", "redrive", "animal/0/2", "--json"]).ok().lines();
    assert_eq!((one.len(), &one[0]["key"]), (1, &json!("a")));
    let all = node.ask(&["dead-letters", "redrive", "animal/0", "--json"]).ok().lines();
    assert_eq!(all.len(), 2, "in vain so far, so both are open still");
    let nothing = node.ask(&["dead-letters", "redrive", "counter/1"]).ok().out;
    assert_eq!(nothing, "nothing is open there\n");
    assert_eq!(
        node.ask(&["topics", "resume", "counter", "1", "--json"]).ok().json(),
        json!({ "resumed": false })
    );
}

#[test]
fn a_limit_and_a_reader_that_stops_end_the_output() {
    let node = Node::start();
    for number in 0..5 {
        node.increment("a", &number.to_string(), 1).ok();
    }
    let limited = node.ask(&["events", "--json", "--limit", "2"]).ok();
    assert_eq!(limited.lines().len(), 2);
    let files = node.stop();
    assert_eq!(files.ask(&["events", "--json", "--limit", "2"]).ok().lines().len(), 2);

    // Nobody reads: an end, and no error.
    let data = files.folder.path().join("data");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(ZAMU)
        .args(["events", "--json", "--data", data.to_str().unwrap()])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    Done::of(output).ok();
}

#[test]
fn the_files_of_a_killed_node_show_all_that_was_answered_and_stay_as_they_are() {
    let node = Node::start();
    for number in 0..20 {
        node.increment("a", &number.to_string(), 1).ok();
    }
    let files = node.kill();
    let before = files.bytes();
    let events = files.ask(&["events", "--json", "--type", "counter", "--key", "a"]).ok().lines();
    let sequences: Vec<u64> = events.iter().map(|e| e["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (1..=20).collect::<Vec<_>>());
    files.ask(&["topics"]).ok();
    files.ask(&["dead-letters", "list"]).ok();
    // Flushed or not: the state is shown, or it is said where the events are.
    let state = files.ask(&["state", "counter", "a", "--json"]);
    if state.code != 0 {
        state.fails(1, "events may be in the log");
    }
    let after = files.bytes();
    let names = |files: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        files.iter().map(|(path, _)| path.clone()).collect()
    };
    assert_eq!(names(&after), names(&before));
    for ((path, before), (_, after)) in before.iter().zip(&after) {
        assert!(before == after, "{} was changed by reading", path.display());
    }
}
