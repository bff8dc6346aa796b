//! What is asked of the host: transfers of every fate, each a script of requests and of events to
//! wait for. All of it follows from a seed, but for when the offers end that nobody answers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Value, json};
use switch::transfer::fulfilment;

use crate::dice::Dice;

/// All but one of them are rich.
const PARTICIPANTS: [&str; 4] = ["poor", "bank01", "bank02", "bank03"];
const CURRENCY: &str = "USD";
/// When offers end that are answered.
const NEVER: &str = "2100-01-01T00:00:00.000Z";
/// How long offers stand that nobody answers: now and then until the host is dead.
const SHORT_OFFER: Duration = Duration::from_millis(200);

/// One command of a client.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Its id; one of a source of its own.
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) aggregate_type: &'static str,
    pub(crate) key: String,
    pub(crate) data: Value,
}

/// What happens in a transfer next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The client asks, until it is answered.
    Ask(Request),
    /// The host does this by itself.
    Await(&'static str),
}

/// How a transfer goes: one step after another, unless the host rejects it.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    /// Whether its offer stands so shortly that it may come too late: invalid then. No other that
    /// waits for anything may be invalid: all in the directory are active and have open accounts.
    pub(crate) may_be_late: bool,
    /// When it has ended, however it did.
    pub(crate) afterthought: Option<Request>,
}

/// What becomes of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Fulfilled, or rejected where the payer's cap is reached.
    Good,
    /// The payee tries before the payer has asked: refused, and fulfilled later.
    Early,
    /// The payer asks twice, for the same or for more, and so does the payee fulfil.
    Repeated,
    /// The payee's secret is wrong, or none at all, or somebody else's answer: released.
    Wrong,
    /// The payee does not want it: released.
    Aborted,
    /// The payee says nothing until it is too late: released, or invalid if it came too late.
    Silent,
    /// The payer has no account: rejected.
    Unknown,
    /// Payer and payee are the same: invalid.
    OnUs,
}

impl Request {
    fn new(kind: &'static str, aggregate_type: &'static str, key: &str, data: Value) -> Self {
        let id = format!("{kind}/{key}");
        Self { id, kind, aggregate_type, key: key.to_owned(), data }
    }

    fn again(self, word: &str) -> Self {
        Self { id: format!("{}/{word}", self.id), ..self }
    }

    /// As an event of a batch.
    pub(crate) fn json(&self) -> Value {
        json!({
            "specversion": "1.0", "id": self.id, "source": "crash-test", "type": self.kind,
            "aggregatetype": self.aggregate_type, "subject": self.key, "data": self.data,
        })
    }

    /// As a batch of its own.
    pub(crate) fn batch(&self) -> Bytes {
        json!([self.json()]).to_string().into()
    }
}

/// What every run begins with.
pub(crate) fn provision() -> Vec<Request> {
    let participant = |kind, name: &&str, data| Request::new(kind, "participant", name, data);
    let limits = |name: &str| match name {
        // Whose position goes up and down past the threshold.
        "poor" => json!({ "cap": "12", "alarm": 50 }),
        _ => json!({ "cap": "1000000" }),
    };
    let open = |name: &&str| Request::new("OpenAccount", "account", &account(name), limits(name));
    let created = PARTICIPANTS
        .iter()
        .map(|name| participant("CreateParticipant", name, json!({ "name": "A bank" })));
    let activated =
        PARTICIPANTS.iter().map(|name| participant("ActivateParticipant", name, json!({})));
    created.chain(activated).chain(PARTICIPANTS.iter().map(open)).collect()
}

/// Keys of all accounts.
pub(crate) fn accounts() -> impl Iterator<Item = String> {
    PARTICIPANTS.iter().map(|name| account(name))
}

/// The id of a transfer.
pub(crate) fn id(seed: u64, index: u64) -> String {
    let noise = Dice::new(seed ^ index.rotate_left(32)).below(1 << 32);
    format!("{noise:08x}-0000-4000-8000-{index:012x}")
}

/// The script of a transfer.
pub(crate) fn script(seed: u64, index: u64) -> Script {
    let id = id(seed, index);
    let mut dice = Dice::new(seed.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ index);
    let fate = match dice.below(16) {
        0..6 => Fate::Good,
        6..8 => Fate::Early,
        8..10 => Fate::Repeated,
        10 | 11 => Fate::Wrong,
        12 => Fate::Aborted,
        13 => Fate::Silent,
        14 => Fate::Unknown,
        _ => Fate::OnUs,
    };
    let payer = dice.below(4);
    let payee = (payer + 1 + dice.below(3)) % 4;
    let [payer, payee] = [payer, payee].map(|number| PARTICIPANTS[number as usize]);
    let (payer, payee) = match fate {
        Fate::Unknown => ("nobody", payee),
        Fate::OnUs => (payer, payer),
        // Whose cap is reached now and then, and freed by what it is paid.
        _ => (payer, payee),
    };
    let amount = format!("{}.{:02}", 1 + dice.below(9), 1 + dice.below(9));
    let mut prepare = prepare(&id, payer, payee, &amount);
    if fate == Fate::Silent {
        prepare.data["expiration"] = json!(soon());
    }
    let mut steps = Vec::new();
    if fate == Fate::Early {
        steps.push(Step::Ask(fulfil(&id, payee).again("early")));
    }
    steps.push(Step::Ask(prepare.clone()));
    match fate {
        Fate::Good | Fate::Early => {
            steps.push(Step::Await("TransferPrepared"));
            steps.push(Step::Ask(fulfil(&id, payee)));
            steps.push(Step::Await("TransferFulfilled"));
        }
        Fate::Repeated => {
            let mut again = prepare.clone().again("at once");
            if dice.below(2) == 0 {
                again.data["amount"] = json!("99");
            }
            steps.push(Step::Ask(again));
            steps.push(Step::Await("TransferPrepared"));
            steps.push(Step::Ask(fulfil(&id, payee)));
            steps.push(Step::Ask(fulfil(&id, payee).again("at once")));
            steps.push(Step::Await("TransferFulfilled"));
        }
        Fate::Wrong | Fate::Aborted => {
            let other = fulfilment("another").unwrap().to_string();
            let mut answer = match fate {
                Fate::Aborted => abort(&id, payee),
                _ => fulfil(&id, payee),
            };
            match dice.below(3) {
                // Either is no answer to come from the payer.
                0 => answer.data["fsp"] = json!(payer),
                number if fate == Fate::Wrong => {
                    answer.data["fulfilment"] = json!(["x", &other][number as usize - 1]);
                }
                _ => {}
            }
            steps.push(Step::Await("TransferPrepared"));
            steps.push(Step::Ask(answer));
            steps.push(Step::Await("TransferReleased"));
        }
        Fate::Silent => steps.push(Step::Await("TransferReleased")),
        Fate::Unknown => steps.push(Step::Await("TransferRejected")),
        Fate::OnUs => {}
    }
    let afterthought = afterthought(&id, payee, &prepare, &mut dice);
    Script { steps, may_be_late: fate == Fate::Silent, afterthought }
}

/// What is asked of a transfer that has ended: most of it is refused, none of it changes anything.
fn afterthought(id: &str, payee: &str, prepare: &Request, dice: &mut Dice) -> Option<Request> {
    match dice.below(4) {
        0 => Some(prepare.clone().again("same")),
        1 => {
            let mut other = prepare.clone().again("other");
            other.data["amount"] = json!("99");
            Some(other)
        }
        2 => Some(fulfil(id, payee).again("late")),
        _ => None,
    }
}

/// A payer asks for a transfer.
pub(crate) fn prepare(id: &str, payer: &str, payee: &str, amount: &str) -> Request {
    let data = json!({
        "payer": payer, "payee": payee, "amount": amount, "currency": CURRENCY,
        "expiration": NEVER,
        "condition": scheme::Condition::of(&fulfilment(id).unwrap()),
    });
    Request::new("PrepareTransfer", "transfer", id, data)
}

/// Its payee fulfils it.
pub(crate) fn fulfil(id: &str, payee: &str) -> Request {
    let data = json!({ "fsp": payee, "fulfilment": fulfilment(id).unwrap() });
    Request::new("FulfilTransfer", "transfer", id, data)
}

/// Its payee does not want it.
fn abort(id: &str, payee: &str) -> Request {
    let data = json!({ "fsp": payee, "code": "5104", "reason": "no such customer" });
    Request::new("AbortTransfer", "transfer", id, data)
}

fn soon() -> scheme::Timestamp {
    let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + SHORT_OFFER;
    scheme::Timestamp::from_ms(until.as_millis() as u64).unwrap()
}

fn account(participant: &str) -> String {
    format!("{participant}/{CURRENCY}")
}

#[test]
fn only_an_offer_that_stands_shortly_may_be_late() {
    for script in (0..200).map(|index| script(1, index)) {
        let is_short = |step: &Step| {
            matches!(step, Step::Ask(request)
            if request.kind == "PrepareTransfer" && request.data["expiration"] != NEVER)
        };
        assert_eq!(script.steps.iter().any(is_short), script.may_be_late, "{script:?}");
    }
}
