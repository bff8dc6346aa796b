//! One line of a trace.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use zamu_core::model::{DeploymentNumber, PartitionId, Time};
use zamu_core::proto::{Refused, outcome::What};

use crate::json::{Terms, text};

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StepKind {
    /// A client's command.
    Request,
    /// An aggregate's own deadline.
    Wake,
    /// A command that an event handler sent.
    Command,
    /// What an aggregate decided.
    Event,
    /// What could not be processed.
    DeadLetter,
}

/// What became of a request, a deadline or a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Its events follow.
    Accepted,
    /// The aggregate's handler said no: `code` and `details`.
    Refused,
    /// There was nothing to do.
    Nothing,
    /// A handler broke: the dead letter follows.
    Fault,
    /// It had been decided before: `first` is the offset of the one that was.
    Duplicate,
    /// It was not asked of the aggregate: `reason`.
    Dropped,
    /// No turn has taken it yet.
    Waiting,
    /// Retention has removed what would tell.
    Gone,
}

/// The version of a handler; version and digest are `null` for a deployment that is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepHandler {
    /// Its name.
    pub name: String,
    /// Its semantic version.
    pub version: Option<String>,
    /// SHA-256 of its component.
    pub digest: Option<String>,
    /// The deployment that was in force.
    pub deployment: u64,
}

impl StepHandler {
    /// The version that a deployment had of a handler.
    pub(crate) fn of(name: &str, deployment: DeploymentNumber, terms: &Terms) -> Self {
        let deployed = terms.history.handler(deployment, name);
        Self {
            name: name.to_owned(),
            version: deployed.as_ref().map(|handler| handler.version.to_string()),
            digest: deployed.map(|handler| handler.digest.to_string()),
            deployment,
        }
    }
}

/// One step of a business process. Times are milliseconds since 1970.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What it is.
    pub step: StepKind,
    /// Index among the steps of what caused it.
    pub parent: Option<usize>,
    /// How many steps lie above it.
    pub depth: usize,
    /// Its id: of an event `type/key/sequence`, of a command `event/handler/index`, of a client's
    /// command `source/id`, of a dead letter `type/partition/number`.
    pub id: String,
    /// Type of the aggregate that it is of, or was asked of.
    pub r#type: String,
    /// Key of that aggregate.
    pub key: String,
    /// The aggregate's partition.
    pub partition: u32,
    /// Where it stands there: offset of a request or command, number of an event or dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Kind of the command or event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// When the log took it; `null` if that went with retention.
    pub at: Option<u64>,
    /// From its cause to it, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hop_ms: Option<u64>,
    /// When the log took what was decided on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<u64>,
    /// Who made it: decided the event, sent the command, or broke.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler: Option<StepHandler>,
    /// Of a request, a deadline or a command: who decided on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<StepHandler>,
    /// What became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Of a refusal: why, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Of a refusal: why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// Of a dead letter, and of what was dropped: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of a dead letter: what the handler or the host said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Of a dead letter: whether nobody has had it processed again with success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// Of a duplicate: the offset of what was answered first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// The record itself went with retention; what is shown is what others say of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// Of what began a process: its correlation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// Of what began a process: who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The body, if it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    /// Any other body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
}

impl Step {
    /// A step of which nothing more is known.
    pub(crate) fn new(
        step: StepKind,
        partition: PartitionId,
        key: &[u8],
        id: String,
        terms: &Terms,
    ) -> Self {
        Self {
            step,
            parent: None,
            depth: 0,
            id,
            r#type: terms.type_name(partition.aggregate_type).to_owned(),
            key: text(key).into_owned(),
            partition: partition.number,
            number: None,
            kind: None,
            at: None,
            hop_ms: None,
            decided_at: None,
            handler: None,
            decided_by: None,
            outcome: None,
            code: None,
            details: None,
            reason: None,
            message: None,
            open: None,
            first: None,
            gone: false,
            correlation: None,
            principal: None,
            data: None,
            data_base64: None,
        }
    }

    /// With the place where it stands and the time at which the log took it.
    pub(crate) fn standing(mut self, number: u64, at: Option<Time>) -> Self {
        self.number = Some(number);
        self.at = at.map(|time| time.0);
        self
    }

    /// With its kind and body.
    pub(crate) fn saying(mut self, kind: &str, body: &Bytes) -> Self {
        self.kind = Some(kind.to_owned());
        match serde_json::from_slice::<Box<RawValue>>(body) {
            Ok(json) => self.data = Some(json),
            Err(_) if body.is_empty() => {}
            Err(_) => self.data_base64 = Some(STANDARD.encode(body)),
        }
        self
    }

    /// With who made it.
    pub(crate) fn by(mut self, name: &str, deployment: DeploymentNumber, terms: &Terms) -> Self {
        self.handler = Some(StepHandler::of(name, deployment, terms));
        self
    }

    /// With what became of it.
    pub(crate) fn became(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    /// With a refusal's reasons.
    pub(crate) fn refused(&mut self, refused: &Refused) {
        self.outcome = Some(Outcome::Refused);
        self.code = Some(refused.code.clone());
        self.details = Some(refused.details.clone());
    }

    /// With what a batch record says of a request; the dead letter, if it is a fault.
    pub(crate) fn told(&mut self, what: Option<&What>) -> Option<u64> {
        match what {
            Some(What::Accepted(_)) => self.became(Outcome::Accepted),
            Some(What::Refused(refused)) => self.refused(refused),
            Some(What::Nothing(_)) => self.became(Outcome::Nothing),
            Some(What::Dropped(dropped)) => {
                self.became(Outcome::Dropped);
                self.reason = Some(dropped.reason.clone());
            }
            Some(What::Duplicate(duplicate)) => {
                let first = duplicate.outcome.as_ref().and_then(|outcome| outcome.what.as_ref());
                // The first answer, given again: nothing came of it here.
                self.told(first.filter(|what| !matches!(what, What::Duplicate(_))));
                self.became(Outcome::Duplicate);
                self.first = Some(duplicate.first);
            }
            Some(What::Fault(fault)) => {
                self.became(Outcome::Fault);
                return Some(fault.dead_letter);
            }
            None => self.became(Outcome::Gone),
        }
        None
    }
}
