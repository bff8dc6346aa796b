//! An aggregate's memory of external commands: their ids and first answers, so that a command that
//! comes twice is applied once and answered the same.
//!
//! Invariants: entries stand in log order; at most `window_ids`; none older than `window_ms` before
//! the newest insertion. A fault is not a final outcome and is never remembered.

use bytes::Bytes;

use crate::model::{Offset, Time};
use crate::proto::Outcome;
use crate::topology::TypeSettings;

/// First 16 bytes of SHA-256 over kind name and body: tells whether an id came with other content.
pub type ContentHash = [u8; 16];

/// One remembered command. `A` is its answer; while a batch is being decided that may be pending.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<A> {
    /// Who made the id.
    pub source: Bytes,
    /// The id.
    pub id: Bytes,
    /// What the command said.
    pub content: ContentHash,
    /// When the log took it, or what redrove it.
    pub time: Time,
    /// Where it stands in `requests`.
    pub offset: Offset,
    /// What was answered.
    pub answer: A,
}

/// The remembered commands of one aggregate, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Window<A = Outcome> {
    entries: Vec<Entry<A>>,
}

impl<A> Default for Window<A> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<A> From<Vec<Entry<A>>> for Window<A> {
    fn from(entries: Vec<Entry<A>>) -> Self {
        Self { entries }
    }
}

impl<A> Window<A> {
    /// The entry of an id, if it is still remembered at this time.
    #[must_use]
    pub fn find(
        &self,
        source: &[u8],
        id: &[u8],
        at: Time,
        settings: &TypeSettings,
    ) -> Option<&Entry<A>> {
        self.entries
            .iter()
            .rev()
            .find(|e| e.id == id && e.source == source && !expired(e, at, settings))
    }

    /// Remembers a command, and forgets what is too old or too many.
    pub fn insert(&mut self, entry: Entry<A>, settings: &TypeSettings) {
        let now = entry.time;
        self.entries.retain(|e| !expired(e, now, settings));
        self.entries.push(entry);
        let over = self.entries.len().saturating_sub(settings.window_ids);
        self.entries.drain(..over);
    }

    /// Whether nothing would be found at this time.
    #[must_use]
    pub fn is_spent(&self, at: Time, settings: &TypeSettings) -> bool {
        self.entries.iter().all(|e| expired(e, at, settings))
    }

    /// All entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry<A>] {
        &self.entries
    }

    /// The same window with other answers.
    pub fn map<B>(&self, answer: impl Fn(&A) -> B) -> Window<B> {
        let entries = self.entries.iter().map(|e| Entry {
            source: e.source.clone(),
            id: e.id.clone(),
            content: e.content,
            time: e.time,
            offset: e.offset,
            answer: answer(&e.answer),
        });
        Window { entries: entries.collect() }
    }
}

fn expired<A>(entry: &Entry<A>, at: Time, settings: &TypeSettings) -> bool {
    entry.time.plus_ms(settings.window_ms) < at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> TypeSettings {
        TypeSettings { name: "t".into(), partitions: 1, window_ids: 2, window_ms: 100 }
    }

    fn entry(id: &'static str, time: u64) -> Entry<u32> {
        Entry {
            source: "s".into(),
            id: id.into(),
            content: [0; 16],
            time: Time(time),
            offset: time,
            answer: 0,
        }
    }

    #[test]
    fn the_oldest_of_too_many_is_forgotten() {
        let mut window = Window::default();
        for (i, id) in ["a", "b", "c"].into_iter().enumerate() {
            window.insert(entry(id, i as u64), &settings());
        }
        assert!(window.find(b"s", b"a", Time(2), &settings()).is_none());
        assert!(window.find(b"s", b"b", Time(2), &settings()).is_some());
    }

    #[test]
    fn an_entry_is_found_until_its_time_has_passed_and_not_later() {
        let mut window = Window::default();
        window.insert(entry("a", 10), &settings());
        assert!(window.find(b"s", b"a", Time(110), &settings()).is_some());
        assert!(window.find(b"s", b"a", Time(111), &settings()).is_none());
        assert!(window.is_spent(Time(111), &settings()));
    }

    #[test]
    fn another_source_may_use_the_same_id() {
        let mut window = Window::default();
        window.insert(entry("a", 10), &settings());
        assert!(window.find(b"other", b"a", Time(10), &settings()).is_none());
    }
}
