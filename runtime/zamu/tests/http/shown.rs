//! Messages that are not JSON: shown by the handler that owns them, wherever people look.

use serde_json::json;

use crate::stream::Stream;
use crate::support::Host;

/// As the zoo shows an event or a command of the animal `a`.
fn shown(kind: u32, body: &str) -> serde_json::Value {
    json!({ "of": 0, "kind": kind, "body": body })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_not_json_is_shown_by_its_handler_in_streams_histories_and_traces() {
    let host = Host::start().await;
    assert_eq!(host.act("a", "1", "emit x").await.status, 200);
    let told = host.get("/aggregates/animal/a/events").await.json;
    let event = &told["events"][0];
    assert_eq!((&event["contentType"], &event["kind"]), (&json!("text/plain"), &json!("Noted")));
    let data = event["data"].clone();
    assert_eq!((&data["of"], &data["kind"]), (&json!(0), &json!(1)), "{told}");
    let mut stream = Stream::open(&host, "types=animal&kinds=Noted", None).await;
    assert_eq!(stream.take(1).await[0].data["data"], data);
    let trace = host.get("/trace?id=animal/a").await.json;
    let steps = trace["steps"].as_array().unwrap();
    assert_eq!(steps[0]["data"], shown(0, "emit x"), "{trace}");
    assert_eq!(steps[1]["data"], data, "{trace}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_that_its_handler_cannot_show_does_not_hide_the_others() {
    let host = Host::start().await;
    for (id, body) in [("1", "emit x"), ("2", "emit show trap"), ("3", "emit y")] {
        assert_eq!(host.act("a", id, body).await.status, 200, "{body}");
    }
    let told = host.get("/aggregates/animal/a/events").await.json;
    let events = told["events"].as_array().unwrap();
    let bodies: Vec<_> = events.iter().map(|event| &event["data"]["body"]).collect();
    assert_eq!(bodies, [&json!("x"), &json!(null), &json!("y")], "{told}");
    assert_eq!(events[1]["dataBase64"], "c2hvdyB0cmFw");
    host.stop().await;
}
