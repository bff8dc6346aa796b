//! A scenario as data. How it is written is left to [`text`](crate::text), what it means to
//! [`run`](fn@crate::run).

use std::collections::BTreeSet;

/// One story, from nothing to its last expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The file it stands in.
    pub file: String,
    /// Its number in the list of golden scenarios, if it has one, and what it promises.
    pub title: String,
    /// Configuration of handlers by name, JSON.
    pub configuration: Vec<(String, String)>,
    /// What is done and seen, in order.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// Its number in the list of golden scenarios, if it has one.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        self.title.split_once(':')?.0.parse().ok()
    }

    /// What it promises, without the number.
    #[must_use]
    pub fn promise(&self) -> &str {
        match (self.number(), self.title.split_once(':')) {
            (Some(_), Some((_, promise))) => promise.trim(),
            _ => &self.title,
        }
    }

    /// Whether it needs a switch of its own: for its configuration, or because of a step that no other
    /// scenario could be told beside.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        !self.configuration.is_empty() || self.steps.iter().any(Step::is_felt_by_all)
    }

    /// Whether something is still held back when it ends.
    #[must_use]
    pub fn ends_held_back(&self) -> bool {
        let mut held = BTreeSet::new();
        for step in &self.steps {
            match step {
                Step::HoldBack { aggregate_type } => held.insert(*aggregate_type),
                Step::LetGo { aggregate_type } => held.remove(aggregate_type),
                _ => continue,
            };
        }
        !held.is_empty()
    }
}

impl Step {
    /// Time passes, or something is held back.
    fn is_felt_by_all(&self) -> bool {
        matches!(self, Self::Send { later_by_ms: Some(_), .. } | Self::HoldBack { .. })
    }
}

/// The switch comes to rest before and after each, but for what is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something is done.
    Send {
        /// These commands are sent together.
        sendings: Vec<Sending>,
        /// Then so much time passes, in milliseconds.
        later_by_ms: Option<u64>,
    },
    /// The switch itself sends these commands, one after another.
    SendInside(Vec<Sending>),
    /// Commands that the switch sent arrive once more.
    DeliverAgain(Vec<Delivery>),
    /// What the switch sends to aggregates of a type does not arrive any more.
    HoldBack {
        /// The type.
        aggregate_type: &'static str,
    },
    /// What was held back arrives, in its order.
    LetGo {
        /// The type.
        aggregate_type: &'static str,
    },
    /// These are seen.
    Expect(Vec<Expectation>),
}

/// A command that the switch sent to one of its aggregates: the last of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where it stands.
    pub line: usize,
    /// Type of the aggregate.
    pub aggregate_type: String,
    /// Key of the aggregate.
    pub key: String,
    /// Kind of the command.
    pub kind: String,
}

/// A command and what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Where it stands.
    pub line: usize,
    /// The command.
    pub action: Action,
    /// What is to become of it.
    pub outcome: ExpectedOutcome,
    /// The reply's state, and code if it has one; empty where the text does not say.
    pub reply: Option<String>,
}

/// What a client does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Asks for a transfer.
    Prepare {
        /// Its id.
        transfer: String,
        /// Who pays.
        payer: String,
        /// Who is paid.
        payee: String,
        /// How much.
        amount: String,
        /// In which currency.
        currency: String,
        /// When the offer ends.
        expiration: Expiration,
        /// What the fulfilment must hash to.
        condition: String,
    },
    /// Fulfils a transfer.
    Fulfil {
        /// Its id.
        transfer: String,
        /// Who says so; the payee, if the text does not say.
        by: Option<String>,
        /// The fulfilment.
        fulfilment: String,
    },
    /// Aborts a transfer.
    Abort {
        /// Its id.
        transfer: String,
        /// Who says so; the payee, if the text does not say.
        by: Option<String>,
        /// Why, for programs.
        code: String,
        /// Why, for people.
        reason: String,
    },
    /// Asks an aggregate for something in which nobody else is named.
    Ask {
        /// Type of the aggregate.
        aggregate_type: &'static str,
        /// Key of the aggregate.
        key: String,
        /// Kind of the command.
        kind: &'static str,
        /// The fields, those that the text gives.
        fields: Vec<(&'static str, Field)>,
    },
    /// Sends anything to anyone.
    Other {
        /// Type of the aggregate.
        aggregate_type: String,
        /// Key of the aggregate.
        key: String,
        /// Kind of the command.
        kind: String,
        /// Its body, as it is.
        body: String,
    },
}

/// A field of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Text in JSON.
    Text(String),
    /// A number in JSON.
    Number(u64),
}

/// When an offer ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expiration {
    /// So many milliseconds after the scenario's beginning; before it, if negative.
    FromStart(i64),
    /// As it is written.
    Text(String),
}

/// What is to become of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedOutcome {
    /// It is accepted.
    Accepted,
    /// There is nothing to do.
    Nothing,
    /// It is refused.
    Refused {
        /// For programs.
        code: String,
        /// For people, where the text says so.
        details: Option<String>,
    },
}

/// What is to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Fields of a state.
    State {
        /// Where it stands.
        line: usize,
        /// Type of the aggregate.
        aggregate_type: String,
        /// Key of the aggregate.
        key: String,
        /// Path and text of each field; nothing if there is to be no state.
        fields: Option<Vec<(Vec<String>, String)>>,
    },
    /// All events of an aggregate.
    Events {
        /// Where they begin.
        line: usize,
        /// Type of the aggregate.
        aggregate_type: String,
        /// Key of the aggregate.
        key: String,
        /// In order.
        events: Vec<ExpectedEvent>,
    },
}

/// An event that is to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedEvent {
    /// Its kind.
    pub kind: String,
    /// Some of its fields, as text.
    pub fields: Vec<(String, String)>,
}
