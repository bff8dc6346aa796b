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
