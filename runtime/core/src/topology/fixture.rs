//! The smallest topology there is, for tests that need one and care for nothing in it.

use std::sync::Arc;

use bytes::Bytes;

use super::{Topology, TypeSettings, WiringError};
use crate::guest::manifest::{Class, HandlerSpec, Manifest, OwnedType};

/// One handler, `h`, that owns one type, `t`, of one partition.
///
/// # Errors
/// Never.
pub fn of_one_type() -> Result<Topology, WiringError> {
    let manifest = Manifest {
        types: vec!["t".into()],
        aggregates: vec![OwnedType::default()],
        ..Manifest::default()
    };
    let spec = HandlerSpec {
        name: "h".into(),
        digest: String::new(),
        class: Class::Pure,
        manifest,
        configuration: Bytes::new(),
    };
    let t = TypeSettings { name: "t".into(), partitions: 1, window_ids: 1, window_ms: 1 };
    Topology::new(1, vec![t], vec![Arc::new(spec)])
}
