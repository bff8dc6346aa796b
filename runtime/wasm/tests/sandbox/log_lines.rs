//! A guest's log lines: bounded, clean, and marked with who wrote them.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span;
use zamu_wasm::Limits;

use crate::support::*;

/// Keeps events of handlers as `LEVEL field=value…`.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Kept {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "zamu::handler"
    }
    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String);
        impl Visit for Line {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                write!(self.0, " {field}={value:?}").unwrap();
            }
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// What is logged while commands with these bodies are decided, in one call.
fn logged(limits: Limits, bodies: &[&str]) -> Vec<String> {
    logged_by("zoo", limits, bodies)
}

/// The same, of another guest.
pub(crate) fn logged_by(guest: &str, limits: Limits, bodies: &[&str]) -> Vec<String> {
    let kept = Kept::default();
    let mut zoo = load(guest, limits).instance();
    // The outcome is not the point here: some of these trap.
    tracing::subscriber::with_default(kept.clone(), || drop(decide(&mut zoo, bodies)));
    Arc::into_inner(kept.0).unwrap().into_inner().unwrap()
}

#[test]
fn lines_are_clean_and_say_whose_they_are() {
    let lines = logged(Limits::default(), &["log-control", "log-level"]);
    assert_eq!(
        lines,
        [
            r#"WARN message=bell and [31mred[0m and tab handler="zoo""#,
            r#"DEBUG message=a level that does not exist handler="zoo""#,
        ]
    );
}

#[test]
fn a_flood_is_cut_and_counted() {
    let lines = logged(Limits { log_lines: 5, ..Limits::default() }, &["log-flood"]);
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[4], r#"INFO message=line 4 of a flood handler="zoo""#);
    assert!(lines[5].contains("dropped=9995"), "{}", lines[5]);
    let mut zoo = zoo();
    decide(&mut zoo, &["log-flood"]).unwrap();
    assert_eq!((zoo.counters().log_lines(), zoo.counters().log_lines_dropped()), (64, 9_936));
    assert_healthy(&mut zoo);
}

#[test]
fn a_long_line_is_cut() {
    let lines = logged(Limits { log_bytes: 12, ..Limits::default() }, &["log-long"]);
    assert_eq!(lines[0], r#"WARN message=long long lo handler="zoo""#);
}

#[test]
fn the_bound_is_for_each_call() {
    let mut zoo = load("zoo", Limits { log_lines: 1, ..Limits::default() }).instance();
    for _ in 0..3 {
        decide(&mut zoo, &["log-level", "log-level"]).unwrap();
    }
    assert_eq!((zoo.counters().log_lines(), zoo.counters().log_lines_dropped()), (3, 3));
}

#[test]
fn a_panic_is_reported_even_when_the_bound_is_reached() {
    let mut zoo = load("zoo", Limits { log_lines: 0, ..Limits::default() }).instance();
    let fault = decide(&mut zoo, &["log-flood", "trap"]).unwrap_err();
    assert!(fault.message.contains("the zoo was asked to trap"), "{fault}");
}

/// What the host does for a guest is the guest's work: neither endless lines nor lines that the
/// host throws away whole may run longer than the item's fuel.
#[test]
fn logging_uses_up_fuel() {
    for body in ["log-blank", "log-storm"] {
        let fault = decide(&mut zoo(), &[body]).unwrap_err();
        assert_eq!(fault.reason, zamu_core::guest::FaultReason::Fuel, "{body}: {fault}");
    }
}
