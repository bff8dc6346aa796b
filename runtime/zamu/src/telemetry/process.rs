//! What the process uses, as the operating system and the allocator tell.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tikv_jemalloc_ctl::{epoch, stats};

use crate::telemetry::Seconds;

/// Handles of what the process uses. Figures that this system does not give stay at zero.
#[derive(Debug, Default)]
pub(crate) struct ProcessMetrics {
    cpu_seconds: Seconds,
    resident_bytes: Gauge,
    threads: Gauge,
    write_bytes: Counter,
    allocated_bytes: Gauge,
    active_bytes: Gauge,
    mapped_bytes: Gauge,
    retained_bytes: Gauge,
}

impl ProcessMetrics {
    pub(crate) fn register(&self, r: &mut Registry) {
        r.register_with_unit(
            "cpu",
            "CPU time, all threads",
            Unit::Seconds,
            self.cpu_seconds.clone(),
        );
        r.register("resident_bytes", "Resident memory", self.resident_bytes.clone());
        r.register("threads", "Threads", self.threads.clone());
        r.register("write_bytes", "Bytes sent to block devices", self.write_bytes.clone());
        r.register("allocated_bytes", "Bytes in use by the program", self.allocated_bytes.clone());
        r.register("active_bytes", "Bytes in pages with allocations", self.active_bytes.clone());
        r.register("mapped_bytes", "Bytes the allocator has mapped", self.mapped_bytes.clone());
        r.register(
            "retained_bytes",
            "Bytes of address space the allocator keeps",
            self.retained_bytes.clone(),
        );
    }

    /// Reads all figures anew.
    pub(crate) fn refresh(&self) {
        if let Some(seconds) = read("/proc/self/stat").and_then(|text| cpu_seconds(&text)) {
            self.cpu_seconds.inner().store(seconds.to_bits(), std::sync::atomic::Ordering::Relaxed);
        }
        if let Some(status) = read("/proc/self/status") {
            self.resident_bytes.set(field(&status, "VmRSS:").unwrap_or(0).saturating_mul(1024));
            self.threads.set(field(&status, "Threads:").unwrap_or(0));
        }
        if let Some(written) = read("/proc/self/io").and_then(|io| field(&io, "write_bytes:")) {
            let written = u64::try_from(written).unwrap_or(0);
            self.write_bytes.inner().store(written, std::sync::atomic::Ordering::Relaxed);
        }
        self.refresh_allocator();
    }

    fn refresh_allocator(&self) {
        if epoch::advance().is_err() {
            return;
        }
        for (gauge, figure) in [
            (&self.allocated_bytes, stats::allocated::read()),
            (&self.active_bytes, stats::active::read()),
            (&self.mapped_bytes, stats::mapped::read()),
            (&self.retained_bytes, stats::retained::read()),
        ] {
            gauge.set(figure.ok().and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(0));
        }
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn field(text: &str, name: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time of `/proc/self/stat`, which Linux counts in hundredths of a second.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let after_name = stat.rsplit_once(") ")?.1;
    let mut fields = after_name.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_a_name_with_spaces_and_parentheses() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu_seconds(stat), Some(2.0));
    }

    #[test]
    fn figures_are_read_by_their_name() {
        assert_eq!(field("Name:\tx\nVmRSS:\t  2048 kB\n", "VmRSS:"), Some(2048));
        assert_eq!(field("a: 1", "b:"), None);
    }
}
