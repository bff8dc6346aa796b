//! The plain reference model of the toy application: what a partition of cells must have decided,
//! told by its requests in log order, one at a time, with no batch, crash or guest in sight.

use std::collections::BTreeMap;

use bytes::Bytes;
use zamu_core::log::simulated::Contents;
use zamu_core::model::{Request, Stored, Time, Wake};

use super::toy::{deadline, mirror_of, number, woken};

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
    /// By key: the deadline that its state has.
    pub deadlines: BTreeMap<String, u64>,
    /// How many Wakes were answered, not wanted, and given up.
    pub wakes: [u64; 3],
    /// The sequence at which a key gave its deadline up.
    given_up: BTreeMap<String, u64>,
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
    time: Time,
    answer: String,
}

/// The toy's `window_ids` and `window_ms`.
const WINDOW: usize = 8;
const WINDOW_MS: u64 = 1_000_000;

impl Model {
    /// Replays a partition's requests. From `mended_at` on (an offset) the handlers are mended.
    pub fn of(contents: &Contents, mended_at: u64) -> Self {
        let mut model = Self::new();
        for stored in &contents.requests {
            model.take(stored, stored.offset >= mended_at);
        }
        model
    }

    /// One that has seen nothing yet.
    pub fn new() -> Self {
        Self { letters_next: 1, ..Self::default() }
    }

    /// The next request.
    pub fn take(&mut self, stored: &Stored<Request>, mended: bool) {
        let answer = match stored.record.redrive {
            Some(letter) => self.redrive(letter, stored.offset, mended),
            None => self.decide(stored, stored.offset, mended, None),
        };
        self.answers.insert(stored.offset, answer);
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
        if let Some(wake) = record.wake {
            return self.wake(stored, wake, mended, letter);
        }
        if record.kind.name != "Add" {
            return self.bury(stored, letter);
        }
        let window = self.windows.entry(key.clone()).or_default();
        window.retain(|r| r.time.plus_ms(WINDOW_MS) >= stored.appended);
        if let Some(first) = window.iter().find(|r| r.id == record.id).cloned() {
            self.close(letter);
            return if first.body == record.body {
                format!("duplicate of {}: {}", first.offset, first.answer)
            } else {
                "refused id-reused".into()
            };
        }
        let body = String::from_utf8_lossy(&record.body).into_owned();
        let adds: Vec<String> = match body.as_str() {
            "no" => return self.answer(stored, offset, letter, "refused no".into()),
            "done" => return self.answer(stored, offset, letter, "nothing was done".into()),
            "trap" | "lie" if !mended => return self.bury(stored, letter),
            "trap" => vec!["1000".into()],
            "lie" => vec!["2000".into()],
            at if at.starts_with('@') => vec![at.to_string()],
            twice if twice.starts_with("twice ") => {
                vec![number(&twice.as_bytes()[6..]).to_string(); 2]
            }
            _ => vec![number(body.as_bytes()).to_string()],
        };
        self.close(letter);
        let first = self.sequence(&key) + 1;
        let next = first + adds.len() as u64;
        self.add(&key, adds, mended);
        let reply = match body.starts_with('@') {
            true => String::new(),
            false => self.sums[&key].to_string(),
        };
        let answer = format!("accepted {first}..{next} {reply}");
        self.answer(stored, offset, None, answer)
    }

    /// Wakes do not enter the window.
    fn wake(
        &mut self,
        stored: &Stored<Request>,
        wake: Wake,
        mended: bool,
        letter: Option<u64>,
    ) -> String {
        let key = String::from_utf8_lossy(&stored.record.key).into_owned();
        let sequence = self.sequence(&key);
        let wanted = self.deadlines.get(&key) == Some(&wake.deadline.0);
        let dropped = if sequence != wake.sequence || !wanted {
            Some("the aggregate does not wait for this deadline")
        } else if stored.appended < wake.deadline {
            Some("the Wake came before its deadline")
        } else if letter.is_none() && self.given_up.get(&key) == Some(&sequence) {
            Some("the aggregate's handler failed to answer this deadline before")
        } else {
            None
        };
        if let Some(why) = dropped {
            self.wakes[1] += 1;
            self.close(letter);
            return format!("dropped: {why}");
        }
        let Ok(body) = woken(wake.deadline.0, mended) else {
            self.wakes[2] += 1;
            self.given_up.insert(key, sequence);
            return self.bury(stored, letter);
        };
        self.wakes[0] += 1;
        self.close(letter);
        self.add(&key, vec![body], mended);
        format!("accepted {}..{} ", sequence + 1, sequence + 2)
    }

    /// How many events a key has had.
    pub fn sequence(&self, key: &str) -> u64 {
        self.events.iter().filter(|(k, ..)| k == key).count() as u64
    }

    /// Events of a key, with what they cause.
    fn add(&mut self, key: &str, bodies: Vec<String>, mended: bool) {
        let mut parked = Vec::new();
        for body in bodies {
            let sequence = self.sequence(key) + 1;
            *self.sums.entry(key.to_string()).or_default() += number(body.as_bytes());
            match deadline(body.as_bytes()) {
                Some(Some(at)) => drop(self.deadlines.insert(key.to_string(), at)),
                Some(None) => drop(self.deadlines.remove(key)),
                None => {}
            }
            self.events.push((key.to_string(), sequence, body.clone()));
            if body == "13" && !mended {
                parked.push(body);
            } else {
                self.mirror(key, &body);
            }
        }
        for body in parked {
            self.open(Letter::Event { key: key.to_string(), body });
        }
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
        let (time, answer_kept) = (stored.appended, answer.clone());
        window.push(Remembered { id, body, offset, time, answer: answer_kept });
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
