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
}

#[test]
fn the_version_is_the_packages_unless_it_is_given() {
    assert_eq!(manifest(&both::handler())["version"], "2.0.0-rc.1");
    assert_eq!(manifest(&owner::handler())["version"], env!("CARGO_PKG_VERSION"));
}
