//! Random stories: whatever clients send, however the switch gets on with it and whatever becomes of
//! its process, the laws of money hold whenever it comes to rest.
//!
//! A number makes a story, so a number replays it; one that fails is told in its smallest form. What a
//! story is played on is any [`Driven`] switch.

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context as _, anyhow, ensure};
use scheme::Timestamp;
use serde_json::{Value, json};

use crate::fixture;
use crate::laws::{Books, Touched};
use crate::prng::Prng;
use crate::switch::{Command, Driven, End, Outcome, Switch};

const PARTICIPANTS: usize = 4;
const TRANSFERS: usize = 12;
const CURRENCIES: [&str; 2] = ["USD", "JPY"];
/// Offers end so many seconds after the story's beginning, or never.
const ENDS_AFTER_S: [Option<u64>; 4] = [Some(1), Some(4), Some(LONGEST_S), None];
const LONGEST_S: u64 = 16;
const NEVER: &str = "9000-01-01T00:00:00.000Z";
/// Of so many answers all but one come from the same participant.
const MOSTLY: usize = 8;
/// A participant that nobody ever takes up.
const GHOST: usize = PARTICIPANTS;

/// How often a story that fails is made smaller, at most.
const SMALLER_MAX: usize = 400;

/// What happens, and under which configuration.
#[derive(Clone, Debug)]
pub struct Story {
    /// Whether one may pay oneself.
    pub on_us: bool,
    /// Whether one needs cover to pay.
    pub cover_required: bool,
    /// One after another.
    pub happens: Vec<Next>,
}

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
    /// The switch gets on a little.
    Steps(Vec<usize>),
    /// So many milliseconds pass.
    Advance(u64),
    /// The process ends and another begins.
    Restart(End),
    /// The switch comes to rest.
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

impl Story {
    /// The story of this seed: most participants are there and have accounts, and then so many
    /// happenings.
    #[must_use]
    pub fn of(seed: u64, lengths: Range<usize>) -> Self {
        let mut prng = Prng::new(seed);
        let length = lengths.start + prng.below(lengths.len());
        let (on_us, cover_required) = (prng.below(2) == 0, prng.below(8) == 0);
        let mut happens = beginning(&mut prng);
        happens.extend((0..length).map(|_| Next::draw(&mut prng)));
        Self { on_us, cover_required, happens }
    }

    /// The configuration of the handlers, by name.
    #[must_use]
    pub fn configuration(&self) -> Vec<(String, String)> {
        let of = |handler: &str, json: Value| (handler.to_owned(), json.to_string());
        vec![
            of("transfers", json!({ "allowOnUs": self.on_us })),
            of("accounts", json!({ "coverRequired": self.cover_required })),
        ]
    }
}

impl Next {
    /// What may happen next.
    #[must_use]
    pub fn draw(prng: &mut Prng) -> Self {
        let (participant, currency) = (prng.below(PARTICIPANTS), prng.below(2));
        let transfer = prng.below(TRANSFERS);
        match prng.below(166) {
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

/// Most participants are taken up and active, most of their accounts open; and mostly, that is known.
fn beginning(prng: &mut Prng) -> Vec<Next> {
    let mut happens = Vec::new();
    for participant in 0..PARTICIPANTS {
        if prng.below(MOSTLY) > 0 {
            for change in [Change::Create, Change::Activate] {
                happens.push(Next::Part { participant, change });
            }
        }
    }
    for (participant, currency) in accounts() {
        if prng.below(3) > 0 {
            // Half of the caps are soon reached.
            let caps = [40, 3_000][prng.below(2)];
            let cap = prng.below(caps) as u32;
            happens.push(Next::Open { participant, currency, cap, position: None });
        }
    }
    if prng.below(MOSTLY) > 0 {
        happens.push(Next::Rest);
    }
    happens
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

fn name(participant: usize) -> String {
    format!("fsp{participant}")
}

fn account(participant: usize, currency: usize) -> String {
    format!("fsp{participant}/{}", CURRENCIES[currency])
}

fn command(aggregate_type: &str, key: String, kind: &str, body: &Value) -> Command {
    Command {
        aggregate_type: aggregate_type.to_owned(),
        key,
        kind: kind.to_owned(),
        body: body.to_string(),
    }
}

/// What every story ends with: the switch comes to rest, all offers that ever end do so, and so does
/// what was still reserved for them. A deadline has come when it has passed.
const FINALE: [Next; 3] = [Next::Rest, Next::Advance(LONGEST_S * 1_000 + 1), Next::Rest];

/// Plays a story to its end, and holds the switch to the laws at every rest.
///
/// # Errors
/// What broke, and after which happening.
pub fn play(story: &Story, switch: &mut dyn Driven) -> anyhow::Result<()> {
    let mut teller =
        Teller { switch, everyone: everyone(), books: Books::default(), posted: Vec::new() };
    for (number, next) in story.happens.iter().chain(&FINALE).enumerate() {
        teller.tell(next).with_context(|| format!("happening {number}, {next:?}"))?;
    }
    Ok(())
}

struct Teller<'s> {
    switch: &'s mut dyn Driven,
    everyone: Touched,
    books: Books,
    /// Whether each posted command must be refused, and its outcome once it was known.
    posted: Vec<(bool, Option<Outcome>)>,
}

impl Teller<'_> {
    fn tell(&mut self, next: &Next) -> anyhow::Result<()> {
        match next {
            Next::Steps(choices) => choices.iter().try_for_each(|choice| self.switch.step(*choice)),
            Next::Advance(ms) => self.switch.advance(*ms),
            Next::Restart(end) => self.switch.restart(*end),
            Next::Repeat { back } => match self.posted.len().checked_sub(1) {
                Some(last) => self.switch.repeat(last - back.min(&last)),
                None => Ok(()),
            },
            Next::Rest => self.rest(),
            command => self.post(command),
        }
    }

    fn post(&mut self, next: &Next) -> anyhow::Result<()> {
        let Some(command) = next.command() else { return Ok(()) };
        let number = self.switch.post(command)?;
        ensure!(number == self.posted.len(), "posted as {number}");
        self.posted.push((matches!(next, Next::Trespass { .. }), None));
        Ok(())
    }

    fn rest(&mut self) -> anyhow::Result<()> {
        self.switch.settle()?;
        for (number, (trespass, known)) in self.posted.iter_mut().enumerate() {
            let outcome = self.switch.outcome(number)?;
            let outcome = outcome.with_context(|| format!("command {number} has no outcome"))?;
            ensure!(
                !*trespass || matches!(outcome, Outcome::Refused { .. }),
                "command {number}, a trespass, came to {outcome:?}"
            );
            let before = known.get_or_insert_with(|| outcome.clone());
            ensure!(
                *before == outcome,
                "command {number} came to {before:?} once, and now to {outcome:?}"
            );
        }
        self.books.check(&mut *self.switch, &self.everyone)
    }
}

fn everyone() -> Touched {
    let mut touched = Touched::default();
    for transfer in 0..TRANSFERS {
        touched.transfer(format!("T{transfer}"));
    }
    let of_ghost = (0..CURRENCIES.len()).map(|currency| (GHOST, currency));
    for (participant, currency) in accounts().chain(of_ghost) {
        touched.account(account(participant, currency));
    }
    touched
}

fn accounts() -> impl Iterator<Item = (usize, usize)> {
    (0..PARTICIPANTS).flat_map(|participant| (0..2).map(move |currency| (participant, currency)))
}

/// Everything there is to see of a story's participants, transfers and accounts.
///
/// # Errors
/// As the switch has them.
pub fn picture(switch: &mut dyn Switch) -> anyhow::Result<String> {
    let mut text = String::new();
    for (aggregate_type, key) in aggregates() {
        let state = switch.state(aggregate_type, &key)?;
        let events = switch.events(aggregate_type, &key)?;
        text += &format!("{key} {state:?}\n{events:?}\n");
    }
    Ok(text)
}

/// The kinds of events that have happened to a story's participants, transfers and accounts.
///
/// # Errors
/// As the switch has them.
pub fn kinds(switch: &mut dyn Switch) -> anyhow::Result<BTreeSet<String>> {
    let mut kinds = BTreeSet::new();
    for (aggregate_type, key) in aggregates() {
        kinds.extend(switch.events(aggregate_type, &key)?.into_iter().map(|event| event.kind));
    }
    Ok(kinds)
}

/// Type and key of all that a story may touch.
fn aggregates() -> impl Iterator<Item = (&'static str, String)> {
    let transfers = (0..TRANSFERS).map(|transfer| (scheme::TRANSFER, format!("T{transfer}")));
    let accounts = |aggregate_type| {
        accounts().map(move |(p, currency)| (aggregate_type, account(p, currency)))
    };
    (0..PARTICIPANTS)
        .map(|participant| (scheme::PARTICIPANT, name(participant)))
        .chain(transfers)
        .chain(accounts(scheme::ACCOUNT))
        .chain(accounts(scheme::SETTLEMENT_ACCOUNT))
}

/// Code and reason of all invalid transfers of a story.
///
/// # Errors
/// As the switch has them.
pub fn invalid(switch: &mut dyn Switch) -> anyhow::Result<BTreeSet<(String, String)>> {
    let mut invalid = BTreeSet::new();
    for transfer in 0..TRANSFERS {
        let events = switch.events(scheme::TRANSFER, &format!("T{transfer}"))?;
        for event in events.iter().filter(|event| event.kind == "InvalidTransfer") {
            let text = |field: &str| event.body[field].as_str().unwrap_or_default().to_owned();
            invalid.insert((text("code"), text("reason")));
        }
    }
    Ok(invalid)
}

/// The states in which a story's transfers are.
///
/// # Errors
/// As the switch has them.
pub fn ends(switch: &mut dyn Switch) -> anyhow::Result<BTreeSet<String>> {
    let mut ends = BTreeSet::new();
    for transfer in 0..TRANSFERS {
        if let Some(state) = switch.state(scheme::TRANSFER, &format!("T{transfer}"))? {
            ends.insert(state["state"].as_str().unwrap_or_default().to_owned());
        }
    }
    Ok(ends)
}

/// Makes a story of each seed and has it played. A panic while it is played is a failure.
///
/// # Errors
/// The first seed that fails, with the smallest story found that fails too, and how.
pub fn each(
    seeds: Range<u64>,
    lengths: Range<usize>,
    mut play: impl FnMut(u64, &Story) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for seed in seeds {
        let mut attempt = |story: &Story| {
            catch_unwind(AssertUnwindSafe(|| play(seed, story)))
                .unwrap_or_else(|cause| Err(anyhow!("panicked: {}", said(&*cause))))
        };
        let story = Story::of(seed, lengths.clone());
        if let Err(error) = attempt(&story) {
            let (story, error) = smallest(attempt, story, error);
            return Err(error.context(format!("seed {seed}: {story:#?}")));
        }
    }
    Ok(())
}

/// The seeds that a test is to play: `count` from 0 on, or what the environment variable says: one
/// seed (`7`), or from one up to another, that one left out (`0..2000`).
///
/// # Errors
/// When the variable is neither.
pub fn seeds(variable: &str, count: u64) -> anyhow::Result<Range<u64>> {
    let Ok(text) = std::env::var(variable) else { return Ok(0..count) };
    let parse = |text: &str| text.parse::<u64>().ok();
    match text.split_once("..") {
        Some((from, to)) => parse(from).zip(parse(to)).map(|(from, to)| from..to),
        None => parse(&text).map(|seed| seed..seed + 1),
    }
    .with_context(|| format!("{variable} is a seed (7) or a range of seeds (0..2000), not {text}"))
}

/// Leaves out what is not needed for a story to fail: first many happenings at once, then one by one.
fn smallest(
    mut attempt: impl FnMut(&Story) -> anyhow::Result<()>,
    mut story: Story,
    mut error: anyhow::Error,
) -> (Story, anyhow::Error) {
    let mut attempts = 0;
    let mut size = story.happens.len();
    while size > 0 {
        let mut at = 0;
        while at < story.happens.len() && attempts < SMALLER_MAX {
            attempts += 1;
            let mut smaller = story.clone();
            smaller.happens.drain(at..(at + size).min(story.happens.len()));
            match attempt(&smaller) {
                Ok(()) => at += size,
                Err(other) => (story, error) = (smaller, other),
            }
        }
        size /= 2;
    }
    (story, error)
}

fn said(cause: &(dyn std::any::Any + Send)) -> &str {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("without words")
}
