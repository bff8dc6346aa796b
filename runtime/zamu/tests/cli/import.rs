//! `zamu import` against a node: once and only once, however often and however far it comes.

use serde_json::json;

use crate::node::Node;

#[test]
fn an_import_is_applied_once_however_often_it_is_run() {
    let node = Node::start();
    let csv = node.folder.path().join("visits.csv");
    let map = node.folder.path().join("map.toml");
    let rows: String = (0..50).map(|n| format!("k{},{}\n", n % 7, n % 3 + 1)).collect();
    std::fs::write(&csv, format!("who,by\n{rows}big,1000\n")).unwrap();
    let mapping = "[[commands]]\ntype='counter'\nkey='{who}'\nkind='Increment'\ndata={by='{by}'}";
    std::fs::write(&map, mapping).unwrap();
    let (csv, map) = (csv.to_str().unwrap(), map.to_str().unwrap());

    // Cells of CSV are texts, and this handler wants numbers.
    node.ask(&["import", csv, "--map", map]).fails(3, "51 commands");
    let jsonl = node.folder.path().join("visits.jsonl");
    let line = |n: u64| json!({ "who": format!("k{}", n % 7), "by": n % 3 + 1 }).to_string();
    let lines: Vec<String> =
        (0..50).map(line).chain([r#"{"who":"big","by":1000}"#.into()]).collect();
    std::fs::write(&jsonl, lines.join("\n")).unwrap();
    let jsonl = jsonl.to_str().unwrap();
    let import = ["import", jsonl, "--map", map, "--batch", "8"];

    let dry = node.ask(&[&import[..], &["--dry-run"]].concat()).ok().out;
    assert!(dry.contains("51 Increment of counter"), "{dry}");
    let state = node.ask(&["state", "counter", "k1"]);
    state.fails(1, "k1");

    let first = node.ask(&import);
    first.fails(3, "1 commands");
    assert!(
        first.out.contains("line 51: Increment of counter/big refused: over-limit"),
        "{first:?}"
    );
    assert!(first.out.contains("done: 50 accepted, 1 refused"), "{first:?}");
    let before = node.ask(&["state", "counter", "k1", "--json"]).ok().json();
    let again = node.ask(&[&import[..], &["--json"]].concat());
    again.fails(3, "1 commands");
    assert_eq!(again.lines().last().unwrap()["done"]["duplicates"], 50);
    assert_eq!(node.ask(&["state", "counter", "k1", "--json"]).ok().json(), before);
}

#[test]
fn an_import_that_was_broken_off_goes_on_where_it_ended() {
    let node = Node::start();
    let file = node.folder.path().join("a.jsonl");
    let line = |n: u64| {
        // No node takes so long a key.
        let key = if n == 13 { "k".repeat(2_000) } else { format!("k{n}") };
        json!({ "aggregatetype": "counter", "subject": key, "type": "Increment", "data": { "by": 1 } })
            .to_string()
    };
    std::fs::write(&file, (1..=20).map(line).collect::<Vec<_>>().join("\n")).unwrap();
    let import = ["import", file.to_str().unwrap(), "--batch", "5"];
    let broken_off = node.ask(&import);
    broken_off.fails(1, "line 13");
    let again = node.ask(&import);
    again.fails(1, "line 13");
    assert!(again.out.contains("10 commands were answered before"), "{again:?}");
    // Another node knows nothing of it.
    let other = Node::start();
    let elsewhere = other.ask(&import);
    elsewhere.fails(1, "line 13");
    assert!(!elsewhere.out.contains("answered before"), "{elsewhere:?}");
    other.ask(&["state", "counter", "k10"]).ok();
}
