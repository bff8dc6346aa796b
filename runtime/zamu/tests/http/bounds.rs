//! Too much is told so at once, and costs nothing that was taken.

use serde_json::json;

use crate::support::{Host, PATIENCE, increment};

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_bound_is_refused_however_it_is_sent() {
    let host = Host::with("[http]\nbody-bytes-max = 2048").await;
    let list: Vec<_> = (0..50).map(|n| increment("a", &n.to_string(), 1)).collect();
    let told = host.batch("", &json!(list)).await;
    assert_eq!((told.status, &told.json["field"]), (413, &json!("body")), "{}", told.json);
    let pieces = (0..8).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1_024]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let request = host.request(reqwest::Method::POST, "/commands");
    let response =
        request.header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 413);
    let told: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(told["field"], "body", "{told}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_beyond_the_bound_is_refused() {
    let host = Host::with("[http]\ncommands-max = 2").await;
    let list: Vec<_> = (0..3).map(|n| increment("a", &n.to_string(), 1)).collect();
    let told = host.batch("", &json!(list)).await;
    assert_eq!((told.status, &told.json["field"]), (413, &json!("body")), "{}", told.json);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_beyond_the_bound_are_refused() {
    let host = Host::with("[http]\nheaders-max = 16").await;
    let mut request = host.request(reqwest::Method::GET, "/health");
    for n in 0..20 {
        request = request.header(format!("x-{n}"), "y");
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 431);
    assert_eq!(response.text().await.unwrap(), "", "the connection's own answer");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_bound_on_lag_commands_are_told_to_come_later_and_none_is_lost() {
    let host =
        Host::with("[http]\nlag-max = 50\nlag-wait-ms = 0\n[shards]\nturn-records = 1").await;
    let mut taken = 0;
    let mut turned_away = 0;
    // One at a time is decided more slowly than lists arrive.
    for chunk in 0..20_000 {
        let list: Vec<_> = (0..40).map(|n| increment("a", &format!("{chunk}-{n}"), 1)).collect();
        let told = host.batch("respond-async", &json!(list)).await;
        match told.status {
            202 => taken += 40,
            429 => {
                assert_eq!(told.header("retry-after"), "1");
                assert!(told.json["detail"].as_str().unwrap().contains("50 may"), "{}", told.json);
                turned_away += 1;
            }
            other => panic!("{other}: {}", told.json),
        }
        if turned_away > 3 {
            break;
        }
    }
    assert!(turned_away > 3, "{taken} were taken");
    // What was taken is decided, and then there is room again.
    let told = tokio::time::timeout(PATIENCE, async {
        loop {
            let told = host.count("a", "last", "Increment", "{\"by\":1}").await;
            if told.status != 429 {
                return told;
            }
        }
    })
    .await
    .unwrap();
    assert_eq!((told.status, &told.json["reply"]), (200, &json!(taken + 1)), "{}", told.json);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_find_no_room_wait_at_the_door_until_there_is_some() {
    let host = Host::with("[http]\nlag-max = 1\nlag-wait-ms = 60000").await;
    let host = std::sync::Arc::new(host);
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..64 {
        let host = std::sync::Arc::clone(&host);
        clients.spawn(async move {
            host.count("a", &n.to_string(), "Increment", "{\"by\":1}").await.status
        });
    }
    assert!(clients.join_all().await.into_iter().all(|status| status == 200));
    let state = host.get("/aggregates/counter/a").await.json;
    assert_eq!(state["state"]["value"], 64);
    std::sync::Arc::into_inner(host).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for_longer_than_is_configured() {
    let host = Host::with("[http]\nreceive-timeout-ms = 100").await;
    let endless = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let request = host.request(reqwest::Method::POST, "/commands");
    let request = request.header("content-type", "application/json");
    let response = request.body(reqwest::Body::wrap_stream(endless)).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 408);
    let told: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(told["field"], "body", "{told}");
    host.stop().await;
}

/// A body that never ends keeps its request's place for as long as the client likes.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_take_all_places_do_not_keep_operators_out() {
    let host = Host::with("[http]\nrequests-max = 1").await;
    let hold = || {
        let endless = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        let request = host.request(reqwest::Method::POST, "/commands");
        let request = request.header("content-type", "application/json");
        tokio::spawn(request.body(reqwest::Body::wrap_stream(endless)).send())
    };
    let mut held = hold();
    let full = tokio::time::timeout(PATIENCE, async {
        while host.get("/aggregates/counter/a").await.status != 503 {
            // The one place was this loop's own question's, and the client was turned away.
            if held.is_finished() {
                held = hold();
            }
            tokio::task::yield_now().await;
        }
    });
    full.await.unwrap();
    for path in ["/topics", "/dead-letters", "/handlers", "/topology", "/ready", "/metrics"] {
        let response = host.request(reqwest::Method::GET, path).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{path}");
    }
    let resumed = host.post("/topics/counter/0/resume", &[], "").await;
    assert_eq!((resumed.status, &resumed.json["resumed"]), (200, &json!(false)));
    held.abort();
    host.stop().await;
}
