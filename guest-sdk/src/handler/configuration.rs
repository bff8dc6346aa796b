//! The handler's configuration during one call: fetched at most once, and read once per role.

use std::any::{Any, TypeId};

use serde::de::DeserializeOwned;

use crate::columns::Fault;
use crate::handler::Host;
use crate::json;

/// Reads the operator's document as one role wants it.
pub(crate) type Parse = fn(&[u8]) -> Result<Box<dyn Any>, String>;

/// How `C` is read from the document; `()` reads nothing, and an empty document is the default.
pub(crate) fn parse<C: DeserializeOwned + Default + 'static>(
    document: &[u8],
) -> Result<Box<dyn Any>, String> {
    if document.is_empty() || TypeId::of::<C>() == TypeId::of::<()>() {
        return Ok(Box::new(C::default()));
    }
    let value: C = json::decode(document)
        .map_err(|error| format!("the handler's configuration is not understood: {error}"))?;
    Ok(Box::new(value))
}

/// Whether a role reads any configuration.
pub(crate) fn reads<C: 'static>() -> bool {
    TypeId::of::<C>() != TypeId::of::<()>()
}

/// What the roles of a handler have read in this call, by the role's index.
pub(crate) struct Configurations {
    document: Option<Vec<u8>>,
    read: Vec<Option<Box<dyn Any>>>,
}

impl Configurations {
    pub(crate) fn new(roles: usize) -> Self {
        Self { document: None, read: (0..roles).map(|_| None).collect() }
    }

    pub(crate) fn of(
        &mut self,
        role: usize,
        parse: Parse,
        reads: bool,
        host: &mut dyn Host,
    ) -> Result<&dyn Any, Fault> {
        let entry = &mut self.read[role];
        if let Some(value) = entry {
            return Ok(&**value);
        }
        let document: &[u8] =
            if reads { self.document.get_or_insert_with(|| host.configuration()) } else { &[] };
        Ok(&**entry.insert(parse(document).map_err(Fault::Internal)?))
    }
}
