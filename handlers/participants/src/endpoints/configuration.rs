//! Which types of endpoints there are: data, so that a scheme has its own without a new handler.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::address::Form;

/// The types that there are where the operator names none.
const TYPES: [(&str, Form); 4] = [
    ("FSPIOP_CALLBACK_URL_TRANSFER_POST", Form::Url),
    ("FSPIOP_CALLBACK_URL_TRANSFER_PUT", Form::Url),
    ("FSPIOP_CALLBACK_URL_TRANSFER_ERROR", Form::Url),
    ("SETTLEMENT_TRANSFER_POSITION_CHANGE_EMAIL", Form::Email),
];

/// What the operator decides.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Configuration {
    /// The types of endpoints that a participant may have, and the form of their addresses. If
    /// given, it replaces the usual four.
    pub endpoint_types: BTreeMap<String, Form>,
}

impl Default for Configuration {
    fn default() -> Self {
        let types = TYPES.into_iter().map(|(name, form)| (name.to_owned(), form));
        Self { endpoint_types: types.collect() }
    }
}
