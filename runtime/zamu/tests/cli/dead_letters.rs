//! `zamu dead-letters`: listed, and processed again.

use serde_json::json;

use crate::node::Node;

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
fn all_are_listed_however_few_a_node_tells_at_once() {
    let node = Node::with("[http]\npage-max = 2");
    for id in 1..=5 {
        assert_eq!(node.act(&id.to_string(), "trap").code, 4);
    }
    let ids = |list: serde_json::Value| -> Vec<serde_json::Value> {
        list.as_array().unwrap().iter().map(|letter| letter["id"].clone()).collect()
    };
    let list = ["dead-letters", "list", "--json"];
    let listed = ids(node.ask(&list).ok().json());
    assert_eq!(listed, (1..=5).map(|n| json!(format!("animal/0/{n}"))).collect::<Vec<_>>());
    let of_type = [&list[..], &["--type", "animal", "--partition", "0", "--all"]].concat();
    assert_eq!(ids(node.ask(&of_type).ok().json()), listed);
    let shown = node.ask(&["dead-letters", "list"]).ok().out;
    assert_eq!(shown.lines().count(), 6, "a heading and a line each: {shown}");
    let files = node.stop();
    assert_eq!(ids(files.ask(&list).ok().json()), listed);
}
