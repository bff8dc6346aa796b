//! The report as a picture: how fast transfers ended, what happened when, and the figures.
//!
//! Self-contained SVG 1.1: no script, no font of its own, its own ground.

use std::fmt::Write as _;

use zamu_bench::svg::escaped;

use crate::timeline::Timeline;

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 28.0;
/// Where the curve stands.
const TOP: f64 = 64.0;
const HEIGHT: f64 = 170.0;
/// Of a line of text.
const LINE: f64 = 19.0;
/// Points of the curve.
const POINTS: usize = 240;
const STYLE: &str = "\
    text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #d6deeb }\
    .title { font-size: 16px; font-weight: bold; fill: #ffffff }\
    .faint { fill: #8fa1b8 }\
    .mark { fill: #f2b84b }";

/// Draws it; `figures` are lines of text.
pub(crate) fn draw(timeline: &Timeline, figures: &str) -> String {
    let moments_at = TOP + HEIGHT + 44.0;
    let figures_at = moments_at + (timeline.moments.len() as f64 + 0.5) * LINE;
    let bottom = figures_at + figures.lines().count() as f64 * LINE + MARGIN / 2.0;
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {bottom:.0}\" \
         width=\"{WIDTH}\" height=\"{bottom:.0}\">\n<style>{STYLE}</style>\n\
         <rect width=\"{WIDTH}\" height=\"{bottom:.0}\" rx=\"10\" fill=\"#0f1b2d\"/>\n"
    );
    text(
        &mut svg,
        (MARGIN, 34.0),
        "title",
        "Zamu: the transfer switch, while handlers are swapped and the host is killed",
    );
    curve(&mut svg, timeline);
    for (number, (at, what)) in (1_u32..).zip(&timeline.moments) {
        let y = moments_at + f64::from(number - 1) * LINE;
        text(&mut svg, (MARGIN, y), "mark", &number.to_string());
        text(&mut svg, (MARGIN + 24.0, y), "faint", &format!("{at:>5.1} s"));
        text(&mut svg, (MARGIN + 96.0, y), "", what);
    }
    for (line, y) in figures.lines().zip(0..) {
        text(&mut svg, (MARGIN, figures_at + f64::from(y) * LINE), "", line);
    }
    svg.push_str("</svg>\n");
    svg
}

/// The rate as an area, with a line for each moment.
fn curve(svg: &mut String, timeline: &Timeline) {
    let rates = timeline.rates(POINTS);
    let peak = rates.iter().copied().fold(1.0, f64::max);
    let width = WIDTH - 2.0 * MARGIN;
    let (left, bottom) = (MARGIN, TOP + HEIGHT);
    let mut path = format!("M{left:.1} {bottom:.1}");
    for (point, rate) in rates.iter().enumerate() {
        let x = left + (point as f64 + 0.5) / POINTS as f64 * width;
        let _ = write!(path, "L{x:.1} {:.1}", bottom - rate / peak * HEIGHT);
    }
    let _ = writeln!(
        svg,
        "<path d=\"{path}L{:.1} {bottom:.1}Z\" fill=\"#2f7fd1\" fill-opacity=\"0.75\"/>",
        left + width
    );
    let peak = format!("up to {peak:.0} transfers a second");
    text(svg, (MARGIN, TOP - 8.0), "faint", &peak);
    let seconds = timeline.seconds().max(f64::MIN_POSITIVE);
    let mut free = 0.0_f64;
    for (number, (at, _)) in (1_u32..).zip(&timeline.moments) {
        let x = left + (at / seconds).min(1.0) * width;
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {TOP:.1}V{bottom:.1}\" stroke=\"#f2b84b\" stroke-dasharray=\"3 3\"/>"
        );
        // Numbers stand beside each other where moments are close.
        let at = x.max(free);
        free = at + 14.0;
        text(svg, (at - 4.0, bottom + 16.0), "mark", &number.to_string());
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), class: &str, text: &str) {
    // Spaces that stay, wherever it is shown: figures stand in columns.
    let text = escaped(text).replace(' ', "\u{a0}");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>");
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn a_picture_shows_the_curve_all_moments_and_all_figures() {
        let mut timeline = Timeline::new(Instant::now());
        timeline.steps = vec![(1.0, 10), (1.0, 30)];
        timeline.moments = vec![(0.5, "a < b".to_owned()), (0.51, "kill".to_owned())];
        let svg = draw(&timeline, "lost 0\ndoubled 0");
        for part in ["up to 30 transfers", "a &lt; b", ">kill<", ">lost 0<", ">doubled 0<", ">2<"] {
            assert!(svg.replace('\u{a0}', " ").contains(part), "{part}: {svg}");
        }
        assert_eq!(svg.matches("stroke-dasharray").count(), 2);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    }
}
