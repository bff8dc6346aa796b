//! The live stream: complete, in order, resumable, and no faster than its reader.

use serde_json::{Value, json};

use crate::support::{Host, PATIENCE, increment};

/// A client of the stream.
pub(crate) struct Stream {
    response: reqwest::Response,
    text: String,
}

/// One event of it.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) data: Value,
}

impl Stream {
    pub(crate) async fn open(host: &Host, query: &str, last: Option<&str>) -> Self {
        let mut request = host.request(reqwest::Method::GET, &format!("/events?{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    pub(crate) async fn take(&mut self, count: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        while messages.len() < count {
            messages.push(self.next().await.expect("the stream ended"));
        }
        messages
    }

    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let message = parse(message);
                self.text = rest.to_owned();
                if message.is_some() {
                    return message;
                }
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }
}

fn parse(message: &str) -> Option<Message> {
    let get = |name: &str| message.lines().find_map(|line| line.strip_prefix(name));
    Some(Message {
        id: get("id: ")?.to_owned(),
        event: get("event: ")?.to_owned(),
        data: serde_json::from_str(get("data: ")?).unwrap(),
    })
}

fn total_is_apart(messages: &[Message]) -> Vec<u64> {
    let own = messages.iter().filter(|message| message.data["key"] != "total");
    own.map(|message| message.data["data"]["by"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_after_any_of_its_events() {
    let host = Host::start().await;
    // 20 events, and one of `total` for each.
    let list: Vec<_> =
        (1..=20).map(|n| increment(&format!("k{}", n % 5), &format!("{n}"), n)).collect();
    host.batch("wait=60", &json!(list)).await;
    let mut whole = Stream::open(&host, "types=counter", None).await;
    let messages = whole.take(40).await;
    assert!(messages.iter().all(|message| message.event == "Incremented"));
    let mut by = total_is_apart(&messages);
    by.sort_unstable();
    assert_eq!(by, (1..=20).collect::<Vec<_>>());
    for cut in [0, 7, 38] {
        let id = messages[cut].id.clone();
        let mut ids: Vec<_> = messages[cut + 1..].iter().map(|m| m.data["id"].clone()).collect();
        for (query, last) in [
            ("types=counter".to_owned(), Some(id.as_str())),
            (format!("types=counter&from={id}"), None),
        ] {
            let mut resumed = Stream::open(&host, &query, last).await;
            let rest = resumed.take(39 - cut).await;
            let mut seen: Vec<_> = rest.iter().map(|m| m.data["id"].clone()).collect();
            seen.sort_by_key(Value::to_string);
            ids.sort_by_key(Value::to_string);
            assert_eq!(seen, ids, "after {id}");
        }
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_stream_hears_of_news_and_only_of_what_it_asked_for() {
    let host = Host::start().await;
    host.count("a", "1", "Increment", "{\"by\":1}").await;
    let mut resets = Stream::open(&host, "types=counter&kinds=WasReset", None).await;
    let mut from_end = Stream::open(&host, "kinds=WasReset&from=end", None).await;
    host.count("a", "2", "Increment", "{\"by\":1}").await;
    host.count("a", "3", "Reset", "{}").await;
    for stream in [&mut resets, &mut from_end] {
        let message = stream.take(1).await.remove(0);
        assert_eq!(
            (message.event.as_str(), &message.data["data"]["from"]),
            ("WasReset", &json!(2))
        );
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_aggregate_come_in_order() {
    let host = Host::start().await;
    let mut stream = Stream::open(&host, "types=counter", None).await;
    for chunk in 0..4 {
        let ids = (0..300).map(|n| increment("a", &format!("{chunk}-{n}"), 1));
        host.batch("respond-async", &json!(ids.collect::<Vec<_>>())).await;
    }
    let messages = stream.take(2_400).await;
    for key in ["a", "total"] {
        let of_key = messages.iter().filter(|message| message.data["key"] == key);
        let sequences: Vec<u64> = of_key.map(|m| m.data["sequence"].as_u64().unwrap()).collect();
        assert_eq!(sequences, (1..=1_200).collect::<Vec<_>>(), "{key}");
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_late_holds_up_nobody_and_misses_nothing() {
    let host = Host::start().await;
    let mut late = Stream::open(&host, "types=counter", None).await;
    for chunk in 0..8 {
        let ids = (0..1_000).map(|n| increment(&format!("k{}", n % 9), &format!("{chunk}-{n}"), 1));
        let told = host.batch("wait=60", &json!(ids.collect::<Vec<_>>())).await;
        assert_eq!(told.status, 200, "{}", told.json);
    }
    let messages = late.take(16_000).await;
    let mut sequences = std::collections::HashMap::new();
    for message in &messages {
        let last = sequences.entry(message.data["key"].to_string()).or_insert(0);
        *last += 1;
        assert_eq!(message.data["sequence"], *last, "{}", message.data);
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_stream_is_kept_open_and_ends_with_the_node() {
    let host = Host::with("[http]\nstream-keep-alive-ms = 10").await;
    let mut stream = Stream::open(&host, "", None).await;
    let first = stream.response.chunk().await.unwrap().unwrap();
    assert_eq!(&first[..1], b":");
    let (ended, _folder) = tokio::join!(stream.next(), host.stop());
    assert!(ended.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_beyond_the_bound_are_turned_away() {
    let host = Host::with("[http]\nstreams-max = 1").await;
    let stream = Stream::open(&host, "", None).await;
    let told = host.get("/events").await;
    assert_eq!((told.status, told.header("retry-after")), (503, "1"));
    drop(stream);
    // The place is free again once the connection is seen to be gone.
    tokio::time::timeout(PATIENCE, async {
        let response = || host.request(reqwest::Method::GET, "/events").send();
        while response().await.unwrap().status().as_u16() != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    host.stop().await;
}
