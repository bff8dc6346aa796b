//! `zamu query` and `zamu tables`: rows of a node and of its files.

use serde_json::json;

use crate::done::zamu;
use crate::node::Node;

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
