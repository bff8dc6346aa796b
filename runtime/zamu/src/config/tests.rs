//! What a configuration may say, and how it is told what is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use zamu_core::guest::manifest::Class;

use super::*;

const SMALL: &str = r#"
[types.counter]
partitions = 2
[handlers.counter]
component = "counter.wasm"
configuration = { limit = 10 }
"#;

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let variables = environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    Config::parse(text, "zamu.toml", variables).map_err(|error| error.to_string())
}

#[test]
fn the_defaults_are_the_engines_own_where_those_have_some() {
    let config = parse(SMALL, &[]).unwrap();
    assert_eq!(config.guest_limits(), zamu_wasm::Limits::default());
    let mut settings = config.shard_settings(1);
    settings.cache_bytes = Settings::default().cache_bytes;
    assert_eq!(settings, Settings::default());
}

#[test]
fn the_file_wins_over_the_defaults_and_the_environment_over_the_file() {
    let text = format!("{SMALL}\n[http]\nlag-max = 7\nwait-ms = 9");
    let config = parse(
        &text,
        &[
            ("ZAMU_HTTP_LAG_MAX", "8"),
            ("ZAMU_DATA", "elsewhere"),
            ("ZAMU_HTTP_LISTEN", "127.0.0.1:0"),
            ("ZAMU_TYPES_COUNTER_WINDOW_IDS", "3"),
            ("ZAMU_HANDLERS_COUNTER_COMPONENT", "5"),
            ("ZAMU_EVENT_HANDLERS_CATCH_UP_EVENTS", "9"),
            ("ZAMU_FAILPOINTS", "not-ours"),
        ],
    )
    .unwrap();
    assert_eq!((config.http.lag_max, config.http.wait_ms), (8, 9));
    assert_eq!(config.data, Path::new("elsewhere"));
    assert_eq!(config.http.listen.port(), 0);
    assert_eq!(config.types["counter"].window_ids, 3);
    assert_eq!(config.handlers["counter"].component, Path::new("5"));
    assert_eq!(config.event_handlers.catch_up_events, 9);
    assert_eq!(config.handlers["counter"].from, None);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (more, environment, parts) in [
        ("[http]\nlisten-on = 1", &[][..], &["zamu.toml", "http.listen-on", "unknown field"][..]),
        ("[http]\nlag-max = \"x\"", &[], &["http.lag-max", "invalid type"]),
        ("[shard]\ncount = 1", &[], &["`shard`", "unknown field"]),
        ("[types.b]\nwindow-ids = 1", &[], &["types.b", "missing field `partitions`"]),
        ("[types.b]\npartitions = 0", &[], &["types.b.partitions", "from 1 to"]),
        ("[types.\"a b\"]\npartitions = 1", &[], &["types.a b", "letters, digits"]),
        ("[types.b]\npartitions = 1\nwindow-hours = 25", &[], &["window-hours", "retention-hours"]),
        ("[http]\nlisten = \"0.0.0.0:1\"", &[], &["http.listen", "allow-remote"]),
        ("[http]\nbodies-bytes-max = 1", &[], &["http.bodies-bytes-max"]),
        ("[shards]\nfault-share-max = 0.0", &[], &["shards.fault-share-max"]),
        ("[limits]\nclasses = []", &[], &["limits.classes", "has no entry", "\"pure\""]),
        ("[limits]\nclasses = [\"wasi\"]", &[], &["limits.classes", "`wasi`", "`pure` or `std`"]),
        ("", &[("ZAMU_DATA", "")], &["`data` is empty", "folder"]),
        ("[handlers.h]\ncomponent = \"c\"\nfrom = \"then\"", &[], &["handlers.h.from", "`then`"]),
        ("[", &[], &["zamu.toml is no TOML", "line"]),
        ("", &[("ZAMU_HTTP_LAGMAX", "1")], &["ZAMU_HTTP_LAGMAX", "names no setting"]),
        ("", &[("ZAMU_HTTP_LAG_MAX", "many")], &["ZAMU_HTTP_LAG_MAX", "http.lag-max", "`many`"]),
        (
            "",
            &[("ZAMU_HTTP_LAG_MAX", "true")],
            &["ZAMU_HTTP_LAG_MAX", "http.lag-max", "invalid type"],
        ),
    ] {
        let error = parse(&format!("{SMALL}\n{more}"), environment).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{more}: {error}");
        }
    }
    let error = parse(&format!("data = \"\"\n{SMALL}"), &[]).unwrap_err();
    assert!(error.contains("`data` is empty"), "{error}");
    let error = parse("", &[]).unwrap_err();
    assert!(error.contains("`types` has no entry"), "{error}");
}

#[test]
fn classes_can_be_forbidden() {
    let text = format!("{SMALL}\n[limits]\nclasses = [\"pure\"]");
    let classes = |text: &str, environment: &[(&str, &str)]| {
        parse(text, environment).unwrap().guest_limits().classes
    };
    assert_eq!(classes(&text, &[]), [Class::Pure]);
    assert_eq!(classes(&text, &[("ZAMU_LIMITS_CLASSES", "[\"std\"]")]), [Class::Std]);
}

#[test]
fn a_remote_address_can_be_allowed_on_purpose() {
    let text = format!("{SMALL}\n[http]\nlisten = \"0.0.0.0:1\"\nallow-remote = true");
    assert!(parse(&text, &[]).is_ok());
}

#[test]
fn every_setting_can_be_set_by_the_environment() {
    let table: toml::Table = DEFAULTS.parse().unwrap();
    for (section, value) in &table {
        for (key, value) in value.as_table().into_iter().flatten() {
            let name = format!("ZAMU_{section}_{key}").to_uppercase().replace('-', "_");
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            parse(SMALL, &[(&name, &text)]).expect(&name);
        }
    }
}

#[test]
fn a_handlers_section_says_from_which_event_on_it_reacts() {
    for (said, from) in [("beginning", ReactsFrom::Beginning), ("now", ReactsFrom::Now)] {
        let text = format!("{SMALL}\n[handlers.h]\ncomponent = 'h.wasm'\nfrom = '{said}'");
        assert_eq!(parse(&text, &[]).unwrap().handlers["h"].from, Some(from));
        assert_eq!(from.start().name(), said);
    }
}
