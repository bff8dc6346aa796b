//! `zamu handlers`: versions in force, versions that were, and orders.

use std::fs;

use serde_json::{Value, json};

use crate::configuration;
use crate::done::zamu;
use crate::node::Node;

fn in_force(told: &Value) -> &Value {
    told["handlers"].as_array().unwrap().iter().find(|of| of["name"] == "counter").unwrap()
}

#[test]
fn a_configuration_is_put_in_force_shown_and_rolled_back() {
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("limits.toml");
    fs::write(&file, "limit = 3\n").unwrap();
    let file = file.to_str().unwrap();
    let tried = node.ask(&["handlers", "configure", "counter", file, "--dry-run"]);
    assert!(tried.out.contains("could take over"), "{tried:?}");
    let done = node.ask(&["handlers", "configure", "counter", file, "--reason", "less & less"]);
    assert!(done.out.starts_with("deployment 2: counter "), "{done:?}");
    let refused = node.ask(&["send", "counter", "a", "Increment", "{\"by\":4}", "--wait"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    let list = node.ask(&["handlers", "list", "--json"]).json();
    assert_eq!(in_force(&list)["configuration"], json!({ "limit": 3 }));
    let shown = node.ask(&["handlers", "inspect", "counter"]);
    for part in ["counter ", "deployment 2", "{\"limit\":3}", "counter: Increment", "Incremented"] {
        assert!(shown.out.contains(part), "{part}: {shown:?}");
    }
    let late = node.ask(&["handlers", "rollback", "counter", "--of", "1"]);
    late.fails(1, "deployment 2 has put another version of `counter` in force");
    let back = node.ask(&["handlers", "rollback", "counter", "--of", "2"]).ok();
    assert!(back.out.starts_with("deployment 3: counter "), "{back:?}");
    assert!(back.out.contains("! it is not rolled back by itself if it breaks: "), "{back:?}");
    let history = node.ask(&["handlers", "history", "counter"]);
    let lines: Vec<&str> = history.out.lines().collect();
    assert_eq!(lines.len(), 4, "{history:?}");
    assert!(lines[2].contains("anonymous") && lines[2].ends_with("less & less"), "{history:?}");
    assert!(lines[3].contains("a start"), "{history:?}");
    let again = node.ask(&["handlers", "rollback", "counter"]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("no earlier version"), "{again:?}");
    // The files of the stopped node say the same, but for who is behind: that the shards know.
    let questions = ["list", "history"];
    let mut told = questions.map(|what| node.ask(&["handlers", what, "--json"]).json());
    assert_eq!(told[0].as_object_mut().unwrap().remove("behind"), Some(serde_json::json!([])));
    let files = node.stop();
    let stored = questions.map(|what| files.ask(&["handlers", what, "--json"]).json());
    assert_eq!(stored, told);
}

#[test]
fn what_cannot_be_put_in_force_is_told_with_its_reason() {
    let node = Node::start();
    let component = configuration::guests().join("counter.wasm");
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long.json");
    fs::write(&long, json!({ "text": "x".repeat(70_000) }).to_string()).unwrap();
    let twice = folder.path().join("twice.json");
    fs::write(&twice, "{\"limit\":1,\"limit\":2}").unwrap();
    let (component, long, twice) =
        (component.to_str().unwrap(), long.to_str().unwrap(), twice.to_str().unwrap());
    for (words, parts) in [
        (&["deploy", component][..], &["in force already", "`counter`"][..]),
        (&["deploy", component, "--configuration", long], &["handlers configure"]),
        (&["configure", "counter", twice], &["`limit` stands there twice"]),
        (&["deploy", "nowhere.wasm"], &["cannot read the component nowhere.wasm"]),
        (&["inspect", "nobody"], &["no handler `nobody`", "there are counter, zoo"]),
        (&["configure", "counter", "nowhere.json"], &["cannot read", "nowhere.json"]),
        (&["rollback", "counter", "--to", "9"], &["deployment 9", "history"]),
    ] {
        let done = node.ask(&[&["handlers"], words].concat());
        assert_eq!(done.code, 1, "{done:?}");
        for part in parts {
            assert!(done.err.contains(part), "{part}: {done:?}");
        }
    }
    assert_eq!(zamu(&["handlers"]).code, 2, "it says which orders there are");
}
