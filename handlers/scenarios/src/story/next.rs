//! What may happen next in a story, and the command that it is.

use scheme::Timestamp;
use serde_json::{Value, json};

use super::cast::{CURRENCIES, GHOST, PARTICIPANTS, TRANSFERS, account, name};
use crate::fixture;
use crate::prng::Prng;
use crate::switch::{Command, End};

/// Offers end so many seconds after the story's beginning, or never.
const ENDS_AFTER_S: [Option<u64>; 4] = [Some(1), Some(4), Some(LONGEST_S), None];
pub(super) const LONGEST_S: u64 = 16;
const NEVER: &str = "9000-01-01T00:00:00.000Z";
/// Of so many answers all but one come from the same participant.
pub(super) const MOSTLY: usize = 8;

/// What happens next.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are those of the commands, as indices and cents")]
pub enum Next {
    /// A participant is taken up, or does or does not take part from now on.
    Part { participant: usize, change: Change },
    /// An account is opened.
    Open { participant: usize, currency: usize, cap: u32, position: Option<i32> },
    /// An account gets other limits.
    Limit { participant: usize, currency: usize, cap: Option<u32>, alarm: Option<u8> },
    /// An account is closed, or reopened.
    Close { participant: usize, currency: usize, reopen: bool },
    /// A settlement account is opened.
    OpenSettlement { participant: usize, currency: usize, funds: u32 },
    /// Funds come in, or are to go out.
    Fund { participant: usize, currency: usize, amount: u32, out: bool },
    /// A transfer is asked for.
    Prepare {
        transfer: usize,
        payer: usize,
        payee: usize,
        currency: usize,
        cents: u32,
        ends_after_s: Option<u64>,
    },
    /// A transfer is fulfilled, rightly or wrongly, by someone.
    Fulfil { transfer: usize, by: usize, right: bool },
    /// A transfer is aborted by someone.
    Abort { transfer: usize, by: usize, code: u16 },
    /// A client asks for what only the switch may ask.
    Trespass { transfer: usize, participant: usize, which: usize },
    /// The command so many before the last one is sent again, under the same id.
    Repeat { back: usize },
    /// What transfers ask of accounts is held back from now on, or let go.
    HoldBack(bool),
    /// The switch gets on a little.
    Steps(Vec<usize>),
    /// So many milliseconds pass.
    Advance(u64),
    /// The process ends and another begins.
    Restart(End),
    /// The switch comes to rest, with nothing held back.
    Rest,
}

/// What becomes of a participant.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "they are named as the commands are")]
pub enum Change {
    Create,
    Activate,
    Deactivate,
}

impl Next {
    /// What may happen next.
    #[must_use]
    pub fn draw(prng: &mut Prng) -> Self {
        let (participant, currency) = (prng.below(PARTICIPANTS), prng.below(2));
        let transfer = prng.below(TRANSFERS);
        match prng.below(178) {
            0..10 => Self::Open {
                participant,
                currency,
                cap: prng.below(3_000) as u32,
                position: (prng.below(4) == 0).then(|| prng.below(200) as i32 - 100),
            },
            10..15 => Self::Limit {
                participant,
                currency,
                cap: (prng.below(6) > 0).then(|| prng.below(100) as u32),
                alarm: (prng.below(2) == 0).then(|| prng.below(101) as u8),
            },
            15..19 => Self::Close { participant, currency, reopen: prng.below(2) == 0 },
            19..22 => Self::OpenSettlement { participant, currency, funds: prng.below(100) as u32 },
            22..29 => Self::Fund {
                participant,
                currency,
                amount: prng.below(40) as u32,
                out: prng.below(2) == 0,
            },
            29..61 => Self::Prepare {
                transfer,
                payer: participant,
                payee: if prng.below(24) == 0 { GHOST } else { mostly_payee(transfer, prng) },
                currency,
                // Few amounts and ends, so that the same prepare comes again.
                cents: prng.below(2_000) as u32 / 400 * 400,
                ends_after_s: ENDS_AFTER_S[prng.below(ENDS_AFTER_S.len())],
            },
            61..88 => Self::Fulfil {
                transfer,
                by: mostly_payee(transfer, prng),
                right: prng.below(5) > 0,
            },
            88..94 => Self::Abort {
                transfer,
                by: mostly_payee(transfer, prng),
                code: 5_100 + prng.below(2) as u16,
            },
            94..102 => Self::Trespass { transfer, participant, which: prng.below(10) },
            102..108 => Self::Repeat { back: prng.below(20) },
            108..140 => {
                Self::Steps((0..=prng.below(5)).map(|_| prng.next() as u16 as usize).collect())
            }
            140..148 => Self::Advance(1 + prng.below(3_000) as u64),
            148..151 => Self::Restart([End::Orderly, End::Killed, End::PowerLost][prng.below(3)]),
            151..157 => Self::Part { participant, change: Change::draw(prng) },
            157..169 => Self::HoldBack(prng.below(3) > 0),
            _ => Self::Rest,
        }
    }

    /// The command, if this is one.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        let to_account = |participant: &usize, currency: &usize, kind: &str, body: &Value| {
            Some(command(scheme::ACCOUNT, account(*participant, *currency), kind, body))
        };
        let to_settlement = |participant: &usize, currency: &usize, kind: &str, body: &Value| {
            Some(command(scheme::SETTLEMENT_ACCOUNT, account(*participant, *currency), kind, body))
        };
        let to_transfer = |transfer: &usize, kind: &str, body: &Value| {
            Some(command(scheme::TRANSFER, format!("T{transfer}"), kind, body))
        };
        match self {
            Self::Part { participant, change } => {
                let (kind, body) = match change {
                    Change::Create => ("CreateParticipant", json!({ "name": "a bank" })),
                    Change::Activate => ("ActivateParticipant", json!({})),
                    Change::Deactivate => ("DeactivateParticipant", json!({})),
                };
                Some(command(scheme::PARTICIPANT, name(*participant), kind, &body))
            }
            Self::Open { participant, currency, cap, position } => {
                let mut body = json!({ "cap": cap.to_string() });
                if let Some(position) = position {
                    body["position"] = position.to_string().into();
                }
                to_account(participant, currency, "OpenAccount", &body)
            }
            Self::Limit { participant, currency, cap, alarm } => {
                let mut body = json!({});
                if let Some(cap) = cap {
                    body["cap"] = cap.to_string().into();
                }
                if let Some(alarm) = alarm {
                    body["alarm"] = (*alarm).into();
                }
                to_account(participant, currency, "ChangeLimits", &body)
            }
            Self::Close { participant, currency, reopen } => {
                let kind = if *reopen { "ReopenAccount" } else { "CloseAccount" };
                to_account(participant, currency, kind, &json!({}))
            }
            Self::OpenSettlement { participant, currency, funds } => {
                let body = json!({ "funds": funds.to_string() });
                to_settlement(participant, currency, "OpenSettlementAccount", &body)
            }
            Self::Fund { participant, currency, amount, out } => {
                let kind = if *out { "FundOut" } else { "FundIn" };
                let body = json!({ "reference": "wire", "amount": amount.to_string() });
                to_settlement(participant, currency, kind, &body)
            }
            Self::Prepare { transfer, payer, payee, currency, cents, ends_after_s } => {
                let amount = match cents {
                    0 => "0".to_owned(),
                    400 => "4.5".to_owned(),
                    cents => (cents / 100).to_string(),
                };
                let body = json!({
                    "payer": name(*payer),
                    "payee": name(*payee),
                    "amount": amount,
                    "currency": CURRENCIES[*currency],
                    "expiration": expiration(*ends_after_s),
                    "condition": fixture::CONDITION,
                });
                to_transfer(transfer, "PrepareTransfer", &body)
            }
            Self::Fulfil { transfer, by, right } => {
                let fulfilment = if *right { fixture::FULFILMENT } else { fixture::CONDITION };
                let body = json!({ "fsp": name(*by), "fulfilment": fulfilment });
                to_transfer(transfer, "FulfilTransfer", &body)
            }
            Self::Abort { transfer, by, code } => {
                let body = json!({ "fsp": name(*by), "code": code.to_string(), "reason": "no" });
                to_transfer(transfer, "AbortTransfer", &body)
            }
            Self::Trespass { transfer, participant, which } => {
                Some(trespass(format!("T{transfer}"), account(*participant, 0), *which))
            }
            Self::Repeat { .. }
            | Self::HoldBack(_)
            | Self::Steps(_)
            | Self::Advance(_)
            | Self::Restart(_)
            | Self::Rest => None,
        }
    }
}

impl Change {
    fn draw(prng: &mut Prng) -> Self {
        [Self::Create, Self::Activate, Self::Activate, Self::Deactivate][prng.below(4)]
    }
}

/// Who is paid by a transfer, and answers for it: mostly the same participant, so that it often is the
/// payee who answers.
fn mostly_payee(transfer: usize, prng: &mut Prng) -> usize {
    if prng.below(MOSTLY) == 0 { prng.below(PARTICIPANTS) } else { transfer % PARTICIPANTS }
}

fn expiration(ends_after_s: Option<u64>) -> String {
    let ends = ends_after_s.map(|s| Timestamp::from_ms(fixture::START_MS + s * 1_000));
    ends.and_then(Result::ok).map_or_else(|| NEVER.to_owned(), |ends| ends.to_string())
}

fn trespass(id: String, key: String, which: usize) -> Command {
    let moved = json!({ "transferId": id, "amount": "5" });
    let fund = json!({ "reference": "wire", "amount": "5" });
    match which {
        0 => command(scheme::ACCOUNT, key, "ReservePayerFunds", &moved),
        1 => command(scheme::ACCOUNT, key, "CommitPayeeFunds", &moved),
        2 => command(scheme::ACCOUNT, key, "ReversePayerFunds", &moved),
        3 => command(scheme::TRANSFER, id, "AckPayerFundsReserved", &json!({})),
        4 => command(scheme::TRANSFER, id, "AckPayeeFundsCommitted", &json!({})),
        5 => command(scheme::TRANSFER, id, "AckPayerFundsReversed", &json!({})),
        6 => command(scheme::ACCOUNT, key, "RaiseCover", &json!({ "amount": "5" })),
        7 => command(scheme::ACCOUNT, key, "LowerCover", &fund),
        8 => command(scheme::SETTLEMENT_ACCOUNT, key, "CommitFundsOut", &fund),
        _ => command(scheme::ACCOUNT, key, "CommitPayerFunds", &moved),
    }
}

fn command(aggregate_type: &str, key: String, kind: &str, body: &Value) -> Command {
    Command {
        aggregate_type: aggregate_type.to_owned(),
        key,
        kind: kind.to_owned(),
        body: body.to_string(),
    }
}
