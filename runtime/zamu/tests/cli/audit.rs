//! `zamu audit`: what a stopped node has decided, decided once more by the components of then.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::configuration;
use crate::done::{Done, zamu};
use crate::forge::Forger;
use crate::node::{Files, Node};

/// The files of a node that has counted, refused, repeated, broken, and changed a handler meanwhile.
fn files() -> Files {
    let node = Node::start();
    for n in 0..6 {
        node.increment("a", &n.to_string(), 10).ok();
    }
    node.increment("a", "0", 10).ok();
    assert_eq!(node.increment("a", "0", 11).code, 3, "the id says something else");
    assert_eq!(node.increment("a", "much", 100).code, 3);
    node.act("1", "add 1").ok();
    assert_eq!(node.act("2", "trap").code, 4);
    let limit = node.folder.path().join("limit.toml");
    fs::write(&limit, "limit = 70\n").unwrap();
    node.ask(&["handlers", "configure", "counter", limit.to_str().unwrap()]).ok();
    node.increment("a", "6", 10).ok();
    assert_eq!(node.increment("a", "7", 10).code, 3);
    node.increment("b", "1", 5).ok();
    node.stop().start_with_another_counter().stop_after(|node| {
        node.increment("a", "8", 0).ok();
        node.increment("b", "2", 1).ok();
    })
}

impl Node {
    fn stop_after(self, what: impl FnOnce(&Self)) -> Files {
        what(&self);
        self.stop()
    }
}

impl Files {
    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn audit(&self, words: &[&str]) -> Done {
        self.ask(&[&["audit", "--json"], words].concat())
    }
}

fn list<'a>(report: &'a Value, name: &str) -> &'a Vec<Value> {
    report[name].as_array().unwrap()
}

#[test]
fn a_sound_history_agrees_under_every_deployment_and_no_file_is_changed() {
    let files = files();
    let before = files.bytes();
    let report = files.audit(&[]).ok().json();
    assert_eq!(files.bytes(), before);
    assert_eq!((&report["agrees"], &report["differenceCount"]), (&json!(true), &json!(0)));
    assert_eq!(report["requests"], 16, "{report}");
    assert_eq!(report["faults"], 1);
    assert!(report["events"].as_u64().unwrap() >= 10 && report["turns"].as_u64().unwrap() >= 10);
    assert_eq!(report["channels"], json!([]));
    let handlers = list(&report, "handlers");
    let counters: Vec<_> = handlers.iter().filter(|of| of["name"] == "counter").collect();
    assert_eq!(counters.len(), 2, "two components: {handlers:#?}");
    assert_ne!(counters[0]["digest"], counters[1]["digest"]);
    let deployments: usize =
        counters.iter().map(|of| of["deployments"].as_array().unwrap().len()).sum();
    assert_eq!(deployments, 3);
    // By the configuration file, too, and for people.
    let file = files.folder.path().join("zamu.toml");
    let shown = zamu(&["audit", "--config", file.to_str().unwrap()]).ok().out;
    for part in ["counter/", "animal/0", "1 fault: taken from dead letters", "all agrees"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn a_part_can_be_audited_by_partition_turn_and_time() {
    let files = files();
    let all = files.audit(&[]).ok().json();
    let zoo = files.audit(&["--type", "animal", "--partition", "0"]).ok().json();
    let turns = zoo["turns"].as_u64().unwrap();
    assert!(turns > 1 && turns < all["turns"].as_u64().unwrap());
    let last = ["--type", "animal", "--partition", "0", "--from", &turns.to_string()];
    assert_eq!(files.audit(&last).ok().json()["turns"], 1);
    let recent = files.audit(&["--from", "7d"]).ok().json();
    assert_eq!(recent["turns"], all["turns"]);
    let old = files.audit(&["--to", "2020-01-01"]);
    old.fails(2, "there is no turn in this range");
    files.audit(&["--from", "3"]).fails(2, "--type and --partition");
    files.audit(&["--type", "nothing"]).fails(2, "there is no aggregate type `nothing`");
}

#[test]
fn an_event_that_nobody_decided_is_found_by_its_place_and_shown_beside_what_was_due() {
    let files = files();
    let mut forger = Forger::open(&files.data());
    let (partition, like) = forger.newest_of("counter", "a");
    forger.lie(partition, &like, r#"{"by":10,"value":7000}"#);
    drop(forger);
    let done = files.audit(&[]);
    done.fails(1, "differs: ");
    let report = done.json();
    assert_eq!(report["agrees"], false);
    let found = list(&report, "differences");
    let of_event: Vec<_> = found.iter().filter(|of| of["subject"] == "event").collect();
    assert!(!of_event.is_empty(), "{found:#?}");
    let [first, ..] = &of_event[..] else { panic!("{found:#?}") };
    let key = String::from_utf8(like.key.to_vec()).unwrap();
    assert_eq!((&first["key"], &first["type"]), (&json!(key), &json!("counter")));
    assert_eq!(first["partition"], partition.number);
    assert!(first["recorded"].as_str().unwrap().contains("7000"), "{first}");
    assert_eq!((&first["altered"], &first["handler"]), (&json!(true), &json!("counter")));
    assert_eq!(first["digest"].as_str().unwrap().len(), 64);
    let turns: Vec<_> = found.iter().map(|of| of["turn"].clone()).collect();
    assert!(turns.iter().all(|turn| *turn == turns[0]), "nothing else: {found:#?}");
    let shown = files.ask(&["audit", "--limit", "1"]);
    assert_eq!(shown.code, 1);
    for part in ["recorded  ", "decided   ", "altered", " more: --limit", "by counter "] {
        assert!(shown.out.contains(part), "{part}: {shown:?}");
    }
}

/// The counter with another code for its refusals.
fn another_counter(files: &Files) -> PathBuf {
    let mut wasm = fs::read(configuration::guests().join("counter.wasm")).unwrap();
    let code = b"over-limit";
    let places: Vec<usize> =
        (0..wasm.len() - code.len()).filter(|at| wasm[*at..].starts_with(code)).collect();
    assert!(!places.is_empty());
    for at in places {
        wasm[at..at + code.len()].copy_from_slice(b"beyond-max");
    }
    let path = files.folder.path().join("other.wasm");
    fs::write(&path, wasm).unwrap();
    path
}

#[test]
fn another_component_is_found_by_what_it_decides_otherwise() {
    let files = files();
    let other = format!("counter={}", another_counter(&files).display());
    let done = files.audit(&["--component", &other]);
    // Of two requests, and of what the other counters' sum was asked because of some.
    done.fails(1, "4 differences found");
    let report = done.json();
    for found in list(&report, "differences") {
        assert!(found["subject"] == "request" || found["subject"] == "command", "{found}");
        assert_eq!(found["field"], "outcome");
        assert!(found["recorded"].as_str().unwrap().starts_with("refused over-limit"), "{found}");
        assert!(found["decided"].as_str().unwrap().starts_with("refused beyond-max"), "{found}");
        assert_eq!(found["altered"], false, "the log is as it was written");
    }
    let instead = list(&report, "handlers").iter().filter(|of| of.get("instead").is_some());
    assert_eq!(instead.count(), 2, "both versions");
    let same = configuration::guests().join("counter.wasm");
    files.audit(&["--component", &format!("counter={}", same.display())]).ok();
    let wrong = configuration::guests().join("zoo.wasm");
    files
        .audit(&["--component", &format!("counter={}", wrong.display())])
        .fails(2, "could not go on");
    files
        .audit(&["--component", "nobody=x.wasm"])
        .fails(2, "no handler `nobody` was ever in force");
}

#[test]
fn a_component_that_is_gone_is_named_with_what_would_do_instead() {
    let files = files();
    let report = files.audit(&[]).ok().json();
    let of_counter = list(&report, "handlers").iter().find(|of| of["name"] == "counter").unwrap();
    let digest = of_counter["digest"].as_str().unwrap().to_owned();
    fs::remove_file(files.data().join("components").join(format!("{digest}.wasm"))).unwrap();
    let done = files.audit(&[]);
    done.fails(2, "not audited: ");
    let report = done.json();
    let partitions = list(&report, "partitions");
    let why: Vec<_> = partitions.iter().filter_map(|of| of["stopped"].as_str()).collect();
    assert!(!why.is_empty());
    for part in [&*digest, "--component counter=FILE", "deployment 1", "back from a backup"] {
        assert!(why[0].contains(part), "{part}: {why:?}");
    }
    let same = configuration::guests().join("counter.wasm");
    files.audit(&["--component", &format!("counter={}", same.display())]).ok();
}

#[test]
fn what_retention_has_removed_is_refused_with_what_is_left_and_the_rest_is_audited() {
    let files = files();
    Forger::open(&files.data()).forget();
    let none = files.audit(&[]);
    none.fails(2, "there is no turn in this range");
    let node = Node::over(files.folder, "");
    // Something new, and a repetition of what is gone, which the counter still remembers.
    node.increment("a", "9", 0).ok();
    node.increment("a", "5", 10).ok();
    node.increment("b", "2", 1).ok();
    node.increment("b", "3", 1).ok();
    let files = node.stop();
    let report = files.audit(&[]).ok().json();
    assert!(report["turns"].as_u64().unwrap() >= 2, "{report}");
    assert!(report["asRecorded"].as_u64().unwrap() >= 1, "{report}");
    let refused = files.audit(&["--from", "2020-01-01"]);
    refused.fails(2, "older than what retention has left");
    refused.fails(2, "would do, or no --from at all");
    let line = refused.err.lines().find(|line| line.contains("counter/")).unwrap();
    assert!(line.contains(": turn "), "{refused:?}");
    let shown = files.ask(&["audit"]).ok().out;
    assert!(shown.contains("are gone (retention)"), "{shown}");
}

#[test]
fn a_data_directory_that_a_node_uses_or_that_is_none_is_refused() {
    let node = Node::start();
    let data = node.data();
    zamu(&["audit", "--data", data.to_str().unwrap()])
        .fails(2, "not audited: cannot read the data directory");
    let empty = tempfile::tempdir().unwrap();
    zamu(&["audit", "--data", empty.path().to_str().unwrap()])
        .fails(2, "cannot read the data directory");
    zamu(&["audit", "--config", "nowhere.toml"]).fails(2, "nowhere.toml");
}
