//! What a node tells of its log and its states, and what its files tell of them when it is down.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::done::{Done, ZAMU, zamu};
use crate::node::Node;

/// In one order for all: a node's stream has none between partitions.
fn sorted(mut events: Vec<Value>) -> Vec<Value> {
    let place = |event: &Value| {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        (text("type"), event["partition"].as_u64().unwrap(), event["number"].as_u64().unwrap())
    };
    events.sort_by_key(place);
    events
}

/// Bodies that are not JSON: a node has their handler show them, files show them as they are.
fn leave_out_foreign_bodies(told: &mut Value) {
    match told {
        Value::Array(entries) => entries.iter_mut().for_each(leave_out_foreign_bodies),
        Value::Object(members) => {
            if members.get("contentType").is_some_and(|form| form != "application/json") {
                let shown = [members.remove("data"), members.remove("dataBase64")];
                assert_eq!(shown.iter().flatten().count(), 1, "{members:?}");
            }
            members.values_mut().for_each(leave_out_foreign_bodies);
        }
        _ => {}
    }
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
        let mut stored = files.ask(ask).ok().lines();
        let mut live = live;
        for told in stored.iter_mut().chain(&mut live) {
            leave_out_foreign_bodies(told);
        }
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

#[test]
fn all_is_shown_however_little_a_node_tells_at_once() {
    let mut node = Node::with("[http]\npage-max = 2");
    for number in 0..5 {
        node.increment("a", &number.to_string(), 1).ok();
    }
    let events = ["events", "--json", "--type", "counter", "--key", "a"];
    let sequences = |events: &[&str]| -> Vec<u64> {
        let events = node.ask(events).ok().lines();
        events.iter().map(|event| event["sequence"].as_u64().unwrap()).collect()
    };
    assert_eq!(sequences(&events), [1, 2, 3, 4, 5]);
    assert_eq!(sequences(&[&events[..], &["--after", "2", "--limit", "2"]].concat()), [3, 4]);
    let url = node.url.clone();
    let query = ["query", "counts", "--prefix", "a", "--all", "--json", "--node", &url];
    node.until("its tables have caught up", || zamu(&query).ok().lines().len() == 5);
    for limit in [1, 2, 3, 5] {
        let told = node.ask(&["query", "counts", "--prefix", "a", "--limit", &limit.to_string()]);
        assert_eq!(told.ok().out.lines().count(), limit);
    }
}
