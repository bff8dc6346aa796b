//! Each outcome has its answer, at once or later, one by one or in lists.

use serde_json::json;

use crate::support::{Host, increment};

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_command_is_answered_with_its_events_and_its_reply() {
    let host = Host::start().await;
    let told = host.count("a", "1", "Increment", "{\"by\":5}").await;
    assert_eq!(told.status, 200, "{}", told.json);
    assert_eq!(told.json["outcome"], "accepted");
    assert_eq!((&told.json["sequences"], &told.json["reply"]), (&json!([1]), &json!(5)));
    assert_eq!(told.json["duplicate"], false);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_command_gets_the_first_answer_and_changes_nothing() {
    let host = Host::start().await;
    let first = host.count("a", "1", "Increment", "{\"by\":5}").await;
    let again = host.count("a", "1", "Increment", "{\"by\":5}").await;
    assert_eq!((again.status, &again.json["duplicate"]), (200, &json!(true)), "{}", again.json);
    assert_eq!(again.json["sequences"], first.json["sequences"]);
    assert_eq!(again.json["first"], first.json["offset"]);
    let other = host.count("a", "1", "Increment", "{\"by\":6}").await;
    assert_eq!((other.status, &other.json["code"]), (422, &json!("id-reused")), "{}", other.json);
    assert_eq!(host.get("/aggregates/counter/a").await.json["state"]["value"], 5);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_do_is_an_answer_too() {
    let host = Host::start().await;
    let told = host.count("a", "1", "Reset", "{}").await;
    assert_eq!((told.status, &told.json["outcome"]), (200, &json!("nothing")), "{}", told.json);
    assert_eq!(told.json["reply"], json!(null));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_a_problem_with_its_code_and_details() {
    let host = Host::start().await;
    let told = host.count("a", "1", "Increment", "{\"by\":100001}").await;
    assert_eq!((told.status, &told.json["code"]), (422, &json!("over-limit")), "{}", told.json);
    assert!(told.json["details"].as_str().unwrap().contains("100000"));
    assert_eq!(told.header("content-type"), "application/problem+json");
    let malformed = host.count("a", "2", "Increment", "{\"by\":\"x\"}").await;
    assert_eq!((malformed.status, &malformed.json["code"]), (422, &json!("malformed")));
    assert!(malformed.json["details"].as_str().unwrap().contains("by"), "{}", malformed.json);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_names_its_dead_letter() {
    let host = Host::start().await;
    let told = host.act("a", "1", "trap").await;
    assert_eq!(
        (told.status, &told.json["deadLetter"]),
        (503, &json!("animal/0/1")),
        "{}",
        told.json
    );
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_waiting_a_command_is_durable_and_its_outcome_can_be_asked_for() {
    let host = Host::start().await;
    let headers = [("ce-id", "1"), ("ce-source", "test"), ("ce-type", "Increment")];
    let told = host.post("/aggregates/counter/a%2Fb/commands", &headers, "{\"by\":5}").await;
    assert_eq!((told.status, &told.json["key"]), (202, &json!("a/b")), "{}", told.json);
    let location = told.header("location").to_owned();
    let partition = &told.json["partition"];
    assert_eq!(location, format!("/requests/counter/{partition}/{}", told.json["offset"]));
    // A waited command behind it in the same partition: then it is decided.
    host.count("a%2Fb", "2", "Increment", "{\"by\":1}").await;
    let outcome = host.get(&location).await;
    assert_eq!((outcome.status, &outcome.json["reply"]), (200, &json!(5)), "{}", outcome.json);
    assert_eq!(outcome.json["key"], "a/b");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_answered_in_its_own_order() {
    let host = Host::start().await;
    let mut list: Vec<_> =
        (1..=200).map(|n: u64| increment(&format!("k{}", n % 17), &format!("b{n}"), n)).collect();
    list.push(increment("k1", "over", 1_000_000));
    let places = host.batch("respond-async", &json!(list)).await;
    assert_eq!(places.status, 202, "{}", places.json);
    let told = host.batch("wait=60", &json!(list)).await;
    assert_eq!(told.status, 200, "{}", told.json);
    let told = told.json.as_array().unwrap();
    assert_eq!(told.len(), 201);
    for (n, (place, answer)) in places.json.as_array().unwrap().iter().zip(told).enumerate() {
        assert_eq!(answer["key"], list[n]["subject"]);
        assert_eq!(answer["status"], if n == 200 { 422 } else { 200 }, "{answer}");
        assert_eq!((&answer["duplicate"], &answer["first"]), (&json!(true), &place["offset"]));
    }
    assert_eq!(told[200]["code"], "over-limit");
    assert_eq!(host.batch("wait", &json!([])).await.json, json!([]));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_reach_the_handler_byte_for_byte() {
    let host = Host::start().await;
    // The zoo refuses with the rest of the body as its reason.
    let body = "refuse \u{fc} { \"a\" :  1.10 }\n";
    let told = host.act("a", "1", body).await;
    assert_eq!(told.status, 422, "{}", told.json);
    let shown = format!("{}{}", told.json["code"], told.json["details"]);
    assert!(shown.contains("{ \\\"a\\\" :  1.10 }"), "{}", told.json);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_takes_many_turns_is_answered_whole() {
    let host = Host::with("[shards]\nturn-records = 3").await;
    let list: Vec<_> = (0..600).map(|n| increment("a", &n.to_string(), 1)).collect();
    let told = host.batch("wait=60", &json!(list)).await.json;
    let told = told.as_array().unwrap();
    assert!(told.iter().all(|answer| answer["status"] == 200), "{told:?}");
    let replies: Vec<u64> = told.iter().map(|answer| answer["reply"].as_u64().unwrap()).collect();
    assert_eq!(replies, (1..=600).collect::<Vec<_>>());
    host.stop().await;
}
