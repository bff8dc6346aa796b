//! What happened when, and how fast transfers ended meanwhile: noted while they run, drawn at the end.

use std::fmt::Write;
use std::time::Duration;

use tokio::time::Instant;

/// For so long the rate is counted before it is noted.
const STEP: Duration = Duration::from_millis(100);
/// Columns of the curve, in text.
const COLUMNS: usize = 72;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// See the file's head.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    start: Instant,
    /// When the last step began, and how many had ended then.
    since: (Instant, u64),
    /// How many ended in each step: its length in seconds, and the count.
    pub(crate) steps: Vec<(f64, u64)>,
    /// Seconds from the start, and what happened then.
    pub(crate) moments: Vec<(f64, String)>,
}

impl Timeline {
    /// Nothing has happened.
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, since: (start, 0), steps: Vec::new(), moments: Vec::new() }
    }

    /// So many have ended by now.
    pub(crate) fn ended(&mut self, ended: u64) {
        let now = Instant::now();
        let (at, before) = self.since;
        let length = now.saturating_duration_since(at);
        if length >= STEP {
            self.steps.push((length.as_secs_f64(), ended.saturating_sub(before)));
            self.since = (now, ended);
        }
    }

    /// This happens now.
    pub(crate) fn note(&mut self, what: impl Into<String>) {
        self.moments.push((self.start.elapsed().as_secs_f64(), what.into()));
    }

    /// How many seconds it took.
    pub(crate) fn seconds(&self) -> f64 {
        self.steps.iter().map(|(length, _)| length).sum()
    }

    /// The rate over the whole time in so many columns of equal length, each a second's count.
    pub(crate) fn rates(&self, columns: usize) -> Vec<f64> {
        let width = self.seconds() / columns.max(1) as f64;
        let mut rates = vec![0.0; columns];
        let mut from = 0.0;
        for (length, count) in &self.steps {
            let to = from + length;
            for (column, rate) in rates.iter_mut().enumerate() {
                let (begin, end) = (column as f64 * width, (column as f64 + 1.0) * width);
                let shared = (to.min(end) - from.max(begin)).max(0.0);
                if shared > 0.0 {
                    *rate += *count as f64 * shared / length / width;
                }
            }
            from = to;
        }
        rates
    }

    /// The curve as a line of bars, and below it a number for each moment where it was.
    pub(crate) fn text(&self) -> String {
        let rates = self.rates(COLUMNS);
        let peak = rates.iter().copied().fold(0.0, f64::max);
        if peak <= 0.0 {
            return String::new();
        }
        let bar = |rate: &f64| {
            let height = (rate / peak * (BARS.len() as f64 - 1.0)).round() as usize;
            BARS[height.min(BARS.len() - 1)]
        };
        let mut marks = vec![' '; COLUMNS];
        for (number, (at, _)) in (1_u32..).zip(&self.moments) {
            let column = (at / self.seconds() * COLUMNS as f64) as usize;
            let sign = char::from_digit(number, 36).unwrap_or('+');
            // Where two fall on one place, the later one moves on.
            let free = (column.min(COLUMNS - 1)..COLUMNS).find(|place| marks[*place] == ' ');
            if let Some(place) = free {
                marks[place] = sign;
            }
        }
        let mut text: String = rates.iter().map(bar).collect();
        // Writing to a string does not fail.
        let _ = write!(text, "  up to {peak:.0} a second\n{}", marks.iter().collect::<String>());
        text.truncate(text.trim_end().len());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(steps: &[(f64, u64)], moments: &[f64]) -> Timeline {
        let mut timeline = Timeline::new(Instant::now());
        timeline.steps = steps.to_vec();
        timeline.moments = moments.iter().map(|at| (*at, String::new())).collect();
        timeline
    }

    #[test]
    fn rates_are_counts_of_a_second_whatever_the_length_of_steps() {
        let rates = timeline(&[(0.5, 50), (1.0, 100), (0.5, 100)], &[]).rates(4);
        for (rate, expected) in rates.iter().zip([100.0, 100.0, 100.0, 200.0]) {
            assert!((rate - expected).abs() < 1e-6, "{rates:?}");
        }
        let whole: f64 = timeline(&[(0.3, 30), (0.9, 7)], &[]).rates(7).iter().sum();
        assert!((whole * 1.2 / 7.0 - 37.0).abs() < 1e-6, "{whole}");
    }

    #[test]
    fn a_moment_is_marked_below_where_it_was_and_none_hides_another() {
        let text = timeline(&[(36.0, 360), (36.0, 0)], &[0.5, 36.5, 36.6, 99.0]).text();
        let (curve, marks) = text.split_once('\n').unwrap_or_default();
        assert!(curve.starts_with('█') && curve.contains("▁  up to 10 a second"), "{curve}");
        let place = |sign| marks.chars().position(|mark| mark == sign);
        assert_eq!(['1', '2', '3', '4'].map(place), [Some(0), Some(36), Some(37), Some(71)]);
    }

    #[test]
    fn where_nothing_ended_there_is_no_curve() {
        assert_eq!(timeline(&[], &[1.0]).text(), "");
        assert_eq!(timeline(&[(1.0, 0)], &[]).text(), "");
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_is_as_long_as_it_was() {
        let mut timeline = Timeline::new(Instant::now());
        timeline.ended(5);
        assert!(timeline.steps.is_empty());
        tokio::time::advance(STEP * 3).await;
        timeline.ended(9);
        timeline.note("kill");
        assert_eq!(timeline.steps, [(0.3, 9)]);
        assert_eq!(timeline.moments, [(0.3, "kill".to_owned())]);
    }
}
