//! The transfers that the demo asks for, each a function of its id: who pays whom, how much, and the
//! secret by which the payee fulfils. What is unusual about some is left to their kinds. Nothing is
//! sent here.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use scheme::{Condition, Fulfilment, PreimageError};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// How many participants trade with each other.
pub const PARTICIPANTS: u64 = 8;
/// In which currency.
pub const CURRENCY: &str = "USD";
/// How far below nothing each may go.
pub const CAP: &str = "1000000000";
/// The number of the participant that may owe next to nothing. It pays only, and trades with nobody.
pub(crate) const MODEST: u64 = PARTICIPANTS + 6;
/// How far below nothing it may go.
pub(crate) const MODEST_CAP: &str = "100";
/// More than that.
pub(crate) const ABOVE_CAP: &str = "100.01";
/// The number of the participant that has paid in funds, so that they are its limit, too. It pays
/// only, and trades with nobody.
pub(crate) const COVERED: u64 = PARTICIPANTS;
/// What it has paid in.
pub(crate) const COVER: &str = "100";
/// More than that, and far less than its cap.
pub(crate) const ABOVE_COVER: &str = "100.01";
/// The number of a participant that does not exist.
pub(crate) const NOBODY: u64 = PARTICIPANTS + 1;
/// The number of a participant that takes no part any more. It has an account.
pub(crate) const RETIRED: u64 = PARTICIPANTS + 2;
/// The number of a participant that takes part and has no account.
pub(crate) const BARE: u64 = PARTICIPANTS + 3;
/// The number of a participant whose account is closed.
pub(crate) const CLOSED: u64 = PARTICIPANTS + 4;
/// The number of a participant whose account has no cap, so that nobody knows how much it may owe.
pub(crate) const UNCAPPED: u64 = PARTICIPANTS + 5;
/// More than the second version of the rules lets pass at once (`CEILING` in `versions/`).
pub(crate) const ABOVE_CEILING: &str = "750";
/// The amount that the third version breaks on (`UNLUCKY` in `versions/`). No usual transfer is of it.
pub(crate) const UNLUCKY_AMOUNT: &str = "13.13";
/// What the payee names as the reason of an abort: FSPIOP's generic error of a payee.
pub(crate) const ABORT_CODE: &str = "5104";

/// A command in the form of a CloudEvent of a batch.
#[derive(Debug, Serialize)]
pub struct Command<'a, D> {
    specversion: &'static str,
    id: String,
    source: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    aggregatetype: &'static str,
    subject: &'a str,
    data: D,
}

impl<'a, D: Serialize> Command<'a, D> {
    /// `kind` for the aggregate `key` of type `aggregatetype`; its id derives from kind and key, so
    /// that sending it again is known as such.
    pub fn new(
        source: &'static str,
        kind: &'static str,
        aggregatetype: &'static str,
        key: &'a str,
        data: D,
    ) -> Self {
        let id = format!("{kind}/{key}");
        Self { specversion: "1.0", id, source, kind, aggregatetype, subject: key, data }
    }

    /// The same under another id, by which it is a command of its own.
    #[must_use]
    pub fn under(self, word: &str) -> Self {
        Self { id: format!("{}/{word}", self.id), ..self }
    }

    /// Its id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

/// What a command on a transfer says.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Body<'a> {
    /// The payer asks.
    Prepare(Prepare<'a>),
    /// The payee fulfils.
    Fulfil(Fulfil),
    /// The payee does not want it.
    Abort(Abort),
}

/// What the payer asks for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Prepare<'a> {
    pub(crate) payer: String,
    pub(crate) payee: String,
    pub(crate) amount: Cow<'static, str>,
    currency: &'static str,
    pub(crate) expiration: Cow<'a, str>,
    condition: Condition,
}

/// What the payee answers.
#[derive(Debug, Serialize)]
pub(crate) struct Fulfil {
    /// Who answers.
    pub(crate) fsp: String,
    /// The preimage of the condition, or what pretends to be.
    pub(crate) fulfilment: String,
}

/// The payee's other answer.
#[derive(Debug, Serialize)]
pub(crate) struct Abort {
    /// Who answers.
    pub(crate) fsp: String,
    /// Why, for programs.
    pub(crate) code: &'static str,
    /// Why, for people.
    pub(crate) reason: &'static str,
}

impl<'a> Prepare<'a> {
    /// The usual offer of a transfer with this index and id. `parties` numbers its payer and payee,
    /// see [`parties`].
    ///
    /// # Errors
    /// Never for 32 bytes of hash; the type of [`fulfilment`].
    pub(crate) fn new(
        index: u64,
        id: &str,
        (payer, payee): (u64, u64),
        expiration: &'a str,
    ) -> Result<Self, PreimageError> {
        Ok(Self {
            payer: participant(payer),
            payee: participant(payee),
            amount: amount(index).into(),
            currency: CURRENCY,
            expiration: expiration.into(),
            condition: Condition::of(&fulfilment(id)?),
        })
    }
}

/// The id of a transfer: a UUID, of which the last part is the transfer's index and the one before
/// the number of its kind. So whoever hears of it knows both, and nobody keeps a list.
pub(crate) fn id(index: u64, kind: u16) -> String {
    let noise = mix(index);
    let (a, b, c) = ((noise >> 32) as u32, (noise >> 16) as u16, noise & 0xfff);
    format!("{a:08x}-{b:04x}-4{c:03x}-8{kind:03x}-{index:012x}")
}

/// Index and number of the kind of a transfer's id, if it is one of ours.
pub(crate) fn parse(id: &str) -> Option<(u64, u16)> {
    let (rest, index) = id.rsplit_once('-')?;
    let (_, kind) = rest.rsplit_once('-')?;
    let kind = u16::from_str_radix(kind.strip_prefix('8')?, 16).ok()?;
    Some((u64::from_str_radix(index, 16).ok()?, kind))
}

/// Name of a participant, from 0.
pub fn participant(number: u64) -> String {
    format!("simfsp{:02}", number + 1)
}

/// Key of a participant's account.
pub fn account(number: u64) -> String {
    format!("{}/{CURRENCY}", participant(number))
}

/// The payee's proof for a transfer: derived from its id and a secret, so that the payee keeps no
/// list. The payer knows only the condition made of it.
///
/// # Errors
/// Never for 32 bytes of hash; the type of reading any fulfilment.
pub fn fulfilment(id: &str) -> Result<Fulfilment, PreimageError> {
    let bytes = Sha256::new().chain_update(b"payee's secret").chain_update(id).finalize();
    URL_SAFE_NO_PAD.encode(bytes).parse()
}

/// Numbers of payer and payee: every ordered pair in turn, never twice the same.
pub(crate) fn parties(index: u64) -> (u64, u64) {
    let payer = index % PARTICIPANTS;
    let step = 1 + index / PARTICIPANTS % (PARTICIPANTS - 1);
    (payer, (payer + step) % PARTICIPANTS)
}

/// 1.11 to 10.99, in canonical form.
fn amount(index: u64) -> String {
    let cents = 111 + index * 7 % 989;
    match (cents / 100, cents % 100) {
        (whole, 0) => whole.to_string(),
        (whole, part) if part % 10 == 0 => format!("{whole}.{}", part / 10),
        (whole, part) => format!("{whole}.{part:02}"),
    }
}

/// Spreads an index over 64 bits (the finaliser of SplitMix64).
pub(crate) fn mix(index: u64) -> u64 {
    let mut z = index.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use scheme::{Amount, Currency, FspId};

    use super::*;

    #[test]
    fn an_id_leads_back_to_its_transfer_and_its_kind() {
        for number in [0, 1, 4_095, 65_536, 9_999_999] {
            for kind in [0, 1, 0xfff] {
                assert_eq!(id(number, kind).len(), 36);
                assert_eq!(parse(&id(number, kind)), Some((number, kind)));
            }
        }
        for other in ["", "T1", "a-b-xyz", "a-8000-xyz", "a-9000-1", "8000-1"] {
            assert_eq!(parse(other), None, "{other}");
        }
        let ids: BTreeSet<String> = (0..1_000).map(|index| id(index, 0)).collect();
        assert_eq!(ids.len(), 1_000);
    }

    #[test]
    fn every_participant_pays_every_other_and_never_itself() {
        let pairs: BTreeSet<(u64, u64)> =
            (0..PARTICIPANTS * (PARTICIPANTS - 1)).map(parties).collect();
        assert_eq!(pairs.len() as u64, PARTICIPANTS * (PARTICIPANTS - 1));
        assert!(pairs.iter().all(|(payer, payee)| payer != payee));
    }

    #[test]
    fn all_that_is_asked_for_keeps_the_rules_of_the_scheme() {
        let currency: Currency = CURRENCY.parse().unwrap();
        for index in 0..2_000 {
            let amount: Amount = amount(index).parse().unwrap();
            assert!(!amount.is_zero());
            currency.admits(amount).unwrap();
            assert!(participant(index % PARTICIPANTS).parse::<FspId>().is_ok());
        }
    }

    #[test]
    fn the_payee_fulfils_the_condition_that_the_payer_set() {
        let text = id(7, 0);
        let prepare = Prepare::new(7, &text, parties(7), "2030-01-01T00:00:00.000Z").unwrap();
        assert!(fulfilment(&text).unwrap().fulfils(&prepare.condition));
        assert!(!fulfilment(&id(8, 0)).unwrap().fulfils(&prepare.condition));
    }

    #[test]
    fn a_command_is_a_cloud_event_of_a_batch() {
        let fsp = participant(1);
        let data = Fulfil { fsp, fulfilment: fulfilment("T1").unwrap().to_string() };
        let command = Command::new("payee", "FulfilTransfer", "transfer", "T1", data);
        assert_eq!(command.id(), "FulfilTransfer/T1");
        let json = serde_json::to_value(&command).unwrap();
        assert_eq!(json["specversion"], "1.0");
        assert_eq!(json["id"], "FulfilTransfer/T1");
        assert_eq!(json["source"], "payee");
        assert_eq!(json["type"], "FulfilTransfer");
        assert_eq!(json["aggregatetype"], "transfer");
        assert_eq!(json["subject"], "T1");
        assert_eq!(json["data"]["fsp"], "simfsp02");
        assert_eq!(json["data"]["fulfilment"].as_str().unwrap().len(), 43);
        assert_eq!(command.under("again").id(), "FulfilTransfer/T1/again");
    }
}
