//! What a participant's endpoints can be asked, and what can happen to them. The key is the
//! participant's id.

use serde::{Deserialize, Serialize};

/// A client asks to reach the participant there from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetEndpoint {
    /// Which endpoint: one of the configured types.
    #[serde(rename = "type")]
    pub endpoint_type: String,
    /// The address, in the form of its type: at most 2,048 visible characters.
    pub value: String,
}

/// A client asks to forget an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveEndpoint {
    /// Which endpoint.
    #[serde(rename = "type")]
    pub endpoint_type: String,
}

/// The participant is reached there from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSet {
    /// Which endpoint.
    #[serde(rename = "type")]
    pub endpoint_type: String,
    /// The address.
    pub value: String,
}

/// The participant has no such endpoint any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRemoved {
    /// Which endpoint.
    #[serde(rename = "type")]
    pub endpoint_type: String,
}

zamu_guest::messages! {
    /// What endpoints can be asked.
    pub enum Command { SetEndpoint, RemoveEndpoint }
}

zamu_guest::messages! {
    /// What can happen to endpoints.
    pub enum Event { EndpointSet, EndpointRemoved }
}
