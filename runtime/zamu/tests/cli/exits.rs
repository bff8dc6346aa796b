//! How a command ends: its exit code, and the remedy that is told with it.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::done::{Done, ZAMU, zamu};
use crate::node::Node;

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
