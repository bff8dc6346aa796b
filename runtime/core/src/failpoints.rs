//! Points at which a test makes the host break a promise or die. Compiled in only with the
//! `failpoints` feature; without it every question is answered `false` at compile time.
//!
//! A point is armed for the current thread by [`arm`], or for the process by the environment:
//! `ZAMU_FAILPOINTS="name,other=3"`, where `=3` means: at the third time of asking.

/// Publishes states and answers when a turn is computed, before its commit.
pub const PUBLISH_BEFORE_COMMIT: &str = "publish-before-commit";
/// Decides every external command, duplicates too.
pub const SKIP_DEDUPE: &str = "skip-dedupe";
/// Treats written commits as durable.
pub const ANSWER_BEFORE_DURABLE: &str = "answer-before-durable";
/// Leaves out one number of a channel.
pub const DROP_CHANNEL_NUMBER: &str = "drop-channel-number";
/// Recovery folds events but no outcomes.
pub const FORGET_OUTCOMES: &str = "forget-outcomes";
/// Ends the process with SIGKILL's force after a commit was written, before it is durable.
pub const DIE_AFTER_WRITTEN: &str = "die-after-written";
/// Ends the process after a commit became durable, before anyone is told.
pub const DIE_AFTER_DURABLE: &str = "die-after-durable";
/// Ends the process between two chunks of a flush of the store.
pub const DIE_IN_FLUSH: &str = "die-in-flush";

#[cfg(feature = "failpoints")]
mod armed {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::sync::{Mutex, OnceLock, PoisonError};

    thread_local! {
        static HERE: RefCell<BTreeMap<String, u64>> = const { RefCell::new(BTreeMap::new()) };
    }
    static EVERYWHERE: OnceLock<Mutex<BTreeMap<String, u64>>> = OnceLock::new();

    fn everywhere() -> &'static Mutex<BTreeMap<String, u64>> {
        EVERYWHERE.get_or_init(|| {
            let list = std::env::var("ZAMU_FAILPOINTS").unwrap_or_default();
            let points = list.split(',').filter(|p| !p.is_empty()).map(|point| {
                let (name, at) = point.split_once('=').unwrap_or((point, "0"));
                (name.to_string(), at.parse().unwrap_or(0))
            });
            Mutex::new(points.collect())
        })
    }

    /// Arms a point for the current thread.
    pub fn arm(name: &str) {
        HERE.with_borrow_mut(|points| points.insert(name.to_string(), 0));
    }

    /// Disarms all points of the current thread.
    pub fn disarm_all() {
        HERE.with_borrow_mut(BTreeMap::clear);
    }

    /// Whether a point fires now. One armed with `=n` fires once, at the n-th time of asking.
    pub fn fires(name: &str) -> bool {
        let count = |points: &mut BTreeMap<String, u64>| match points.get_mut(name) {
            None => false,
            Some(0) => true,
            Some(1) => points.remove(name).is_some(),
            Some(left) => {
                *left -= 1;
                false
            }
        };
        HERE.with_borrow_mut(count)
            || count(&mut everywhere().lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the process at once, without any cleaning up, if the point fires.
    pub fn die_at(name: &str) {
        if fires(name) {
            std::process::abort();
        }
    }
}

#[cfg(not(feature = "failpoints"))]
mod armed {
    /// Never: this build has no failpoints.
    #[must_use]
    pub const fn fires(_name: &str) -> bool {
        false
    }

    /// Does nothing: this build has no failpoints.
    pub const fn die_at(_name: &str) {}
}

pub use armed::*;
