//! The plain reference model of the toy application: what a partition of cells must have decided,
//! told by its requests in log order, one at a time, with no batch, crash or guest in sight.

use std::collections::BTreeMap;

use bytes::Bytes;
use zamu_core::log::simulated::Contents;
use zamu_core::model::{Request, Stored};

use super::toy::{mirror_of, number};

/// What one partition of cells must show.
#[derive(Debug, Default)]
pub struct Model {
    /// By offset of the request, in the words of `describe`.
    pub answers: BTreeMap<u64, String>,
    /// (key, sequence, body) in the order of event numbers.
    pub events: Vec<(String, u64, String)>,
    /// By key.
    pub sums: BTreeMap<String, u64>,
    /// What the mirrors were sent from here.
    pub mirrored: BTreeMap<String, u64>,
    /// Open dead letters: the record, or the event that was parked.
    pub letters: BTreeMap<u64, Letter>,
    windows: BTreeMap<String, Vec<Remembered>>,
    letters_next: u64,
}

#[derive(Debug, Clone)]
pub enum Letter {
    Request(Stored<Request>),
    Event { key: String, body: String },
}

#[derive(Debug, Clone)]
struct Remembered {
    id: Bytes,
    body: Bytes,
    offset: u64,
    answer: String,
}

/// The toy's `window_ids`.
const WINDOW: usize = 8;

impl Model {
    /// Replays a partition's requests. From `mended_at` on (an offset) the handlers are mended.
    pub fn of(contents: &Contents, mended_at: u64) -> Self {
        let mut model = Self { letters_next: 1, ..Self::default() };
        for stored in &contents.requests {
            let mended = stored.offset >= mended_at;
            let answer = match stored.record.redrive {
                Some(letter) => model.redrive(letter, stored.offset, mended),
                None => model.decide(stored, stored.offset, mended, None),
            };
            model.answers.insert(stored.offset, answer);
        }
        model
    }

    fn redrive(&mut self, letter: u64, offset: u64, mended: bool) -> String {
        let Some(open) = self.letters.get(&letter).cloned() else {
            return "dropped: no open dead letter has this number".into();
        };
        match open {
            Letter::Request(stored) => self.decide(&stored, offset, mended, Some(letter)),
            Letter::Event { key, body } => {
                if !mended {
                    return format!("fault {letter}");
                }
                self.letters.remove(&letter);
                self.mirror(&key, &body);
                "nothing ".into()
            }
        }
    }

    fn decide(
        &mut self,
        stored: &Stored<Request>,
        offset: u64,
        mended: bool,
        letter: Option<u64>,
    ) -> String {
        let record = &stored.record;
        let key = String::from_utf8_lossy(&record.key).into_owned();
        if record.kind.name != "Add" {
            return self.bury(stored, letter);
        }
        let window = self.windows.entry(key.clone()).or_default();
        if let Some(first) = window.iter().find(|r| r.id == record.id).cloned() {
            self.close(letter);
            return if first.body == record.body {
                format!("duplicate of {}: {}", first.offset, first.answer)
            } else {
                "refused id-reused".into()
            };
        }
        let body = String::from_utf8_lossy(&record.body).into_owned();
        let adds: Vec<u64> = match body.as_str() {
            "no" => return self.answer(stored, offset, letter, "refused no".into()),
            "done" => return self.answer(stored, offset, letter, "nothing was done".into()),
            "trap" | "lie" if !mended => return self.bury(stored, letter),
            "trap" => vec![1000],
            "lie" => vec![2000],
            twice if twice.starts_with("twice ") => vec![number(&twice.as_bytes()[6..]); 2],
            _ => vec![number(body.as_bytes())],
        };
        self.close(letter);
        let first = self.events.iter().filter(|(k, ..)| *k == key).count() as u64 + 1;
        let mut sequence = first;
        let mut parked = Vec::new();
        for n in adds {
            *self.sums.entry(key.clone()).or_default() += n;
            self.events.push((key.clone(), sequence, n.to_string()));
            sequence += 1;
            if n == 13 && !mended {
                parked.push(n.to_string());
            } else {
                self.mirror(&key, &n.to_string());
            }
        }
        for body in parked {
            self.open(Letter::Event { key: key.clone(), body });
        }
        let answer = format!("accepted {first}..{sequence} {}", self.sums[&key]);
        self.answer(stored, offset, None, answer)
    }

    /// A final answer enters the window.
    fn answer(
        &mut self,
        stored: &Stored<Request>,
        offset: u64,
        letter: Option<u64>,
        answer: String,
    ) -> String {
        self.close(letter);
        let key = String::from_utf8_lossy(&stored.record.key).into_owned();
        let window = self.windows.entry(key).or_default();
        let (id, body) = (stored.record.id.clone(), stored.record.body.clone());
        window.push(Remembered { id, body, offset, answer: answer.clone() });
        if window.len() > WINDOW {
            window.remove(0);
        }
        answer
    }

    fn bury(&mut self, stored: &Stored<Request>, letter: Option<u64>) -> String {
        let number = letter.unwrap_or_else(|| self.open(Letter::Request(stored.clone())));
        format!("fault {number}")
    }

    fn open(&mut self, letter: Letter) -> u64 {
        let number = self.letters_next;
        self.letters_next += 1;
        self.letters.insert(number, letter);
        number
    }

    fn close(&mut self, letter: Option<u64>) {
        if let Some(letter) = letter {
            self.letters.remove(&letter);
        }
    }

    fn mirror(&mut self, key: &str, body: &str) {
        *self.mirrored.entry(mirror_of(key.as_bytes())).or_default() += number(body.as_bytes());
    }
}
