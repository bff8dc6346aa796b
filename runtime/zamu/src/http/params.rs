//! What stands in a path or a query, checked. What cannot be read is a problem that names the field.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use zamu_core::model::{PartitionId, TypeId};

use crate::http::App;
use crate::http::problem::Problem;

/// The variable segments of a path.
pub(crate) struct Path<T>(pub(crate) T);

/// What stands behind the question mark.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, app).await;
        path.map(|path| Self(path.0)).map_err(|error| Problem::field("path", error.body_text()))
    }
}

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(query) => Ok(Self(query.0)),
            Err(error) => Err(unreadable(&error.body_text())),
        }
    }
}

/// The extractor's text is `Failed to ...: field: what`, or names an unknown field in backticks.
fn unreadable(text: &str) -> Problem {
    let what = text.split_once(": ").map_or(text, |(_, what)| what);
    match what.split_once(": ") {
        Some((field, what)) if !field.contains([' ', '`']) => {
            Problem::field(field, format!("cannot be used: {what}"))
        }
        _ => {
            let field = what.split('`').nth(1).unwrap_or("query");
            Problem::field(field, format!("cannot be used: {what}"))
        }
    }
}

impl App {
    /// The type of that name: 404 if there is none.
    pub(crate) fn type_named(&self, name: &str) -> Result<TypeId, Problem> {
        self.node.types.named(name).ok_or_else(|| {
            let known: Vec<&str> = self.node.types.iter().map(|t| &*t.name).collect();
            let detail =
                format!("there is no aggregate type `{name}`; there are {}", known.join(", "));
            Problem::new(404, detail).with("field", "type")
        })
    }

    /// The partition of a type: 404 if there is none.
    pub(crate) fn partition(&self, name: &str, number: &str) -> Result<PartitionId, Problem> {
        let aggregate_type = self.type_named(name)?;
        let number = number_of("partition", number)?;
        let partitions = self.node.types.settings(aggregate_type).partitions;
        if number >= partitions {
            let detail = format!("`{name}` has partitions 0 to {}, not {number}", partitions - 1);
            return Err(Problem::new(404, detail).with("field", "partition"));
        }
        Ok(PartitionId { aggregate_type, number })
    }

    /// How many entries an answer may have.
    pub(crate) fn page(&self, limit: Option<&str>) -> Result<usize, Problem> {
        let max = self.settings.page_max;
        let Some(limit) = limit else { return Ok(max.min(100)) };
        let limit: usize = number_of("limit", limit)?;
        if !(1..=max).contains(&limit) {
            return Err(Problem::field("limit", format!("is {limit}; it must be from 1 to {max}")));
        }
        Ok(limit)
    }
}

/// A whole number.
pub(crate) fn number_of<T: FromStr>(field: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::field(field, format!("is `{text}`, which is no number here")))
}
