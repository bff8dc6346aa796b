//! What an operator sees and does.

use serde_json::json;

use crate::support::{Host, increment};

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_topics_and_deployment_tell_where_the_node_is() {
    let host = Host::start().await;
    assert_eq!(host.get("/health").await.status, 200);
    let ready = host.get("/ready").await;
    assert_eq!((ready.status, &ready.json["partitions"]), (200, &json!(5)));
    host.count("a", "1", "Increment", "{\"by\":1}").await;
    let topics = host.get("/topics").await.json;
    let topics = topics.as_array().unwrap();
    assert_eq!(topics.len(), 5);
    assert!(topics.iter().all(|topic| topic["status"] == "running"));
    let requests: u64 = topics.iter().map(|t| t["requests"]["next"].as_u64().unwrap()).sum();
    assert_eq!(requests, 1);
    let deployment = host.get("/handlers").await.json;
    assert_eq!(deployment["deployment"], 1);
    assert_eq!(deployment["handlers"][0]["name"], "counter");
    assert_eq!(deployment["handlers"][0]["digest"].as_str().unwrap().len(), 64);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_topology_tells_who_takes_and_who_hears_what() {
    let host = Host::start().await;
    let topology = host.get("/topology").await.json;
    let counter = topology["types"].as_array().unwrap().iter().find(|t| t["type"] == "counter");
    let counter = counter.unwrap();
    assert_eq!((&counter["owner"], &counter["partitions"]), (&json!("counter"), &json!(3)));
    let increment = json!({ "kind": "Increment", "taken": true, "senders": ["counter"] });
    assert!(counter["commands"].as_array().unwrap().contains(&increment), "{counter}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened() {
    let host = Host::start().await;
    let list: Vec<_> = (0..10).map(|n| increment("a", &n.to_string(), 1)).collect();
    host.batch("wait=60", &json!(list)).await;
    host.count("a", "over", "Increment", "{\"by\":100000}").await;
    host.count("a", "over", "Increment", "{\"by\":100000}").await;
    host.act("a", "1", "trap").await;
    let metrics = host.text("/metrics").await;
    for line in [
        "zamu_requests_total{type=\"counter\"} 12",
        "zamu_refusals_total{type=\"counter\"} 1",
        "zamu_duplicates_total{type=\"counter\"} 1",
        "zamu_faults_total{type=\"animal\"} 1",
        "zamu_dead_letters_open{type=\"animal\",partition=\"0\"} 1",
        "zamu_partition_running{type=\"counter\",partition=\"2\"} 1",
        "zamu_lag{type=\"animal\",partition=\"0\",input=\"requests\"} 0",
        "zamu_http_responses_total{status=\"422\"} 2",
    ] {
        assert!(metrics.contains(line), "{line} is missing from {metrics}");
    }
    for name in [
        "zamu_log_sync_seconds_count",
        "zamu_rocksdb_memory_bytes{database=\"log\",what=\"blocks\"}",
        "zamu_rocksdb_memory_bytes{database=\"store\",what=\"writes\"}",
        "zamu_commit_seconds_count",
        "zamu_handler_fuel_total{handler=\"counter\"",
        "zamu_step_seconds_total{step=\"decide\"}",
        "zamu_process_cpu_seconds_total",
        "zamu_process_resident_bytes",
        "zamu_process_allocated_bytes",
    ] {
        let line = metrics.lines().find(|line| line.starts_with(name)).expect(name);
        let value: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(value > 0.0, "{line}");
    }
    assert!(metrics.ends_with("# EOF\n"));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_not_paused_cannot_be_resumed() {
    let host = Host::start().await;
    let told = host.post("/topics/counter/0/resume", &[], "").await;
    assert_eq!((told.status, told.json), (200, json!({ "resumed": false })));
    assert_eq!(host.post("/topics/counter/9/resume", &[], "").await.status, 404);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_whose_handler_breaks_on_everything_pauses_until_it_is_resumed() {
    let host = Host::start().await;
    for n in 0..20 {
        host.act(&format!("k{n}"), "1", "trap").await;
    }
    let ready = host.get("/ready").await;
    assert_eq!(ready.status, 503, "{}", ready.json);
    assert_eq!(ready.json["partitions"][0]["type"], "animal");
    assert_eq!(ready.json["partitions"][0]["status"], "paused");
    let told = host.post("/topics/animal/0/resume", &[], "").await;
    assert_eq!(told.json, json!({ "resumed": true }));
    assert_eq!(host.get("/ready").await.status, 200);
    assert_eq!(host.act("fresh", "1", "nothing").await.status, 200);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_takes_no_commands_and_finishes_what_it_took() {
    let host = Host::start().await;
    let list: Vec<_> = (0..500).map(|n| increment("a", &n.to_string(), 1)).collect();
    let list = json!(list);
    let (told, ()) = tokio::join!(host.batch("wait=60", &list), host.node.drain());
    // It came before the door was shut, and was answered; or after, and was told so.
    assert!(matches!(told.status, 200 | 503), "{}", told.json);
    let late = host.count("a", "late", "Increment", "{\"by\":1}").await;
    assert_eq!((late.status, late.header("retry-after")), (503, "1"), "{}", late.json);
    assert_eq!(host.get("/ready").await.status, 503);
    assert_eq!(host.get("/health").await.status, 200);
    host.stop().await;
}
