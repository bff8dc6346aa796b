//! `handler!` in all its forms. What a build for WebAssembly exports is tested where components are
//! built and run.
#![allow(missing_docs, unreachable_pub)]

mod support;

mod both {
    zamu_guest::handler! {
        name: "both",
        version: "2.0.0-rc.1",
        fold: 3,
        aggregates: [super::support::Jar, super::support::Shelf],
        event_handlers: [super::support::Keeper, super::support::Gossip,],
    }
}

mod owner {
    zamu_guest::handler! { name: "owner", fold: 1, aggregates: [super::support::Shelf] }
}

mod hearer {
    zamu_guest::handler! { name: "hearer", fold: 1, event_handlers: [super::support::Gossip] }
}

mod viewer {
    zamu_guest::handler! { name: "viewer", fold: 1, projections: [super::Fills] }
}

/// How full jars are.
struct Fills;

const FILLS: zamu_guest::KeyedTable<u64> = zamu_guest::KeyedTable::new("fills");

zamu_guest::messages! { pub enum Fill { Filled(support::Filled) } }

impl zamu_guest::Projection for Fills {
    const TYPE: &'static str = "jar";
    const TABLES: &'static [zamu_guest::projection::TableDeclaration] = &[FILLS.declared()];
    type Event = Fill;

    fn project(
        event: &Fill,
        _: &zamu_guest::ProjectionContext<'_>,
        rows: &mut zamu_guest::Rows<'_>,
    ) {
        let Fill::Filled(filled) = event;
        *rows.current(&FILLS).get_or_insert(0) += filled.grams;
    }
}

fn manifest(handler: &zamu_guest::Handler) -> serde_json::Value {
    serde_json::from_str(&handler.describe()).unwrap_or_default()
}

#[test]
fn a_handler_has_the_roles_it_is_given_and_no_other() {
    let both = manifest(&both::handler());
    assert_eq!(both["name"], "both");
    assert_eq!(both["fold"], 3);
    assert_eq!(both["aggregates"].as_array().map(Vec::len), Some(2));
    assert_eq!(both["subscriptions"].as_array().map(Vec::len), Some(1));

    let owner = manifest(&owner::handler());
    assert_eq!(owner["types"], serde_json::json!(["shelf"]));
    assert_eq!(owner["subscriptions"], serde_json::json!([]));

    let hearer = manifest(&hearer::handler());
    assert_eq!(hearer["aggregates"], serde_json::json!([]));
    assert_eq!(hearer["types"], serde_json::json!(["jar", "audit"]));

    let viewer = manifest(&viewer::handler());
    assert_eq!(viewer["aggregates"], serde_json::json!([]));
    assert_eq!(viewer["tables"][0]["name"], "fills");
}

#[test]
fn the_version_is_the_packages_unless_it_is_given() {
    assert_eq!(manifest(&both::handler())["version"], "2.0.0-rc.1");
    assert_eq!(manifest(&owner::handler())["version"], env!("CARGO_PKG_VERSION"));
}
