//! Who may send what to whom, where a kind has several forms.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use zamu_core::guest::manifest::{Class, HandlerSpec, Manifest, OwnedType, TypeKinds};
use zamu_core::model::{KindName, TypeId};
use zamu_core::topology::{Topology, TypeSettings, WiringError};

const TARGET: TypeId = TypeId(1);

fn kind(name: &str, schema: &str, content_type: &str) -> Arc<KindName> {
    let [name, schema, content_type] = [name, schema, content_type].map(str::to_owned);
    Arc::new(KindName { name, schema, content_type })
}

fn manifest(name: &str, types: &[&str], kinds: &[Arc<KindName>]) -> Manifest {
    Manifest {
        name: name.into(),
        version: "0.1.0".into(),
        fold: 1,
        types: types.iter().map(|name| (*name).into()).collect(),
        kinds: kinds.to_vec(),
        state_schemas: vec!["1".into()],
        ..Manifest::default()
    }
}

/// A handler that sends these to the type of another one, which takes those.
fn wired(sent: &[Arc<KindName>], taken: &[Arc<KindName>]) -> Result<Topology, WiringError> {
    let all = |kinds: &[Arc<KindName>]| (0..kinds.len() as u32).collect::<Vec<_>>();
    let owned = |commands| vec![OwnedType { aggregate_type: 0, commands, events: Vec::new() }];
    let sender = Manifest {
        aggregates: owned(Vec::new()),
        sends: vec![TypeKinds { aggregate_type: 1, kinds: all(sent) }],
        ..manifest("sender", &["source", "target"], sent)
    };
    let taker = Manifest { aggregates: owned(all(taken)), ..manifest("taker", &["target"], taken) };
    let spec = |manifest: Manifest| {
        Arc::new(HandlerSpec {
            name: manifest.name.as_str().into(),
            digest: "d".into(),
            class: Class::Pure,
            manifest,
            configuration: bytes::Bytes::new(),
        })
    };
    let types = ["source", "target"].map(|name| TypeSettings {
        name: name.into(),
        partitions: 1,
        window_ids: 8,
        window_ms: 1_000,
    });
    Topology::new(1, types.to_vec(), vec![spec(sender), spec(taker)])
}

#[test]
fn a_form_that_nobody_takes_yet_does_not_keep_its_sender_out() {
    let (json, lean) = (kind("Act", "1", "application/json"), kind("Act", "1", "x/lean"));
    wired(&[Arc::clone(&json), Arc::clone(&lean)], &[Arc::clone(&json)]).unwrap();
    wired(&[Arc::clone(&json)], &[lean, json]).unwrap();
}

#[test]
fn a_command_that_nobody_takes_in_any_form_is_refused() {
    let json = kind("Act", "1", "application/json");
    for sent in [kind("Act", "2", "application/json"), kind("Oct", "1", "application/json")] {
        let refused = wired(&[sent], &[Arc::clone(&json)]).unwrap_err().to_string();
        assert!(refused.contains("does not take it"), "{refused}");
    }
}

#[test]
fn a_client_that_says_nothing_of_the_form_means_the_first_one() {
    let (json, lean) = (kind("Act", "1", "application/json"), kind("Act", "1", "x/lean"));
    let topology = wired(&[], &[Arc::clone(&json), Arc::clone(&lean)]).unwrap();
    let said = |content_type: &str| KindName {
        name: "Act".into(),
        content_type: content_type.into(),
        ..KindName::default()
    };
    assert_eq!(topology.command_kind(TARGET, &said("")), Some(json));
    assert_eq!(topology.command_kind(TARGET, &said("x/lean")), Some(lean));
    assert_eq!(topology.command_kind(TARGET, &said("x/other")), None);
}
