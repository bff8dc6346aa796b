//! The real program: started, told to stop, killed, started again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before a test gives up. Far beyond what it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program. Killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Process {
    fn start(folder: &Path) -> Self {
        // Left by the last one.
        drop(fs::remove_file(folder.join("data/http-address")));
        Self(command(folder).spawn().unwrap())
    }

    /// Asks it until it is ready, and gives its address.
    async fn ready(&mut self, folder: &Path) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < end, "not ready");
            assert!(self.0.try_wait().unwrap().is_none(), "it ended");
            if let Ok(address) = fs::read_to_string(folder.join("data/http-address")) {
                let url = format!("http://{}", address.trim());
                let answer = reqwest::get(format!("{url}/ready")).await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return url;
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zamu"));
    command.args(["run", "--config"]).arg(folder.join("zamu.toml")).stderr(Stdio::null());
    command
}

/// Runs it to an end that comes by itself.
fn run(folder: &Path) -> Output {
    command(folder).stderr(Stdio::piped()).output().unwrap()
}

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let target = || match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    };
    let guests =
        std::env::var_os("ZAMU_GUESTS_DIR").map_or_else(|| target().join("guests"), PathBuf::from);
    let guest = guests.join("counter.wasm");
    fs::copy(&guest, folder.path().join("counter.wasm")).unwrap_or_else(|error| {
        panic!("{}: {error}; run `cargo xtask guests` first", guest.display())
    });
    let text = "
data = \"data\"
[http]
listen = \"127.0.0.1:0\"
[types.counter]
partitions = 2
[handlers.counter]
component = \"counter.wasm\"
";
    fs::write(folder.path().join("zamu.toml"), text).unwrap();
    folder
}

async fn count(url: &str, ids: std::ops::Range<u64>) -> Vec<Value> {
    // Fewer for each key than it remembers.
    let entry = |n: u64| {
        json!({
            "specversion": "1.0", "id": n.to_string(), "source": "test", "type": "Increment",
            "aggregatetype": "counter", "subject": format!("k{}", n % 7), "data": { "by": n },
        })
    };
    let list: Vec<Value> = ids.map(entry).collect();
    let request = reqwest::Client::new().post(format!("{url}/commands"));
    let request = request.header("prefer", "wait=60").header("content-type", "application/json");
    let answer = request.body(json!(list).to_string()).send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_stop_ends_in_good_order() {
    let folder = folder();
    for signal in ["-TERM", "-INT"] {
        let mut process = Process::start(folder.path());
        let url = process.ready(folder.path()).await;
        count(&url, 1..100).await;
        process.signal(signal);
        let status = tokio::task::block_in_place(|| process.0.wait()).unwrap();
        assert!(status.success(), "{signal}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_answers_as_before() {
    let folder = folder();
    let mut process = Process::start(folder.path());
    let url = process.ready(folder.path()).await;
    let before = count(&url, 1..400).await;
    process.signal("-KILL");
    drop(process);
    let mut process = Process::start(folder.path());
    let url = process.ready(folder.path()).await;
    let after = count(&url, 1..400).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before["duplicate"], &after["duplicate"]), (&json!(false), &json!(true)));
        assert_eq!(after["first"], before["offset"]);
        for member in ["outcome", "sequences", "reply", "key"] {
            assert_eq!(after[member], before[member], "{after}");
        }
    }
    assert_eq!(after.len(), 399);
}

/// All events of a counter, as (kind, time, cause).
async fn events(url: &str, key: &str) -> Vec<(String, u64, Value)> {
    let path = format!("{url}/aggregates/counter/{key}/events");
    let page: Value =
        serde_json::from_str(&reqwest::get(path).await.unwrap().text().await.unwrap()).unwrap();
    let event = |event: &Value| {
        let kind = event["kind"].as_str().unwrap().to_owned();
        (kind, event["time"].as_u64().unwrap(), event["cause"].clone())
    };
    page["events"].as_array().unwrap().iter().map(event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_answered_once_however_often_the_node_is_killed_before_and_after() {
    const IDLE_MS: u64 = 2_000;
    let folder = folder();
    let file = folder.path().join("zamu.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}configuration = {{ idle_ms = {IDLE_MS} }}\n")).unwrap();
    let mut process = Process::start(folder.path());
    let url = process.ready(folder.path()).await;
    count(&url, 1..60).await;
    // At once, and again as soon as it can be asked.
    for _ in 0..2 {
        process.signal("-KILL");
        drop(process);
        process = Process::start(folder.path());
        process.ready(folder.path()).await;
    }
    let keys: Vec<String> = (0..7).map(|n| format!("k{n}")).chain(["total".into()]).collect();
    let url = process.ready(folder.path()).await;
    let end = Instant::now() + PATIENCE;
    for key in &keys {
        while events(&url, key).await.last().is_none_or(|(kind, ..)| kind != "WasReset") {
            assert!(Instant::now() < end, "{key} is not told its deadline");
            tokio::task::yield_now().await;
        }
    }
    process.signal("-KILL");
    drop(process);
    let mut process = Process::start(folder.path());
    let url = process.ready(folder.path()).await;
    for key in &keys {
        let events = events(&url, key).await;
        let resets = events.iter().filter(|(kind, ..)| kind == "WasReset").count();
        assert_eq!(resets, 1, "{key}: {events:?}");
        let [.., (_, counted, _), (_, reset, cause)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(cause["wake"]["deadline"], json!(counted + IDLE_MS), "{key}");
        assert!(*reset >= counted + IDLE_MS, "{key} was told too early: {events:?}");
    }
}

async fn get(url: &str, path: &str) -> Value {
    let answer = reqwest::get(format!("{url}{path}")).await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// Until all events are in the rows that are served, and nothing is made anew.
async fn caught_up(url: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < end, "tables never caught up");
        let told = get(url, "/tables").await;
        let done = |of: &Value| {
            let parts = of["serving"]["partitions"].as_array().unwrap();
            of["building"].is_null() && parts.iter().all(|part| part["lag"] == 0)
        };
        if told["projections"].as_array().unwrap().iter().all(done) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_node_that_was_killed_again_and_again_are_the_fold_of_its_events() {
    let folder = folder();
    for round in 0..4 {
        let mut process = Process::start(folder.path());
        let url = process.ready(folder.path()).await;
        count(&url, round * 300 + 1..round * 300 + 300).await;
        if round % 2 == 1 {
            let rebuild = format!("{url}/projections/counter/rebuild");
            let answer = reqwest::Client::new().post(rebuild).send().await.unwrap();
            assert!(answer.status().is_success());
        }
        // Wherever its tables are.
        process.signal("-KILL");
    }
    let mut process = Process::start(folder.path());
    let url = process.ready(folder.path()).await;
    caught_up(&url).await;
    for key in (0..7).map(|n| format!("k{n}")) {
        let events = get(&url, &format!("/aggregates/counter/{key}/events?limit=1000")).await;
        let events = events["events"].as_array().unwrap();
        assert!(events.len() > 150, "{key}: {}", events.len());
        let row = get(&url, &format!("/tables/counters/rows/{key}")).await;
        assert_eq!(row["value"]["value"], events.last().unwrap()["data"]["value"], "{row}");
        let path = format!("/tables/counts/rows?prefix={key}%2F&limit=1000");
        let rows = get(&url, &path).await["rows"].as_array().unwrap().clone();
        let fold = events.iter().map(|event| {
            let key = format!("{key}/{:020}", event["sequence"].as_u64().unwrap());
            let value = json!({ "by": event["data"]["by"], "at": event["time"] });
            json!({ "key": key, "value": value })
        });
        assert_eq!(rows, fold.collect::<Vec<_>>(), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_has_one_node_at_a_time() {
    let folder = folder();
    let mut process = Process::start(folder.path());
    let url = process.ready(folder.path()).await;
    let second = tokio::task::block_in_place(|| run(folder.path()));
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(told.contains("is in use by"), "{told}");
    assert_eq!(count(&url, 1..2).await[0]["status"], 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_what_was_deployed_is_gone_it_says_the_word_that_starts_it_with_its_file() {
    let folder = folder();
    let mut process = Process::start(folder.path());
    let url = process.ready(folder.path()).await;
    let mut wasm = fs::read(folder.path().join("counter.wasm")).unwrap();
    // A custom section without a name or content: other bytes, and the same rules.
    wasm.extend([0, 1, 0]);
    let request = reqwest::Client::new().post(format!("{url}/handlers")).body(wasm);
    let told: Value =
        serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(told["deployment"], 2, "{told}");
    drop(process);
    let digest = told["digest"].as_str().unwrap();
    fs::remove_file(folder.path().join(format!("data/components/{digest}.wasm"))).unwrap();
    let word = "--handlers-from-file";
    let output = run(folder.path());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains(word), "{told}");
    fs::remove_file(folder.path().join("data/http-address")).unwrap();
    let mut process = Process(command(folder.path()).arg(word).spawn().unwrap());
    let url = process.ready(folder.path()).await;
    assert_eq!(get(&url, "/deployments").await[0]["reason"], "zamu run --handlers-from-file");
}

#[test]
fn a_configuration_that_is_wrong_ends_it_with_the_key_named() {
    let folder = folder();
    let file = folder.path().join("zamu.toml");
    let good = fs::read_to_string(&file).unwrap();
    for (text, part) in [
        (good.replace("listen", "listens"), "http.listens"),
        (good.replace("127.0.0.1", "0.0.0.0"), "http.allow-remote"),
        (good.replace("counter.wasm", "absent.wasm"), "absent.wasm"),
    ] {
        fs::write(&file, text).unwrap();
        let output = run(folder.path());
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(part), "{told}");
    }
    fs::remove_file(&file).unwrap();
    let told = String::from_utf8_lossy(&run(folder.path()).stderr).into_owned();
    assert!(told.contains("zamu.toml") && told.contains("--config"), "{told}");
}

/// A test that arms a point in vain would find nothing, and say that all is well.
#[test]
fn a_failpoint_that_this_build_does_not_have_ends_it_with_the_remedy() {
    let folder = folder();
    let points = if cfg!(feature = "failpoints") { "die-after-lunch=3" } else { "" };
    let mut command = command(folder.path());
    command.env("ZAMU_FAILPOINTS", points).stderr(Stdio::piped());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    let remedy = if cfg!(feature = "failpoints") { "die-after-written" } else { "--features" };
    assert!(told.contains("ZAMU_FAILPOINTS") && told.contains(remedy), "{told}");
}

/// A deployment that an operator was told of is in force after any end, and none is half in force.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_stop_in_the_middle_of_a_deployment_has_made_it_or_has_not() {
    let folder = folder();
    let component = fs::read(folder.path().join("counter.wasm")).unwrap();
    let mut process = Process::start(folder.path());
    let mut url = process.ready(folder.path()).await;
    // To add nothing is no command.
    let (mut newest, mut sent) = (1, 1);
    for round in 0..6_u8 {
        // A custom section, which means nothing to anybody.
        let next = [&component[..], &[0, 3, 1, b'm', round]].concat();
        let request = reqwest::Client::new().post(format!("{url}/handlers")).body(next).send();
        let deploying = tokio::spawn(request);
        let load = count(&url, sent..sent + 20 * u64::from(round));
        sent += 20 * u64::from(round);
        let counted = load.await;
        assert!(counted.iter().all(|answer| answer["outcome"] == "accepted"), "{counted:?}");
        let signal = if round % 3 == 2 { "-KILL" } else { "-TERM" };
        process.signal(signal);
        let status = tokio::task::block_in_place(|| process.0.wait()).unwrap();
        assert!(status.success() || signal == "-KILL", "{status}");
        let answer = deploying.await.unwrap();
        process = Process::start(folder.path());
        url = process.ready(folder.path()).await;
        let told = reqwest::get(format!("{url}/handlers")).await.unwrap().text().await.unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        let number = told["deployment"].as_u64().unwrap();
        assert!([newest, newest + 1].contains(&number), "{told}");
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            assert_eq!(number, newest + 1, "it was told that it is in force");
        }
        newest = number;
        sent += 1;
        assert_eq!(count(&url, sent - 1..sent).await[0]["outcome"], "accepted");
        let last = events(&url, &format!("k{}", (sent - 1) % 7)).await;
        assert!(!last.is_empty());
    }
}
