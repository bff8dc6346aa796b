//! State, history, and provenance of an aggregate.

use serde_json::json;

use crate::support::{Host, increment};

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_is_shown_by_its_handler() {
    let host = Host::start().await;
    host.count("a", "1", "Increment", "{\"by\":5}").await;
    host.count("a", "2", "Reset", "{}").await;
    let told = host.get("/aggregates/counter/a").await;
    assert_eq!(told.status, 200, "{}", told.json);
    assert_eq!(told.json["state"], json!({ "value": 0, "resets": 1 }));
    assert_eq!((&told.json["sequence"], &told.json["fold"]), (&json!(2), &json!(1)));
    assert_eq!((&told.json["type"], &told.json["key"]), (&json!("counter"), &json!("a")));
    assert_eq!(told.json["wakeAt"], json!(null));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_paged_in_order_with_provenance() {
    let host = Host::start().await;
    let list: Vec<_> = (1..=9).map(|n| increment("a", &format!("i{n}"), n)).collect();
    host.batch("wait=60", &json!(list)).await;
    let deployment = host.get("/handlers").await.json;
    let mut after = 0;
    loop {
        let path = format!("/aggregates/counter/a/events?after={after}&limit=4");
        let page = host.get(&path).await;
        let events = page.json["events"].as_array().unwrap().clone();
        for event in &events {
            after += 1;
            assert_eq!(event["sequence"], after, "{event}");
            assert_eq!(event["id"], format!("counter/a/{after}"));
            assert_eq!(event["data"]["by"], after);
            assert_eq!(event["kind"], "Incremented");
            assert_eq!(event["cause"]["request"]["id"], format!("i{after}"));
            assert_eq!(event["correlation"], format!("test/i{after}"));
            assert_eq!(event["principal"], "anonymous");
            assert_eq!(event["deployment"], deployment["deployment"]);
            assert_eq!(event["previous"].is_null(), after == 1);
            for member in ["name", "version", "digest"] {
                assert_eq!(event["handler"][member], deployment["handlers"][0][member]);
            }
        }
        if events.len() < 4 {
            break;
        }
    }
    assert_eq!(after, 9);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choreographed_event_names_the_event_that_caused_it() {
    let host = Host::start().await;
    host.count("a", "1", "Increment", "{\"by\":5}").await;
    // `total` is told by the event handler; its command is in the log before the answer was given.
    let mut stream =
        crate::stream::Stream::open(&host, "types=counter&kinds=Incremented", None).await;
    let events = stream.take(2).await;
    let total = events.iter().find(|event| event.data["key"] == "total").unwrap();
    assert_eq!(total.data["cause"]["command"]["id"], "counter/a/1/counter/0", "{}", total.data);
    assert_eq!(total.data["correlation"], "test/1");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_is_read_from_either_end() {
    let host = Host::start().await;
    for chunk in 0..12 {
        let ids = (1..=1_000).map(|n| increment("a", &format!("{chunk}-{n}"), 1));
        let told = host.batch("wait=60", &json!(ids.collect::<Vec<_>>())).await;
        assert_eq!(told.status, 200, "{}", told.json);
    }
    for (after, first, count) in [
        (0, 1, 5),
        (1, 2, 5),
        (3_999, 4_000, 5),
        (7_500, 7_501, 5),
        (9_999, 10_000, 5),
        (11_998, 11_999, 2),
        (12_000, 0, 0),
    ] {
        let path = format!("/aggregates/counter/a/events?after={after}&limit=5");
        let page = host.get(&path).await.json;
        let events = page["events"].as_array().unwrap();
        assert_eq!(events.len(), count, "{after}");
        if count > 0 {
            assert_eq!(events[0]["sequence"], first);
        }
    }
    host.stop().await;
}
