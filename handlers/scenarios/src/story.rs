//! Random stories: whatever clients send, however the switch gets on with it and whatever becomes of
//! its process, the laws of money hold whenever it comes to rest.
//!
//! A number makes a story, so a number replays it; one that fails is told in its smallest form. What a
//! story is played on is any [`Driven`] switch.

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context as _, anyhow, ensure};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::fixture;
use crate::laws::{self, Touched};
use crate::switch::{Command, Driven, End, Outcome, Switch};

const PARTICIPANTS: usize = 4;
const TRANSFERS: usize = 12;
const CURRENCIES: [&str; 2] = ["USD", "JPY"];
const EXPIRATION: &str = "9000-01-01T00:00:00.000Z";

/// Of so many payees of a transfer all but [`PARTICIPANTS`] are the same one.
const MOSTLY: usize = 5 * PARTICIPANTS;

/// How often a story that fails is made smaller, at most.
const SMALLER_MAX: usize = 400;

/// What happens, and under which configuration.
#[derive(Clone, Debug)]
pub struct Story {
    /// Whether one may pay oneself.
    pub on_us: bool,
    /// One after another.
    pub happens: Vec<Next>,
}

/// What happens next.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are those of the commands, as indices and cents")]
pub enum Next {
    /// An account is opened.
    Open { participant: usize, currency: usize, cap: u32 },
    /// A transfer is asked for.
    Prepare { transfer: usize, payer: usize, payee: usize, currency: usize, cents: u32 },
    /// A transfer is fulfilled, rightly or wrongly, by someone.
    Fulfil { transfer: usize, by: usize, right: bool },
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

impl Story {
    /// The configuration of the handlers, by name.
    #[must_use]
    pub fn configuration(&self) -> Vec<(String, String)> {
        vec![("transfers".to_owned(), json!({ "allowOnUs": self.on_us }).to_string())]
    }
}

/// Stories of so many happenings.
pub fn stories(lengths: Range<usize>) -> impl Strategy<Value = Story> {
    (any::<bool>(), vec(next(), lengths)).prop_map(|(on_us, happens)| Story { on_us, happens })
}

/// What may happen next.
pub fn next() -> impl Strategy<Value = Next> {
    let (transfer, participant) = (0..TRANSFERS, 0..PARTICIPANTS);
    prop_oneof![
        8 => (participant.clone(), 0..2_usize, 0..3_000_u32)
            .prop_map(|(participant, currency, cap)| Next::Open { participant, currency, cap }),
        32 => (transfer.clone(), participant.clone(), 0..MOSTLY, 0..2_usize, 0..2_000_u32)
            .prop_map(|(transfer, payer, payee, currency, cents)| {
                let payee = mostly_payee(transfer, payee);
                // Few amounts, so that the same prepare comes again.
                Next::Prepare { transfer, payer, payee, currency, cents: cents / 400 * 400 }
            }),
        32 => (transfer.clone(), 0..MOSTLY, prop::bool::weighted(0.8))
            .prop_map(|(transfer, by, right)| {
                Next::Fulfil { transfer, by: mostly_payee(transfer, by), right }
            }),
        8 => (transfer, participant, 0..6_usize).prop_map(|(transfer, participant, which)| {
            Next::Trespass { transfer, participant, which }
        }),
        6 => (0..20_usize).prop_map(|back| Next::Repeat { back }),
        32 => vec(any::<usize>(), 1..6).prop_map(Next::Steps),
        4 => (1..3_000_u64).prop_map(Next::Advance),
        3 => prop_oneof![Just(End::Orderly), Just(End::Killed), Just(End::PowerLost)]
            .prop_map(Next::Restart),
        8 => Just(Next::Rest),
    ]
}

/// Who is paid by a transfer, and answers for it: mostly the same participant, so that it often is the
/// payee who answers.
fn mostly_payee(transfer: usize, drawn: usize) -> usize {
    if drawn < PARTICIPANTS { drawn } else { transfer % PARTICIPANTS }
}

impl Next {
    /// The command, if this is one.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        Some(match self {
            Self::Open { participant, currency, cap } => command(
                scheme::ACCOUNT,
                account(*participant, *currency),
                "OpenAccount",
                &json!({ "cap": cap.to_string() }),
            ),
            Self::Prepare { transfer, payer, payee, currency, cents } => {
                let amount = match cents {
                    0 => "0".to_owned(),
                    400 => "4.5".to_owned(),
                    cents => (cents / 100).to_string(),
                };
                let body = json!({
                    "payer": format!("fsp{payer}"),
                    "payee": format!("fsp{payee}"),
                    "amount": amount,
                    "currency": CURRENCIES[*currency],
                    "expiration": EXPIRATION,
                    "condition": fixture::CONDITION,
                });
                command(scheme::TRANSFER, format!("T{transfer}"), "PrepareTransfer", &body)
            }
            Self::Fulfil { transfer, by, right } => {
                let fulfilment = if *right { fixture::FULFILMENT } else { fixture::CONDITION };
                let body = json!({ "fsp": format!("fsp{by}"), "fulfilment": fulfilment });
                command(scheme::TRANSFER, format!("T{transfer}"), "FulfilTransfer", &body)
            }
            Self::Trespass { transfer, participant, which } => {
                trespass(format!("T{transfer}"), account(*participant, 0), *which)
            }
            Self::Repeat { .. }
            | Self::Steps(_)
            | Self::Advance(_)
            | Self::Restart(_)
            | Self::Rest => return None,
        })
    }
}

fn trespass(id: String, key: String, which: usize) -> Command {
    let moved = json!({ "transferId": id, "amount": "5" });
    match which {
        0 => command(scheme::ACCOUNT, key, "ReservePayerFunds", &moved),
        1 => command(scheme::ACCOUNT, key, "CommitPayeeFunds", &moved),
        2 => command(scheme::ACCOUNT, key, "ReversePayerFunds", &moved),
        3 => command(scheme::TRANSFER, id, "AckPayerFundsReserved", &json!({})),
        4 => command(scheme::TRANSFER, id, "AckPayeeFundsCommitted", &json!({})),
        _ => command(scheme::TRANSFER, id, "AckPayerFundsReversed", &json!({})),
    }
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

/// Plays a story to its end, and holds the switch to the laws at every rest.
///
/// # Errors
/// What broke, and after which happening.
pub fn play(story: &Story, switch: &mut dyn Driven) -> anyhow::Result<()> {
    let mut teller = Teller { switch, everyone: everyone(), posted: Vec::new() };
    for (number, next) in story.happens.iter().chain([&Next::Rest]).enumerate() {
        teller.tell(next).with_context(|| format!("happening {number}, {next:?}"))?;
    }
    Ok(())
}

struct Teller<'s> {
    switch: &'s mut dyn Driven,
    everyone: Touched,
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
        laws::check(&mut *self.switch, &self.everyone)
    }
}

fn everyone() -> Touched {
    let mut touched = Touched::default();
    for transfer in 0..TRANSFERS {
        touched.transfer(format!("T{transfer}"));
    }
    for (participant, currency) in accounts() {
        touched.account(account(participant, currency));
    }
    touched
}

fn accounts() -> impl Iterator<Item = (usize, usize)> {
    (0..PARTICIPANTS).flat_map(|participant| (0..2).map(move |currency| (participant, currency)))
}

/// Everything there is to see of a story's transfers and accounts.
///
/// # Errors
/// As the switch has them.
pub fn picture(switch: &mut dyn Switch) -> anyhow::Result<String> {
    let transfers = (0..TRANSFERS).map(|transfer| (scheme::TRANSFER, format!("T{transfer}")));
    let accounts = accounts().map(|(p, currency)| (scheme::ACCOUNT, account(p, currency)));
    let mut text = String::new();
    for (aggregate_type, key) in transfers.chain(accounts) {
        let state = switch.state(aggregate_type, &key)?;
        let events = switch.events(aggregate_type, &key)?;
        text += &format!("{key} {state:?}\n{events:?}\n");
    }
    Ok(text)
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

/// The story that a seed makes.
///
/// # Errors
/// When none can be made of so many happenings.
pub fn of(seed: u64, lengths: Range<usize>) -> anyhow::Result<Story> {
    Ok(tree(seed, &stories(lengths))?.current())
}

/// Makes a story of each seed and has it played. A panic while it is played is a failure.
///
/// # Errors
/// The first seed that fails, with the smallest story found that fails like it, and how.
pub fn each(
    seeds: Range<u64>,
    lengths: Range<usize>,
    mut play: impl FnMut(u64, &Story) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let strategy = stories(lengths);
    for seed in seeds {
        let mut tree = tree(seed, &strategy)?;
        let mut attempt = |story: &Story| {
            catch_unwind(AssertUnwindSafe(|| play(seed, story)))
                .unwrap_or_else(|cause| Err(anyhow!("panicked: {}", said(&*cause))))
        };
        let story = tree.current();
        if let Err(error) = attempt(&story) {
            let (story, error) = smallest(&mut tree, attempt, (story, error));
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

/// A story that can be made smaller.
fn tree<S: Strategy<Value = Story>>(seed: u64, strategy: &S) -> anyhow::Result<S::Tree> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let tree = strategy.new_tree(&mut TestRunner::new_with_rng(config, rng));
    tree.map_err(|reason| anyhow!("no story: {reason}"))
}

/// Follows the tree to a smaller story that fails, too.
fn smallest(
    tree: &mut impl ValueTree<Value = Story>,
    mut attempt: impl FnMut(&Story) -> anyhow::Result<()>,
    mut worst: (Story, anyhow::Error),
) -> (Story, anyhow::Error) {
    let mut moved = tree.simplify();
    for _ in 0..SMALLER_MAX {
        if !moved {
            break;
        }
        let story = tree.current();
        moved = match attempt(&story) {
            Ok(()) => tree.complicate(),
            Err(error) => {
                worst = (story, error);
                tree.simplify()
            }
        };
    }
    worst
}

fn said(cause: &(dyn std::any::Any + Send)) -> &str {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("without words")
}
