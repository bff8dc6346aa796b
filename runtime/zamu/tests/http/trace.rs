//! The causal tree of a process, asked over HTTP.

use serde_json::json;

use crate::support::Host;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_traced_as_soon_as_it_was_answered() {
    let host = Host::start().await;
    host.count("a", "1", "Increment", "{\"by\":7}").await;
    let told = host.get("/trace?id=counter/a").await;
    assert_eq!(told.status, 200, "{}", told.json);
    let steps = told.json["steps"].as_array().unwrap();
    assert_eq!(
        (&steps[0]["id"], &steps[0]["outcome"], &steps[0]["principal"]),
        (&json!("test/1"), &json!("accepted"), &json!("anonymous"))
    );
    assert_eq!((&steps[1]["id"], &steps[1]["parent"]), (&json!("counter/a/1"), &json!(0)));
    // The command to the total was committed with the event, whether it was decided or not.
    assert_eq!(steps[2]["id"], "counter/a/1/counter/0");
    assert_eq!(steps[2]["data"], json!({ "by": 7 }));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_traced_is_told_by_field() {
    let host = Host::start().await;
    for (path, status, field) in [
        ("/trace", 400, "id"),
        ("/trace?id=", 400, "id"),
        ("/trace?id=a&limit=0", 400, "limit"),
        ("/trace?id=a&limit=1001", 400, "limit"),
        ("/trace?id=a&limit=x", 400, "limit"),
        ("/trace?id=a&depth=1", 400, "depth"),
        ("/trace?id=a", 404, "id"),
    ] {
        let told = host.get(path).await;
        assert_eq!((told.status, &told.json["field"]), (status, &json!(field)), "{path}");
    }
    host.stop().await;
}
