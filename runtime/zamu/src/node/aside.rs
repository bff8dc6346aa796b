//! Work beside that of the shards, for which somebody waits, but which must not cost turns their time.
//!
//! It gets a thread of its own and a lower priority: a tenth of a core where all are taken, a whole one
//! where they are not. Work for which nobody waits stays behind altogether (`tables/courtesy.rs`).

use std::io;
use std::thread;

use super::shards::STACK_BYTES;

/// How much lower the priority is (19 is the lowest).
const NICENESS: libc::c_int = 10;

/// Does something on a thread that gives way to all others, and waits for it.
///
/// # Errors
/// When the system has no thread. The inner error is its panic.
pub(super) fn aside<T: Send>(
    name: &str,
    work: impl FnOnce() -> T + Send,
) -> io::Result<thread::Result<T>> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, || {
            give_way();
            work()
        })?;
        Ok(thread.join())
    })
}

/// The calling thread gets the cores after others, for the rest of its life.
fn give_way() {
    // SAFETY: the call has no pointers. 0 is the calling thread: Linux has priorities of threads, not of
    // processes. Where the system does not allow it, nothing changes.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn niceness() -> libc::c_int {
        // SAFETY: the call has no pointers.
        unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
    }

    #[test]
    fn the_work_gives_way_and_whoever_waits_for_it_does_not() {
        let before = niceness();
        assert_eq!(aside("test", niceness).unwrap().unwrap(), before.max(NICENESS));
        assert_eq!(niceness(), before);
    }

    #[test]
    fn a_panic_ends_the_work_and_nothing_else() {
        assert!(aside("test", || panic!("on purpose")).unwrap().is_err());
    }
}
