//! What a load may say, and what is told when it may not.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use serde_json::json;

use super::*;
use crate::run::sample;

const LOAD: &str = include_str!("load.test.toml");

fn parse(text: &str) -> Result<Load, String> {
    Load::parse(text, Path::new("some/load.toml")).map_err(|error| error.to_string())
}

fn plan(text: &str, options: &Options) -> Result<Plan, String> {
    parse(text)?.plan(options).map_err(|error| error.to_string())
}

/// What is wrong with the load when this line of it is another.
fn without(line: &str, other: &str) -> String {
    assert!(LOAD.contains(line), "{line}");
    plan(&LOAD.replacen(line, other, 1), &Options::default()).unwrap_err()
}

#[test]
fn a_load_becomes_the_commands_that_it_describes() {
    let plan = plan(LOAD, &Options { seed: 3, ..Options::default() }).unwrap();
    let commands = sample(&plan, 2).unwrap();
    let open = json!({
        "specversion": "1.0", "id": "setup-0/shop-01", "source": "bench", "type": "Open",
        "aggregatetype": "shop", "subject": "shop-01", "data": { "until": commands[0]["data"]["until"] },
    });
    assert_eq!(commands[0], open);
    assert!(commands[0]["data"]["until"].as_str().unwrap().ends_with('Z'));
    let mut id = String::new();
    plan.values.write_id(1, &mut id);
    let order = &commands[2];
    assert_eq!((&order["id"], &order["subject"]), (&json!(id), &json!(id)));
    assert!(order.get("correlationid").is_none(), "the id is the process's name");
    assert!(order["data"]["pieces"].is_u64() && order["data"]["price"].is_string(), "{order}");
    assert_ne!(order["data"]["shop"], order["data"]["other"]);
    assert_eq!(plan.heard().len(), 3);
    assert_eq!(plan.types().into_iter().collect::<Vec<_>>(), ["order", "stock"]);
    assert_eq!(plan.variants["codec"], "json");
}

#[test]
fn a_key_that_there_is_not_is_refused_by_its_line() {
    for (line, other, parts) in [
        ("unit = \"order\"", "unitt = \"order\"", &["line 2", "unitt"][..]),
        ("choose = 4", "chose = 4", &["line", "chose"]),
        ("by = \"events\"", "by = \"luck\"", &["line", "luck", "events"]),
        ("completed = [", "completd = [", &["line", "completd"]),
        ("decimals = 2", "decimals = -2", &["line", "-2"]),
        ("[send]", "[send", &["line"]),
    ] {
        let error = parse(&LOAD.replacen(line, other, 1)).unwrap_err();
        assert!(error.starts_with("some/load.toml: "), "{error}");
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}: {error}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place_and_the_remedy() {
    for (line, other, place, part) in [
        ("number = [1, 9]", "number = [9, 1]", "values.pieces.number", "[1, 9]"),
        ("number = [1, 9]", "number = [1, 9], bytes = 3", "values.pieces", "number and bytes"),
        ("number = [1, 9]", "first = 1", "values.pieces", "is nothing: say exactly one"),
        (
            "number = [1, 9]",
            "number = [1, 9], zipf = 1.0",
            "values.pieces.zipf",
            "goes with `choose`",
        ),
        ("bytes = 32", "bytes = 0", "values.secret.bytes", "is 0"),
        (
            "sha256-of = \"secret\"",
            "sha256-of = \"shop\"",
            "values.digest.sha256-of",
            "no value of `bytes`",
        ),
        (
            "{ choose = 4, text = \"shop-{n}\", unlike = \"shop\" }",
            "{ choose = 0 }",
            "values.other.choose",
            "between 1",
        ),
        ("text = \"shop-{n}\"", "text = \"shop\"", "values.shop.text", "{n} once"),
        ("unlike = \"shop\"", "unlike = \"other\"", "values.other.unlike", "circle"),
        ("unlike = \"shop\"", "unlike = \"pieces\"", "values.other.unlike", "as many choices"),
        ("unlike = \"shop\"", "unlike = \"shop\", hot = true", "values.shop.hot", "second"),
        ("unlike = \"shop\"", "unlike = \"shop\", zipf = -1.0", "values.other.zipf", "above 0"),
        ("time-in-s = 60", "time-in-s = 99999999999", "values.until.time-in-s", "hundred years"),
        ("pieces = { number", "id = { number", "values.id", "no name for a value"),
        ("each = \"shop\"", "each = \"pieces\"", "setup.0.each", "no value that is chosen"),
        (
            "until = \"{until}\"",
            "until = \"{pieces}\"",
            "setup.0.data.until",
            "differs from unit to unit",
        ),
        ("until = \"{until}\"", "until = \"{id}\"", "setup.0.data.until", "done once"),
        (
            "key = \"{id}\"\nkind = \"Place\"",
            "key = \"{nobody}\"\nkind = \"Place\"",
            "send.key",
            "there are id, unit, digest",
        ),
        ("kind = \"Place\"", "kind = \"\"", "send.kind", "is empty"),
        (
            "kind = \"Place\"",
            "kind = \"Place\"\nsubject = \"x\"",
            "send.subject",
            "no part of a command",
        ),
        ("kind = \"Place\"", "kind = \"Place\"\ntext = \"x\"", "send.text", "stands beside `data`"),
        ("shop = \"{shop}\"", "shop = \"{event:/key}\"", "send.data.shop", "only [[answer]]"),
        ("shop = \"{shop}\"", "shop = \"{shop\"", "send.data.shop", "single `{`"),
        ("{event:/data/price}", "{event:price}", "answer.0.send.data.price", "JSON pointer"),
        ("source = \"desk\"", "", "answer.0.send", "another `source` or `id`"),
        (
            "completed = [{ type = \"order\", kind = \"Shipped\" }]",
            "completed = []",
            "ends.completed",
            "is empty",
        ),
        ("kind = \"Cancelled\"", "kind = \"Shipped\"", "ends", "twice"),
        ("unit = \"/correlation\"", "unit = \"correlation\"", "ends.unit", "JSON pointer"),
        ("by = \"events\"", "by = \"answer\"", "ends.refused", "by = \"events\""),
        ("value = \"/data/by\"", "value = \"by\"", "sums.0.terms.1.value", "JSON pointer"),
        ("states = \"stock\", ", "", "sums.0.terms.0", "exactly one of states, events, rows"),
        ("each = \"shop\", key = \"{shop}\"", "each = \"shop\"", "sums.0.terms.0", "needs `key`"),
        ("kind = \"Moved\", value", "times = 2, value", "sums.0.terms.1.kind", "is missing"),
        (
            "default = \"json\"",
            "default = \"xml\"",
            "variants.codec.default",
            "there are json, protobuf",
        ),
    ] {
        let error = without(line, other);
        let expected = format!("some/load.toml: `{place}` ");
        assert!(error.starts_with(&expected) && error.contains(part), "{place}, {part}: {error}");
    }
}

#[test]
fn an_option_that_the_load_has_nothing_for_is_refused() {
    let options = |name: &str, choice: &str| Options {
        variants: [(name.to_owned(), choice.to_owned())].into(),
        ..Options::default()
    };
    for (options, text, part) in [
        (options("codec", "xml"), LOAD.to_owned(), "there are json, protobuf"),
        (options("colour", "red"), LOAD.to_owned(), "it varies in codec"),
        (
            Options { hot: Some(0.7), ..Options::default() },
            LOAD.replace("hot = true", "hot = false"),
            "--hot-key",
        ),
        (
            Options { poison: Some(10), ..Options::default() },
            LOAD.split("[poison]").next().unwrap().to_owned(),
            "--poison",
        ),
    ] {
        let error = plan(&text, &options).unwrap_err();
        assert!(error.contains(part), "{part}: {error}");
    }
    let word = LOAD.replace("pieces = \"13\"", "pieces = \"thirteen\"");
    let error = plan(&word, &Options { poison: Some(2), ..Options::default() }).unwrap_err();
    assert!(error.contains("`poison.values.pieces`") && error.contains("whole number"), "{error}");
}

#[test]
fn one_unit_of_so_many_is_poison_and_the_configuration_is_its_own() {
    let poisoned = plan(LOAD, &Options { poison: Some(4), ..Options::default() }).unwrap();
    let pieces: Vec<u64> = sample(&poisoned, 8).unwrap()[1..]
        .iter()
        .map(|command| command["data"]["pieces"].as_u64().unwrap())
        .collect();
    let bad: Vec<usize> = (0..8).filter(|unit| pieces[*unit] == 13).collect();
    assert_eq!(bad, [3, 7]);
    assert_eq!(poisoned.overlays.len(), 2);
    assert_eq!(plan(LOAD, &Options::default()).unwrap().overlays.len(), 1);
}

#[test]
fn what_a_load_names_must_be_there() {
    let plan = plan(LOAD, &Options::default()).unwrap();
    let there = |order: &str, shipped: bool, partitions: Option<u32>| -> Topology {
        let of = |name: &str, commands: &[&str], events: &[&str]| {
            json!({
                "type": name, "partitions": partitions,
                "commands": commands.iter().map(|kind| json!({ "kind": kind, "taken": true })).collect::<Vec<_>>(),
                "events": events.iter().map(|kind| json!({ "kind": kind, "decided": *kind != "Shipped" || shipped })).collect::<Vec<_>>(),
            })
        };
        let types = [
            of("shop", &["Open"], &[]),
            of("order", &[order, "Ship"], &["Placed", "Shipped", "Cancelled"]),
            of("stock", &[], &["Moved"]),
        ];
        serde_json::from_value(json!({ "types": types })).unwrap()
    };
    plan.fits(&there("Place", true, Some(1))).unwrap();
    for (topology, part) in [
        (
            there("Plaice", true, Some(1)),
            "command `Place` of `order`, which its handler does not know: it has Plaice, Ship",
        ),
        (there("Place", false, Some(1)), "event `Shipped`"),
        (there("Place", true, None), "type `order`"),
    ] {
        let error = plan.fits(&topology).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}
