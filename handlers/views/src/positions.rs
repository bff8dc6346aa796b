//! Positions: what every account owes now, and how it came there.

use scheme::Money;
use scheme::account_events::{
    PayeeFundsCommitted, PayerFundsCommitted, PayerFundsRejected, PayerFundsReserved,
    PayerFundsReversed,
};
use serde::{Deserialize, Serialize};
use zamu_guest::projection::TableDeclaration;
use zamu_guest::{KeyedTable, ListTable, Messages, Projection, ProjectionContext, Rows, Time};

/// Every account as it stands now, by its key: `participant/currency`.
pub const POSITIONS: KeyedTable<Position> = KeyedTable::new("positions");
/// What moved each account: its key, `/` and the event's number.
pub const HISTORY: ListTable<Movement> = ListTable::new("position-history");

/// How an account stands. Positive figures are owed to the scheme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Prepared and neither fulfilled nor released yet.
    pub reserved: Money,
    /// Committed: debits less credits.
    pub position: Money,
    /// The net debit cap; nothing for an account that was never opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Money>,
    /// When something last happened to it.
    pub changed: Time,
}

/// One thing that happened to an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// The event.
    pub event: String,
    /// When.
    pub at: Time,
    /// Reserved after it.
    pub reserved: Money,
    /// Committed after it.
    pub position: Money,
    /// The transfer that it was for, if it was for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
    /// Why nothing was reserved, for programs, if that is what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// The account takes part from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountOpened {
    /// The net debit cap.
    pub cap: Money,
}

zamu_guest::messages! {
    /// What can happen to an account, as far as the tables show it.
    pub enum Event {
        AccountOpened,
        PayerFundsReserved,
        PayerFundsRejected,
        PayerFundsCommitted,
        PayeeFundsCommitted,
        PayerFundsReversed,
    }
}

/// Makes both tables.
#[derive(Clone, Copy, Debug)]
pub struct Positions;

impl Projection for Positions {
    const TYPE: &'static str = scheme::ACCOUNT;
    const TABLES: &'static [TableDeclaration] = &[POSITIONS.declared(), HISTORY.declared()];
    type Event = Event;

    fn project(event: &Event, context: &ProjectionContext<'_>, rows: &mut Rows<'_>) {
        let account = rows.current(&POSITIONS).get_or_insert(Position {
            reserved: Money::ZERO,
            position: Money::ZERO,
            cap: None,
            changed: context.time,
        });
        account.changed = context.time;
        let (transfer, code) = apply(account, event);
        let movement = Movement {
            event: Event::KINDS[event.kind()].name.to_owned(),
            at: context.time,
            reserved: account.reserved,
            position: account.position,
            transfer: transfer.map(str::to_owned),
            code: code.map(str::to_owned),
        };
        rows.put(&HISTORY, context.sequence_suffix(), &movement);
    }
}

/// Moves the account. Gives the transfer that it was for, and why nothing moved.
fn apply<'e>(account: &mut Position, event: &'e Event) -> (Option<&'e str>, Option<&'e str>) {
    match event {
        Event::AccountOpened(AccountOpened { cap }) => {
            account.cap = Some(*cap);
            (None, None)
        }
        Event::PayerFundsRejected(PayerFundsRejected { transfer_id, code, .. }) => {
            (Some(transfer_id), Some(code))
        }
        Event::PayerFundsReserved(PayerFundsReserved {
            transfer_id, reserved, position, ..
        })
        | Event::PayerFundsCommitted(PayerFundsCommitted {
            transfer_id, reserved, position, ..
        })
        | Event::PayeeFundsCommitted(PayeeFundsCommitted {
            transfer_id, reserved, position, ..
        })
        | Event::PayerFundsReversed(PayerFundsReversed {
            transfer_id, reserved, position, ..
        }) => {
            (account.reserved, account.position) = (*reserved, *position);
            (Some(transfer_id), None)
        }
    }
}
