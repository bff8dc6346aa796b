//! One deployment at a time, carried through, and told as it is: orders that meet, that come too late,
//! and that cannot be done.

use std::fs;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::Poll;

use serde_json::{Value, json};
use zamu::node::{DeployError, Order, What};
use zamu_core::aggregate::encode;

use crate::configuration;
use crate::support::{Host, PATIENCE, Told};
use crate::swaps::{counter, marked};

/// Polled for the first time.
async fn begun<T>(order: &mut Pin<Box<impl Future<Output = T>>>) -> Poll<T> {
    poll_fn(|context| Poll::Ready(order.as_mut().poll(context))).await
}

fn component(mark: &str) -> What {
    What::Component { wasm: counter(mark).into(), configuration: None, from: None }
}

fn assert_told(told: &Told, status: u16, field: &Value, part: &str) {
    assert_eq!((told.status, &told.json["field"]), (status, field), "{told:?}");
    assert!(told.json["detail"].as_str().unwrap().contains(part), "{told:?}");
}

impl Host {
    async fn in_force(&self) -> u64 {
        self.get("/handlers").await.json["deployment"].as_u64().unwrap()
    }

    fn kept(&self, digest: &Value) -> std::path::PathBuf {
        self.folder.path().join(format!("components/{}.wasm", digest.as_str().unwrap()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_carried_through_where_nobody_waits_for_it_any_more() {
    let host = Host::start().await;
    let services = host.node.services();
    let mut order =
        Box::pin(async move { services.deploy(component("unheard"), Order::default()).await });
    assert!(begun(&mut order).await.is_pending());
    drop(order);
    let done = async {
        while host.in_force().await != 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, done).await.unwrap();
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn while_one_deployment_is_under_way_others_are_told_to_come_again() {
    let host = Host::start().await;
    let services = host.node.services();
    // Nothing that was begun goes on before this is let go.
    let (let_go, held) = mpsc::channel::<()>();
    let (started, is_started) = mpsc::channel();
    let occupied = tokio::spawn(async move {
        started.send(()).unwrap();
        assert!(held.recv().is_err(), "it is let go by an end");
    });
    is_started.recv().unwrap();
    let other = std::sync::Arc::clone(&services);
    let mut first =
        Box::pin(async move { other.deploy(component("first"), Order::default()).await });
    assert!(begun(&mut first).await.is_pending());
    {
        let mut second = Box::pin(services.deploy(component("second"), Order::default()));
        let second = begun(&mut second).await;
        assert!(matches!(second, Poll::Ready(Err(DeployError::Busy))), "{second:?}");
        let mut dry = Box::pin(services.would_deploy(component("second")));
        let dry = begun(&mut dry).await;
        assert!(matches!(dry, Poll::Ready(Err(DeployError::Busy))), "{dry:?}");
    }
    drop(let_go);
    occupied.await.unwrap();
    assert_eq!(first.await.unwrap().swap.unwrap().deployment, 2);
    drop(services);
    assert_eq!(host.deploy("", counter("second")).await.json["deployment"], 3);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_of_a_version_that_somebody_has_replaced_changes_nothing() {
    let host = Host::start().await;
    for limit in [60, 70] {
        host.configure(&json!({ "limit": limit }).to_string()).await;
    }
    let told = host.roll_back("of=2").await;
    assert_told(&told, 409, &json!("of"), "deployment 3");
    assert_told(&host.roll_back("of=x").await, 400, &json!("of"), "x");
    assert_eq!(host.counter().await["configuration"]["limit"], 70);
    assert_eq!(host.roll_back("of=3").await.json["deployment"], 4);
    assert_eq!(host.counter().await["configuration"]["limit"], 60);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_force_is_not_brought_back_once_more() {
    let host = Host::start().await;
    host.configure("{\"limit\":60}").await;
    assert_told(&host.roll_back("to=2").await, 409, &json!("handler"), "in force already");
    assert_eq!(host.in_force().await, 2);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_is_written_and_not_in_force_is_told_and_nothing_is_put_on_top_of_it() {
    let host = Host::start().await;
    let services = host.node.services();
    let (_, newest) = services.terms.history.newest().unwrap();
    services.terms.history.write(&services.log, (*newest).clone()).unwrap();
    drop(services);
    assert_eq!(host.in_force().await, 1);
    assert_told(
        &host.deploy("", counter("two")).await,
        500,
        &Value::Null,
        "deployment 2 is written",
    );
    assert_eq!(host.get("/deployments").await.json[0]["deployment"], 1, "and no other was");
    let host = Host::over(host.stop().await, "").await;
    assert_eq!(host.in_force().await, 2);
    assert_eq!(host.deploy("", counter("two")).await.status, 200);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_the_log_gave_to_another_deployment_ends_the_node() {
    let host = Host::start().await;
    let services = host.node.services();
    let (_, newest) = services.terms.history.newest().unwrap();
    services.log.append_control(encode(&*newest)).unwrap();
    drop(services);
    let told = host.deploy("", counter("two")).await;
    assert_eq!(told.status, 503, "{told:?}");
    let reason = tokio::time::timeout(PATIENCE, host.node.failed()).await.unwrap();
    assert!(reason.contains("number 3, where 2"), "{reason}");
    let host = Host::over(host.stop().await, "").await;
    assert_eq!(host.in_force().await, 3);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_component_that_is_gone_is_no_fault_of_the_request_and_comes_back_with_its_bytes() {
    let host = Host::start().await;
    let first = host.kept(&host.counter().await["digest"]);
    assert_eq!(host.deploy("", counter("two")).await.status, 200);
    fs::remove_file(&first).unwrap();
    let told = host.roll_back("").await;
    assert_told(&told, 500, &Value::Null, "is gone");
    assert_eq!(told.header("retry-after"), "", "another try does not help");
    // The same bytes once more are no deployment, and mend what is kept.
    let second = host.kept(&host.counter().await["digest"]);
    fs::write(&second, b"damaged").unwrap();
    assert_told(&host.deploy("", counter("two")).await, 409, &json!("body"), "in force already");
    assert_eq!(fs::read(&second).unwrap(), counter("two"));
    let wasm = fs::read(configuration::guests().join("counter.wasm")).unwrap();
    assert_eq!(host.deploy("", wasm.clone()).await.status, 200);
    assert_eq!(fs::read(&first).unwrap(), wasm);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_leaves_no_trace_among_what_is_counted() {
    let host = Host::start().await;
    let starts = async || {
        let metrics = host.text("/metrics").await;
        let is_it = |line: &&str| line.starts_with("zamu_handler_starts_total{handler=\"zoo\"");
        let line = metrics.lines().find(is_it).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(starts().await, 0, "nobody has asked it anything");
    assert_eq!(host.deploy("dry-run=true", marked("zoo", "two")).await.status, 200);
    assert_eq!(starts().await, 0);
    assert_eq!(host.deploy("", marked("zoo", "two")).await.status, 200);
    assert_eq!(starts().await, 3, "one for each shard and one for its tables");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_may_be_as_large_over_http_as_in_the_configuration() {
    let bounds = "[http]\nbody-bytes-max = 65536\n[limits]\ncomponent-bytes = 400000\n";
    let host = Host::with(bounds).await;
    assert_eq!(host.deploy("", counter("two")).await.status, 200);
    let told = host.deploy("", vec![0; 400_001]).await;
    assert_told(&told, 413, &json!("body"), "limits.component-bytes");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_readers_would_take_differently_is_refused() {
    let host = Host::start().await;
    let told = host.configure("{\"limit\":18446744073709551616}").await;
    assert_told(&told, 400, &json!("body"), "limit: 18446744073709551616");
    let told = host.configure("{\"limit\":1,\"limit\":2}").await;
    assert_told(&told, 400, &json!("body"), "`limit` stands there twice");
    assert_eq!(host.in_force().await, 1);
    host.stop().await;
}
