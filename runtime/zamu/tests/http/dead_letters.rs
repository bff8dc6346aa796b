//! What cannot be processed is kept whole, shown, and processed again when asked for.

use serde_json::json;

use crate::support::Host;

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_listed_with_its_reason_and_its_whole_record() {
    let host = Host::start().await;
    host.act("a", "1", "trap").await;
    assert_eq!(host.act("a", "2", "nothing").await.status, 200);
    let list = host.get("/dead-letters").await.json;
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    let letter = &list[0];
    assert_eq!((&letter["id"], &letter["open"]), (&json!("animal/0/1"), &json!(true)));
    assert_eq!((&letter["reason"], &letter["handler"]), (&json!("trap"), &json!("zoo")));
    assert_eq!(letter["subject"]["request"]["id"], "1");
    assert_eq!(letter["subject"]["request"]["contentType"], "text/plain");
    // As the zoo shows it.
    assert_eq!(letter["subject"]["request"]["data"]["body"], "trap");
    assert_eq!(host.get("/dead-letters?type=counter").await.json, json!([]));
    assert_eq!(host.get("/dead-letters/animal/0/1").await.json, *letter);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_redriven_in_vain_stays_open() {
    let host = Host::start().await;
    host.act("a", "1", "trap").await;
    let told = host.post("/dead-letters/animal/0/1/redrive", &[], "").await;
    assert_eq!(told.status, 202, "{}", told.json);
    // Behind it in the same partition: then the redrive is decided.
    host.act("a", "2", "nothing").await;
    let outcome = host.get(told.header("location")).await.json;
    assert_eq!(
        (&outcome["outcome"], &outcome["deadLetter"]),
        (&json!("fault"), &json!("animal/0/1"))
    );
    let open = host.get("/dead-letters").await.json;
    assert_eq!((open.as_array().unwrap().len(), &open[0]["id"]), (1, &json!("animal/0/1")));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_redriven_after_a_fix_and_closed() {
    // Too little fuel for anything, then enough.
    let host =
        Host::with("[limits]\nfuel-per-item = 100\nfuel-per-byte = 1\nfuel-overhead-per-item = 1")
            .await;
    let told = host.count("a", "1", "Increment", "{\"by\":7}").await;
    assert_eq!((told.status, &told.json["outcome"]), (503, &json!("fault")), "{}", told.json);
    let path = format!("/dead-letters/{}", told.json["deadLetter"].as_str().unwrap());
    assert_eq!(host.get(&path).await.json["reason"], "fuel");
    let host = Host::over(host.stop().await, "").await;
    let redriven = host.post(&format!("{path}/redrive"), &[], "").await;
    assert_eq!(redriven.status, 202, "{}", redriven.json);
    // The same command again: it is decided behind the redrive, and is a duplicate of it.
    let again = host.count("a", "1", "Increment", "{\"by\":7}").await;
    assert_eq!((again.status, &again.json["reply"]), (200, &json!(7)), "{}", again.json);
    assert_eq!(again.json["duplicate"], true);
    assert_eq!(host.get(redriven.header("location")).await.json["outcome"], "accepted");
    assert_eq!(host.get("/aggregates/counter/a").await.json["state"]["value"], 7);
    assert_eq!(host.get("/dead-letters").await.json, json!([]));
    assert_eq!(host.get("/dead-letters?all=true").await.json[0]["open"], false);
    let twice = host.post(&format!("{path}/redrive"), &[], "").await;
    assert_eq!((twice.status, &twice.json["field"]), (409, &json!("number")));
    let absent = host.post("/dead-letters/animal/0/9/redrive", &[], "").await;
    assert_eq!(absent.status, 404);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_open_dead_letters_of_a_partition_are_redriven_in_their_old_order() {
    let host = Host::start().await;
    for n in 1..=3 {
        host.act(&format!("k{n}"), &n.to_string(), "trap").await;
    }
    let told = host.post("/dead-letters/animal/0/redrive", &[], "").await;
    assert_eq!(told.status, 202, "{}", told.json);
    let keys: Vec<_> = told.json.as_array().unwrap().iter().map(|p| p["key"].clone()).collect();
    assert_eq!(keys, ["k1", "k2", "k3"]);
    assert_eq!(host.post("/dead-letters/counter/0/redrive", &[], "").await.json, json!([]));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dead_letters_are_listed_page_by_page() {
    let host = Host::start().await;
    for n in 1..=5 {
        host.act(&format!("k{n}"), &n.to_string(), "trap").await;
    }
    // Of every type: those before and behind the one that has some have none.
    for query in ["all=false", "all=true", "type=animal", "type=animal&partition=0"] {
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let page = host.get(&format!("/dead-letters?{query}&limit=2{after}")).await.json;
            let page = page.as_array().unwrap().clone();
            assert!(page.len() <= 2, "{page:?}");
            let Some(last) = page.last() else { break };
            after = format!("&after={}", last["id"].as_str().unwrap());
            found.extend(page.iter().map(|letter| letter["id"].as_str().unwrap().to_owned()));
        }
        assert_eq!(found, (1..=5).map(|n| format!("animal/0/{n}")).collect::<Vec<_>>(), "{query}");
    }
    let elsewhere = host.get("/dead-letters?after=keeper/0/1").await.json;
    assert_eq!(elsewhere, json!([]), "the types before are not begun again");
    host.stop().await;
}
