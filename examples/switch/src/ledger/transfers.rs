//! The life of each transfer: what may follow what, what there may be one of, and whether the
//! accounts moved what was agreed.

use std::collections::{BTreeMap, HashMap};

use crate::ledger::accounts::AccountIndex;
use crate::ledger::event::{Cause, Ending, Event, Terms};
use crate::ledger::findings::{CONTRADICTORY, DOUBLED, EARLY, Findings, LATE, OUT_OF_ORDER};
use crate::ledger::moment::Moment;
use crate::ledger::units::Units;

/// All transfers.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfers(HashMap<Box<str>, Transfer>);

/// One transfer, as its own events and those of accounts tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfer {
    state: State,
    agreed: Option<Agreed>,
    /// How often it ended, and the first time with which code.
    ends: u8,
    code: Option<Box<str>>,
    reserved: Moved,
    rejected: Moved,
    payer_committed: Moved,
    payee_committed: Moved,
    released: Moved,
}

/// What was agreed when it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    pub(super) payer: AccountIndex,
    pub(super) payee: AccountIndex,
    pub(super) amount: Units,
    pub(super) until: Option<Moment>,
}

/// How often an account did something for it, and the last time what.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    times: u8,
    account: AccountIndex,
    amount: Units,
}

/// Where a transfer is by its own events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Unknown,
    Asked,
    /// Its time is over, and nobody knows yet whether funds were reserved.
    AskedTooLong,
    Prepared,
    /// Its time is over, and its funds are to be released.
    PreparedTooLong,
    Accepted,
    /// It will not be fulfilled, and its funds are to be released.
    Failing,
    Ended(End),
}

/// A final state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Invalid,
    Rejected,
    ExpiredPrepared,
    ExpiredReserved,
    Aborted,
    Fulfilled,
}

impl Transfers {
    /// Enters an event of a transfer: where it leads, if it may come now and says what it must.
    pub(super) fn enter(
        &mut self,
        id: &str,
        kind: &str,
        ending: &Ending<'_>,
        findings: &mut Findings,
    ) {
        let transfer = self.of(id);
        let says = ending.state.as_deref();
        let before = transfer.state;
        transfer.state = next(before, kind, says).unwrap_or_else(|| {
            findings.add(OUT_OF_ORDER, || format!("{id}: {kind} {says:?} when {before:?}"));
            match before {
                State::Ended(_) => before,
                _ => end(kind, says).map_or(before, State::Ended),
            }
        });
        if end(kind, says).is_some() {
            if transfer.ends == 0 {
                transfer.code = ending.code.as_deref().map(Box::from);
            }
            transfer.ends = transfer.ends.saturating_add(1);
        }
    }

    /// Notes what was agreed.
    pub(super) fn agree(&mut self, id: &str, agreed: Agreed) {
        self.of(id).agreed = Some(agreed);
    }

    /// Compares what a later event says of it with what was agreed.
    pub(super) fn compare(&mut self, id: &str, terms: &Terms<'_>, findings: &mut Findings) {
        let amount = self.of(id).agreed.map(|agreed| agreed.amount);
        if amount.is_some_and(|amount| amount != terms.amount) {
            findings.add(CONTRADICTORY, || format!("{id}: {} is not the amount", terms.amount));
        }
    }

    /// Compares when something happened to a transfer with when its offer ends.
    pub(super) fn check_time(&mut self, event: &Event<'_>, findings: &mut Findings) {
        let Event { id, key, kind, time, .. } = event;
        let agreed = self.of(key).agreed;
        let Some(Moment(until)) = agreed.and_then(|agreed| agreed.until) else { return };
        match (&**kind, &event.cause) {
            ("TransferPrepareAccepted" | "TransferFulfilAccepted", _) if *time > until => {
                findings.add(LATE, || format!("{id}: {kind} at {time}, not until {until}"));
            }
            (_, Cause::Wake { deadline, .. }) if *deadline != until => {
                findings.add(EARLY, || format!("{id}: {kind} at {deadline}, not at {until}"));
            }
            _ => {}
        }
    }

    /// Enters what an account did for a transfer.
    pub(super) fn moved(&mut self, id: &str, kind: &str, account: AccountIndex, amount: Units) {
        let transfer = self.of(id);
        let moved = match kind {
            "PayerFundsReserved" => &mut transfer.reserved,
            "PayerFundsRejected" => &mut transfer.rejected,
            "PayerFundsCommitted" => &mut transfer.payer_committed,
            "PayeeFundsCommitted" => &mut transfer.payee_committed,
            "PayerFundsReversed" => &mut transfer.released,
            // Nothing else moves money for a transfer.
            _ => return,
        };
        *moved = Moved { times: moved.times.saturating_add(1), account, amount };
    }

    /// How many were fulfilled, and how many ended otherwise.
    pub(super) fn ended(&self) -> (u64, u64) {
        let (mut fulfilled, mut otherwise) = (0, 0);
        for transfer in self.0.values() {
            match transfer.state {
                State::Ended(End::Fulfilled) => fulfilled += 1,
                State::Ended(_) => otherwise += 1,
                _ => {}
            }
        }
        (fulfilled, otherwise)
    }

    /// How many ended in which state.
    pub(super) fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        let mut outcomes = BTreeMap::new();
        for (state, _) in self.0.values().filter_map(Transfer::end) {
            *outcomes.entry(state).or_default() += 1;
        }
        outcomes
    }

    /// How a transfer ended, if it did: the final state, and the code if it was not fulfilled.
    pub(super) fn end(&self, id: &str) -> Option<(&'static str, Option<&str>)> {
        self.0.get(id)?.end()
    }

    /// Whether a transfer ended.
    pub(super) fn has_ended(&self, id: &str) -> bool {
        self.0.get(id).is_some_and(|transfer| transfer.ends > 0)
    }

    /// What accounts must have reserved and what must be committed, from what was agreed.
    pub(super) fn totals(&self, in_currency: impl Fn(AccountIndex) -> bool) -> (Units, Units) {
        let mut totals = (Units::default(), Units::default());
        for transfer in self.0.values() {
            let Some(agreed) = transfer.agreed.filter(|agreed| in_currency(agreed.payer)) else {
                continue;
            };
            let Transfer { reserved, payer_committed, payee_committed, released, .. } = transfer;
            if reserved.times > 0 && payer_committed.times == 0 && released.times == 0 {
                totals.0 += agreed.amount;
            }
            if payer_committed.times > 0 {
                totals.1 += agreed.amount;
            }
            if payee_committed.times > 0 {
                totals.1 -= agreed.amount;
            }
        }
        totals
    }

    /// What is wrong, whatever is still under way; how many transfers are doubled.
    pub(super) fn check(&self, findings: &mut Findings) -> u64 {
        let mut doubled = 0;
        for (id, transfer) in &self.0 {
            if let Some(what) = transfer.doubled() {
                doubled += 1;
                findings.add(DOUBLED, || format!("{id}: {what}"));
            }
            transfer.contradictions().for_each(|what| {
                findings.add(CONTRADICTORY, || format!("{id}: {what}: {transfer:?}"));
            });
        }
        doubled
    }

    /// What is wrong when nothing may be under way any more.
    pub(super) fn check_drained(&self, findings: &mut Findings) {
        for (id, transfer) in &self.0 {
            let (payer, payee) = (transfer.payer_committed.times, transfer.payee_committed.times);
            if matches!(transfer.state, State::Ended(End::ExpiredReserved | End::Aborted))
                && transfer.released.times == 0
            {
                findings.add(CONTRADICTORY, || format!("{id}: ended, and its funds are kept"));
            }
            if payer != payee {
                let what = || format!("{id}: debited {payer} times and credited {payee} times");
                findings.add(CONTRADICTORY, what);
            }
        }
    }

    fn of(&mut self, id: &str) -> &mut Transfer {
        if !self.0.contains_key(id) {
            self.0.insert(id.into(), Transfer::default());
        }
        self.0.entry(id.into()).or_default()
    }
}

/// Where an event leads from a state, if it may come there.
fn next(state: State, kind: &str, says: Option<&str>) -> Option<State> {
    let to = match (state, kind, says) {
        (State::Unknown, "TransferPrepareAccepted", _) => State::Asked,
        (State::Asked, "TransferPrepared", _) => State::Prepared,
        (State::Asked, "TransferTimedOut", Some("PREPARE_TIMEOUT")) => State::AskedTooLong,
        (State::AskedTooLong | State::Prepared, "TransferTimedOut", Some("RESERVED_TIMEOUT")) => {
            State::PreparedTooLong
        }
        (State::Prepared, "TransferFulfilAccepted", _) => State::Accepted,
        (State::Prepared, "TransferFulfilInvalid" | "TransferAborted", _) => State::Failing,
        _ => {
            let end = end(kind, says)?;
            let from = match end {
                End::Invalid => State::Unknown,
                End::Rejected => State::Asked,
                End::ExpiredPrepared => State::AskedTooLong,
                End::ExpiredReserved => State::PreparedTooLong,
                End::Aborted => State::Failing,
                End::Fulfilled => State::Accepted,
            };
            return (state == from).then_some(State::Ended(end));
        }
    };
    Some(to)
}

/// The final state that an event names, if it is a final one.
fn end(kind: &str, says: Option<&str>) -> Option<End> {
    match (kind, says) {
        ("InvalidTransfer", _) => Some(End::Invalid),
        ("TransferRejected", None | Some("ABORTED_REJECTED")) => Some(End::Rejected),
        ("TransferRejected", Some("EXPIRED_PREPARED")) => Some(End::ExpiredPrepared),
        ("TransferReleased", Some("EXPIRED_RESERVED")) => Some(End::ExpiredReserved),
        ("TransferReleased", Some("ABORTED_ERROR")) => Some(End::Aborted),
        ("TransferFulfilled", _) => Some(End::Fulfilled),
        _ => None,
    }
}

impl End {
    fn name(self) -> &'static str {
        match self {
            Self::Invalid => "INVALID",
            Self::Rejected => "ABORTED_REJECTED",
            Self::ExpiredPrepared => "EXPIRED_PREPARED",
            Self::ExpiredReserved => "EXPIRED_RESERVED",
            Self::Aborted => "ABORTED_ERROR",
            Self::Fulfilled => "COMMITTED",
        }
    }
}

impl Transfer {
    fn end(&self) -> Option<(&'static str, Option<&str>)> {
        match self.state {
            State::Ended(end) => Some((end.name(), self.code.as_deref())),
            _ => None,
        }
    }

    fn doubled(&self) -> Option<&'static str> {
        [
            (self.reserved.times, "reserved twice"),
            (self.payer_committed.times, "the payer's commit twice"),
            (self.payee_committed.times, "the payee's commit twice"),
            (self.released.times, "released twice"),
            (self.ends, "ended twice"),
        ]
        .into_iter()
        .find(|(times, _)| *times > 1)
        .map(|(_, what)| what)
    }

    fn contradictions(&self) -> impl Iterator<Item = &'static str> {
        let done = |moved: Moved| moved.times > 0;
        let fulfilled = self.state == State::Ended(End::Fulfilled);
        let nothing_moved =
            matches!(self.state, State::Ended(End::Invalid | End::Rejected | End::ExpiredPrepared));
        let other = |moved: Moved, side: fn(&Agreed) -> AccountIndex| {
            let as_agreed =
                |agreed: &Agreed| (moved.account, moved.amount) == (side(agreed), agreed.amount);
            done(moved) && !self.agreed.as_ref().is_some_and(as_agreed)
        };
        let payer = |agreed: &Agreed| agreed.payer;
        [
            (done(self.released) && done(self.payer_committed), "both released and committed"),
            (done(self.released) && done(self.payee_committed), "both released and credited"),
            (done(self.reserved) && done(self.rejected), "both reserved and rejected"),
            (fulfilled && !done(self.payee_committed), "fulfilled without the payee's money"),
            (fulfilled && !done(self.reserved), "fulfilled without a reservation"),
            (nothing_moved && done(self.reserved), "reserved, and ended as if nothing had been"),
            (done(self.released) && !done(self.reserved), "released without a reservation"),
            (done(self.payer_committed) && !done(self.reserved), "debited without a reservation"),
            (done(self.payee_committed) && !done(self.reserved), "credited without a reservation"),
            (other(self.reserved, payer), "not reserved as agreed"),
            (other(self.rejected, payer), "not rejected as agreed"),
            (other(self.payer_committed, payer), "not debited as agreed"),
            (other(self.payee_committed, |agreed| agreed.payee), "not credited as agreed"),
            (other(self.released, payer), "not released as agreed"),
        ]
        .into_iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, what)| what)
    }
}
