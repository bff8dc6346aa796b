//! How many of the recently touched aggregates faulted: one bad message is isolated, one bad
//! deployment stops the partition before it eats the topic.
//!
//! Counted over distinct aggregates, so that one poisoned key that is retried forever pauses nobody.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::settings::Settings;

/// The rates of the event handlers that react to a partition's events.
#[derive(Debug)]
pub struct Rates {
    nothing_yet: FaultRate,
    by_handler: BTreeMap<Arc<str>, FaultRate>,
}

impl Rates {
    /// Nothing touched yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self { nothing_yet: FaultRate::new(settings), by_handler: BTreeMap::new() }
    }

    /// That of one event handler.
    pub fn of(&mut self, handler: &Arc<str>) -> &mut FaultRate {
        self.by_handler.entry(Arc::clone(handler)).or_insert_with(|| self.nothing_yet.clone())
    }

    /// Forgets one event handler: another version of it has taken over.
    pub fn forget(&mut self, handler: &str) {
        self.by_handler.remove(handler);
    }

    /// As [`FaultRate::rest`], for all.
    pub fn rest(&mut self) {
        self.nothing_yet.rest();
        self.by_handler.values_mut().for_each(FaultRate::rest);
    }

    /// As [`FaultRate::go_on`], for all.
    pub fn go_on(&mut self) {
        self.nothing_yet.go_on();
        self.by_handler.values_mut().for_each(FaultRate::go_on);
    }

    /// Starts over, after an operator has resumed the partition.
    pub fn reset(&mut self) {
        self.nothing_yet.reset();
        self.by_handler.clear();
    }
}

/// The recently touched aggregates of a partition and which of them faulted.
#[derive(Clone, Debug)]
pub struct FaultRate {
    order: VecDeque<Bytes>,
    faulted: HashMap<Bytes, bool, foldhash::fast::RandomState>,
    faults: usize,
    resting: bool,
    share_max: f64,
    sample_min: usize,
    sample_max: usize,
}

/// The share that was found to be too high.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    faults: usize,
    sample: usize,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the last {} aggregates faulted", self.faults, self.sample)
    }
}

impl FaultRate {
    /// Nothing touched yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            order: VecDeque::new(),
            faulted: HashMap::default(),
            faults: 0,
            resting: false,
            share_max: settings.fault_share_max,
            sample_min: settings.fault_sample_min.max(1),
            sample_max: settings.fault_sample_max.max(settings.fault_sample_min).max(1),
        }
    }

    /// Counts an aggregate; once it has faulted, it counts as faulted while it is looked at.
    pub fn note(&mut self, key: &Bytes, faulted: bool) {
        match self.faulted.get_mut(key) {
            Some(before) => {
                if faulted && !*before {
                    *before = true;
                    self.faults += 1;
                }
            }
            None => {
                self.order.push_back(key.clone());
                self.faulted.insert(key.clone(), faulted);
                self.faults += usize::from(faulted);
                self.forget_oldest();
            }
        }
    }

    /// The share, if it is too high.
    #[must_use]
    pub fn exceeded(&self) -> Option<Exceeded> {
        let sample = self.order.len();
        let too_high = self.faults as f64 >= self.share_max * sample as f64;
        (sample >= self.sample_min && too_high && self.faults > 0 && !self.resting)
            .then_some(Exceeded { faults: self.faults, sample })
    }

    /// Starts over, after an operator has resumed the partition.
    pub fn reset(&mut self) {
        self.order.clear();
        self.faulted.clear();
        self.faults = 0;
        self.resting = false;
    }

    /// The partition will pause: there is nothing more to say before it starts over.
    pub fn rest(&mut self) {
        self.resting = true;
    }

    /// The partition goes on after a pause for which another handler was to blame.
    pub fn go_on(&mut self) {
        self.resting = false;
    }

    fn forget_oldest(&mut self) {
        if self.order.len() > self.sample_max
            && let Some(oldest) = self.order.pop_front()
            && self.faulted.remove(&oldest) == Some(true)
        {
            self.faults -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(i: usize) -> Bytes {
        Bytes::from(i.to_string())
    }

    #[test]
    fn too_few_aggregates_say_nothing() {
        let mut rate = FaultRate::new(&Settings::default());
        (0..19).for_each(|i| rate.note(&key(i), true));
        assert_eq!(rate.exceeded(), None);
        rate.note(&key(19), true);
        assert_eq!(
            rate.exceeded().map(|e| e.to_string()).as_deref(),
            Some("20 of the last 20 aggregates faulted")
        );
    }

    #[test]
    fn one_aggregate_that_faults_forever_counts_once() {
        let mut rate = FaultRate::new(&Settings::default());
        (0..50).for_each(|i| rate.note(&key(i), false));
        (0..500).for_each(|_| rate.note(&key(7), true));
        assert_eq!(rate.exceeded(), None);
    }

    #[test]
    fn old_faults_are_forgotten() {
        let mut rate = FaultRate::new(&Settings::default());
        (0..20).for_each(|i| rate.note(&key(i), true));
        (20..140).for_each(|i| rate.note(&key(i), false));
        assert_eq!((rate.faults, rate.exceeded()), (0, None));
    }
}
