//! What a start puts in force, where something else was deployed than the configuration file has: what
//! fits, or nothing at all; and the way out.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;
use zamu::config::Config;
use zamu::node::Node;

use crate::configuration;
use crate::support::{Host, config_of};
use crate::swaps::marked;

/// A component with other words in what it says of itself. It has room for them where it has spaces.
fn patched(mut wasm: Vec<u8>, changes: &[(&str, &str)]) -> Vec<u8> {
    for (from, to) in changes {
        assert!(to.len() <= from.len(), "{to}");
        let places: Vec<usize> = (0..wasm.len() - from.len())
            .filter(|place| wasm[*place..].starts_with(from.as_bytes()))
            .collect();
        let [place] = *places else { panic!("`{from}` stands at {places:?}") };
        let padded = format!("{to}{}", " ".repeat(from.len() - to.len()));
        wasm[place..place + from.len()].copy_from_slice(padded.as_bytes());
    }
    wasm
}

/// The zoo, whose keepers take an `Act`.
fn keepers(mark: &str) -> Vec<u8> {
    marked("zoo", mark)
}

/// A zoo whose keepers take a `Noted`, too.
fn keepers_who_take_notes(mark: &str) -> Vec<u8> {
    let takes = "    { \"type\": 1, \"commands\": [0], \"events\": [1] }\n  ],\n";
    let more = "{\"type\":1,\"commands\":[0,1],\"events\":[1]}],";
    patched(keepers(mark), &[(takes, more)])
}

/// A garden, whose plants send an `Act` to the zoo's keepers.
fn garden() -> Vec<u8> {
    let owns = "    { \"type\": 0, \"commands\": [0], \"events\": [1] },\n    { \"type\": 1, \"commands\": [0], \"events\": [1] }\n";
    let changes = [
        ("\"types\": [\"animal\", ", "\"types\": [\"plants\", "),
        (owns, "{ \"type\": 0, \"commands\": [0], \"events\": [1] }\n"),
        ("{ \"name\": \"notes\"", "{ \"name\": \"leafs\""),
        ("\"references\": [\"notes\"]", "\"references\": [\"leafs\"]"),
    ];
    patched(marked("zoo-plain", ""), &changes)
}

/// A garden whose plants send a `Noted`, too.
fn garden_that_sends_notes() -> Vec<u8> {
    let sends = "  \"sends\": [{ \"type\": 1, \"commands\": [0] }],\n";
    patched(garden(), &[(sends, "\"sends\":[{\"type\":1,\"commands\":[0,1]}],")])
}

/// A node's folder, with the components that its file names.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(TempDir::new().unwrap());
        files.put("zoo", &keepers("1"));
        files.put("garden", &garden());
        files
    }

    fn put(&self, name: &str, wasm: &[u8]) {
        fs::write(self.0.path().join(format!("{name}.wasm")), wasm).unwrap();
    }

    fn config(&self) -> Config {
        let folder = self.0.path().display();
        // Its folder for compiled code is that of all tests.
        configuration::text(self.0.path(), "", 1);
        config_of(&format!(
            r#"
data = "{folder}"
[types.animal]
partitions = 1
[types.keeper]
partitions = 1
[types.plants]
partitions = 1
[handlers.zoo]
component = "{folder}/zoo.wasm"
[handlers.zoo-plain]
component = "{folder}/garden.wasm"
"#
        ))
    }

    async fn start(self, from_file: bool) -> Host {
        let config = Config { handlers_from_file: from_file, ..self.config() };
        Host::configured_as(self.0, &config).await
    }

    fn refusal(&self) -> String {
        let refused = block_in_place(|| Node::start(&self.config())).err().unwrap();
        format!("{refused:#}")
    }
}

/// What was deployed last, and of whom.
async fn last(host: &Host) -> Value {
    host.get("/deployments").await.json[0].clone()
}

/// A node that has run, and on which both were deployed.
async fn both_deployed() -> Files {
    let host = Files::new().start(false).await;
    for (number, wasm) in [(2, keepers_who_take_notes("1")), (3, garden_that_sends_notes())] {
        let told = host.deploy("", wasm).await;
        assert_eq!((told.status, &told.json["deployment"]), (200, &json!(number)), "{told:?}");
    }
    Files(host.stop().await)
}

fn remove_kept(folder: &Path, wasm: &[u8]) {
    let digest = zamu_wasm::cache::digest(wasm);
    fs::remove_file(folder.join(format!("components/{digest}.wasm"))).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_does_not_fit_is_refused_and_leaves_no_deployment_behind() {
    let files = both_deployed().await;
    // The file says something new of the zoo, and its keepers do not take what the garden sends.
    files.put("zoo", &keepers("2"));
    let refusal = files.refusal();
    for part in ["`zoo-plain`", "--handlers-from-file", "Noted"] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
    files.put("zoo", &keepers("1"));
    let host = files.start(false).await;
    assert_eq!(last(&host).await["deployment"], 3, "nothing was written");
    assert_eq!(host.get("/handlers").await.json["deployment"], 3);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_file_has_need_not_fit_together_where_something_that_fits_was_deployed() {
    let files = both_deployed().await;
    files.put("garden", &garden_that_sends_notes());
    let host = files.start(false).await;
    let told = host.get("/handlers").await.json;
    let digests: Vec<&Value> =
        told["handlers"].as_array().unwrap().iter().map(|handler| &handler["digest"]).collect();
    let deployed = [keepers_who_take_notes("1"), garden_that_sends_notes()];
    assert_eq!(digests, deployed.each_ref().map(|wasm| zamu_wasm::cache::digest(wasm)).each_ref());
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_of_a_first_start_that_do_not_fit_leave_no_log() {
    let files = Files::new();
    files.put("garden", &garden_that_sends_notes());
    assert!(files.refusal().contains("Noted"));
    assert!(!files.0.path().join("log").exists());
    files.put("garden", &garden());
    files.start(false).await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_deployed_component_is_gone_the_file_is_taken_only_if_somebody_says_so() {
    let files = both_deployed().await;
    remove_kept(files.0.path(), &keepers_who_take_notes("1"));
    let refusal = files.refusal();
    for part in ["handler `zoo`", "is gone", "zamu run --handlers-from-file"] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
    let host = files.start(true).await;
    let told = last(&host).await;
    assert_eq!((&told["deployment"], &told["principal"]), (&json!(4), &json!("")), "{told}");
    assert_eq!(told["reason"], "zamu run --handlers-from-file");
    let handlers = host.get("/handlers").await.json;
    let digest = zamu_wasm::cache::digest(&keepers("1"));
    assert_eq!(handlers["handlers"][0]["digest"], digest);
    assert_eq!(handlers["handlers"][0]["differsFromFile"], false);
    // It is the last word from now on.
    let host = Files(host.stop().await).start(false).await;
    assert_eq!(host.get("/handlers").await.json["handlers"][0]["digest"], digest);
    assert_eq!(last(&host).await["deployment"], 4);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_be_rolled_back_is_told_when_it_is_deployed() {
    let host = Files::new().start(false).await;
    for query in ["dry-run=true", ""] {
        let told = host.deploy(query, keepers_who_take_notes("1")).await;
        assert_eq!(told.status, 200, "{told:?}");
        let why = told.json["rollback"].as_str().unwrap();
        assert!(why.contains("no longer takes") && why.contains("Noted"), "{why}");
    }
    let path = "/handlers/zoo/rollback";
    let told = host.post(path, &[], "").await;
    assert_eq!((told.status, &told.json["field"]), (409, &json!("handler")), "{told:?}");
    // One that takes no more than it is, and what was brought back stays.
    let told = host.deploy("", keepers_who_take_notes("2")).await;
    assert_eq!((told.status, &told.json["rollback"]), (200, &Value::Null), "{told:?}");
    let told = host.post(path, &[], "").await;
    assert_eq!(told.status, 200, "{told:?}");
    assert!(told.json["rollback"].as_str().unwrap().contains("brought back"), "{told:?}");
    host.stop().await;
}
