//! Points at which a test makes the host break a promise or die. Compiled in only with the
//! `failpoints` feature; without it every question is answered `false` at compile time.
//!
//! A point is armed for the current thread by [`arm`], or for the process by the environment:
//! `ZAMU_FAILPOINTS="name,other=3"`, where `=3` means: at the third time of asking. Whoever reads
//! that variable calls [`check_environment`] first, so that no point is armed in vain.

/// Publishes states and answers when a turn is computed, before its commit.
pub const PUBLISH_BEFORE_COMMIT: &str = "publish-before-commit";
/// Decides every external command, duplicates too.
pub const SKIP_DEDUPE: &str = "skip-dedupe";
/// Treats written commits as durable.
pub const ANSWER_BEFORE_DURABLE: &str = "answer-before-durable";
/// Leaves out one number of a channel.
pub const DROP_CHANNEL_NUMBER: &str = "drop-channel-number";
/// A flush leaves out the index of deadlines.
pub const FORGET_DEADLINES: &str = "forget-deadlines";
/// Recovery folds events but no outcomes.
pub const FORGET_OUTCOMES: &str = "forget-outcomes";
/// An event handler that is behind passes an event that it has not reacted to, with each page.
pub const SKIP_MISSED: &str = "skip-missed";
/// An event handler that is behind reacts to the last event of each page again.
pub const REPEAT_MISSED: &str = "repeat-missed";
/// Takes commands of deployments that the shard has not heard of.
pub const IGNORE_DEPLOYMENT: &str = "ignore-deployment";
/// The next deployment gets its number, and the old instances go on.
pub const SUCCEED_IN_NAME: &str = "succeed-in-name";
/// Ends the process with SIGKILL's force after a commit was written, before it is durable.
pub const DIE_AFTER_WRITTEN: &str = "die-after-written";
/// Ends the process after a commit became durable, before anyone is told.
pub const DIE_AFTER_DURABLE: &str = "die-after-durable";
/// Ends the process between two chunks of a flush of the store.
pub const DIE_IN_FLUSH: &str = "die-in-flush";

/// Stops writing the log for ever, before a group that holds commits.
pub const HOLD_COMMIT: &str = "hold-commit";
/// Stops syncing the log for ever, before a group that holds commits.
pub const HOLD_SYNC: &str = "hold-sync";
/// Notes beside the log, at each sync, what of it would outlive a loss of power.
pub const NOTE_SYNCED: &str = "note-synced";

/// The environment variable that arms points.
pub const VARIABLE: &str = "ZAMU_FAILPOINTS";

/// Why points cannot be armed as the environment asks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotArm {
    /// The feature is missing.
    #[error(
        "{VARIABLE} is set, but this build has no failpoints: unset it, or build with `cargo build --workspace --features failpoints`"
    )]
    NotBuiltIn,
    /// No such point, or no such number.
    #[error("{VARIABLE} arms `{0}`: known are NAME and NAME=N of {known}", known = ALL.join(", "))]
    Unknown(String),
}

#[cfg(feature = "failpoints")]
const ALL: [&str; 16] = [
    PUBLISH_BEFORE_COMMIT,
    SKIP_DEDUPE,
    ANSWER_BEFORE_DURABLE,
    DROP_CHANNEL_NUMBER,
    FORGET_DEADLINES,
    FORGET_OUTCOMES,
    SKIP_MISSED,
    REPEAT_MISSED,
    IGNORE_DEPLOYMENT,
    SUCCEED_IN_NAME,
    DIE_AFTER_WRITTEN,
    DIE_AFTER_DURABLE,
    DIE_IN_FLUSH,
    HOLD_COMMIT,
    HOLD_SYNC,
    NOTE_SYNCED,
];
#[cfg(not(feature = "failpoints"))]
const ALL: [&str; 0] = [];

#[cfg(feature = "failpoints")]
mod armed {
    use super::{ALL, CannotArm, VARIABLE};
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::sync::{Mutex, OnceLock, PoisonError};

    thread_local! {
        static HERE: RefCell<BTreeMap<String, u64>> = const { RefCell::new(BTreeMap::new()) };
    }
    static EVERYWHERE: OnceLock<Mutex<BTreeMap<String, u64>>> = OnceLock::new();

    fn everywhere() -> &'static Mutex<BTreeMap<String, u64>> {
        EVERYWHERE.get_or_init(|| {
            // What cannot be read was refused by `check_environment`.
            let points = points().into_iter().filter_map(Result::ok);
            Mutex::new(points.collect())
        })
    }

    fn points() -> Vec<Result<(String, u64), CannotArm>> {
        let list = std::env::var(VARIABLE).unwrap_or_default();
        let points = list.split(',').filter(|p| !p.is_empty()).map(|point| {
            let (name, at) = point.split_once('=').unwrap_or((point, "0"));
            let unknown = || CannotArm::Unknown(point.to_string());
            let at = at.parse().map_err(|_| unknown())?;
            if ALL.contains(&name) { Ok((name.to_string(), at)) } else { Err(unknown()) }
        });
        points.collect()
    }

    /// Whether the environment arms only what there is.
    ///
    /// # Errors
    /// When it names a point that does not exist.
    pub fn check_environment() -> Result<(), CannotArm> {
        points().into_iter().try_for_each(|point| point.map(drop))
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

    /// Holds up the current thread for ever if the point fires.
    pub fn hold_at(name: &str) {
        if fires(name) {
            loop {
                std::thread::park();
            }
        }
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
    use super::{CannotArm, VARIABLE};

    /// Whether the environment arms only what there is: nothing, in this build.
    ///
    /// # Errors
    /// When the variable is set at all.
    pub fn check_environment() -> Result<(), CannotArm> {
        if std::env::var_os(VARIABLE).is_some() { Err(CannotArm::NotBuiltIn) } else { Ok(()) }
    }

    /// Never: this build has no failpoints.
    #[must_use]
    pub const fn fires(_name: &str) -> bool {
        false
    }

    /// Does nothing: this build has no failpoints.
    pub const fn die_at(_name: &str) {}

    /// Does nothing: this build has no failpoints.
    pub const fn hold_at(_name: &str) {}
}

pub use armed::*;
