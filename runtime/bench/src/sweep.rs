//! The same load with turns of different sizes, one run after another: as a table, and as a picture.

mod picture;

use serde::Serialize;

use crate::report::Report;

pub use picture::draw;

/// What a turn takes at most, run by run.
pub const BATCHES: [u32; 3] = [1, 50, 500];

/// What came of the runs, in their order.
#[derive(Clone, Debug, Serialize)]
pub struct Sweep {
    /// Run by run.
    pub runs: Vec<Run>,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// What a turn took at most.
    pub batch: u32,
    /// Completed units a second, as a multiple of the first run's.
    pub rate_ratio: f64,
    /// CPU of the host for each unit, as a part of the first run's.
    pub cpu_ratio: f64,
    /// All of it.
    pub report: Report,
}

impl Sweep {
    /// Holds runs against the first of them.
    #[must_use]
    pub fn new(reports: Vec<(u32, Report)>) -> Self {
        let first = reports.first().map(|(_, report)| (report.rate_per_s, report.cpu_us_per_unit));
        let (rate, cpu) = first.unwrap_or_default();
        let run = |(batch, report): (u32, Report)| Run {
            batch,
            rate_ratio: ratio(report.rate_per_s, rate),
            cpu_ratio: ratio(report.cpu_us_per_unit, cpu),
            report,
        };
        Self { runs: reports.into_iter().map(run).collect() }
    }

    /// Rows of cells, the heading first.
    #[must_use]
    pub fn table(&self) -> Vec<[String; 8]> {
        let heading = ["BATCH", "RATE/S", "RATIO", "P50 MS", "P99 MS", "CPU US", "RATIO", "BYTES"];
        let rows = self.runs.iter().map(|run| {
            let Report { rate_per_s, latency_ms, cpu_us_per_unit, bytes_written_per_unit, .. } =
                &run.report;
            [
                run.batch.to_string(),
                format!("{rate_per_s:.0}"),
                format!("{:.2}", run.rate_ratio),
                format!("{:.1}", latency_ms.p50),
                format!("{:.1}", latency_ms.p99),
                format!("{cpu_us_per_unit:.1}"),
                format!("{:.2}", run.cpu_ratio),
                format!("{bytes_written_per_unit:.0}"),
            ]
        });
        std::iter::once(heading.map(str::to_owned)).chain(rows).collect()
    }
}

fn ratio(figure: f64, of: f64) -> f64 {
    if of > 0.0 { figure / of } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    pub(super) fn sweep() -> Sweep {
        let reports = [(1, 1_000.0, 400.0), (50, 5_000.0, 120.0), (500, 9_000.0, 100.0)];
        let report = |(batch, rate_per_s, cpu_us_per_unit)| {
            (batch, Report { rate_per_s, cpu_us_per_unit, ..report() })
        };
        Sweep::new(reports.map(report).to_vec())
    }

    #[test]
    fn runs_are_held_against_the_first() {
        let table = sweep().table();
        assert_eq!(table.len(), 4);
        assert_eq!((&*table[1][0], &*table[1][2], &*table[1][6]), ("1", "1.00", "1.00"));
        assert_eq!((&*table[3][0], &*table[3][2], &*table[3][6]), ("500", "9.00", "0.25"));
    }
}
