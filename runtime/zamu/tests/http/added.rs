//! An event handler is added while the node runs: it catches up with what has happened, or begins with
//! what comes, and stays over restarts.

use std::fs;

use serde_json::{Value, json};

use crate::configuration;
use crate::support::{Host, PATIENCE, Told};
use crate::swaps::marked;

fn visitor() -> Vec<u8> {
    fs::read(configuration::guests().join("visitor.wasm")).unwrap()
}

impl Host {
    async fn add(&self, query: &str, wasm: Vec<u8>) -> Told {
        let path = format!("/handlers?{query}");
        Told::of(self.request(reqwest::Method::POST, &path).body(wasm).send().await.unwrap()).await
    }

    async fn notes(&self, ids: std::ops::Range<u32>) {
        for id in ids {
            assert_eq!(self.act("lion", &id.to_string(), "note").await.status, 200);
        }
    }

    /// How often the visitor's keeper was told of the lion.
    async fn told(&self) -> Value {
        let told = self.get("/aggregates/keeper/visitor-lion").await;
        if told.status == 404 { json!(0) } else { told.json["state"]["count"].clone() }
    }

    /// Waits until the visitor has come to the end, and all that it sent was taken.
    async fn has_come(&self) {
        let wait = async {
            loop {
                let topics = self.get("/topics").await.json;
                let lag = |topic: &Value| topic["commands"]["lag"] != 0;
                let waits = topics.as_array().unwrap().iter().any(lag);
                let behind = self.get("/handlers").await.json["behind"].clone();
                if behind == json!([]) && !waits {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_is_added_catches_up_and_stays_over_restarts() {
    let host = Host::with("[event-handlers]\ncatch-up-events = 7\n").await;
    host.notes(0..30).await;
    assert_eq!(host.act("lion", "trap", "emit visitor trap").await.status, 200);
    let told = host.add("from=beginning&reason=new", visitor()).await;
    assert_eq!((told.status, &told.json["deployment"]), (200, &json!(2)), "{told:?}");
    assert_eq!((&told.json["handler"], &told.json["before"]), (&json!("visitor"), &json!(null)));
    host.has_come().await;
    assert_eq!(host.told().await, 30);
    let letters = host.get("/dead-letters").await.json;
    assert!(letters.to_string().contains("visitor"), "what it broke at is parked: {letters}");
    host.notes(30..32).await;
    host.has_come().await;
    assert_eq!(host.told().await, 32);
    let metrics = host.text("/metrics").await;
    assert!(metrics.contains("zamu_caught_up_events_total{type=\"animal\"} 31"), "{metrics}");
    assert!(!metrics.contains("zamu_event_handler_lag{"), "nobody is behind");
    // The file does not know it, and says nothing new.
    let host = Host::over(host.stop().await, "").await;
    let in_force = host.get("/handlers").await.json;
    let names: Vec<_> =
        in_force["handlers"].as_array().unwrap().iter().map(|h| h["name"].clone()).collect();
    assert_eq!(names, ["counter", "visitor", "zoo"], "{in_force}");
    assert_eq!(
        (&in_force["deployment"], &in_force["handlers"][1]["from"]),
        (&json!(2), &json!("beginning"))
    );
    host.notes(32..33).await;
    host.has_come().await;
    assert_eq!(host.told().await, 33);
    // Another version of it, and of one that stands behind it in the order of names.
    for (name, number) in [("visitor", 3), ("zoo", 4)] {
        let told = host.add("", marked(name, "two")).await;
        assert_eq!((told.status, &told.json["deployment"]), (200, &json!(number)), "{told:?}");
    }
    host.notes(33..34).await;
    host.has_come().await;
    assert_eq!(host.told().await, 34);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_starts_now_hears_what_comes_and_a_file_that_has_it_goes_on_with_it() {
    let host = Host::start().await;
    host.notes(0..5).await;
    let told = host.add("from=now", visitor()).await;
    assert_eq!(told.status, 200, "{told:?}");
    host.notes(5..7).await;
    host.has_come().await;
    assert_eq!(host.told().await, 2);
    let component = configuration::guests().join("visitor.wasm");
    let section = format!("[handlers.visitor]\ncomponent = {component:?}\nfrom = \"now\"\n");
    let host = Host::over(host.stop().await, &section).await;
    host.notes(7..8).await;
    host.has_come().await;
    assert_eq!(host.told().await, 3);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_file_brings_catches_up_at_a_start_and_is_refused_if_it_says_nothing() {
    let host = Host::start().await;
    host.notes(0..5).await;
    let component = configuration::guests().join("visitor.wasm");
    let section = format!("[handlers.visitor]\ncomponent = {component:?}\n");
    let host = Host::over(host.stop().await, &section).await;
    let ready = host.get("/ready").await;
    assert_eq!(ready.status, 503);
    let topics = host.get("/topics").await.json.to_string();
    assert!(topics.contains("`visitor` has reacted up to event 0 of 5"), "{topics}");
    let section = format!("{section}from = \"beginning\"\n");
    let host = Host::over(host.stop().await, &section).await;
    host.has_come().await;
    assert_eq!(host.told().await, 5);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_added_is_refused_and_nothing_changes() {
    let host = Host::start().await;
    let in_force = host.get("/handlers").await.json;
    let refused = |told: Told, status: u16, field: &str, part: &str| {
        assert_eq!((told.status, &told.json["field"]), (status, &json!(field)), "{told:?}");
        assert!(told.json["detail"].as_str().unwrap().contains(part), "{told:?}");
    };
    refused(host.add("", visitor()).await, 404, "handler", "`beginning` or `now`");
    refused(host.add("from=then", visitor()).await, 400, "from", "`then`");
    let stray = fs::read(configuration::guests().join("visitor-stray.wasm")).unwrap();
    refused(host.add("from=now", stray).await, 409, "body", "sends `Noted");
    let directory = fs::read(configuration::guests().join("directory.wasm")).unwrap();
    refused(host.add("from=now", directory).await, 409, "body", "not configured");
    assert_eq!(host.get("/handlers").await.json, in_force);
    host.stop().await;
}
