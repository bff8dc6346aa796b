//! Tables: rows and pages of them, what an answer promised, and what stopped or is made anew.

use serde_json::{Value, json};

use crate::orphans;
use crate::support::{Host, increment};

/// The position that an answer gave, as a query demands it.
fn position(told: &Value) -> &str {
    told["position"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_sees_what_an_answer_was_about() {
    let host = Host::start().await;
    for n in 1..=20_u64 {
        let key = format!("k{}", n % 3);
        let told = host.count(&key, &n.to_string(), "Increment", "{\"by\":1}").await.json;
        let path = format!("/tables/counters/rows/{key}?min-position={}", position(&told));
        let row = host.get(&path).await;
        assert_eq!(row.status, 200, "{}", row.json);
        assert_eq!(row.json["value"]["value"], told["reply"], "{}", row.json);
        assert_eq!((&row.json["table"], &row.json["key"]), (&json!("counters"), &json!(key)));
        assert_eq!(row.json["stale"], json!(null));
        // The answer says how far the rows are; asking for that again is asking for nothing more.
        let again = format!("/tables/counters/rows/{key}?min-position={}", position(&row.json));
        assert_eq!(host.get(&again).await.status, 200);
    }
    let refused = host.count("k1", "no", "Increment", "{\"by\":1000000}").await.json;
    assert!(refused["position"].is_string(), "a refusal saw what was there: {refused}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another_to_the_end() {
    let host = Host::start().await;
    let list: Vec<_> =
        (0..50).map(|n| increment(&format!("c{:02}/x", n % 25), &n.to_string(), 1)).collect();
    let told = host.batch("wait=60", &json!(list)).await.json;
    let demand: Vec<&str> = told.as_array().unwrap().iter().map(position).collect();
    let demand = demand.join("~");
    let mut keys = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/tables/counters/rows?prefix=c&limit=7&min-position={demand}{after}");
        let page = host.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.json);
        let rows = page.json["rows"].as_array().unwrap().clone();
        keys.extend(rows.iter().map(|row| row["key"].as_str().unwrap().to_owned()));
        assert!(rows.iter().all(|row| row["value"]["value"] == 2), "{}", page.json);
        let Some(next) = page.json["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    let all: Vec<String> = (0..25).map(|n| format!("c{n:02}/x")).collect();
    assert_eq!(keys, all);
    let counts = host.get("/tables/counts/rows?prefix=c07%2Fx%2F").await.json;
    let suffixes: Vec<&str> =
        counts["rows"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!(suffixes, ["c07/x/00000000000000000001", "c07/x/00000000000000000002"]);
    let row = host.get(&format!("/tables/counts/rows/{}", suffixes[1])).await;
    assert_eq!(row.json["value"]["by"], 1, "{}", row.json);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_yet_is_told_with_its_field() {
    let host = Host::start().await;
    host.count("a", "1", "Increment", "{\"by\":1}").await;
    for (path, status, part) in [
        ("/tables/nothing/rows", 404, "no table `nothing`"),
        ("/tables/nothing/rows/a", 404, "no table `nothing`"),
        ("/tables/counters/rows/b", 404, "no row `b` in table `counters`"),
        ("/tables/counters/rows?limit=0", 400, "`limit` is 0"),
        ("/tables/counters/rows?limit=5000", 400, "`limit` is 5000"),
        ("/tables/counters/rows?after=%25", 400, "`after` is no cursor"),
        ("/tables/counters/rows?min-position=x", 400, "`min-position` is no position"),
        ("/tables/counters/rows/a?min-position=counter.1", 400, "`min-position` is no position"),
    ] {
        let told = host.get(path).await;
        assert_eq!(told.status, status, "{path}: {}", told.json);
        let detail = told.json["detail"].as_str().unwrap();
        assert!(detail.contains(part), "{path}: {detail}");
    }
    // The animals' events are none of this table's business.
    assert_eq!(host.get("/tables/counters/rows?min-position=animal.77").await.status, 200);
    let far = "/tables/counters/rows/a?min-position=counter.9999.9999.9999";
    let request = host.request(reqwest::Method::GET, far).header("prefer", "wait=0");
    let told = request.send().await.unwrap();
    assert_eq!(told.status(), 503);
    assert_eq!(told.headers()["retry-after"], "1");
    let told: Value = told.json().await.unwrap();
    assert_eq!(told["demanded"], 9_999, "{told}");
    assert!(told["detail"].as_str().unwrap().contains("has come to event"), "{told}");
    host.stop().await;
}

/// The tables of a projection, once they have come to the end of the log.
async fn caught_up(host: &Host, projection: &str) -> Value {
    loop {
        let told = host.get("/tables").await.json;
        let all = told["projections"].as_array().unwrap();
        let of = all.iter().find(|of| of["name"] == projection).unwrap().clone();
        let parts = of["serving"]["partitions"].as_array().unwrap();
        let done = |part: &Value| part["lag"] == 0 || !part["stale"].is_null();
        if of["building"].is_null() && parts.iter().all(done) {
            return of;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_breaks_stops_and_says_so_and_no_other_does() {
    let host = Host::start().await;
    host.act("lion", "1", "note").await;
    let broken = host.act("lion", "2", "emit project trap").await.json;
    host.act("lion", "3", "note").await;
    let counted = host.count("a", "1", "Increment", "{\"by\":1}").await.json;
    let told = caught_up(&host, "zoo").await;
    let stopped: Vec<&Value> = told["serving"]["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|part| !part["stale"].is_null())
        .collect();
    assert_eq!(stopped.len(), 1, "{told}");
    assert_eq!((&stopped[0]["next"], &stopped[0]["lag"]), (&json!(1), &json!(2)));
    let reason = stopped[0]["stale"]["reason"].as_str().unwrap();
    assert!(reason.contains("the zoo was asked to trap"), "{reason}");

    let row = host.get("/tables/notes/rows/lion").await.json;
    assert_eq!(row["value"], 1, "the rows before it stay: {row}");
    assert!(row["stale"]["reason"].as_str().unwrap().starts_with("stopped at event 1: trap"));
    let page = host.get("/tables/notes/rows").await.json;
    assert_eq!(page["stale"][0]["type"], "animal", "{page}");
    let path = format!("/tables/notes/rows/lion?min-position={}", position(&broken));
    let request = host.request(reqwest::Method::GET, &path).header("prefer", "wait=0");
    assert_eq!(request.send().await.unwrap().status(), 503);
    let path = format!("/tables/counters/rows/a?min-position={}", position(&counted));
    assert_eq!(host.get(&path).await.json["stale"], json!(null));

    assert_eq!(host.post("/projections/zoo/resume", &[], "").await.json["resumed"], 1);
    caught_up(&host, "zoo").await;
    let metrics = host.text("/metrics").await;
    assert!(metrics.contains("zamu_tables_stops_total{projection=\"zoo\"} 2"), "{metrics}");
    assert!(metrics.contains("zamu_tables_lag{projection=\"zoo\",type=\"animal\""), "{metrics}");
    assert_eq!(host.post("/projections/nobody/resume", &[], "").await.status, 404);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_row_need_not_wait_for_others_to_come() {
    let host = Host::with("[projections]\ngather-ms = 60000").await;
    for n in 1..=5 {
        let counted = host.count("a", &n.to_string(), "Increment", "{\"by\":1}").await.json;
        let path = format!("/tables/counters/rows/a?min-position={}", position(&counted));
        let request = host.request(reqwest::Method::GET, &path).header("prefer", "wait=30");
        assert_eq!(request.send().await.unwrap().status(), 200, "{n}");
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_ends_with_the_same_rows_in_another_generation_also_over_a_restart() {
    let host = Host::start().await;
    let list: Vec<_> =
        (0..300).map(|n| increment(&format!("c{:02}", n % 40), &n.to_string(), n + 1)).collect();
    host.batch("wait=60", &json!(list)).await;
    let first = caught_up(&host, "counter").await["serving"]["generation"].clone();
    assert!(first.is_u64(), "{first}");
    let rows = |json: Value| json["rows"].clone();
    let before = rows(host.get("/tables/counts/rows?limit=1000").await.json);
    assert_eq!(host.post("/projections/counter/rebuild", &[], "").await.status, 200);
    let after = caught_up(&host, "counter").await;
    let generation = after["serving"]["generation"].clone();
    assert!(generation.is_u64() && generation != first, "{after}");
    assert_eq!(rows(host.get("/tables/counts/rows?limit=1000").await.json), before);
    assert_eq!(host.post("/projections/zoos/rebuild", &[], "").await.status, 404);

    let host = Host::over(host.stop().await, "").await;
    let again = caught_up(&host, "counter").await;
    assert_eq!(again["serving"], after["serving"], "nothing is made twice");
    assert_eq!(rows(host.get("/tables/counts/rows?limit=1000").await.json), before);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_table_hears_nothing_of_tables_that_another_thread_makes() {
    let host = Host::start().await;
    host.count("a", "1", "Increment", "{\"by\":1}").await;
    caught_up(&host, "counter").await;
    let node = host.node.services();
    let [mut counters, mut notes] = ["counter", "zoo"].map(|name| node.tables.news(name));
    counters.mark_unchanged();
    notes.mark_unchanged();
    let noted = host.act("lion", "2", "note").await.json;
    let path = format!("/tables/notes/rows/lion?min-position={}", position(&noted));
    assert_eq!(host.get(&path).await.status, 200);
    assert!(notes.has_changed().unwrap());
    assert!(!counters.has_changed().unwrap(), "no counter has changed");
    let counted = host.count("a", "3", "Increment", "{\"by\":1}").await.json;
    notes.mark_unchanged();
    let path = format!("/tables/counters/rows/a?min-position={}", position(&counted));
    assert_eq!(host.get(&path).await.status, 200);
    assert!(counters.has_changed().unwrap());
    assert!(!notes.has_changed().unwrap(), "no note has changed");
    assert!(!node.tables.news("nobody").has_changed().unwrap());
    drop((counters, notes, node));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_nobody_makes_any_more_are_told_as_orphaned_and_go_when_they_are_dropped() {
    let host = Host::start().await;
    host.count("a", "1", "Increment", "{\"by\":1}").await;
    caught_up(&host, "counter").await;
    let folder = host.stop().await;
    // Before `counter` in the alphabet, and with tables of the same names.
    orphans::rename(folder.path(), "counter", "abacus");
    let host = Host::over(folder, "").await;
    let counted = host.count("a", "2", "Increment", "{\"by\":1}").await.json;
    let path = format!("/tables/counters/rows/a?min-position={}", position(&counted));
    let row = host.get(&path).await.json;
    assert_eq!((&row["value"]["value"], &row["stale"]), (&json!(2), &json!(null)), "{row}");
    let told = host.get("/tables").await.json;
    let orphaned: Vec<_> = told["projections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| (of["name"].as_str().unwrap(), of["orphaned"].as_bool().unwrap()))
        .collect();
    assert_eq!(orphaned, [("abacus", true), ("counter", false), ("zoo", false)]);

    for (name, status, part) in [
        ("counter", 409, "handler `counter` makes these tables"),
        ("nobody", 404, "no projection `nobody`"),
    ] {
        let told = host.delete(&format!("/projections/{name}")).await;
        assert_eq!((told.status, &told.json["field"]), (status, &json!("name")), "{}", told.json);
        assert!(told.json["detail"].as_str().unwrap().contains(part), "{}", told.json);
    }
    let generation = told["projections"][0]["serving"]["generation"].clone();
    let dropped = host.delete("/projections/abacus").await;
    assert_eq!(dropped.status, 200, "{}", dropped.json);
    let all = json!({ "dropped": "abacus", "tables": ["counters", "counts"],
        "generations": [generation] });
    assert_eq!(dropped.json, all);
    assert_eq!(host.delete("/projections/abacus").await.status, 404);
    assert_eq!(host.get(&path).await.json["value"]["value"], 2, "others stay");

    let host = Host::over(host.stop().await, "").await;
    let told = host.get("/tables").await.json;
    let names: Vec<_> =
        told["projections"].as_array().unwrap().iter().map(|of| &of["name"]).collect();
    assert_eq!(names, ["counter", "zoo"], "also after a restart");
    host.stop().await;
}
