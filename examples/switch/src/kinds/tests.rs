//! Each kind is what its name says.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use scheme::Timestamp;
use serde_json::{Value, json};

use crate::kinds::table::UNHAPPY;
use crate::kinds::{Answer, KINDS, LARGE, Offered, Plan, Transfer, UNLUCKY, Ways, When};
use crate::transfer::{self, ABOVE_CAP, ABOVE_CEILING, ABOVE_COVER, UNLUCKY_AMOUNT};

const LATER: &str = "2030-01-01T00:00:00.000Z";

fn of_kind(name: &str) -> Transfer {
    let kind = KINDS.iter().position(|kind| kind.name == name).unwrap() as u16;
    Transfer { index: 12, kind }
}

fn now() -> Timestamp {
    "2026-11-23T09:12:37.000Z".parse().unwrap()
}

fn offered() -> Offered<'static> {
    Offered { made: now(), expiration: LATER }
}

fn offer(transfer: Transfer) -> Value {
    let id = transfer.id();
    serde_json::to_value(transfer.offer(&id, offered()).unwrap()).unwrap()
}

#[test]
fn names_are_names() {
    let names: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), KINDS.len());
    assert!(KINDS.iter().all(|kind| !kind.ends.is_empty()));
}

#[test]
fn the_unhappy_share_is_what_was_asked_for_and_every_kind_has_its_part() {
    for (percent, unhappy) in [(0, 0), (5, 1_000), (33, 6_600), (100, 20_000)] {
        let plan = Plan { transfers: 20_000, unhappy_percent: percent, for_versions: false };
        let mut by_kind: BTreeMap<u16, u64> = BTreeMap::new();
        for index in 0..plan.transfers {
            *by_kind.entry(plan.transfer(index).kind).or_default() += 1;
        }
        let happy = by_kind.remove(&0).unwrap_or(0);
        assert_eq!(happy, plan.transfers - unhappy, "{percent} %");
        let fair = unhappy / u64::from(UNHAPPY);
        assert!(by_kind.values().all(|count| (fair..=fair + 1).contains(count)), "{by_kind:?}");
        assert_eq!(by_kind.len(), if percent == 0 { 0 } else { usize::from(UNHAPPY) });
    }
}

#[test]
fn those_for_other_versions_are_a_share_of_the_usual_ones_where_versions_are_deployed() {
    let count = |plan: Plan, kind| {
        (0..plan.transfers).filter(|index| plan.transfer(*index).kind == kind).count()
    };
    let plan = Plan { transfers: 20_000, unhappy_percent: 0, for_versions: true };
    assert_eq!((count(plan, LARGE), count(plan, UNLUCKY)), (800, 200));
    let plan = Plan { unhappy_percent: 100, ..plan };
    assert_eq!((count(plan, LARGE), count(plan, UNLUCKY)), (0, 0));
    let plan = Plan { unhappy_percent: 5, for_versions: false, ..plan };
    assert_eq!((count(plan, LARGE), count(plan, UNLUCKY)), (0, 0));
    for (kind, name) in [(LARGE, "large"), (UNLUCKY, "unlucky")] {
        assert_eq!(of_kind(name).kind, kind);
    }
}

#[test]
fn everybody_pays_in_unhappy_transfers_of_each_usual_kind() {
    let plan = Plan { transfers: 20_000, unhappy_percent: 33, for_versions: false };
    let mut payers: BTreeMap<u16, BTreeSet<String>> = BTreeMap::new();
    for transfer in (0..plan.transfers).map(|index| plan.transfer(index)) {
        let payer = offer(transfer)["data"]["payer"].as_str().unwrap().to_owned();
        payers.entry(transfer.kind).or_default().insert(payer);
    }
    for (kind, payers) in payers {
        let expected = match KINDS[usize::from(kind)].name {
            "cap exceeded"
            | "same prepare, rejected"
            | "changed prepare, rejected"
            | "cover lacking"
            | "unknown payer"
            | "inactive payer"
            | "payer's account closed"
            | "payer without a cap" => 1,
            _ => transfer::PARTICIPANTS as usize,
        };
        assert_eq!(payers.len(), expected, "{}", KINDS[usize::from(kind)].name);
    }
}

#[test]
fn an_id_leads_back_to_its_kind_and_one_of_no_kind_to_nothing() {
    for (number, kind) in (0..).zip(&KINDS) {
        let transfer = Transfer { index: 7, kind: number };
        assert_eq!(Transfer::of(&transfer.id()), Some(transfer));
        assert_eq!(transfer.kind().name, kind.name);
    }
    let beyond = transfer::id(7, KINDS.len() as u16);
    assert_eq!(Transfer::of(&beyond), None);
}

#[test]
fn each_offer_breaks_the_rule_that_its_kind_names() {
    let usual = offer(Transfer { index: 12, kind: 0 });
    for (name, member, expected) in [
        ("cap exceeded", "amount", json!(ABOVE_CAP)),
        ("cap exceeded", "payer", json!("simfsp15")),
        ("cover lacking", "amount", json!(ABOVE_COVER)),
        ("cover lacking", "payer", json!("simfsp09")),
        ("unknown payer", "payer", json!("simfsp10")),
        ("inactive payer", "payer", json!("simfsp11")),
        ("unknown payee", "payee", json!("simfsp10")),
        ("inactive payee", "payee", json!("simfsp11")),
        ("payee without an account", "payee", json!("simfsp12")),
        ("payee's account closed", "payee", json!("simfsp13")),
        ("payer's account closed", "payer", json!("simfsp13")),
        ("payer without a cap", "payer", json!("simfsp14")),
        ("expired on arrival", "expiration", json!("2026-11-23T08:12:37.000Z")),
        ("finer than minor units", "amount", json!("1.001")),
        ("large", "amount", json!(ABOVE_CEILING)),
        ("unlucky", "amount", json!(UNLUCKY_AMOUNT)),
        ("timeout", "expiration", json!("2026-11-23T09:12:39.000Z")),
        ("late fulfilment", "expiration", json!("2026-11-23T09:12:39.000Z")),
        ("payee aborts", "amount", usual["data"]["amount"].clone()),
        ("payee aborts", "expiration", json!(LATER)),
    ] {
        assert_eq!(offer(of_kind(name))["data"][member], expected, "{name}");
    }
    let on_us = offer(of_kind("on-us"));
    assert_eq!(on_us["data"]["payer"], on_us["data"]["payee"]);
}

#[test]
fn the_same_offer_again_is_the_same_but_for_its_id_and_a_changed_one_is_not() {
    for (name, when, is_same) in [
        ("same prepare, in progress", When::AtOnce, true),
        ("same prepare, final", When::Ended, true),
        ("same prepare, rejected", When::Ended, true),
        ("same prepare, invalid", When::Ended, true),
        ("same prepare, aborted", When::Ended, true),
        // Also where the offer ended soon after it was made.
        ("same prepare, expired", When::Ended, true),
        ("changed prepare, in progress", When::AtOnce, false),
        ("changed prepare, final", When::Ended, false),
        ("changed prepare, rejected", When::Ended, false),
        ("changed prepare, invalid", When::Ended, false),
        ("changed prepare, aborted", When::Ended, false),
        ("changed prepare, expired", When::Ended, false),
    ] {
        let transfer = of_kind(name);
        let id = transfer.id();
        let first = offer(transfer);
        let words = transfer.words(when, &id, offered()).unwrap();
        let again = serde_json::to_value(&words[0].0).unwrap();
        assert_ne!(first["id"], again["id"]);
        assert_eq!(first["subject"], again["subject"]);
        assert_eq!(first["data"] == again["data"], is_same, "{name}");
    }
}

#[test]
fn no_command_of_a_transfer_has_the_id_of_another() {
    for number in 0..KINDS.len() as u16 {
        let transfer = Transfer { index: 3, kind: number };
        let id = transfer.id();
        let mut ids = vec![offer(transfer)["id"].as_str().unwrap().to_owned()];
        for when in [When::AtOnce, When::Prepared, When::Ended] {
            let words = transfer.words(when, &id, offered()).unwrap();
            assert_eq!(!words.is_empty(), transfer.has_words(when));
            ids.extend(words.iter().map(|(command, _)| command.id().to_owned()));
        }
        let different: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(different.len(), ids.len(), "{ids:?}");
    }
}

#[test]
fn only_the_payee_with_its_secret_fulfils() {
    for (name, by_payee, fulfils) in [
        ("happy", true, true),
        ("wrong fulfilment", true, false),
        ("malformed fulfilment", true, false),
        ("wrong payee", false, true),
    ] {
        let transfer = of_kind(name);
        let id = transfer.id();
        let words = transfer.words(When::Prepared, &id, offered()).unwrap();
        let said = serde_json::to_value(&words[0].0).unwrap();
        let party = if by_payee { "payee" } else { "payer" };
        assert_eq!(said["data"]["fsp"], offer(transfer)["data"][party], "{name}");
        let secret = transfer::fulfilment(&id).unwrap().to_string();
        assert_eq!(said["data"]["fulfilment"] == *secret, fulfils, "{name}");
    }
}

#[test]
fn an_abort_again_is_the_same_and_one_otherwise_or_by_another_is_not() {
    let data = |name: &str, when: When, place: usize| {
        let transfer = of_kind(name);
        let id = transfer.id();
        let words = transfer.words(when, &id, offered()).unwrap();
        serde_json::to_value(&words[place].0).unwrap()["data"].take()
    };
    let first = data("payee aborts", When::Prepared, 0);
    assert_eq!(data("aborted twice", When::Prepared, 1), first);
    assert_eq!(data("aborted again, final", When::Ended, 0), first);
    assert_eq!(data("late abort", When::Ended, 0), first);
    assert_eq!(data("early abort", When::AtOnce, 0), first);
    let otherwise = data("aborted otherwise, final", When::Ended, 0);
    assert_eq!(otherwise["fsp"], first["fsp"]);
    assert_ne!(otherwise, first);
    assert_ne!(data("wrong payee aborts", When::Prepared, 0)["fsp"], first["fsp"]);
}

#[test]
fn a_race_has_an_end_for_each_way_and_nothing_but_races_is_answered_either_way() {
    let raced: Vec<&str> =
        KINDS.iter().filter(|kind| kind.is_raced()).map(|kind| kind.name).collect();
    assert_eq!(raced, ["early fulfilment", "early abort"]);
    for kind in KINDS.iter().filter(|kind| kind.is_raced()) {
        assert_eq!(kind.ends.len(), 2, "{}", kind.name);
        for say in kind.says {
            let Answer::Raced(answers) = say.answer else { panic!("{}", kind.name) };
            assert!(answers.iter().all(|answer| !matches!(answer, Answer::Raced(_))));
            assert_ne!(answers[0], answers[1], "{}", kind.name);
        }
    }
}

#[test]
fn who_fulfils_too_early_fulfils_later_or_has_done_so() {
    for (name, early, later, state, code) in [
        ("early fulfilment", Answer::Refused("3100"), Answer::Accepted, "COMMITTED", None),
        ("early fulfilment", Answer::Accepted, Answer::Nothing, "COMMITTED", None),
        ("early abort", Answer::Refused("3100"), Answer::Accepted, "COMMITTED", None),
        ("early abort", Answer::Accepted, Answer::Refused("3106"), "ABORTED_ERROR", Some("5104")),
    ] {
        let kind = of_kind(name).kind();
        let [first, second] = kind.says else { panic!("{name}") };
        let ways = first.answer.ways(|answer| answer == early);
        let ways = ways.and(second.answer.ways(|answer| answer == later));
        assert!(!ways.is_empty() && ways != Ways::ALL, "{name}: {early}, {later}");
        for (other, other_code) in [("COMMITTED", None), ("ABORTED_ERROR", Some("5104"))] {
            let is_end = (other, other_code) == (state, code);
            assert_eq!(kind.may_end(ways, other, other_code), is_end, "{name}: {early}: {other}");
        }
        let mixed = first.answer.ways(|answer| answer == early);
        let mixed = mixed.and(second.answer.ways(|answer| answer != later));
        assert!(mixed.is_empty(), "{name}: no story has both");
    }
}
