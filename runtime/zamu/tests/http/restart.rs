//! What was answered is never answered differently, also by the next process.

use serde_json::json;
use tokio::task::block_in_place;
use zamu::node::Node;

use crate::configuration;
use crate::stream::Stream;
use crate::support::{Host, Told, config_of, increment};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_states_answers_streams_and_the_deployment() {
    let host = Host::start().await;
    let list: Vec<_> =
        (1..=50).map(|n| increment(&format!("k{}", n % 7), &n.to_string(), n)).collect();
    let before = host.batch("wait=60", &json!(list)).await.json;
    let refused = host.count("k1", "over", "Increment", "{\"by\":1000000}").await.json;
    let state = host.get("/aggregates/counter/k3").await.json;
    let deployment = host.get("/handlers").await.json;
    let middle = Stream::open(&host, "types=counter", None).await.take(40).await.pop().unwrap();

    let host = Host::over(host.stop().await, "").await;
    assert_eq!(host.get("/handlers").await.json, deployment);
    assert_eq!(host.get("/aggregates/counter/k3").await.json, state);
    for answer in before.as_array().unwrap() {
        let path = format!("/requests/counter/{}/{}", answer["partition"], answer["offset"]);
        assert_eq!(host.get(&path).await.json, *answer);
    }
    let again = host.batch("wait=60", &json!(list)).await.json;
    for (first, again) in before.as_array().unwrap().iter().zip(again.as_array().unwrap()) {
        assert_eq!(again["duplicate"], true);
        assert_eq!((&again["sequences"], &again["reply"]), (&first["sequences"], &first["reply"]));
    }
    let still = host.count("k1", "over", "Increment", "{\"by\":1000000}").await.json;
    assert_eq!((&still["code"], &still["details"]), (&refused["code"], &refused["details"]));
    let rest = Stream::open(&host, "types=counter", Some(&middle.id)).await.take(60).await;
    assert!(rest.iter().all(|message| message.data["id"] != middle.data["id"]));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_is_another_deployment_and_old_events_keep_theirs() {
    let host = Host::start().await;
    host.count("a", "1", "Increment", "{\"by\":1}").await;
    let host = Host::configured(host.stop().await, "", 10).await;
    assert_eq!(host.get("/handlers").await.json["deployment"], 2);
    assert_eq!(host.count("a", "2", "Increment", "{\"by\":10}").await.json["code"], "over-limit");
    host.count("a", "3", "Increment", "{\"by\":9}").await;
    let events = host.get("/aggregates/counter/a/events").await.json;
    assert_eq!(
        (&events["events"][0]["deployment"], &events["events"][1]["deployment"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(events["events"][0]["handler"], events["events"][1]["handler"]);
    let components = std::fs::read_dir(host.folder.path().join("components")).unwrap().count();
    assert_eq!(components, 2);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_built_as_class_std_goes_on_where_the_pure_one_stopped_and_is_shown_as_such() {
    let classes = |told: &Told| -> Vec<String> {
        let handlers = told.json["handlers"].as_array().unwrap().iter();
        handlers.map(|handler| handler["class"].as_str().unwrap().to_owned()).collect()
    };
    let host = Host::start().await;
    let first = host.count("a", "1", "Increment", "{\"by\":1}").await.json;
    assert_eq!(classes(&host.get("/handlers").await), ["pure", "pure"]);
    let folder = host.stop().await;
    let built_as_std = |more| {
        configuration::text(folder.path(), more, 10).replace("counter.wasm", "counter-std.wasm")
    };
    let (text, pure_only) = (built_as_std(""), built_as_std("[limits]\nclasses = [\"pure\"]"));
    let refused = block_in_place(|| Node::start(&config_of(&pure_only))).err().unwrap();
    let refused = format!("{refused:#}");
    for part in ["handler `counter`", "counter-std.wasm", "class std", "wasi:", "limit classes"] {
        assert!(refused.contains(part), "{refused}");
    }

    let host = Host::of(folder, &text).await;
    let deployment = host.get("/handlers").await;
    assert_eq!(deployment.json["deployment"], 2);
    assert_eq!(classes(&deployment), ["std", "pure"]);
    let again = host.count("a", "1", "Increment", "{\"by\":1}").await.json;
    assert_eq!((&again["duplicate"], &again["reply"]), (&json!(true), &first["reply"]));
    assert_eq!(host.count("a", "2", "Increment", "{\"by\":10}").await.json["code"], "over-limit");
    assert_eq!(host.count("a", "3", "Increment", "{\"by\":9}").await.json["outcome"], "accepted");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_fit_its_data_refuses_to_start_and_says_why() {
    let folder = Host::start().await.stop().await;
    for (from, to, parts) in [
        (
            "partitions = 3",
            "partitions = 4",
            &["`counter` has 3 partitions", "4 are configured"][..],
        ),
        ("[handlers.zoo]", "[handlers.bear]", &["[handlers.zoo]", "calls itself `zoo`"]),
        ("counter.wasm", "nowhere.wasm", &["handler `counter`", "nowhere.wasm"]),
        ("[types.animal]", "[types.plant]", &["`zoo` mentions aggregate type `animal`"]),
    ] {
        let config = config_of(&configuration::text(folder.path(), "", 10).replace(from, to));
        let error = block_in_place(|| Node::start(&config)).err().map(|e| format!("{e:#}"));
        let error = error.expect(to);
        for part in parts {
            assert!(error.contains(part), "{to}: {error}");
        }
    }
    // None of that has left anything behind.
    let host = Host::over(folder, "").await;
    assert_eq!(host.get("/handlers").await.json["deployment"], 1);
    host.stop().await;
}
