//! The drawing: events on the left, event handlers in the middle, commands on the right; below the
//! handlers, the tables that they look things up in.
//!
//! ```text
//! order tells            hears and sends         order takes
//!  Placed    ─────────▶   desk   ──────────▶      Ship
//!  Shipped !                                      Place   ◀ clients
//! ```
//! Self-contained SVG 1.1: no script, no font of its own, readable on light and dark ground.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use zamu::json::{Flow, FlowTable};
use zamu_bench::svg::escaped;

const ROW: u32 = 20;
const TITLE: u32 = 30;
const GAP: u32 = 24;
const MARGIN: u32 = 24;
/// Roughly the width of a character of the font, with room to spare.
const CHARACTER: u32 = 8;
/// Between the columns, for the curves.
const BETWEEN: u32 = 160;
/// A colour for each handler, told apart by colour-blind people as well (Okabe and Ito).
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6d00"];
const ALONE: &str = "#c00000";

/// Draws it.
pub(super) fn draw(flow: &Flow) -> String {
    let events = Column::new(
        MARGIN,
        flow.types.iter().map(|of| Card {
            title: format!("{} tells", of.r#type),
            rows: of.events.iter().map(|e| Row::new(&e.kind, e.loose().is_some(), false)).collect(),
        }),
    );
    let reacting: Vec<&str> =
        flow.handlers.iter().map(|h| h.name.as_str()).filter(|name| reacts(flow, name)).collect();
    let handlers = Column::new(
        events.right() + BETWEEN,
        reacting
            .iter()
            .map(|name| Card { title: (*name).to_owned(), rows: Vec::new() })
            .chain(flow.tables.iter().map(table)),
    );
    let commands = Column::new(
        handlers.right() + BETWEEN,
        flow.types.iter().map(|of| Card {
            title: format!("{} takes", of.r#type),
            rows: of
                .commands
                .iter()
                .map(|c| Row::new(&c.kind, c.loose().is_some(), c.senders.is_empty()))
                .collect(),
        }),
    );
    let columns = [&events, &handlers, &commands];
    let height = columns.iter().map(|column| column.bottom()).max().unwrap_or(0) + MARGIN;
    let mut svg = Svg::begin(commands.right() + MARGIN + 9 * CHARACTER, height);
    let colour: BTreeMap<&str, &str> =
        reacting.iter().copied().zip(COLOURS.iter().copied().cycle()).collect();
    let middle: BTreeMap<&str, u32> =
        reacting.iter().copied().zip(handlers.tops.iter().map(|top| top + TITLE / 2)).collect();
    for (card, of) in flow.types.iter().enumerate() {
        for (row, event) in of.events.iter().enumerate() {
            for name in event.listeners.iter().map(String::as_str) {
                let from = (events.right(), events.row(card, row));
                svg.curve(from, (handlers.left, middle[name]), colour[name]);
            }
        }
        for (row, command) in of.commands.iter().enumerate() {
            for name in command.senders.iter().map(String::as_str) {
                let to = (commands.left, commands.row(card, row));
                svg.curve((handlers.right(), middle[name]), to, colour[name]);
            }
        }
    }
    for column in columns {
        svg.column(column);
    }
    svg.end()
}

/// A reference table: who makes it, and who looks things up in it.
fn table(of: &FlowTable) -> Card {
    let maker = of.maker.as_deref().map_or("by nobody".to_owned(), |maker| format!("by {maker}"));
    let mut rows = vec![Row::new(&maker, of.loose().is_some(), false)];
    rows.extend(of.readers.iter().map(|reader| Row::new(&format!("to {reader}"), false, false)));
    Card { title: format!("table {}", of.table), rows }
}

fn reacts(flow: &Flow, name: &str) -> bool {
    let mut commands = flow.types.iter().flat_map(|of| &of.commands).map(|c| &c.senders);
    let mut events = flow.types.iter().flat_map(|of| &of.events).map(|e| &e.listeners);
    commands.any(|names| names.iter().any(|n| n == name))
        || events.any(|names| names.iter().any(|n| n == name))
}

/// Boxes one below the other.
struct Column {
    left: u32,
    width: u32,
    cards: Vec<Card>,
    tops: Vec<u32>,
}

struct Card {
    title: String,
    rows: Vec<Row>,
}

struct Row {
    text: String,
    alone: bool,
    clients: bool,
}

impl Row {
    fn new(text: &str, alone: bool, clients: bool) -> Self {
        Self { text: text.to_owned(), alone, clients }
    }
}

impl Column {
    fn new(left: u32, cards: impl Iterator<Item = Card>) -> Self {
        let cards: Vec<Card> = cards.collect();
        let texts = cards
            .iter()
            .flat_map(|card| card.rows.iter().map(|row| &row.text).chain([&card.title]));
        let longest = texts.map(|text| text.chars().count() as u32).max().unwrap_or(0);
        let mut next = MARGIN;
        let tops = cards
            .iter()
            .map(|card| {
                let top = next;
                next += card.height() + GAP;
                top
            })
            .collect();
        Self { left, width: (longest + 3) * CHARACTER, cards, tops }
    }

    fn right(&self) -> u32 {
        self.left + self.width
    }

    fn bottom(&self) -> u32 {
        let last = self.tops.last().zip(self.cards.last());
        last.map_or(MARGIN, |(top, card)| top + card.height())
    }

    /// The middle of a row.
    fn row(&self, card: usize, row: usize) -> u32 {
        self.tops[card] + TITLE + row as u32 * ROW + ROW / 2
    }
}

impl Card {
    fn height(&self) -> u32 {
        TITLE + self.rows.len() as u32 * ROW + if self.rows.is_empty() { 0 } else { ROW / 2 }
    }
}

/// The text as it grows. Writing to a string cannot fail.
struct Svg(String);

impl Svg {
    fn begin(width: u32, height: u32) -> Self {
        let mut svg = Self(String::new());
        svg.line(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" font-family=\"monospace\" font-size=\"13\">"
        ));
        svg.line(format_args!("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"));
        svg
    }

    fn end(mut self) -> String {
        self.line(format_args!("</svg>"));
        self.0
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.0, "{line}");
    }

    fn curve(&mut self, (x1, y1): (u32, u32), (x2, y2): (u32, u32), colour: &str) {
        let bend = x2.abs_diff(x1) / 2;
        self.line(format_args!(
            "<path d=\"M{x1},{y1} C{},{y1} {},{y2} {x2},{y2}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
            x1 + bend,
            x2 - bend
        ));
        self.line(format_args!("<circle cx=\"{x2}\" cy=\"{y2}\" r=\"3\" fill=\"{colour}\"/>"));
    }

    fn column(&mut self, column: &Column) {
        for (card, top) in column.cards.iter().zip(&column.tops) {
            let Column { left, width, .. } = column;
            self.line(format_args!(
                "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{}\" rx=\"6\" fill=\"#f7f7f4\" stroke=\"#555555\"/>",
                card.height()
            ));
            let x = left + CHARACTER;
            self.text(x, top + TITLE / 2 + 5, "#111111", &card.title, true);
            for (index, row) in card.rows.iter().enumerate() {
                let y = top + TITLE + index as u32 * ROW + ROW / 2 + 4;
                let colour = if row.alone { ALONE } else { "#222222" };
                self.text(x, y, colour, &row.text, false);
                if row.alone {
                    self.text(column.right() - 2 * CHARACTER, y, ALONE, "!", true);
                }
                if row.clients {
                    self.text(column.right() + CHARACTER, y, "#777777", "\u{25c0} clients", false);
                }
            }
        }
    }

    fn text(&mut self, x: u32, y: u32, colour: &str, text: &str, bold: bool) {
        let weight = if bold { " font-weight=\"bold\"" } else { "" };
        let text = escaped(text);
        self.line(format_args!(
            "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\"{weight}>{text}</text>"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::topology::tests::shop;

    #[test]
    fn every_message_is_in_the_drawing_and_names_cannot_break_it() {
        let svg = draw(&shop());
        for text in [">Place<", ">Ship<", ">Placed<", ">Plced&lt;<", ">Shipped<", ">desk<"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        // Two events are heard, one command is sent.
        assert_eq!(svg.matches("<path").count(), 3);
        assert_eq!(svg.matches(">!<").count(), 3, "two kinds and a table stand alone");
        for text in [">table stock<", ">by desk<", ">to orders<", ">by nobody<"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        assert_eq!(svg.matches("clients").count(), 1);
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn nothing_is_drawn_outside_the_picture() {
        let svg = draw(&shop());
        let number = |tag: &str| -> u32 {
            let rest = svg.split_once(tag).map_or("", |(_, rest)| rest);
            rest.split('"').next().and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        let (width, height) = (number("width=\""), number("height=\""));
        assert!(width > 0 && height > 0);
        for piece in svg.split(" x=\"").skip(1) {
            let x: u32 = piece.split('"').next().and_then(|x| x.parse().ok()).unwrap_or(u32::MAX);
            assert!(x < width, "{x} of {width}");
        }
        for piece in svg.split(" y=\"").skip(1) {
            let y: u32 = piece.split('"').next().and_then(|y| y.parse().ok()).unwrap_or(u32::MAX);
            assert!(y < height, "{y} of {height}");
        }
    }
}
