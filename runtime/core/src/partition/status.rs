//! Whether a partition takes turns, and what stops it: a pause, a promise that cannot be kept, a
//! machine that cannot run its guests. When to try again is the shard's to look up.

use super::Partition;
use crate::deadlines::Deadlines;
use crate::error::EngineError;
use crate::flush::Flush;
use crate::memory::Memory;
use crate::model::Time;
use crate::observer::{Alarm, Observer};
use crate::references::References;
use crate::settings::Settings;
use crate::topology::{Blamed, HandlerIndex, Topology};

/// Whether a partition takes turns, and if not, why.
///
/// | status | takes turns | is flushed and released | can be read |
/// |---|---|---|---|
/// | restoring | no | flushed at the bound of memory | no |
/// | running | yes | yes | yes |
/// | paused, waiting, unready, leaving | no | yes | yes |
/// | halted | no | yes | yes |
/// | halted, out of service | no | no | no |
///
/// A partition that halts while it is being restored, or whose store fails for good, is *out of
/// service*: memory and store together are not what the log says. It keeps nothing in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Catching up with the log.
    Restoring,
    /// Taking turns.
    Running,
    /// Waits for an operator.
    Paused(String),
    /// A promise cannot be kept: it takes no more turns in this process.
    Halted(String),
    /// Waits for a deployment that its log has seen and this process has not.
    Waiting(u64),
    /// Waits for a reference table that one of its handlers looks things up in: which, and why it is
    /// not ready.
    Unready(String),
    /// Takes no more turns because another owner will.
    Leaving,
}

/// Why a turn was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// For an operator to look at, or for another version of the handler that is to blame; nothing of
    /// the turn is committed.
    Pause {
        /// Why.
        reason: String,
        /// Who is to blame, if a handler is.
        blamed: Option<Blamed>,
    },
    /// For good.
    Halt(String),
    /// A reference table is not ready.
    Unready(String),
    /// An engine asks to try again.
    Later,
    /// A guest could not be run, through no fault of what it was asked: to be tried again, but not
    /// for ever.
    Host(String),
}

impl Stop {
    pub(super) fn pause(reason: String, blamed: Option<Blamed>) -> Self {
        Self::Pause { reason, blamed }
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Retry(_) => Self::Later,
            other => Self::Halt(other.to_string()),
        }
    }
}

/// Guests could not be run.
#[derive(Debug)]
pub(super) struct Trouble {
    /// How often in a row.
    tries: u32,
    /// When to try again.
    until: Time,
}

impl Partition {
    /// Whether it takes turns.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// A guest could not be run: tries again later, and gives up after too many times.
    pub fn trouble(
        &mut self,
        reason: &str,
        now: Time,
        settings: &Settings,
        observer: &mut dyn Observer,
    ) {
        let tries = self.trouble.take().map_or(0, |trouble| trouble.tries) + 1;
        if tries < settings.host_tries {
            let wait = (1 << (tries - 1).min(10)).min(1_000);
            self.trouble = Some(Trouble { tries, until: now.plus_ms(wait) });
            return;
        }
        let reason = format!("could not be run {tries} times in a row: {reason}");
        if self.status == Status::Restoring {
            self.halt(format!("{reason}. Restart when the machine can run it"), observer);
        } else {
            let reason = format!("{reason}. Resume when the machine can run it");
            self.pause(reason, None, observer);
        }
    }

    /// When it will try again to run a guest that could not be run.
    #[must_use]
    pub fn tries_again(&self) -> Option<Time> {
        self.trouble.as_ref().map(|trouble| trouble.until)
    }

    /// Stops taking turns until an operator resumes it, or the handler that is to blame is replaced.
    pub fn pause(&mut self, reason: String, blamed: Option<Blamed>, observer: &mut dyn Observer) {
        let told = Alarm::Paused { partition: self.id, reason: &reason, blamed: blamed.clone() };
        observer.alarm(told);
        self.status = Status::Paused(reason);
        self.blamed = blamed;
    }

    /// Stops for good. What is not restored by then never will be, and is dropped.
    pub fn halt(&mut self, reason: String, observer: &mut dyn Observer) {
        if !self.restored {
            self.memory = Memory::default();
            self.flush = Flush::default();
            self.deadlines = Deadlines::default();
            self.restore = None;
        }
        observer.alarm(Alarm::Halted { partition: self.id, reason: &reason });
        self.status = Status::Halted(reason);
    }

    /// Stops for good because the store failed: nothing more is written to it.
    pub fn halt_without_store(&mut self, error: &EngineError, observer: &mut dyn Observer) {
        self.restored = false;
        self.halt(format!("store: {error}"), observer);
    }

    /// Whether it halted with memory and store not being what the log says.
    #[must_use]
    pub fn is_out_of_service(&self) -> bool {
        matches!(self.status, Status::Halted(_)) && !self.restored
    }

    /// Waits for the reference tables that its handlers look things up in, or goes on once all are
    /// ready. Returns whether it goes on.
    pub fn wait_for_tables(&mut self, references: &References, topology: &Topology) -> bool {
        if self.tables_ready || !matches!(self.status, Status::Running | Status::Unready(_)) {
            return false;
        }
        match references.pin(topology.looked_up(self.id.aggregate_type)) {
            Err(why) => {
                self.status = Status::Unready(why.to_string());
                false
            }
            Ok(_) => {
                self.tables_ready = true;
                std::mem::replace(&mut self.status, Status::Running) != Status::Running
            }
        }
    }

    /// A reference table that it needs is not ready: takes no turn before all are.
    pub fn becomes_unready(&mut self, why: String) {
        self.tables_ready = false;
        self.status = Status::Unready(why);
    }

    /// Goes on after a pause, and event handlers that are behind and were held go on, too. Does nothing
    /// otherwise.
    pub fn resume(&mut self) -> bool {
        let paused = matches!(self.status, Status::Paused(_));
        if paused {
            self.status = Status::Running;
        }
        let paused = paused | self.paused.take().is_some() | !self.held.is_empty();
        if paused {
            self.rate.reset();
            self.reaction_rates.reset();
            self.trouble = None;
            self.blamed = None;
            self.held.clear();
        }
        paused
    }

    /// Goes on under another deployment, in which these handlers are others or new. What is known of the
    /// old ones is forgotten: their faults, and a pause for which one of them was to blame.
    ///
    /// Returns whether it is to be restored again: a handler that could not fold its past was replaced.
    pub fn succeed(&mut self, replaced: &[HandlerIndex], topology: &Topology) -> bool {
        let is_replaced = |name: &str| {
            replaced.iter().any(|handler| *topology.handlers[*handler].spec.name == *name)
        };
        let is_mended = self.blamed.as_ref().is_some_and(|blamed| is_replaced(&blamed.handler));
        if is_mended {
            self.blamed = None;
            self.paused = None;
            if matches!(self.status, Status::Paused(_)) {
                self.status = Status::Running;
            }
            self.rate.go_on();
            self.reaction_rates.go_on();
        }
        if replaced.contains(&topology.owner(self.id.aggregate_type)) {
            self.rate.reset();
        }
        for handler in replaced {
            let name = &topology.handlers[*handler].spec.name;
            self.reaction_rates.forget(name);
            self.held.remove(name);
        }
        if matches!(self.status, Status::Waiting(number) if number <= topology.deployment) {
            self.status = self.takes_turns_or_pauses();
        }
        // Another version may look things up elsewhere.
        self.tables_ready = false;
        is_mended && self.is_out_of_service()
    }

    /// What it does once nothing else keeps it: it was paused when it had to start over, or it was not.
    pub(crate) fn takes_turns_or_pauses(&mut self) -> Status {
        self.paused.take().map_or(Status::Running, Status::Paused)
    }

    /// Begins again to restore what could not be restored before.
    pub fn restore_again(&mut self, settings: &Settings) {
        self.status = Status::Restoring;
        self.start_over(settings);
    }

    /// A handler is to blame for its halt: it is restored again once that is replaced.
    pub fn blame(&mut self, blamed: Option<Blamed>) {
        self.blamed = blamed;
    }
}
