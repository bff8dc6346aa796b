//! `zamu query` and `zamu tables`: rows of a node and of its files.

use serde_json::json;

use crate::done::zamu;
use crate::node::Node;
use crate::orphans;

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
fn orphaned_tables_are_shown_and_dropped_by_who_says_their_name_twice() {
    let node = Node::start();
    node.increment("a", "1", 1).ok();
    let files = node.stop();
    let data = files.folder.path().join("data");
    orphans::rename(&data, "counter", "abacus");
    // The rows of the projections that nobody makes.
    let orphaned = |shown: &str| {
        let rows = shown.lines().filter(|row| row.contains("orphaned: no handler makes it"));
        rows.map(|row| row.split_whitespace().nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let shown = files.ask(&["tables"]).ok().out;
    assert_eq!(orphaned(&shown), ["abacus"; 2], "{shown}");

    let node = Node::over(files.folder, "");
    let shown = node.ask(&["tables"]).ok().out;
    assert_eq!(orphaned(&shown), ["abacus"; 2], "{shown}");
    node.ask(&["tables", "drop", "abacus"]).fails(1, "would remove counters, counts");
    node.ask(&["tables", "drop", "abacus", "--confirm", "counter"]).fails(1, "does not name");
    node.ask(&["tables", "drop", "counter"]).fails(1, "handler `counter` makes these tables");
    let owned = node.ask(&["tables", "drop", "counter", "--confirm", "counter"]);
    owned.fails(1, "take it out of the configuration");
    node.ask(&["tables", "drop", "nobody"]).fails(1, "no projection `nobody`");
    let told = node.ask(&["tables", "--json"]).ok().json();
    assert_eq!(told["projections"][0]["name"], "abacus", "nothing was removed: {told}");

    let dropped = node.ask(&["tables", "drop", "abacus", "--confirm", "abacus", "--json"]);
    assert_eq!(dropped.ok().json()["tables"], json!(["counters", "counts"]));
    let again = node.ask(&["tables", "drop", "abacus", "--confirm", "abacus"]);
    again.fails(1, "no projection `abacus`");
    let told = node.ask(&["tables", "--json"]).ok().json();
    assert_eq!(told["projections"][0]["name"], "counter", "{told}");
}
