//! Reference tables in a running node: what a command finds, and what a node says that waits for one.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Host, PATIENCE};

/// What an animal finds in the table of notes about the lion.
async fn look(host: &Host, id: &str) -> String {
    let told = host.act("tiger", id, "look lion").await;
    assert_eq!(told.status, 200, "{}", told.json);
    told.json["reply"].to_string().trim_matches('"').to_owned()
}

/// Looks until it finds this. Who asks for a row may see it a moment before who looks it up.
async fn finds(host: &Host, id: &str, count: &str) {
    let look = async {
        for n in 0.. {
            if look(host, &format!("{id}-{n}")).await == count {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap();
}

/// Waits until the table shows what an answer was about.
async fn shown(host: &Host, told: &Value) {
    shown_of(host, "lion", told).await;
}

async fn shown_of(host: &Host, animal: &str, told: &Value) {
    let position = told["position"].as_str().unwrap();
    let row = host.get(&format!("/tables/notes/rows/{animal}?min-position={position}")).await;
    assert_eq!(row.status, 200, "{}", row.json);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_looks_up_what_was_made_of_earlier_events() {
    let host = Host::start().await;
    assert_eq!(look(&host, "1").await, "-");
    for (id, count) in [("2", "1"), ("3", "2")] {
        shown(&host, &host.act("lion", id, "note").await.json).await;
        finds(&host, &format!("look {id}"), count).await;
    }
    let host = Host::over(host.stop().await, "").await;
    assert_eq!(look(&host, "4").await, "2", "also after a restart");
    let folder = host.stop().await;
    // Tables are made of the log alone; who needs them waits until they are.
    fs::remove_dir_all(folder.path().join("store")).unwrap();
    let host = Host::over(folder, "").await;
    assert_eq!(look(&host, "5").await, "2");
    assert_eq!(host.get("/ready").await.status, 200);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_table_has_stopped_goes_on_with_it_after_a_restart_too() {
    let host = Host::start().await;
    shown(&host, &host.act("lion", "1", "note").await.json).await;
    host.act("lion", "2", "emit project trap").await;
    finds(&host, "3", "1").await;
    assert_eq!(host.get("/ready").await.status, 200);

    // No turn has seen more than there is: it is looked up as it stands.
    let host = Host::over(host.stop().await, "").await;
    finds(&host, "4", "1").await;
    let told = host.get("/ready").await;
    assert_eq!(told.status, 200, "{}", told.json);
    let notes = host.get("/tables/notes/rows/lion").await.json;
    assert!(
        notes["stale"]["reason"].as_str().unwrap().starts_with("stopped at event 1"),
        "{notes}"
    );
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_table_that_turns_need_says_who_waits_for_it_and_serves_the_others() {
    let host = Host::start().await;
    for animal in ["lion", "tiger", "bear", "wolf", "lynx"] {
        shown_of(&host, animal, &host.act(animal, animal, "note").await.json).await;
    }
    // They do not fit any more.
    let host = Host::over(host.stop().await, "[projections]\nreference-bytes-max = 1024").await;
    let why = {
        let told = host.get("/ready").await;
        assert_eq!(told.status, 503, "{}", told.json);
        let others = told.json["partitions"].as_array().unwrap().clone();
        assert!(others.iter().all(|of| of["status"] == "unready"), "{others:?}");
        let animal = others.iter().find(|of| of["type"] == "animal").unwrap().clone();
        animal["reason"].as_str().unwrap().to_owned()
    };
    for part in
        ["reference table `notes` has stopped in animal/0", "reference-bytes-max", "resume zoo`"]
    {
        assert!(why.contains(part), "{why}");
    }
    let topics = host.get("/topics").await.json;
    let animals = topics.as_array().unwrap().iter().find(|of| of["type"] == "animal").unwrap();
    assert_eq!((&animals["status"], &animals["reason"]), (&json!("unready"), &json!(why)));
    let taken = host
        .post(
            "/aggregates/animal/tiger/commands",
            &[
                ("ce-id", "4"),
                ("ce-source", "test"),
                ("ce-type", "Act"),
                ("content-type", "text/plain"),
            ],
            "note",
        )
        .await;
    assert_eq!(taken.status, 202, "it is in the log, and waits: {}", taken.json);
    assert_eq!(host.count("a", "5", "Increment", "{\"by\":1}").await.status, 200);
    let resumed = host.post("/projections/zoo/resume", &[], "").await.json["resumed"].clone();
    assert!(resumed.as_u64().unwrap() > 0, "{resumed}");
    assert_eq!(host.get("/ready").await.status, 503, "it stopped again");
    let host = Host::over(host.stop().await, "").await;
    assert_eq!(host.get("/ready").await.status, 200, "it is ready when there is room");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_topology_tells_who_looks_things_up_in_which_table() {
    let host = Host::start().await;
    let tables = host.get("/topology").await.json["tables"].clone();
    assert_eq!(
        tables,
        json!([{ "table": "notes", "type": "animal", "maker": "zoo", "readers": ["zoo"] }])
    );
    host.stop().await;
}
