//! A trace, a line for each step: what tests compare.

use crate::trace::{Outcome, Step, StepKind, Trace};

/// Depth as dots; what; id; place; milliseconds since the beginning, of the hop; outcome, by whom.
pub(super) fn lines(trace: &Trace) -> Vec<String> {
    for (index, step) in trace.steps.iter().enumerate() {
        let depth = step.parent.map_or(0, |parent| trace.steps[parent].depth + 1);
        assert_eq!(step.depth, depth);
        assert!(
            step.parent.is_none_or(|parent| parent < index),
            "a cause stands before its effect"
        );
    }
    trace.steps.iter().map(|step| line(step, trace.started.unwrap_or_default())).collect()
}

fn line(step: &Step, started: u64) -> String {
    let what = match step.step {
        StepKind::Request => "request",
        StepKind::Wake => "wake",
        StepKind::Command => "command",
        StepKind::Event => "event",
        StepKind::DeadLetter => "deadLetter",
    };
    let mut line = ". ".repeat(step.depth);
    line.push_str(&format!("{what} {} {}/{}", step.id, step.r#type, step.partition));
    line.push_str(&step.number.map_or(String::new(), |number| format!("#{number}")));
    line.push_str(&step.at.map_or(" +?".to_owned(), |at| format!(" +{}", at - started)));
    line.push_str(&step.hop_ms.map_or(String::new(), |hop| format!(" ({hop})")));
    if let (Some(open), Some(reason)) = (step.open, &step.reason) {
        line.push_str(&format!(" {} {reason}", if open { "open" } else { "closed" }));
    }
    if step.gone {
        line.push_str(" gone");
    }
    if let Some(outcome) = step.outcome {
        let outcome = match outcome {
            Outcome::Accepted => "accepted".to_owned(),
            Outcome::Refused => format!("refused {}", step.code.clone().unwrap_or_default()),
            Outcome::Nothing => "nothing".to_owned(),
            Outcome::Fault => "fault".to_owned(),
            Outcome::Duplicate => "duplicate".to_owned(),
            Outcome::Dropped => "dropped".to_owned(),
            Outcome::Waiting => "waiting".to_owned(),
            Outcome::Gone => "gone".to_owned(),
        };
        line.push_str(&format!(": {outcome}"));
    }
    if let Some(by) = &step.decided_by {
        line.push_str(&format!(" by {}", by.name));
    }
    if let (Some(at), Some(decided)) = (step.at, step.decided_at) {
        line.push_str(&format!(" in {}", decided - at));
    }
    line
}
