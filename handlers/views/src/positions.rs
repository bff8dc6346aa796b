//! Positions: what every account owes now and how far it may go, and how it came there.

use scheme::account_events::{
    AccountClosed, AccountOpened, AccountReopened, CoverHeld, CoverLowered, CoverRaised,
    LimitsChanged, Opening, PayeeFundsCommitted, PayerFundsCommitted, PayerFundsRejected,
    PayerFundsReserved, PayerFundsReversed, ThresholdExceeded,
};
use scheme::{Money, Percentage};
use serde::{Deserialize, Serialize};
use zamu_guest::projection::TableDeclaration;
use zamu_guest::{KeyedTable, ListTable, Messages, Projection, ProjectionContext, Rows, Time};

/// Every account as it stands now, by its key: `participant/currency`.
pub const POSITIONS: KeyedTable<Position> = KeyedTable::new("positions");
/// What happened to each account: its key, `/` and the event's number.
pub const HISTORY: ListTable<Movement> = ListTable::new("position-history");

/// How an account stands, in the words of its own state. Positive figures are owed to the scheme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Whether it was opened. A credit or cover may reach an account that never was.
    pub opened: bool,
    /// Whether it was closed since: nothing new is reserved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
    /// The net debit cap. Without one nothing is reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Money>,
    /// Above this part of the cap there is an alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Percentage>,
    /// The liquidity cover, which limits like the cap. None where there never was a settlement
    /// account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover: Option<Money>,
    /// Prepared and neither fulfilled nor released yet.
    pub reserved: Money,
    /// Committed: debits less credits.
    pub position: Money,
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
    /// What it was about besides.
    #[serde(flatten)]
    pub about: About,
}

/// What an event of an account was about besides the figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The transfer, if it was for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
    /// The client's name for funds that were to leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The net debit cap that it set, if it set one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Money>,
    /// The part of the cap above which there is an alarm: that it set, or that was exceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Percentage>,
    /// The liquidity cover after it, if it changed that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover: Option<Money>,
    /// Why nothing was reserved or may leave, for programs, if that is what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
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
        LimitsChanged,
        ThresholdExceeded,
        AccountClosed,
        AccountReopened,
        CoverRaised,
        CoverLowered,
        CoverHeld,
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
        let account = rows.current(&POSITIONS).get_or_insert_with(|| untouched(context.time));
        account.changed = context.time;
        apply(account, event);
        let movement = Movement {
            event: Event::KINDS[event.kind()].name.to_owned(),
            at: context.time,
            reserved: account.reserved,
            position: account.position,
            about: about(event),
        };
        rows.put(&HISTORY, context.sequence_suffix(), &movement);
    }
}

fn untouched(time: Time) -> Position {
    Position {
        opened: false,
        closed: false,
        cap: None,
        alarm: None,
        cover: None,
        reserved: Money::ZERO,
        position: Money::ZERO,
        changed: time,
    }
}

fn apply(account: &mut Position, event: &Event) {
    match event {
        Event::PayerFundsReserved(PayerFundsReserved { reserved, position, .. })
        | Event::PayerFundsCommitted(PayerFundsCommitted { reserved, position, .. })
        | Event::PayeeFundsCommitted(PayeeFundsCommitted { reserved, position, .. })
        | Event::PayerFundsReversed(PayerFundsReversed { reserved, position, .. }) => {
            (account.reserved, account.position) = (*reserved, *position);
        }
        Event::AccountOpened(AccountOpened { cap, alarm, opening }) => {
            account.opened = true;
            (account.cap, account.alarm) = (*cap, *alarm);
            if let Some(Opening { position, .. }) = opening {
                account.position = *position;
            }
        }
        Event::LimitsChanged(LimitsChanged { cap, alarm }) => {
            (account.cap, account.alarm) = (*cap, *alarm);
        }
        Event::AccountClosed(AccountClosed {}) => account.closed = true,
        Event::AccountReopened(AccountReopened {}) => account.closed = false,
        Event::CoverRaised(CoverRaised { cover, .. })
        | Event::CoverLowered(CoverLowered { cover, .. }) => account.cover = Some(*cover),
        Event::PayerFundsRejected(_) | Event::ThresholdExceeded(_) | Event::CoverHeld(_) => {}
    }
}

fn about(event: &Event) -> About {
    let nothing = About::default();
    match event {
        Event::PayerFundsReserved(PayerFundsReserved { transfer_id, .. })
        | Event::PayerFundsCommitted(PayerFundsCommitted { transfer_id, .. })
        | Event::PayeeFundsCommitted(PayeeFundsCommitted { transfer_id, .. })
        | Event::PayerFundsReversed(PayerFundsReversed { transfer_id, .. }) => {
            About { transfer: Some(transfer_id.clone()), ..nothing }
        }
        Event::PayerFundsRejected(PayerFundsRejected { transfer_id, code, .. }) => {
            About { transfer: Some(transfer_id.clone()), code: Some(code.clone()), ..nothing }
        }
        Event::AccountOpened(AccountOpened { cap, alarm, .. })
        | Event::LimitsChanged(LimitsChanged { cap, alarm }) => {
            About { cap: *cap, alarm: *alarm, ..nothing }
        }
        Event::ThresholdExceeded(ThresholdExceeded { alarm, .. }) => {
            About { alarm: Some(*alarm), ..nothing }
        }
        Event::AccountClosed(_) | Event::AccountReopened(_) => nothing,
        Event::CoverRaised(CoverRaised { cover, .. }) => About { cover: Some(*cover), ..nothing },
        Event::CoverLowered(CoverLowered { reference, cover, .. }) => {
            About { reference: Some(reference.clone()), cover: Some(*cover), ..nothing }
        }
        Event::CoverHeld(CoverHeld { reference, code, .. }) => {
            About { reference: Some(reference.clone()), code: Some(code.clone()), ..nothing }
        }
    }
}
