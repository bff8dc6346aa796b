//! Fields of events and states, read by name.

use anyhow::Context as _;
use scheme::Money;
use serde_json::Value;

pub(super) fn text<'v>(body: &'v Value, field: &str) -> anyhow::Result<&'v str> {
    body[field].as_str().with_context(|| format!("no text {field} in {body}"))
}

pub(super) fn optional_money(body: &Value, field: &str) -> anyhow::Result<Option<Money>> {
    body.get(field).map(|_| money(body, field)).transpose()
}

pub(super) fn money(body: &Value, field: &str) -> anyhow::Result<Money> {
    text(body, field)?.parse().with_context(|| format!("{field} in {body}"))
}
