//! What runs a handler's columns for the kit: natively here, in a sandbox elsewhere.

use crate::columns::{
    Aggregates, Blobs, Changes, Commands, CurrentRows, Decision, Fault, Heard, Past, Projected,
    Sent, States, Subjects,
};
use crate::handler::{Handler, Host};
use crate::testing::Setting;

/// Runs one handler.
pub trait Engine {
    /// The manifest.
    fn describe(&mut self) -> String;

    /// As `decide` in `wit/`, in this setting.
    ///
    /// # Errors
    /// A fault, whether the handler returned it or broke.
    fn decide(
        &mut self,
        aggregates: &Aggregates,
        commands: &Commands,
        setting: &Setting,
    ) -> Result<Decision, Fault>;

    /// As `evolve` in `wit/`.
    ///
    /// # Errors
    /// As [`Engine::decide`].
    fn evolve(&mut self, aggregates: &Aggregates, events: &Past) -> Result<States, Fault>;

    /// As `react` in `wit/`, in this setting.
    ///
    /// # Errors
    /// As [`Engine::decide`].
    fn react(&mut self, events: &Heard, setting: &Setting) -> Result<Sent, Fault>;

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

    /// As `inspect` in `wit/`: states as JSON. An engine need not have it.
    ///
    /// # Errors
    /// As [`Engine::decide`].
    fn inspect(&mut self, aggregates: &Aggregates) -> Result<Blobs, Fault> {
        let _ = aggregates;
        Err(Fault::Internal("this engine shows no states".to_owned()))
    }

    /// As `show` in `wit/`: messages as JSON. An engine need not have it.
    ///
    /// # Errors
    /// As [`Engine::decide`].
    fn show(&mut self, types: &[u32], kinds: &[u32], bodies: &Blobs) -> Result<Blobs, Fault> {
        let _ = (types, kinds, bodies);
        Err(Fault::Internal("this engine shows no messages".to_owned()))
    }
}

/// A host for native calls: it has a setting, and checks that items are announced in order.
#[derive(Clone, Debug)]
pub struct Native<'a> {
    setting: &'a Setting,
    /// Names of the handler's reference tables, by their index in its manifest.
    references: &'a [&'static str],
    /// How many items were announced.
    pub items: u32,
}

impl<'a> Native<'a> {
    /// A host for this handler, in this setting.
    #[must_use]
    pub fn new(handler: &'a Handler, setting: &'a Setting) -> Self {
        Self { setting, references: handler.references(), items: 0 }
    }
}

/// No configuration, and no reference tables.
impl Default for Native<'_> {
    fn default() -> Self {
        static NONE: Setting = Setting::new();
        Self { setting: &NONE, references: &[], items: 0 }
    }
}

impl Host for Native<'_> {
    fn item(&mut self, index: u32) {
        assert_eq!(index, self.items, "items are announced one after another, from 0");
        self.items += 1;
    }

    fn configuration(&mut self) -> Vec<u8> {
        self.setting.configuration.clone()
    }

    fn reference(&self, table: u32, key: &[u8]) -> Option<Vec<u8>> {
        let Some(name) = self.references.get(table as usize) else {
            panic!("reference table {table} is none of {:?}", self.references)
        };
        self.setting.references.row(name, key).map(<[u8]>::to_vec)
    }
}

impl Engine for Handler {
    fn describe(&mut self) -> String {
        Handler::describe(self)
    }

    fn decide(
        &mut self,
        aggregates: &Aggregates,
        commands: &Commands,
        setting: &Setting,
    ) -> Result<Decision, Fault> {
        Handler::decide(self, aggregates, commands, &mut Native::new(self, setting))
    }

    fn evolve(&mut self, aggregates: &Aggregates, events: &Past) -> Result<States, Fault> {
        Handler::evolve(self, aggregates, events, &mut Native::default())
    }

    fn react(&mut self, events: &Heard, setting: &Setting) -> Result<Sent, Fault> {
        Handler::react(self, events, &mut Native::new(self, setting))
    }

    fn project(
        &mut self,
        subjects: &Subjects,
        rows: &CurrentRows,
        events: &Projected,
    ) -> Result<Changes, Fault> {
        Handler::project(self, subjects, rows, events, &mut Native::default())
    }

    fn inspect(&mut self, aggregates: &Aggregates) -> Result<Blobs, Fault> {
        Handler::inspect(self, aggregates)
    }

    fn show(&mut self, types: &[u32], kinds: &[u32], bodies: &Blobs) -> Result<Blobs, Fault> {
        Handler::show(self, types, kinds, bodies)
    }
}
