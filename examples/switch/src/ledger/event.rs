//! An event as `zamu events --json` prints it, as far as the ledger cares.

use std::borrow::Cow;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ledger::moment::Moment;
use crate::ledger::units::Units;

/// One line.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    pub(super) aggregate_type: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
    pub(super) sequence: u64,
    pub(super) partition: u32,
    pub(super) number: u64,
    pub(super) previous: Option<u64>,
    /// Milliseconds since 1970 at which its cause was appended.
    pub(super) time: u64,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) cause: Cause<'a>,
    #[serde(borrow)]
    pub(super) data: &'a RawValue,
}

/// Why it happened.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Cause<'a> {
    /// A client asked, at this offset of the partition's requests.
    Request { offset: u64 },
    /// Its own deadline passed; a record of that stands at this offset of the partition's requests.
    Wake { offset: u64, deadline: u64 },
    /// An event handler asked, at this offset of the partition's commands.
    Command {
        offset: u64,
        #[serde(borrow)]
        id: Cow<'a, str>,
    },
}

/// The parts of the id of a command between aggregates: `type/key/sequence/handler/index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CommandId<'a> {
    /// Of the event that caused it.
    pub(super) aggregate_type: &'a str,
    pub(super) key: &'a str,
    pub(super) sequence: u64,
    /// Who asked.
    pub(super) handler: &'a str,
    pub(super) index: u32,
}

impl<'a> CommandId<'a> {
    /// Takes an id apart. Keys may hold slashes.
    pub(super) fn parse(id: &'a str) -> Result<Self> {
        let parts = || {
            let (aggregate_type, rest) = id.split_once('/')?;
            let mut from_the_right = rest.rsplitn(4, '/');
            let index = from_the_right.next()?.parse().ok()?;
            let handler = from_the_right.next()?;
            let sequence = from_the_right.next()?.parse().ok()?;
            let key = from_the_right.next()?;
            Some(Self { aggregate_type, key, sequence, handler, index })
        };
        parts().with_context(|| format!("not the id of a command: {id}"))
    }
}

/// What a transfer is about, from the event that began it or went on with it.
#[derive(Debug, Deserialize)]
pub(super) struct Terms<'a> {
    #[serde(borrow)]
    pub(super) payer: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) payee: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) currency: Cow<'a, str>,
    pub(super) amount: Units,
    /// When the offer ends, where it is told.
    pub(super) expiration: Option<Moment>,
}

impl Terms<'_> {
    /// Key of the payer's account.
    pub(super) fn payer_account(&self) -> String {
        format!("{}/{}", self.payer, self.currency)
    }

    /// Key of the payee's account.
    pub(super) fn payee_account(&self) -> String {
        format!("{}/{}", self.payee, self.currency)
    }
}

/// The body of an event of an account that moves money for a transfer, or does not.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Movement<'a> {
    #[serde(borrow)]
    pub(super) transfer_id: Cow<'a, str>,
    pub(super) amount: Units,
    /// After it; a rejection has neither.
    pub(super) reserved: Option<Units>,
    pub(super) position: Option<Units>,
    /// Of a rejection.
    #[serde(borrow)]
    pub(super) code: Option<Cow<'a, str>>,
}

/// How a transfer ends or is ending, from an event that says so.
#[derive(Debug, Deserialize)]
pub(super) struct Ending<'a> {
    /// Of a rejection, a release, or a timeout.
    #[serde(borrow)]
    pub(super) state: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) code: Option<Cow<'a, str>>,
}

/// The limits of an account, from the event that opened it or changed them.
#[derive(Debug, Deserialize)]
pub(super) struct Limits {
    pub(super) cap: Option<Units>,
    /// A part of the cap in percent.
    pub(super) alarm: Option<i128>,
    /// What it brought along.
    pub(super) opening: Option<Opening>,
}

/// The position that an account brought along, and what it led to.
#[derive(Debug, Deserialize)]
pub(super) struct Opening {
    pub(super) amount: Units,
    pub(super) position: Units,
}

/// The body of an alarm.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alarm {
    pub(super) alarm: i128,
    pub(super) cap: Units,
    pub(super) current_position: Units,
}

/// The body of an event that changes the cover of an account, or does not.
#[derive(Debug, Deserialize)]
pub(super) struct Cover {
    pub(super) amount: Units,
    /// After it; one that is held has none.
    pub(super) cover: Option<Units>,
}

/// The body of an event of a settlement account: what moves, and what is there after it.
#[derive(Debug, Deserialize)]
pub(super) struct Funds {
    pub(super) amount: Option<Units>,
    pub(super) funds: Option<Units>,
    pub(super) leaving: Option<Units>,
}

impl<'a> Event<'a> {
    /// Whether it only ever comes with another event, of the same decision and right behind it.
    pub(super) fn attends(&self) -> bool {
        self.aggregate_type == "account" && self.kind == "ThresholdExceeded"
    }

    /// Reads a line.
    pub(super) fn parse(json: &'a str) -> Result<Self> {
        serde_json::from_str(json).context("not an event")
    }

    /// Its body.
    pub(super) fn body<B: Deserialize<'a>>(&self) -> Result<B> {
        serde_json::from_str(self.data.get()).with_context(|| format!("the body of {}", self.id))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_id_of_a_command_is_taken_apart_whatever_its_key() {
        let id = CommandId::parse("account/simfsp01/USD/7/transfers/0").unwrap();
        assert_eq!((id.aggregate_type, id.key, id.sequence), ("account", "simfsp01/USD", 7));
        assert_eq!((id.handler, id.index), ("transfers", 0));
        for text in ["", "account", "account/a/x/transfers/0", "account/1/transfers/0"] {
            assert!(CommandId::parse(text).is_err(), "{text}");
        }
    }
}
