//! Sees to it that what is said of unhappy transfers is answered as it must be.
//!
//! What was sent in passing is sent once more with the same id, and waited for: the host tells its
//! first answer again. What is to be said after a transfer's end is said here in the first place.
//! Where answers depend on what came first, all answers to what is said of a transfer must tell the same
//! story; whether it ended in that, too, is left to `outcomes`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use scheme::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::kinds::{Answer, End, Offered, Transfer, Ways, When};
use crate::ledger::Findings;

/// Something was answered that must not be.
pub(crate) const WRONG_ANSWER: &str = "wrong answer";
/// Something was asked, or was to be, and what was answered was never compared.
pub(crate) const NEVER_ANSWERED: &str = "never answered";

/// Questions under way at once.
const ASKERS: usize = 4;
/// Transfers that are asked about together.
const BATCH: usize = 32;

type Question = (Transfer, When);

/// Questions that count as open and are not asked yet.
#[derive(Debug)]
#[must_use = "what is not asked stays open for ever"]
pub(crate) struct Reserved(Vec<Question>);

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Clerk {
    client: Client,
    /// Until when offers stand.
    expiration: String,
    questions: mpsc::UnboundedSender<Question>,
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Question>>,
    /// Reserved or asked, and not compared yet.
    open: AtomicU64,
    notes: Mutex<Notes>,
}

/// What is kept of transfers, by their index.
#[derive(Debug, Default)]
struct Notes {
    findings: Findings,
    /// When the offers of those were made of which something is still to be said at the end.
    made: HashMap<u64, Timestamp>,
    /// Of those whose answers depend on what came first.
    ways: HashMap<u64, Ways>,
}

impl Clerk {
    /// Nothing asked yet; offers stand until `expiration`.
    pub(crate) fn new(client: Client, expiration: String) -> Self {
        let (questions, waiting) = mpsc::unbounded_channel();
        let waiting = waiting.into();
        let (open, notes) = Default::default();
        Self { client, expiration, questions, waiting, open, notes }
    }

    /// Until when offers stand.
    pub(crate) fn expiration(&self) -> &str {
        &self.expiration
    }

    /// Notes when these offers are made, before anyone can repeat them after their transfers' ends.
    pub(crate) fn note_offers(&self, transfers: &[Transfer], made: Timestamp) {
        let is_kept = |transfer: &&Transfer| transfer.has_words(When::Ended);
        let kept = transfers.iter().filter(is_kept).map(|transfer| (transfer.index, made));
        self.notes().made.extend(kept);
    }

    /// Asks all that is said of an unhappy transfer then, and compares the answers.
    pub(crate) fn ask(&self, transfer: Transfer, when: When) {
        let reserved = self.reserve(&[transfer], when);
        self.ask_reserved(reserved);
    }

    /// Opens what there is to ask of these transfers, for whoever has to say it in passing first:
    /// by that a transfer may end, and nobody is to think that all is answered.
    pub(crate) fn reserve(&self, transfers: &[Transfer], when: When) -> Reserved {
        let to_ask = |transfer: &&Transfer| !transfer.is_happy() && transfer.has_words(when);
        let questions = transfers.iter().filter(to_ask).map(|transfer| (*transfer, when));
        let questions: Vec<_> = questions.collect();
        self.open.fetch_add(questions.len() as u64, Ordering::Relaxed);
        Reserved(questions)
    }

    /// Asks what was reserved, and compares the answers.
    pub(crate) fn ask_reserved(&self, Reserved(questions): Reserved) {
        for question in questions {
            // The other end is ours: it takes it. If it did not, the question would stay open.
            self.questions.send(question).ok();
        }
    }

    /// How many questions have not been answered yet.
    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Wrong answers so far, and that some are missing.
    pub(crate) fn findings(&self) -> Findings {
        let mut findings = self.notes().findings.clone();
        let open = self.open();
        if open > 0 {
            findings.add(NEVER_ANSWERED, || format!("{open} questions"));
        }
        findings
    }

    /// The ways in which the race about a transfer may have gone, by its answers so far.
    pub(crate) fn ways(&self, transfer: Transfer) -> Ways {
        self.notes().ways(transfer)
    }

    async fn next(&self, questions: &mut Vec<Question>) {
        questions.clear();
        self.waiting.lock().await.recv_many(questions, BATCH).await;
    }

    async fn compare(&self, questions: &[Question]) -> Result<()> {
        let ids: Vec<String> = questions.iter().map(|(transfer, _)| transfer.id()).collect();
        let mut said = Vec::new();
        for ((transfer, when), id) in questions.iter().zip(&ids) {
            let made = self.notes().made(*transfer, *when)?;
            let offered = Offered { made, expiration: &self.expiration };
            let words = transfer.words(*when, id, offered)?;
            said.extend(
                words.into_iter().map(|(command, expected)| (command, (transfer, expected))),
            );
        }
        let (commands, expected): (Vec<_>, Vec<_>) = said.into_iter().unzip();
        let answers = self.client.ask(serde_json::to_vec(&commands)?.into()).await?;
        anyhow::ensure!(answers.len() == commands.len(), "not one answer for each command");
        let mut notes = self.notes();
        for ((command, (transfer, expected)), answer) in commands.iter().zip(expected).zip(&answers)
        {
            notes.compare(*transfer, command.id(), expected, answer);
        }
        drop(notes);
        self.open.fetch_sub(questions.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    /// When its offer was made, if anyone has to know; at the end for the last time.
    fn made(&mut self, transfer: Transfer, when: When) -> Result<Timestamp> {
        let made = match when {
            When::Ended => self.made.remove(&transfer.index),
            When::AtOnce | When::Prepared => self.made.get(&transfer.index).copied(),
        };
        Ok(made.map_or_else(|| Timestamp::from_ms(0), Ok)?)
    }

    fn ways(&self, transfer: Transfer) -> Ways {
        self.ways.get(&transfer.index).copied().unwrap_or(Ways::ALL)
    }

    fn compare(&mut self, transfer: Transfer, id: &str, expected: Answer, answer: &RawValue) {
        let known = self.ways(transfer);
        let ways = expected.ways(|expected| is_so(expected, answer)).and(known);
        if ways.is_empty() {
            self.findings.add(WRONG_ANSWER, || format!("{id} must be {expected}, and is {answer}"));
        } else if ways != known {
            self.ways.insert(transfer.index, ways);
        }
    }
}

/// Asks and compares, for ever.
///
/// # Errors
/// When the host refuses to be asked or is gone for good.
pub(crate) async fn work(clerk: Arc<Clerk>) -> Result<()> {
    let mut askers: JoinSet<Result<()>> = JoinSet::new();
    for _ in 0..ASKERS {
        let clerk = Arc::clone(&clerk);
        askers.spawn(async move {
            let mut questions = Vec::with_capacity(BATCH);
            loop {
                clerk.next(&mut questions).await;
                clerk.compare(&questions).await?;
            }
        });
    }
    match askers.join_next().await {
        Some(ended) => ended.context("the clerk broke")?,
        None => Ok(()),
    }
}

fn is_so(expected: Answer, answer: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Said<'a> {
        #[serde(borrow)]
        outcome: &'a str,
        #[serde(borrow)]
        code: Option<&'a str>,
        #[serde(borrow)]
        reply: Option<Reply<'a>>,
    }
    /// How far the transfer is, where that is told.
    #[derive(Deserialize)]
    struct Reply<'a> {
        #[serde(borrow)]
        state: &'a str,
        #[serde(borrow)]
        code: Option<&'a str>,
    }
    let told = |end: End, reply: &Reply<'_>| end.is(reply.state, reply.code);
    let said: Result<Said<'_>, _> = serde_json::from_str(answer.get());
    said.is_ok_and(|Said { outcome, code, reply }| match expected {
        Answer::Accepted => outcome == "accepted",
        Answer::Nothing => outcome == "nothing",
        Answer::Ended(end) => outcome == "nothing" && reply.is_some_and(|reply| told(end, &reply)),
        Answer::Refused(expected) => outcome == "refused" && code == Some(expected),
        // Each of its answers is looked at alone.
        Answer::Raced(_) => false,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::kinds::KINDS;

    impl Clerk {
        fn questions_waiting(&self) -> usize {
            self.waiting.try_lock().unwrap().len()
        }
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn of_kind(name: &str, index: u64) -> Transfer {
        let kind = KINDS.iter().position(|kind| kind.name == name).unwrap() as u16;
        Transfer { index, kind }
    }

    const ACCEPTED: &str = r#"{"status":200,"outcome":"accepted","sequences":[1]}"#;
    const NOTHING: &str = r#"{"status":200,"outcome":"nothing","reply":null}"#;
    const REFUSED: &str = r#"{"status":422,"outcome":"refused","code":"3100"}"#;
    const MODIFIED: &str = r#"{"status":422,"outcome":"refused","code":"3106"}"#;

    #[test]
    fn an_answer_is_as_expected_or_it_is_not() {
        let answers = [
            (ACCEPTED, Answer::Accepted),
            (NOTHING, Answer::Nothing),
            (MODIFIED, Answer::Refused("3106")),
            (REFUSED, Answer::Refused("3100")),
        ];
        for (text, _) in answers {
            for (of, expected) in answers {
                assert_eq!(is_so(expected, &raw(text)), of == text, "{expected}: {text}");
            }
        }
        let fault = raw(r#"{"status":503,"outcome":"fault"}"#);
        assert!(!is_so(Answer::Accepted, &fault));
    }

    #[test]
    fn an_end_that_is_to_be_told_is_told_with_its_code() {
        let [committed, aborted] =
            ["happy", "payee aborts"].map(|name| Answer::Ended(of_kind(name, 0).kind().ends[0]));
        let with = |reply: &str| raw(&format!(r#"{{"outcome":"nothing","reply":{reply}}}"#));
        for (reply, is_committed, is_aborted) in [
            (r#"{"state":"COMMITTED","fulfilment":"x"}"#, true, false),
            (r#"{"state":"ABORTED_ERROR","code":"5104","reason":"r"}"#, false, true),
            (r#"{"state":"ABORTED_ERROR","code":"3100","reason":"r"}"#, false, false),
            ("null", false, false),
        ] {
            assert_eq!(is_so(committed, &with(reply)), is_committed, "{reply}");
            assert_eq!(is_so(aborted, &with(reply)), is_aborted, "{reply}");
            assert!(is_so(Answer::Nothing, &with(reply)), "{reply}");
        }
        assert!(!is_so(committed, &raw(r#"{"outcome":"accepted","reply":{"state":"COMMITTED"}}"#)));
    }

    #[test]
    fn where_there_was_a_race_all_answers_tell_the_same_story() {
        for (name, early, later, is_story) in [
            ("early fulfilment", REFUSED, ACCEPTED, true),
            ("early fulfilment", ACCEPTED, NOTHING, true),
            ("early fulfilment", REFUSED, NOTHING, false),
            ("early fulfilment", ACCEPTED, ACCEPTED, false),
            ("early fulfilment", MODIFIED, ACCEPTED, false),
            ("early abort", REFUSED, ACCEPTED, true),
            ("early abort", ACCEPTED, MODIFIED, true),
            ("early abort", REFUSED, MODIFIED, false),
            ("early abort", ACCEPTED, ACCEPTED, false),
        ] {
            let transfer = of_kind(name, 3);
            let id = transfer.id();
            let offered = Offered { made: Timestamp::from_ms(0).unwrap(), expiration: "" };
            let mut said = Vec::new();
            for when in [When::AtOnce, When::Prepared] {
                said.extend(transfer.words(when, &id, offered).unwrap());
            }
            // In whatever order they are compared.
            for places in [[0, 1], [1, 0]] {
                let mut notes = Notes::default();
                for place in places {
                    let (command, expected) = &said[place];
                    notes.compare(transfer, command.id(), *expected, &raw([early, later][place]));
                }
                let wrong = u64::from(!is_story);
                assert_eq!(notes.findings.count(WRONG_ANSWER), wrong, "{name}: {early} {later}");
                // What another one is answered has nothing to do with it.
                assert_eq!(notes.ways(of_kind(name, 4)), Ways::ALL);
            }
        }
    }

    #[test]
    fn whoever_repeats_an_offer_after_its_end_knows_when_it_was_made() {
        let made = Timestamp::from_ms(1_795_425_157_000).unwrap();
        let epoch = Timestamp::from_ms(0).unwrap();
        let clerk = Clerk::new(Client::new("127.0.0.1:1").unwrap(), String::new());
        let [repeated, happy] = [of_kind("same prepare, expired", 1), of_kind("happy", 2)];
        clerk.note_offers(&[repeated, happy], made);
        let mut notes = clerk.notes();
        assert_eq!(notes.made(repeated, When::Prepared).unwrap(), made);
        assert_eq!(notes.made(repeated, When::Ended).unwrap(), made);
        assert_eq!(notes.made(happy, When::Ended).unwrap(), epoch);
        // Asked for the last time: nothing is kept.
        assert!(notes.made.is_empty());
    }

    #[test]
    fn only_what_is_said_of_unhappy_transfers_is_asked_about() {
        let clerk = Clerk::new(Client::new("127.0.0.1:1").unwrap(), String::new());
        for kind in 0..KINDS.len() as u16 {
            let transfer = Transfer { index: 1, kind };
            let before = clerk.open();
            clerk.ask(transfer, When::Prepared);
            let is_asked = kind > 0 && transfer.has_words(When::Prepared);
            assert_eq!(clerk.open() - before, u64::from(is_asked), "{}", transfer.kind().name);
        }
    }

    #[test]
    fn what_was_never_compared_is_found() {
        let clerk = Clerk::new(Client::new("127.0.0.1:1").unwrap(), String::new());
        assert!(clerk.findings().is_empty());
        clerk.ask(of_kind("payee aborts", 1), When::Prepared);
        assert_eq!(clerk.findings().count(NEVER_ANSWERED), 1);
    }

    #[test]
    fn a_question_is_open_from_when_it_is_reserved_and_counts_once() {
        let clerk = Clerk::new(Client::new("127.0.0.1:1").unwrap(), String::new());
        let all = (0..KINDS.len() as u16).map(|kind| Transfer { index: 1, kind });
        let told: Vec<Transfer> = all.filter(|told| told.has_words(When::Prepared)).collect();
        let reserved = clerk.reserve(&told, When::Prepared);
        // All but the happy one.
        let unhappy = told.len() - 1;
        assert_eq!((clerk.open(), clerk.questions_waiting()), (unhappy as u64, 0));
        clerk.ask_reserved(reserved);
        assert_eq!((clerk.open(), clerk.questions_waiting()), (unhappy as u64, unhappy));
    }
}
