//! Sees to it that what is said of unhappy transfers is answered as it must be.
//!
//! What was sent in passing is sent once more with the same id, and waited for: the host tells its
//! first answer again. What is to be said after a transfer's end is said here in the first place.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::kinds::{Answer, Transfer, When};
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
    findings: Mutex<Findings>,
}

impl Clerk {
    /// Nothing asked yet; offers stand until `expiration`.
    pub(crate) fn new(client: Client, expiration: String) -> Self {
        let (questions, waiting) = mpsc::unbounded_channel();
        let waiting = waiting.into();
        let (open, findings) = Default::default();
        Self { client, expiration, questions, waiting, open, findings }
    }

    /// Until when offers stand.
    pub(crate) fn expiration(&self) -> &str {
        &self.expiration
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
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let open = self.open();
        if open > 0 {
            findings.add(NEVER_ANSWERED, || format!("{open} questions"));
        }
        findings
    }

    async fn next(&self, questions: &mut Vec<Question>) {
        questions.clear();
        self.waiting.lock().await.recv_many(questions, BATCH).await;
    }

    async fn compare(&self, questions: &[Question]) -> Result<()> {
        let ids: Vec<String> = questions.iter().map(|(transfer, _)| transfer.id()).collect();
        let mut said = Vec::new();
        for ((transfer, when), id) in questions.iter().zip(&ids) {
            said.extend(transfer.words(*when, id, &self.expiration)?);
        }
        let (commands, expected): (Vec<_>, Vec<_>) = said.into_iter().unzip();
        let answers = self.client.ask(serde_json::to_vec(&commands)?.into()).await?;
        anyhow::ensure!(answers.len() == commands.len(), "not one answer for each command");
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        for ((command, expected), answer) in commands.iter().zip(expected).zip(&answers) {
            if !is_so(expected, answer) {
                findings.add(WRONG_ANSWER, || {
                    format!("{} must be {expected}, and is {answer}", command.id())
                });
            }
        }
        drop(findings);
        self.open.fetch_sub(questions.len() as u64, Ordering::Relaxed);
        Ok(())
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
    }
    let said: Result<Said<'_>, _> = serde_json::from_str(answer.get());
    said.is_ok_and(|said| match expected {
        Answer::Accepted => said.outcome == "accepted",
        Answer::Nothing => said.outcome == "nothing",
        Answer::Refused(code) => said.outcome == "refused" && said.code == Some(code),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    impl Clerk {
        fn questions_waiting(&self) -> usize {
            self.waiting.try_lock().unwrap().len()
        }
    }

    #[test]
    fn an_answer_is_as_expected_or_it_is_not() {
        let answers = [
            (r#"{"status":200,"outcome":"accepted","sequences":[1]}"#, Answer::Accepted),
            (r#"{"status":200,"outcome":"nothing","reply":null}"#, Answer::Nothing),
            (r#"{"status":422,"outcome":"refused","code":"3106"}"#, Answer::Refused("3106")),
            (r#"{"status":422,"outcome":"refused","code":"3100"}"#, Answer::Refused("3100")),
        ];
        for (text, _) in answers {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            for (of, expected) in answers {
                assert_eq!(is_so(expected, &raw), of == text, "{expected}: {text}");
            }
        }
        let fault = RawValue::from_string(r#"{"status":503,"outcome":"fault"}"#.to_owned());
        assert!(!is_so(Answer::Accepted, &fault.unwrap()));
    }

    #[test]
    fn only_what_is_said_of_unhappy_transfers_is_asked_about() {
        let clerk = Clerk::new(Client::new("127.0.0.1:1").unwrap(), String::new());
        for kind in 0..crate::kinds::KINDS.len() as u16 {
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
        let kind = crate::kinds::KINDS.iter().position(|kind| kind.name == "payee aborts").unwrap();
        clerk.ask(Transfer { index: 1, kind: kind as u16 }, When::Prepared);
        assert_eq!(clerk.findings().count(NEVER_ANSWERED), 1);
    }

    #[test]
    fn a_question_is_open_from_when_it_is_reserved_and_counts_once() {
        let clerk = Clerk::new(Client::new("127.0.0.1:1").unwrap(), String::new());
        let all = (0..crate::kinds::KINDS.len() as u16).map(|kind| Transfer { index: 1, kind });
        let told: Vec<Transfer> = all.filter(|told| told.has_words(When::Prepared)).collect();
        let reserved = clerk.reserve(&told, When::Prepared);
        // All but the happy one.
        let unhappy = told.len() - 1;
        assert_eq!((clerk.open(), clerk.questions_waiting()), (unhappy as u64, 0));
        clerk.ask_reserved(reserved);
        assert_eq!((clerk.open(), clerk.questions_waiting()), (unhappy as u64, unhappy));
    }
}
