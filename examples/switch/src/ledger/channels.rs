//! Commands between aggregates: each that an event asks for has its one effect, where it was sent
//! to, and between two partitions none overtakes another.
//!
//! What an event asks for is told here again, from the choreography of the switch, not taken from
//! the handlers.

use std::collections::HashMap;

use anyhow::Result;

use crate::ledger::event::{Cause, CommandId, Ending, Event, Movement, Terms};
use crate::ledger::findings::{BROKEN_CHANNEL, Findings};
use crate::ledger::order::{AggregateIndex, Order, PartitionIndex};

const ACCOUNTS: &str = "accounts";
const TRANSFERS: &str = "transfers";

/// Kinds of events, one of which must come of a command.
type Effects = &'static [&'static str];

/// Commands under way, and those that arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct Channels {
    /// Sent, and no effect read yet; or the other way round, as partitions are read one after
    /// another.
    open: HashMap<Command, Open>,
    arrived: Vec<Hop>,
}

/// Who asked for it, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Command {
    aggregate: AggregateIndex,
    sequence: u64,
    /// Of the two handlers, the accounts'.
    by_accounts: bool,
    index: u32,
}

#[derive(Clone, Debug)]
enum Open {
    Sent(Sent),
    Applied(Applied),
}

#[derive(Clone, Debug)]
struct Sent {
    from: PartitionIndex,
    number: u64,
    target: AggregateIndex,
    effects: Effects,
}

#[derive(Clone, Debug)]
struct Applied {
    to: PartitionIndex,
    offset: u64,
    target: AggregateIndex,
    kind: Box<str>,
}

/// A command with both its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Hop {
    to: PartitionIndex,
    from: PartitionIndex,
    offset: u64,
    /// Where it stands among what its sender sent.
    sent: (u64, bool, u32),
}

/// What an event asks for: of whom, and what may come of it.
struct Wanted {
    by_accounts: bool,
    index: u32,
    aggregate_type: &'static str,
    key: String,
    effects: Effects,
}

impl Channels {
    /// Enters an event as an effect, and as a cause.
    ///
    /// # Errors
    /// When its body cannot be read.
    pub(super) fn enter(
        &mut self,
        event: &Event<'_>,
        (partition, aggregate): (PartitionIndex, AggregateIndex),
        order: &mut Order,
        findings: &mut Findings,
    ) -> Result<()> {
        if let Cause::Command { offset, id } = &event.cause
            && !event.attends()
        {
            let id = CommandId::parse(id)?;
            let command = Command {
                aggregate: order.aggregate(id.aggregate_type, id.key),
                sequence: id.sequence,
                by_accounts: id.handler == ACCOUNTS,
                index: id.index,
            };
            if ![ACCOUNTS, TRANSFERS].contains(&id.handler) {
                findings.add(BROKEN_CHANNEL, || format!("{}: an unknown sender: {id:?}", event.id));
            }
            let kind = Box::from(&*event.kind);
            let applied = Applied { to: partition, offset: *offset, target: aggregate, kind };
            self.meet(command, Open::Applied(applied), &event.id, findings);
        }
        for wanted in wanted(event)? {
            let Wanted { by_accounts, index, aggregate_type, key, effects } = wanted;
            let command = Command { aggregate, sequence: event.sequence, by_accounts, index };
            let target = order.aggregate(aggregate_type, &key);
            let sent = Sent { from: partition, number: event.number, target, effects };
            self.meet(command, Open::Sent(sent), &event.id, findings);
        }
        Ok(())
    }

    /// What is wrong with those whose both ends were read.
    pub(super) fn check(&self, findings: &mut Findings) {
        let mut hops = self.arrived.clone();
        hops.sort_unstable();
        for pair in hops.windows(2) {
            let [before, after] = pair else { continue };
            let one_channel = (before.to, before.from) == (after.to, after.from);
            if one_channel && after.sent <= before.sent {
                findings.add(BROKEN_CHANNEL, || format!("{after:?} came after {before:?}"));
            }
        }
        for (command, open) in &self.open {
            if let Open::Applied(applied) = open {
                findings.add(BROKEN_CHANNEL, || {
                    format!("nobody asked for it, or it came twice: {command:?} {applied:?}")
                });
            }
        }
    }

    /// What is wrong when nothing may be under way any more.
    pub(super) fn check_drained(&self, findings: &mut Findings) {
        for (command, open) in &self.open {
            if let Open::Sent(sent) = open {
                findings.add(BROKEN_CHANNEL, || format!("never arrived: {command:?} {sent:?}"));
            }
        }
    }

    /// Brings both ends of a command together.
    fn meet(&mut self, command: Command, end: Open, id: &str, findings: &mut Findings) {
        let (sent, applied) = match (self.open.remove(&command), end) {
            (Some(Open::Sent(sent)), Open::Applied(applied))
            | (Some(Open::Applied(applied)), Open::Sent(sent)) => (sent, applied),
            (None, end) => {
                self.open.insert(command, end);
                return;
            }
            (Some(same), _) => {
                findings.add(BROKEN_CHANNEL, || format!("{id}: {command:?} twice: {same:?}"));
                self.open.insert(command, same);
                return;
            }
        };
        if applied.target != sent.target || !sent.effects.contains(&&*applied.kind) {
            findings.add(BROKEN_CHANNEL, || format!("{id}: {applied:?} is no effect of {sent:?}"));
        }
        self.arrived.push(Hop {
            to: applied.to,
            from: sent.from,
            offset: applied.offset,
            sent: (sent.number, command.by_accounts, command.index),
        });
    }
}

/// The choreography of the switch.
fn wanted(event: &Event<'_>) -> Result<Vec<Wanted>> {
    match &*event.aggregate_type {
        "transfer" => wanted_by_transfer(event),
        "account" => wanted_by_account(event),
        "settlement-account" => Ok(wanted_by_settlement_account(event)),
        _ => Ok(Vec::new()),
    }
}

fn wanted_by_transfer(event: &Event<'_>) -> Result<Vec<Wanted>> {
    let account = |index, key, effects| Wanted {
        by_accounts: true,
        index,
        aggregate_type: "account",
        key,
        effects,
    };
    let terms = || event.body::<Terms<'_>>();
    let release =
        || Ok(vec![account(0, terms()?.payer_account(), &["PayerFundsReversed"] as Effects)]);
    match &*event.kind {
        "TransferPrepareAccepted" => {
            let effects = &["PayerFundsReserved", "PayerFundsRejected"];
            Ok(vec![account(0, terms()?.payer_account(), effects)])
        }
        "TransferFulfilAccepted" => {
            let terms = terms()?;
            Ok(vec![
                account(0, terms.payer_account(), &["PayerFundsCommitted"]),
                account(1, terms.payee_account(), &["PayeeFundsCommitted"]),
            ])
        }
        "TransferFulfilInvalid" | "TransferAborted" => release(),
        // Before the funds are reserved there is nothing to release.
        "TransferTimedOut" => match event.body::<Ending<'_>>()?.state.as_deref() {
            Some("RESERVED_TIMEOUT") => release(),
            _ => Ok(Vec::new()),
        },
        _ => Ok(Vec::new()),
    }
}

fn wanted_by_account(event: &Event<'_>) -> Result<Vec<Wanted>> {
    let transfer = |effects| -> Result<Vec<Wanted>> {
        let movement: Movement<'_> = event.body()?;
        let key = movement.transfer_id.into_owned();
        let wanted =
            Wanted { by_accounts: false, index: 0, aggregate_type: "transfer", key, effects };
        Ok(vec![wanted])
    };
    let settlement_account = |effects| Wanted {
        by_accounts: true,
        index: 0,
        aggregate_type: "settlement-account",
        key: event.key.clone().into_owned(),
        effects,
    };
    match &*event.kind {
        // Reserved for an offer that had ended meanwhile: it times out once more.
        "PayerFundsReserved" => transfer(&["TransferPrepared", "TransferTimedOut"]),
        "PayerFundsRejected" => transfer(&["TransferRejected"]),
        "PayeeFundsCommitted" => transfer(&["TransferFulfilled"]),
        "PayerFundsReversed" => transfer(&["TransferReleased"]),
        "CoverLowered" => Ok(vec![settlement_account(&["FundsOutCommitted"])]),
        "CoverHeld" => Ok(vec![settlement_account(&["FundsOutRejected"])]),
        _ => Ok(Vec::new()),
    }
}

fn wanted_by_settlement_account(event: &Event<'_>) -> Vec<Wanted> {
    let effects: Effects = match &*event.kind {
        "SettlementAccountOpened" | "FundsIn" => &["CoverRaised"],
        "FundsOutPrepared" => &["CoverLowered", "CoverHeld"],
        _ => return Vec::new(),
    };
    let key = event.key.clone().into_owned();
    vec![Wanted { by_accounts: true, index: 0, aggregate_type: "account", key, effects }]
}
