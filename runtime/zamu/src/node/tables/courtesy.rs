//! Staying behind others: work that is to cost nobody any time is scheduled only where the cores have
//! nothing else to do, and stops for a while where it notices that they have.

use std::time::{Duration, Instant};

use zamu_wasm::cpu_time;

/// Cores are taken if work took so many times as long as the CPU time that it used.
const TAKEN: u32 = 3;
/// For how many times that CPU time it is then left alone: it takes no more than a part in so many of
/// a core.
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

/// Looks at how long a piece of work takes, against what it costs.
pub(super) struct Watch {
    began: Instant,
    cpu: Duration,
}

impl Watch {
    pub(super) fn start() -> Self {
        Self { began: Instant::now(), cpu: cpu_time::of_this_thread() }
    }

    /// For how long to leave the cores to others, now that the work is done.
    pub(super) fn rest(&self) -> Duration {
        rest(cpu_time::of_this_thread().saturating_sub(self.cpu), self.began.elapsed())
    }
}

fn rest(cpu: Duration, took: Duration) -> Duration {
    if took < cpu * TAKEN { Duration::ZERO } else { (cpu * RESTS).min(REST_MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gets_its_cpu_time_goes_on_and_who_has_to_wait_for_it_rests() {
        let ms = Duration::from_millis;
        assert_eq!(rest(ms(10), ms(10)), Duration::ZERO);
        assert_eq!(rest(ms(10), ms(29)), Duration::ZERO);
        assert_eq!(rest(ms(10), ms(30)), ms(200));
        assert_eq!(rest(ms(10), ms(500)), ms(200));
        assert_eq!(rest(ms(400), ms(5_000)), REST_MAX);
    }
}
