//! Transfers: how far each is, and how it came there.

use scheme::transfer_events::{
    InvalidTransfer, TransferAborted, TransferFulfilAccepted, TransferFulfilInvalid,
    TransferFulfilled, TransferPrepareAccepted, TransferPrepared, TransferRejected,
    TransferReleased, TransferTimedOut,
};
use scheme::{Amount, Currency, FspId, Phase};
use serde::{Deserialize, Serialize};
use zamu_guest::projection::TableDeclaration;
use zamu_guest::{KeyedTable, ListTable, Messages, Projection, ProjectionContext, Rows, Time};

/// Every transfer as it is now, by its id.
pub const TRANSFERS: KeyedTable<Transfer> = KeyedTable::new("transfers");
/// What happened to each transfer: its id, `/` and the event's number.
pub const HISTORY: ListTable<Step> = ListTable::new("transfer-history");

/// A transfer as it is now. What an invalid one asked for is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// How far it is.
    pub state: Phase,
    /// Who pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<FspId>,
    /// Who is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payee: Option<FspId>,
    /// How much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// In which currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Why it failed, for programs, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why it failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was asked for.
    pub begun: Time,
    /// When something last happened to it.
    pub changed: Time,
}

/// One thing that happened to a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The event.
    pub event: String,
    /// When.
    pub at: Time,
    /// How far the transfer was after it.
    pub state: Phase,
    /// Why it failed, for programs, if it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

zamu_guest::messages! {
    /// What can happen to a transfer, as far as the tables show it.
    pub enum Event {
        TransferPrepareAccepted,
        InvalidTransfer,
        TransferPrepared,
        TransferRejected,
        TransferFulfilAccepted,
        TransferFulfilInvalid,
        TransferFulfilled,
        TransferReleased,
        TransferAborted,
        TransferTimedOut,
    }
}

/// Makes both tables.
#[derive(Clone, Copy, Debug)]
pub struct Transfers;

impl Projection for Transfers {
    const TYPE: &'static str = scheme::TRANSFER;
    const TABLES: &'static [TableDeclaration] = &[TRANSFERS.declared(), HISTORY.declared()];
    type Event = Event;

    fn project(event: &Event, context: &ProjectionContext<'_>, rows: &mut Rows<'_>) {
        let transfer = rows.current(&TRANSFERS).get_or_insert_with(|| begun(context.time));
        transfer.changed = context.time;
        apply(transfer, event);
        let step = Step {
            event: Event::KINDS[event.kind()].name.to_owned(),
            at: context.time,
            state: transfer.state,
            code: transfer.code.clone(),
        };
        rows.put(&HISTORY, context.sequence_suffix(), &step);
    }
}

/// Before its first event has said more.
fn begun(time: Time) -> Transfer {
    Transfer {
        state: Phase::ReceivedPrepare,
        payer: None,
        payee: None,
        amount: None,
        currency: None,
        code: None,
        reason: None,
        begun: time,
        changed: time,
    }
}

fn apply(transfer: &mut Transfer, event: &Event) {
    match event {
        Event::TransferPrepareAccepted(accepted) => {
            transfer.state = Phase::ReceivedPrepare;
            transfer.payer = Some(accepted.payer.clone());
            transfer.payee = Some(accepted.payee.clone());
            transfer.amount = Some(accepted.amount);
            transfer.currency = Some(accepted.currency);
        }
        Event::InvalidTransfer(InvalidTransfer { payer, code, reason, .. }) => {
            transfer.payer.clone_from(payer);
            fail(transfer, Phase::Invalid, code, reason);
        }
        Event::TransferPrepared(_) => transfer.state = Phase::Reserved,
        Event::TransferFulfilAccepted(_) => transfer.state = Phase::ReceivedFulfil,
        Event::TransferFulfilInvalid(TransferFulfilInvalid { code, reason, .. })
        | Event::TransferAborted(TransferAborted { code, reason, .. }) => {
            fail(transfer, Phase::ReceivedError, code, reason);
        }
        Event::TransferFulfilled(_) => transfer.state = Phase::Committed,
        Event::TransferRejected(TransferRejected { state, code, reason, .. })
        | Event::TransferTimedOut(TransferTimedOut { state, code, reason, .. })
        | Event::TransferReleased(TransferReleased { state, code, reason, .. }) => {
            fail(transfer, *state, code, reason);
        }
    }
}

fn fail(transfer: &mut Transfer, state: Phase, code: &str, reason: &str) {
    transfer.state = state;
    transfer.code = Some(code.to_owned());
    transfer.reason = Some(reason.to_owned());
}
