//! The picture of a sweep: rate, latency and CPU side by side, a bar for each size of turns.
//!
//! Self-contained SVG 1.1: no script, no font of its own, readable on light and dark ground.

use std::fmt::{Arguments, Write as _};

use crate::report::{Machine, Report};
use crate::svg::escaped;
use crate::sweep::Sweep;

const MARGIN: u32 = 24;
const PANEL: u32 = 240;
const BARS: u32 = 180;
const TOP: u32 = 84;
const HEIGHT: u32 = TOP + BARS + 64;
/// A colour for each panel, told apart by colour-blind people as well (Okabe and Ito).
const COLOURS: [&str; 3] = ["#0072b2", "#e69f00", "#009e73"];

/// A figure of a report.
type Figure = fn(&Report) -> f64;

/// Draws it.
#[must_use]
pub fn draw(sweep: &Sweep) -> String {
    let first = sweep.runs.first().map(|run| &run.report);
    let unit = first.map_or("unit", |report| report.unit.as_str());
    let panels: [(String, Figure); 3] = [
        ("completed a second".to_owned(), |report| report.rate_per_s),
        ("p99 latency, ms".to_owned(), |report| report.latency_ms.p99),
        (format!("CPU of the host, us per {unit}"), |report| report.cpu_us_per_unit),
    ];
    let width = 2 * MARGIN + PANEL * panels.len() as u32;
    let mut svg = Svg(String::new());
    svg.line(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" \
         width=\"{width}\" height=\"{HEIGHT}\" font-family=\"monospace\" font-size=\"12\">"
    ));
    svg.line(format_args!("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"));
    if let Some(report) = first {
        let Machine { cores, cpu, file_system, .. } = &report.machine;
        svg.text(
            MARGIN,
            24,
            "start",
            16,
            &format!("{}, by what a turn takes at most", report.load),
        );
        svg.text(MARGIN, 44, "start", 12, &format!("{cores} cores, {cpu}, {file_system}"));
    }
    for (index, ((title, figure), colour)) in panels.iter().zip(COLOURS).enumerate() {
        svg.panel(MARGIN + index as u32 * PANEL, title, colour, sweep, *figure);
    }
    svg.line(format_args!("</svg>"));
    svg.0
}

/// The text as it grows. Writing to a string cannot fail.
struct Svg(String);

impl Svg {
    fn panel(&mut self, left: u32, title: &str, colour: &str, sweep: &Sweep, figure: Figure) {
        self.text(left, TOP - 12, "start", 12, title);
        let highest = sweep.runs.iter().map(|run| figure(&run.report)).fold(0.0, f64::max);
        let step = (PANEL - MARGIN) / (sweep.runs.len() as u32).max(1);
        let bottom = TOP + 16 + BARS;
        for (index, run) in sweep.runs.iter().enumerate() {
            let value = figure(&run.report);
            let part = if highest > 0.0 { value / highest } else { 0.0 };
            let height = (part * f64::from(BARS)).round() as u32;
            let (x, y) = (left + index as u32 * step, bottom - height);
            let bar = step - 12;
            self.line(format_args!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{bar}\" height=\"{height}\" fill=\"{colour}\"/>"
            ));
            let value = if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") };
            self.text(x + bar / 2, y - 4, "middle", 12, &value);
            self.text(x + bar / 2, bottom + 18, "middle", 12, &run.batch.to_string());
        }
        let right = left + PANEL - MARGIN;
        self.line(format_args!(
            "<path d=\"M{left},{bottom} L{right},{bottom}\" stroke=\"#555555\"/>"
        ));
    }

    fn text(&mut self, x: u32, y: u32, anchor: &str, size: u32, text: &str) {
        let text = escaped(text);
        self.line(format_args!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"{size}\" fill=\"#222222\">{text}</text>"
        ));
    }

    fn line(&mut self, line: Arguments<'_>) {
        let _ = writeln!(self.0, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::tests::sweep;

    #[test]
    fn every_run_has_a_bar_in_every_panel_and_the_highest_fills_it() {
        let svg = draw(&sweep());
        assert_eq!(svg.matches("<rect x=").count(), 9);
        // The fastest, the most expensive, and the latencies, which are all alike.
        assert_eq!(svg.matches(&format!("height=\"{BARS}\" fill")).count(), 5);
        for text in [">9000<", ">500<", ">100<", "the &lt;load&gt;"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn a_sweep_of_nothing_is_an_empty_picture() {
        let svg = draw(&Sweep { runs: Vec::new() });
        assert_eq!(svg.matches("<rect x=").count(), 0);
    }
}
