//! What runs a handler's columns for the kit: natively here, in a sandbox elsewhere.

use serde::Serialize;

use crate::columns::{
    Aggregates, Changes, Commands, CurrentRows, Decision, Fault, Heard, Past, Projected, Sent,
    States, Subjects,
};
use crate::handler::{Handler, Host};
use crate::json;

/// Runs one handler.
pub trait Engine {
    /// The manifest.
    fn describe(&mut self) -> String;

    /// As `decide` in `wit/`, with this configuration.
    ///
    /// # Errors
    /// A fault, whether the handler returned it or broke.
    fn decide(
        &mut self,
        aggregates: &Aggregates,
        commands: &Commands,
        configuration: &[u8],
    ) -> Result<Decision, Fault>;

    /// As `evolve` in `wit/`.
    ///
    /// # Errors
    /// As [`Engine::decide`].
    fn evolve(&mut self, aggregates: &Aggregates, events: &Past) -> Result<States, Fault>;

    /// As `react` in `wit/`, with this configuration.
    ///
    /// # Errors
    /// As [`Engine::decide`].
    fn react(&mut self, events: &Heard, configuration: &[u8]) -> Result<Sent, Fault>;

    /// As `project` in `wit/`. An engine without projections need not have it.
    ///
    /// # Errors
    /// As [`Engine::decide`].
    fn project(
        &mut self,
        subjects: &Subjects,
        rows: &CurrentRows,
        events: &Projected,
    ) -> Result<Changes, Fault> {
        let _ = (subjects, rows, events);
        Err(Fault::Internal("this engine runs no projections".to_owned()))
    }
}

/// A host for native calls: it has a configuration, and checks that items are announced in order.
#[derive(Clone, Debug, Default)]
pub struct Native {
    /// The configuration, as the operator would write it; empty for none.
    pub configuration: Vec<u8>,
    /// How many items were announced.
    pub items: u32,
}

impl Native {
    /// A host with this configuration.
    #[must_use]
    pub fn configured(configuration: impl Into<Vec<u8>>) -> Self {
        Self { configuration: configuration.into(), items: 0 }
    }
}

impl Host for Native {
    fn item(&mut self, index: u32) {
        assert_eq!(index, self.items, "items are announced one after another, from 0");
        self.items += 1;
    }

    fn configuration(&mut self) -> Vec<u8> {
        self.configuration.clone()
    }
}

/// The operator's document, of any form that serialises to it.
///
/// # Panics
/// If it cannot be JSON.
#[track_caller]
pub(crate) fn document(configuration: &impl Serialize) -> Vec<u8> {
    let mut document = Vec::new();
    if let Err(error) = json::encode(configuration, &mut document) {
        panic!("the configuration cannot be JSON: {error}");
    }
    document
}

impl Engine for Handler {
    fn describe(&mut self) -> String {
        Handler::describe(self)
    }

    fn decide(
        &mut self,
        aggregates: &Aggregates,
        commands: &Commands,
        configuration: &[u8],
    ) -> Result<Decision, Fault> {
        Handler::decide(self, aggregates, commands, &mut Native::configured(configuration))
    }

    fn evolve(&mut self, aggregates: &Aggregates, events: &Past) -> Result<States, Fault> {
        Handler::evolve(self, aggregates, events, &mut Native::default())
    }

    fn react(&mut self, events: &Heard, configuration: &[u8]) -> Result<Sent, Fault> {
        Handler::react(self, events, &mut Native::configured(configuration))
    }

    fn project(
        &mut self,
        subjects: &Subjects,
        rows: &CurrentRows,
        events: &Projected,
    ) -> Result<Changes, Fault> {
        Handler::project(self, subjects, rows, events, &mut Native::default())
    }
}
