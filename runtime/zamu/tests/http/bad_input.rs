//! What is wrong is refused before anything is appended, and named.

use serde_json::{Value, json};

use crate::support::{Host, increment};

const GOOD: [(&str, &str); 3] = [("ce-id", "1"), ("ce-source", "test"), ("ce-type", "Increment")];

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_command_is_refused_with_its_field_named() {
    let host = Host::start().await;
    let path = "/aggregates/counter/a/commands";
    let long = "x".repeat(1_025);
    let with = |name, value| {
        let mut headers: Vec<(&str, &str)> = GOOD.into_iter().filter(|(n, _)| *n != name).collect();
        headers.push((name, value));
        headers
    };
    let without = |name: &str| GOOD.into_iter().filter(|(n, _)| *n != name).collect::<Vec<_>>();
    for (path, headers, status, field) in [
        (path, without("ce-id"), 400, "ce-id"),
        (path, without("ce-source"), 400, "ce-source"),
        (path, without("ce-type"), 400, "ce-type"),
        (path, with("ce-id", ""), 400, "ce-id"),
        (path, with("ce-id", &long), 400, "ce-id"),
        (path, with("ce-id", "%zz"), 400, "ce-id"),
        (path, with("ce-source", &long), 400, "ce-source"),
        (path, with("ce-source", "zamu"), 400, "ce-source"),
        (path, with("ce-type", "Decrement"), 400, "ce-type"),
        (path, with("ce-specversion", "0.3"), 400, "ce-specversion"),
        (path, with("ce-dataschema", "other/1"), 400, "ce-dataschema"),
        (path, with("content-type", "text/plain"), 400, "content-type"),
        (path, with("ce-correlationid", &long), 400, "ce-correlationid"),
        (path, with("traceparent", &long), 400, "traceparent"),
        (path, with("prefer", "wait=soon"), 400, "prefer"),
        ("/aggregates/nothing/a/commands", GOOD.to_vec(), 404, "type"),
        (&format!("/aggregates/counter/{long}/commands"), GOOD.to_vec(), 400, "key"),
    ] {
        let told = host.post(path, &headers, "{\"by\":1}").await;
        assert_eq!((told.status, &told.json["field"]), (status, &json!(field)), "{headers:?}");
        assert_eq!(told.header("content-type"), "application/problem+json");
        assert_eq!(told.json["status"], status);
        for member in ["type", "title", "detail"] {
            assert!(told.json[member].is_string(), "{member}: {}", told.json);
        }
    }
    nothing_was_appended(&host).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_command_refuses_its_whole_list_with_index_and_field() {
    let host = Host::start().await;
    let changed = |name: &str, value: Value| {
        let mut entry = increment("a", "2", 1);
        entry[name] = value;
        json!([increment("a", "1", 1), entry])
    };
    let removed = |name: &str| {
        let mut list = json!([increment("a", "1", 1), increment("a", "2", 1)]);
        list[1].as_object_mut().unwrap().remove(name);
        list
    };
    for (list, field) in [
        (removed("id"), "[1].id"),
        (removed("source"), "[1].source"),
        (removed("type"), "[1].type"),
        (removed("subject"), "[1].subject"),
        (removed("aggregatetype"), "[1].aggregatetype"),
        (changed("id", json!(7)), "[1].id"),
        (changed("aggregatetype", json!("nothing")), "[1].aggregatetype"),
        (changed("type", json!("Decrement")), "[1].type"),
        (changed("specversion", json!("2.0")), "[1].specversion"),
        (changed("dataschema", json!("other/1")), "[1].dataschema"),
        (changed("datacontenttype", json!("text/plain")), "[1].datacontenttype"),
        (changed("data_base64", json!("e30=")), "[1].data_base64"),
        (changed("subject", json!("x".repeat(1_025))), "[1].subject"),
    ] {
        let told = host.batch("respond-async", &list).await;
        assert_eq!((told.status, &told.json["field"]), (400, &json!(field)), "{}", told.json);
        assert_eq!(told.json["index"], 1);
    }
    for body in ["", "{}", "[", "[1]"] {
        let headers = [("content-type", "application/cloudevents-batch+json")];
        let told = host.post("/commands", &headers, body).await;
        assert_eq!(told.status, 400, "{body}: {}", told.json);
        let field = if body == "[1]" { "[0]" } else { "body" };
        assert_eq!(told.json["field"], field, "{body}: {}", told.json);
    }
    let told = host.post("/commands", &[("content-type", "text/html")], "[]").await;
    assert_eq!((told.status, &told.json["field"]), (415, &json!("content-type")));
    nothing_was_appended(&host).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_so() {
    let host = Host::start().await;
    for (path, status, field) in [
        ("/nowhere", 404, Some("path")),
        ("/aggregates/nothing/a", 404, Some("type")),
        ("/aggregates/counter/a", 404, Some("key")),
        ("/aggregates/counter/a/events", 404, Some("key")),
        ("/aggregates/counter/a/events?after=x", 400, Some("after")),
        ("/aggregates/counter/a/events?limit=0", 400, Some("limit")),
        ("/requests/counter/0/0", 404, Some("offset")),
        ("/requests/counter/3/0", 404, Some("partition")),
        ("/requests/counter/x/0", 400, Some("partition")),
        ("/requests/counter/0/x", 400, Some("offset")),
        ("/events?types=nothing", 400, Some("types")),
        ("/events?types=counter&from=somewhere", 400, Some("from")),
        ("/events?types=counter&from=counter.9999.0.0", 400, Some("from")),
        ("/events?types=counter&kinds=Incremented,Nothing", 400, Some("kinds")),
        ("/events?bogus=1", 400, Some("bogus")),
        ("/dead-letters?partition=1", 400, Some("partition")),
        ("/dead-letters?all=yes", 400, Some("all")),
        ("/aggregates/counter/%ff", 400, Some("path")),
        ("/dead-letters/counter/0/1", 404, Some("number")),
        ("/dead-letters?after=counter", 400, Some("after")),
        ("/dead-letters?after=counter/9/1", 400, Some("after")),
        ("/tables/nothing/rows", 404, Some("table")),
        ("/tables/counters/rows?bogus=1", 400, Some("bogus")),
        ("/tables/counters/rows/a?bogus=1", 400, Some("bogus")),
        ("/tables/counters/rows/%ff", 400, Some("path")),
    ] {
        let told = host.get(path).await;
        assert_eq!(told.status, status, "{path}: {}", told.json);
        assert_eq!(told.json["field"].as_str(), field, "{path}: {}", told.json);
    }
    let told = host.post("/health", &[], "").await;
    assert_eq!((told.status, &told.json["field"]), (405, &json!("method")));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_media_type_is_known_in_any_case() {
    let host = Host::start().await;
    let mut headers = GOOD.to_vec();
    headers.push(("content-type", "Application/JSON; charset=utf-8"));
    let told = host.post("/aggregates/counter/a/commands", &headers, "{\"by\":1}").await;
    assert_eq!(told.status, 202, "{}", told.json);
    host.stop().await;
}

async fn nothing_was_appended(host: &Host) {
    let topics = host.get("/topics").await.json;
    for topic in topics.as_array().unwrap() {
        assert_eq!(topic["requests"]["end"], 0, "{topic}");
    }
}
