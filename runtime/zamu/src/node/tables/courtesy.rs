//! Staying behind others: work that is to cost nobody any time is scheduled only where the cores have
//! nothing else to do, and stops for a while where it notices that they have.

use std::time::Duration;

/// Cores are taken if work had to wait for them for so many times as long as it ran.
const TAKEN: u32 = 2;
/// For how many times the time that it ran it then leaves them alone: it takes no more than a part in
/// so many of a core.
const RESTS: u32 = 20;
/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(1);

/// The calling thread runs only where the cores have nothing else to do.
pub(super) fn stay_behind() {
    let nothing_to_say = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread, and the pointer is to a value that outlives the call. Where
    // the system does not allow it, nothing changes.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const nothing_to_say) };
}

/// For how long a thread ran, and for how long it waited for a core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turns {
    ran: Duration,
    waited: Duration,
}

impl Turns {
    /// Those of this thread so far, as the kernel counts them; nothing where it does not.
    pub(super) fn of_this_thread() -> Self {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        Self::parse(&text).unwrap_or_default()
    }

    /// For how long to leave the cores to others, after what was done since `before`.
    pub(super) fn rest(self, before: Self) -> Duration {
        let ran = self.ran.saturating_sub(before.ran);
        let waited = self.waited.saturating_sub(before.waited);
        if waited < ran * TAKEN { Duration::ZERO } else { (ran * RESTS).min(REST_MAX) }
    }

    /// Nanoseconds of both, and a number of no interest here.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let mut next = || words.next()?.parse().ok().map(Duration::from_nanos);
        Some(Self { ran: next()?, waited: next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gets_a_core_goes_on_and_who_has_to_wait_for_one_rests() {
        let ms = Duration::from_millis;
        let rest = |ran: u64, waited: u64| {
            let before = Turns { ran: ms(7), waited: ms(9) };
            Turns { ran: ms(7 + ran), waited: ms(9 + waited) }.rest(before)
        };
        assert_eq!(rest(0, 0), Duration::ZERO);
        assert_eq!(rest(10, 0), Duration::ZERO);
        assert_eq!(rest(10, 19), Duration::ZERO);
        assert_eq!(rest(10, 20), ms(200));
        assert_eq!(rest(10, 500), ms(200));
        assert_eq!(rest(400, 5_000), REST_MAX);
    }

    #[test]
    fn the_kernel_counts_and_what_it_does_not_count_is_nothing() {
        let (ran, waited) = (Duration::from_nanos(743_985), Duration::from_nanos(12));
        assert_eq!(Turns::parse("743985 12 3\n"), Some(Turns { ran, waited }));
        for text in ["", "743985", "x 1 2"] {
            assert_eq!(Turns::parse(text), None);
        }
        let (first, second) = (Turns::of_this_thread(), Turns::of_this_thread());
        assert!(first.ran <= second.ran && first.waited <= second.waited);
    }
}
