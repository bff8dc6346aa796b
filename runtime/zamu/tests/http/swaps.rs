//! Other versions of handlers are put in force while the node runs.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use zamu::node::CallError;
use zamu_core::model::{PartitionId, TypeId};
use zamu_core::shard::Shard;

use crate::configuration;
use crate::support::{Host, PATIENCE, Told, increment};

/// The counter's component as another version of it: the same rules, and other bytes.
pub(crate) fn counter(mark: &str) -> Vec<u8> {
    marked("counter", mark)
}

/// A component with one more custom section, which means nothing to anybody.
pub(crate) fn marked(name: &str, mark: &str) -> Vec<u8> {
    let path: PathBuf = configuration::guests().join(format!("{name}.wasm"));
    let mut wasm = fs::read(path).unwrap();
    let name = b"mark";
    let length = 1 + name.len() + mark.len();
    assert!(length < 128, "one byte is enough for the length");
    wasm.extend([0, length as u8, name.len() as u8]);
    wasm.extend(name);
    wasm.extend(mark.as_bytes());
    wasm
}

impl Host {
    pub(crate) async fn deploy(&self, query: &str, wasm: Vec<u8>) -> Told {
        let path = format!("/handlers?{query}");
        Told::of(self.request(reqwest::Method::POST, &path).body(wasm).send().await.unwrap()).await
    }

    pub(crate) async fn configure(&self, configuration: &str) -> Told {
        let request = self.request(reqwest::Method::PUT, "/handlers/counter/configuration");
        Told::of(request.body(configuration.to_owned()).send().await.unwrap()).await
    }

    pub(crate) async fn roll_back(&self, query: &str) -> Told {
        self.post(&format!("/handlers/counter/rollback?{query}"), &[], "").await
    }

    /// What is in force of the counter.
    pub(crate) async fn counter(&self) -> Value {
        let told = self.get("/handlers").await.json;
        let mut handlers = told["handlers"].as_array().unwrap().iter();
        handlers.find(|handler| handler["name"] == "counter").unwrap().clone()
    }

    /// Whether a counter may be raised so far.
    async fn allows(&self, key: &str, id: &str, by: u64) -> bool {
        let told = self.count(key, id, "Increment", &json!({ "by": by }).to_string()).await;
        match told.status {
            200 => true,
            422 => false,
            _ => panic!("{told:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_takes_over_and_comes_back_with_a_rollback() {
    let host = Host::start().await;
    let limit = |n: u64| json!({ "limit": n }).to_string();
    assert!(host.allows("a", "1", 50).await);
    let told = host.configure(&limit(60)).await;
    assert_eq!((told.status, &told.json["deployment"]), (200, &json!(2)), "{told:?}");
    assert!(!host.allows("a", "2", 50).await && host.allows("a", "3", 10).await);
    let told = host.roll_back("reason=too%20low").await;
    assert_eq!((told.status, &told.json["deployment"]), (200, &json!(3)), "{told:?}");
    assert!(host.allows("a", "4", 50).await);
    let events = host.get("/aggregates/counter/a/events").await.json;
    let deployments: Vec<_> =
        events["events"].as_array().unwrap().iter().map(|e| e["deployment"].clone()).collect();
    assert_eq!(deployments, [json!(1), json!(2), json!(3)]);
    let past = host.get("/deployments?handler=counter").await.json;
    assert_eq!(past[0]["reason"], "too low");
    assert_eq!(past[0]["principal"], "anonymous");
    assert_eq!(past[1]["changes"][0]["configuration"], json!({ "limit": 60 }));
    assert_eq!(past.as_array().unwrap().len(), 3);
    let told = host.roll_back("").await;
    assert_eq!((told.status, &told.json["field"]), (409, &json!("handler")), "{told:?}");
    assert!(told.json["detail"].as_str().unwrap().contains("no earlier version"), "{told:?}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_component_takes_over_and_events_name_the_one_that_decided_them() {
    let host = Host::start().await;
    host.count("a", "1", "Increment", "{\"by\":1}").await;
    let before = host.counter().await;
    let told = host.deploy("reason=new", counter("two")).await;
    assert_eq!((told.status, &told.json["handler"]), (200, &json!("counter")), "{told:?}");
    assert_eq!(told.json["before"]["digest"], before["digest"]);
    let after = host.counter().await;
    assert_eq!((&after["since"], &after["previous"]), (&json!(2), &json!(1)));
    assert_eq!(after["configuration"], before["configuration"], "it keeps its configuration");
    host.count("a", "2", "Increment", "{\"by\":1}").await;
    let events = host.get("/aggregates/counter/a/events").await.json;
    let digest = |n: usize| &events["events"][n]["handler"]["digest"];
    assert_eq!((digest(0), digest(1)), (&before["digest"], &after["digest"]));
    // Its rows are made on.
    let position = host.count("a", "3", "Increment", "{\"by\":1}").await.json["position"].clone();
    let path = format!("/tables/counters/rows/a?min-position={}", position.as_str().unwrap());
    assert_eq!(host.get(&path).await.status, 200);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deployed_holds_over_a_restart_and_can_still_be_rolled_back() {
    let host = Host::start().await;
    let first = host.counter().await["digest"].clone();
    host.deploy("", counter("two")).await;
    host.configure("{\"limit\":60}").await;
    let deployed = host.counter().await;
    assert_eq!(deployed["differsFromFile"], true);
    let host = Host::over(host.stop().await, "").await;
    assert_eq!(host.counter().await, deployed);
    assert!(!host.allows("a", "1", 61).await);
    host.roll_back("").await;
    host.roll_back("").await;
    let back = host.counter().await;
    assert_eq!((&back["digest"], &back["differsFromFile"]), (&first, &json!(false)));
    // The file's last word counts: another limit there, and the component stays what it is.
    host.deploy("", counter("two")).await;
    let host = Host::configured(host.stop().await, "", 70).await;
    let mixed = host.counter().await;
    assert_eq!(
        (&mixed["digest"], &mixed["configuration"]["limit"]),
        (&deployed["digest"], &json!(70))
    );
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_deployment_comes_back_by_its_number() {
    let host = Host::start().await;
    for limit in [60, 70, 80] {
        host.configure(&json!({ "limit": limit }).to_string()).await;
    }
    assert_eq!(host.roll_back("to=2").await.status, 200);
    assert_eq!(host.counter().await["configuration"]["limit"], 60);
    let told = host.roll_back("to=9").await;
    assert_eq!((told.status, &told.json["field"]), (404, &json!("to")), "{told:?}");
    let told = host.roll_back("to=x").await;
    assert_eq!((told.status, &told.json["field"]), (400, &json!("to")), "{told:?}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_take_over_is_refused_and_nothing_changes() {
    let host = Host::start().await;
    let in_force = host.get("/handlers").await.json;
    let unknown = |told: Told, status: u16, field: &str, part: &str| {
        assert_eq!((told.status, &told.json["field"]), (status, &json!(field)), "{told:?}");
        assert!(told.json["detail"].as_str().unwrap().contains(part), "{told:?}");
    };
    unknown(host.deploy("", b"no component".to_vec()).await, 400, "body", "component");
    unknown(host.deploy("configuration=7", counter("two")).await, 400, "configuration", "object");
    unknown(host.deploy("to=1", counter("two")).await, 400, "to", "leave it out");
    unknown(host.deploy("", marked("views", "x")).await, 404, "handler", "`views`");
    let same = fs::read(configuration::guests().join("counter.wasm")).unwrap();
    unknown(host.deploy("", same).await, 409, "body", "in force already");
    unknown(host.configure("nonsense").await, 400, "body", "JSON object");
    let told = host.get("/handlers/nobody").await;
    unknown(told, 404, "handler", "there are counter, zoo");
    assert_eq!(host.get("/handlers").await.json, in_force);
    // A dry run says what would be, and does nothing either.
    let told = host.deploy("dry-run=true", counter("two")).await;
    assert_eq!((told.status, &told.json["deployment"]), (200, &json!(null)), "{told:?}");
    assert_eq!(host.get("/handlers").await.json, in_force);
    assert_eq!(fs::read_dir(host.folder.path().join("components")).unwrap().count(), 2);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_nothing_is_lost_doubled_or_reordered() {
    let host = Host::start().await;
    let done = Cell::new(0);
    // Twenty increments of each of ten counters at a time.
    let rounds = async |count: u64| {
        for _ in 0..count {
            let round = done.replace(done.get() + 1);
            let list: Vec<_> = (0..200)
                .map(|n| increment(&format!("k{}", n % 10), &format!("{round}-{n}"), 1))
                .collect();
            let told = host.batch("wait=60", &json!(list)).await;
            let answers = told.json.as_array().unwrap();
            assert!(answers.iter().all(|a| a["outcome"] == "accepted"), "round {round}");
        }
    };
    rounds(1).await;
    for number in 2..=11_u64 {
        let wasm = counter(&number.to_string());
        // Once it is compiled, it takes over while the rounds below are on their way.
        assert_eq!(host.deploy("dry-run=true", wasm.clone()).await.status, 200);
        let (told, ()) = tokio::join!(host.deploy("", wasm), rounds(3));
        assert_eq!(told.json["deployment"], number, "{told:?}");
        rounds(1).await;
    }
    for key in (0..10).map(|n| format!("k{n}")) {
        let state = host.get(&format!("/aggregates/counter/{key}")).await.json;
        assert_eq!(state["sequence"], 20 * done.get(), "{state}");
        let path = format!("/aggregates/counter/{key}/events?limit=1000");
        let events = host.get(&path).await.json;
        let mut deciders: Vec<u64> = events["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["deployment"].as_u64().unwrap())
            .collect();
        assert_eq!(deciders.len() as u64, 20 * done.get());
        assert!(deciders.is_sorted(), "{key}: {deciders:?}");
        deciders.dedup();
        assert_eq!(deciders, (1..=11).collect::<Vec<u64>>(), "{key}: each has decided");
    }
    let metrics = host.text("/metrics").await;
    let swaps = metrics.lines().find(|line| line.starts_with("zamu_swap_seconds_count")).unwrap();
    let swaps: u64 = swaps.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(swaps >= 10 && swaps.is_multiple_of(10), "{swaps}: one of each shard");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_breaks_is_rolled_back_by_itself_and_the_first_one_is_not() {
    let host = Host::with("[deployments]\nfaults-max = 5\n").await;
    let zoo = || async {
        let told = host.get("/handlers").await.json;
        let mut all = told["handlers"].as_array().unwrap().iter();
        all.find(|handler| handler["name"] == "zoo").unwrap().clone()
    };
    let first = zoo().await["digest"].clone();
    let rest = async {
        for n in 0..10 {
            host.act(&format!("old{n}"), "1", "trap").await;
        }
        assert_eq!(
            host.get("/handlers").await.json["deployment"],
            1,
            "there is nothing to go back to"
        );
        let told = host.deploy("", marked("zoo", "worse")).await;
        assert_eq!(told.status, 200, "{told:?}");
        for n in 0..4 {
            // The same aggregate over and over is one.
            host.act("one", &n.to_string(), "trap").await;
            host.act(&format!("new{n}"), "1", "trap").await;
        }
        let mut last = host.get("/handlers").await.json["deployment"].clone();
        while last != 3 {
            tokio::task::yield_now().await;
            last = host.get("/handlers").await.json["deployment"].clone();
        }
        assert_eq!(zoo().await["digest"], first);
        let past = host.get("/deployments?handler=zoo").await.json;
        assert_eq!(past[0]["principal"], "zamu");
        assert!(past[0]["reason"].as_str().unwrap().contains("broke on 5 aggregates"), "{past}");
    };
    tokio::select! {
        () = host.node.keep_watch() => panic!("the watch has ended"),
        done = tokio::time::timeout(PATIENCE, rest) => done.unwrap(),
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_makes_and_looks_up_reference_tables_is_replaced_under_their_readers() {
    let host = Host::start().await;
    let mut made = 0;
    for round in 0..4 {
        for n in 0..5 {
            let told = host.act("lion", &format!("{round}-{n}"), "note").await;
            assert_eq!(told.status, 200, "{told:?}");
            made += 1;
        }
        let told = host.deploy("", marked("zoo", &round.to_string())).await;
        assert_eq!(told.status, 200, "{told:?}");
        // A row may come a moment later; it never goes back.
        let mut last = 0;
        let look = async {
            for n in 0.. {
                let told = host.act("tiger", &format!("look-{round}-{n}"), "look lion").await;
                let found = told.json["reply"].to_string();
                let found: u64 = found.trim_matches('"').parse().unwrap_or(0);
                assert!(told.status == 200 && found >= last, "{told:?}");
                last = found;
                if found == made {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, look).await.unwrap();
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_of_a_handler_whose_tables_have_stopped_tries_them_again() {
    let host = Host::start().await;
    host.act("lion", "1", "note").await;
    host.act("lion", "2", "emit project trap").await;
    let stale = || async { host.get("/tables/notes/rows/lion").await.json["stale"].clone() };
    let stopped = async {
        while stale().await.is_null() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, stopped).await.unwrap();
    let told = host.deploy("", marked("zoo", "two")).await;
    assert_eq!(told.status, 200, "{told:?}");
    // It is the same event, and breaks this version, too: it stops there again, and turns go on.
    assert_eq!(host.act("tiger", "3", "note").await.status, 200);
    let stopped = async {
        while !stale().await["reason"].as_str().is_some_and(|why| why.contains("event 1")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, stopped).await.unwrap();
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_reach_every_shard_waits_for_its_place_where_others_are_turned_away() {
    let host = Host::start().await;
    let node = host.node.services();
    let partition = PartitionId { aggregate_type: TypeId(0), number: 0 };
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (here, holds) = tokio::sync::oneshot::channel();
    let holder = Arc::clone(&node);
    let holding = tokio::spawn(async move {
        let hold = move |_: &mut Shard| here.send(()).is_ok() && held.recv().is_ok();
        assert_eq!(holder.shards.ask(partition, hold).await, Ok(true));
    });
    holds.await.unwrap();
    // Until the queue of that shard is full.
    let mut waiting = Vec::new();
    loop {
        let asking = Arc::clone(&node);
        let mut ask = Box::pin(async move { asking.shards.ask(partition, |_| ()).await });
        match futures_now(ask.as_mut()) {
            None => waiting.push(ask),
            Some(Err(CallError::Busy)) => break,
            Some(other) => panic!("{other:?}"),
        }
    }
    let telling = Arc::clone(&node);
    let told = tokio::spawn(async move {
        let everybody = vec![|_: &mut Shard| 7; telling.shards.count()];
        telling.shards.tell_all(everybody).await
    });
    release.send(()).unwrap();
    let told = tokio::time::timeout(PATIENCE, told).await.unwrap().unwrap();
    assert_eq!(told, Ok(vec![7; node.shards.count()]));
    holding.await.unwrap();
    for ask in waiting {
        assert_eq!(tokio::time::timeout(PATIENCE, ask).await.unwrap(), Ok(()));
    }
    drop(node);
    host.stop().await;
}

/// What a future has to say when it is asked for the first time.
fn futures_now<T>(future: std::pin::Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(answer) => Some(answer),
        std::task::Poll::Pending => None,
    }
}
