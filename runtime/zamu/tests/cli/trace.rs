//! A process is traced through every aggregate, by whatever id is at hand, by a node and by its
//! files alike.

use serde_json::{Value, json};

use crate::done::zamu;
use crate::node::Node;

/// The steps, each as its depth, what it is, and its id.
fn steps(trace: &Value) -> Vec<(u64, String, String)> {
    let text = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
    let steps = trace["steps"].as_array().unwrap();
    steps.iter().map(|s| (s["depth"].as_u64().unwrap(), text(s, "step"), text(s, "id"))).collect()
}

fn expected(steps: &[(u64, &str, &str)]) -> Vec<(u64, String, String)> {
    steps.iter().map(|(depth, step, id)| (*depth, (*step).into(), (*id).into())).collect()
}

#[test]
fn a_process_is_traced_by_whatever_id_is_at_hand_in_a_node_and_in_its_files() {
    let mut node = Node::start();
    node.increment("a", "1", 7).ok();
    node.increment("b", "2", 3).ok();
    node.increment("a", "3", 100).fails(3, "over-limit");
    let url = node.url.clone();
    node.until("all is added up", || {
        let total = zamu(&["state", "counter", "total", "--json", "--node", &url]);
        total.code == 0 && total.json()["sequence"] == 2
    });
    let first = [
        (0, "request", "zamu-cli/1"),
        (1, "event", "counter/a/1"),
        (2, "command", "counter/a/1/counter/0"),
        (3, "event", "counter/total/1"),
    ];
    let refused = (0, "request", "zamu-cli/3");
    let of_a = expected(&[&first[..], &[refused]].concat());
    let asks = [
        ("a", "aggregate", of_a.clone()),
        ("counter/a", "aggregate", of_a),
        ("counter/a/1", "event", expected(&first)),
        ("counter/total/1", "event", expected(&first)),
        ("counter/a/1/counter/0", "command", expected(&first)),
        ("1", "request", expected(&first)),
        ("zamu-cli/1", "request", expected(&first)),
        ("zamu-cli/3", "request", expected(&[refused])),
    ];
    let live: Vec<Value> =
        asks.iter().map(|(id, ..)| node.ask(&["trace", id, "--json"]).ok().json()).collect();
    for ((id, found, expected), trace) in asks.iter().zip(&live) {
        assert_eq!((&trace["found"], &trace["id"]), (&json!(found), &json!(id)), "{trace}");
        assert_eq!(steps(trace), *expected, "{id}");
        assert_eq!((&trace["partial"], &trace["notes"]), (&json!(false), &json!([])), "{trace}");
    }
    let both = node.ask(&["trace", "total", "--json"]).ok().json();
    assert_eq!(steps(&both).iter().filter(|(depth, ..)| *depth == 0).count(), 2);
    let newest = node.ask(&["trace", "total", "--limit", "1", "--json"]).ok().json();
    assert_eq!(steps(&newest).len(), 4);
    assert_eq!(newest["partial"], true, "{newest}");
    let files = node.stop();
    for ((id, ..), live) in asks.iter().zip(&live) {
        assert_eq!(files.ask(&["trace", id, "--json"]).ok().json(), *live, "{id}");
    }
}

#[test]
fn a_refusal_tells_code_handler_version_and_how_long_it_took() {
    let node = Node::start();
    node.increment("a", "1", 7).ok();
    node.increment("a", "2", 100).fails(3, "over-limit");
    let trace = node.ask(&["trace", "zamu-cli/2", "--json"]).ok().json();
    let step = &trace["steps"][0];
    assert_eq!((&step["outcome"], &step["code"]), (&json!("refused"), &json!("over-limit")));
    assert_eq!(step["decidedBy"]["name"], "counter");
    assert_eq!(step["decidedBy"]["digest"].as_str().unwrap().len(), 64);
    assert!(step["decidedAt"].as_u64() >= step["at"].as_u64(), "{step}");
    assert_eq!(step["data"], json!({ "by": 100 }));
    let people = node.ask(&["trace", "zamu-cli/2"]).ok().out;
    for part in ["Increment → counter/a", "refused over-limit: ", "by counter 0.1.0 #", " ms)"] {
        assert!(people.contains(part), "{part}: {people}");
    }
}

#[test]
fn a_command_that_broke_its_handler_shows_its_dead_letter_and_a_duplicate_its_first() {
    let node = Node::start();
    node.act("1", "trap").fails(4, "animal/0/1");
    node.increment("a", "1", 7).ok();
    assert_eq!(node.increment("a", "1", 7).ok().json()["duplicate"], true);
    let fault = node.ask(&["trace", "animal/a", "--json"]).ok().json();
    let dead = [(0, "request", "zamu-cli/1"), (1, "deadLetter", "animal/0/1")];
    assert_eq!(steps(&fault), expected(&dead));
    let letter = &fault["steps"][1];
    assert_eq!((&letter["reason"], &letter["open"]), (&json!("trap"), &json!(true)));
    assert_eq!(letter["handler"]["name"], "zoo");
    assert_eq!(letter["handler"]["version"], "0.1.0");

    let both = node.ask(&["trace", "zamu-cli/1", "--json"]).ok().json();
    let outcomes: Vec<&Value> = both["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["step"] == "request" && step["type"] == "counter")
        .map(|step| &step["outcome"])
        .collect();
    assert_eq!(outcomes, ["accepted", "duplicate"], "{both}");
}

#[test]
fn an_unknown_id_is_told_what_ids_there_are() {
    let node = Node::start();
    node.increment("a", "1", 7).ok();
    for id in ["absent", "counter/absent", "counter/a/2", "zamu-cli/2"] {
        for part in [id, "TYPE/KEY/SEQUENCE", "SOURCE/ID", "was looked through", "404"] {
            node.ask(&["trace", id]).fails(1, part);
        }
    }
    let files = node.stop();
    files.ask(&["trace", "absent"]).fails(1, "TYPE/KEY/SEQUENCE");
}

#[test]
fn the_files_of_a_killed_node_tell_what_its_store_does_not_know_yet() {
    let node = Node::start();
    for number in 1..=5 {
        node.increment("a", &number.to_string(), 1).ok();
    }
    node.increment("a", "6", 100).fails(3, "over-limit");
    let live = node.ask(&["trace", "counter/a", "--json"]).ok().json();
    let stored = node.kill().ask(&["trace", "counter/a", "--json"]).ok().json();
    let requests = |trace: &Value| -> Vec<String> {
        let steps = steps(trace).into_iter().filter(|(_, step, _)| step == "request");
        steps.map(|(.., id)| id).collect()
    };
    assert_eq!(requests(&stored), (1..=6).map(|n| format!("zamu-cli/{n}")).collect::<Vec<_>>());
    assert_eq!(requests(&stored), requests(&live));
}

#[test]
fn a_dead_letter_that_was_mended_shows_what_came_of_it_under_which_component() {
    // Too little fuel for anything, then enough.
    let node =
        Node::with("[limits]\nfuel-per-item = 100\nfuel-per-byte = 1\nfuel-overhead-per-item = 1");
    node.increment("a", "1", 7).fails(4, "counter/");
    let broken = node.ask(&["trace", "zamu-cli/1", "--json"]).ok().json();
    let letter = broken["steps"][1]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        steps(&broken),
        expected(&[(0, "request", "zamu-cli/1"), (1, "deadLetter", &letter)])
    );
    let mut node = node.stop().start_with_another_counter();
    node.ask(&["dead-letters", "redrive", &letter]).ok();
    let url = node.url.clone();
    node.until("it is added up", || {
        let total = zamu(&["state", "counter", "total", "--json", "--node", &url]);
        total.code == 0 && total.json()["sequence"] == 1
    });
    let all = [
        (0, "request", "zamu-cli/1"),
        (1, "deadLetter", letter.as_str()),
        (2, "event", "counter/a/1"),
        (3, "command", "counter/a/1/counter/0"),
        (4, "event", "counter/total/1"),
    ];
    for id in ["zamu-cli/1", "counter/a", "counter/total/1"] {
        let mended = node.ask(&["trace", id, "--json"]).ok().json();
        assert_eq!(steps(&mended), expected(&all), "{id}: {mended}");
        let step = &mended["steps"][1];
        assert_eq!((&step["open"], &step["outcome"]), (&json!(false), &json!("accepted")));
        // Who broke is another than who then decided, and that is told.
        let handler = |step: usize| &mended["steps"][step]["handler"];
        assert!(handler(1)["deployment"].as_u64() < handler(2)["deployment"].as_u64(), "{mended}");
        assert_ne!(handler(1)["digest"], handler(2)["digest"], "{mended}");
        assert_eq!(handler(2), handler(4), "{mended}");
    }
}
