//! What the host demands of the columns that a guest returns. Guests lie; a lie is a fault, and it
//! names the column.

pub mod changes;

use super::columns::{
    ACCEPTED, Blobs, Decision, NOTHING, Outcomes, REFUSED, SentColumns, States, WAKE,
};
use super::manifest::{Manifest, TypeKinds};
use super::{Fault, FaultReason};

/// A reply or a refusal's details are at most this long, in bytes: they live in the aggregate's record.
pub const ANSWER_BYTES_MAX: usize = 1024;
/// A body or a state is at most this long, in bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// A key is at most this long, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;
/// One item causes at most this many messages.
pub const MESSAGES_PER_ITEM_MAX: usize = 1024;

type Checked = Result<(), Fault>;

/// Checks what `decide` returned: `slots[i]` is the aggregate of command i, `types[s]` the index in
/// the manifest of slot s's type.
///
/// # Errors
/// A fault that names the column.
pub fn decision(decision: &Decision, slots: &[u32], types: &[u32], manifest: &Manifest) -> Checked {
    outcomes(&decision.outcomes, slots.len())?;
    let events = &decision.events;
    let n = events.cause.len();
    same("events.kind", events.kind.len(), n)?;
    blobs("events.bodies", &events.bodies, n, BODY_BYTES_MAX)?;
    causes("events.cause", &events.cause, slots.len())?;
    for (cause, kind) in events.cause.iter().zip(&events.kind) {
        if decision.outcomes.code[*cause as usize] != ACCEPTED {
            return lie(format!("events.cause names command {cause}, which was not accepted"));
        }
        let of_type = types[slots[*cause as usize] as usize];
        let owned = manifest.aggregates.iter().find(|o| o.aggregate_type == of_type);
        if !owned.is_some_and(|o| o.events.contains(kind)) {
            return lie(format!("events.kind {kind} is no event of the aggregate's type"));
        }
    }
    states(&decision.states, types.len(), manifest)
}

/// Checks that every Wake among commands of these kinds caused an event; the decision fits them. The
/// fault names the first that did not.
///
/// # Errors
/// Such a fault.
pub fn wakes(decision: &Decision, kinds: &[u32]) -> Checked {
    let answered = |i: u32| decision.events.cause.binary_search(&i).is_ok();
    let wakes = kinds.iter().zip(0..).filter(|(kind, _)| **kind == WAKE);
    let Some((_, i)) = wakes.into_iter().find(|(_, i)| !answered(*i)) else { return Ok(()) };
    let outcomes = &decision.outcomes;
    let text = |blobs: &Blobs| String::from_utf8_lossy(blobs.get(i as usize)).into_owned();
    let what = match outcomes.code[i as usize] {
        REFUSED => format!("refused with {}: {}", text(&outcomes.reasons), text(&outcomes.details)),
        ACCEPTED => "accepted without an event".into(),
        _ => "answered with nothing to do".into(),
    };
    let message = format!("the Wake of a state that has a deadline was {what}");
    Err(Fault { culprit: Some(i), reason: FaultReason::WakeUnanswered, message })
}

/// Checks states: one per slot, of a schema that the manifest has.
///
/// # Errors
/// A fault that names the column.
pub fn states(states: &States, slots: usize, manifest: &Manifest) -> Checked {
    same("states.schemas", states.schemas.len(), slots)?;
    same("states.wake-at", states.wake_at.len(), slots)?;
    blobs("states.bytes", &states.bytes, slots, BODY_BYTES_MAX)?;
    match states.schemas.iter().find(|s| **s as usize >= manifest.state_schemas.len()) {
        Some(schema) => lie(format!("states.schemas has {schema}, which the manifest has not")),
        None => Ok(()),
    }
}

/// Checks what `react` returned for so many events.
///
/// # Errors
/// A fault that names the column.
pub fn sent(sent: &SentColumns, events: usize, manifest: &Manifest) -> Checked {
    let n = sent.cause.len();
    same("commands.aggregate-type", sent.aggregate_type.len(), n)?;
    same("commands.kind", sent.kind.len(), n)?;
    blobs("commands.keys", &sent.keys, n, KEY_BYTES_MAX)?;
    blobs("commands.bodies", &sent.bodies, n, BODY_BYTES_MAX)?;
    causes("commands.cause", &sent.cause, events)?;
    text("commands.keys", &sent.keys)?;
    for i in 0..n {
        if sent.keys.get(i).is_empty() {
            return lie(format!("commands.keys: key {i} is empty"));
        }
        let (t, kind) = (sent.aggregate_type[i], sent.kind[i]);
        let declared = |s: &TypeKinds| s.aggregate_type == t && s.kinds.contains(&kind);
        if !manifest.sends.iter().any(declared) {
            return lie(format!(
                "commands: kind {kind} for type {t} is not among the manifest's sends"
            ));
        }
    }
    Ok(())
}

/// Checks texts of `inspect`.
///
/// # Errors
/// A fault that names the column.
pub fn inspected(texts: &Blobs, slots: usize) -> Checked {
    blobs("inspected", texts, slots, BODY_BYTES_MAX)?;
    text("inspected", texts)
}

/// Checks texts of `show`.
///
/// # Errors
/// A fault that names the column.
pub fn shown(texts: &Blobs, messages: usize) -> Checked {
    blobs("shown", texts, messages, BODY_BYTES_MAX)?;
    text("shown", texts)
}

fn outcomes(outcomes: &Outcomes, n: usize) -> Checked {
    same("outcomes.code", outcomes.code.len(), n)?;
    blobs("outcomes.reasons", &outcomes.reasons, n, ANSWER_BYTES_MAX)?;
    blobs("outcomes.details", &outcomes.details, n, ANSWER_BYTES_MAX)?;
    blobs("outcomes.replies", &outcomes.replies, n, ANSWER_BYTES_MAX)?;
    text("outcomes.reasons", &outcomes.reasons)?;
    text("outcomes.details", &outcomes.details)?;
    for (i, code) in outcomes.code.iter().enumerate() {
        match *code {
            REFUSED if outcomes.reasons.get(i).is_empty() => {
                return lie(format!("outcomes.reasons: refusal {i} has no code"));
            }
            ACCEPTED | REFUSED | NOTHING => {}
            other => return lie(format!("outcomes.code has {other}, which means nothing")),
        }
    }
    Ok(())
}

fn causes(column: &str, causes: &[u32], items: usize) -> Checked {
    let mut of_item = 0;
    for (i, cause) in causes.iter().enumerate() {
        if *cause as usize >= items {
            return lie(format!("{column} has {cause}, but there are {items} items"));
        }
        match i.checked_sub(1).map(|before| causes[before].cmp(cause)) {
            Some(std::cmp::Ordering::Greater) => return lie(format!("{column} decreases at {i}")),
            Some(std::cmp::Ordering::Equal) => of_item += 1,
            _ => of_item = 1,
        }
        if of_item > MESSAGES_PER_ITEM_MAX {
            return over(format!(
                "{column}: item {cause} has more than {MESSAGES_PER_ITEM_MAX} messages"
            ));
        }
    }
    Ok(())
}

fn blobs(column: &str, blobs: &Blobs, n: usize, each_max: usize) -> Checked {
    same(column, blobs.ends.len(), n)?;
    let mut start = 0;
    for end in &blobs.ends {
        let Some(length) = end.checked_sub(start) else {
            return lie(format!("{column}: ends decrease at {end}"));
        };
        if length as usize > each_max {
            return over(format!("{column}: {length} bytes are more than {each_max}"));
        }
        start = *end;
    }
    if start as usize != blobs.data.len() {
        return lie(format!(
            "{column}: the last end is {start}, the data has {} bytes",
            blobs.data.len()
        ));
    }
    Ok(())
}

fn text(column: &str, blobs: &Blobs) -> Checked {
    match blobs.iter().position(|b| std::str::from_utf8(b).is_err()) {
        Some(i) => lie(format!("{column}: entry {i} is not UTF-8")),
        None => Ok(()),
    }
}

fn same(column: &str, length: usize, expected: usize) -> Checked {
    if length == expected {
        Ok(())
    } else {
        lie(format!("{column} has {length} entries instead of {expected}"))
    }
}

fn lie(message: String) -> Checked {
    Err(Fault::unnamed(FaultReason::BadOutput, message))
}

fn over(message: String) -> Checked {
    Err(Fault::unnamed(FaultReason::Output, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::columns::DecidedEvents;
    use crate::guest::manifest::OwnedType;

    fn manifest() -> Manifest {
        Manifest {
            types: vec!["t".into()],
            kinds: vec![Default::default(), Default::default()],
            state_schemas: vec!["1".into()],
            aggregates: vec![OwnedType { aggregate_type: 0, commands: vec![0], events: vec![1] }],
            sends: vec![TypeKinds { aggregate_type: 0, kinds: vec![0] }],
            ..Manifest::default()
        }
    }

    fn good() -> Decision {
        let blob = |b: &'static [u8]| Blobs::from_iter([b, b"".as_slice()]);
        Decision {
            outcomes: Outcomes {
                code: vec![ACCEPTED, REFUSED],
                reasons: Blobs::from_iter([b"".as_slice(), b"no".as_slice()]),
                details: blob(b""),
                replies: blob(b""),
            },
            events: DecidedEvents {
                cause: vec![0],
                kind: vec![1],
                bodies: Blobs::from_iter([b"e".as_slice()]),
            },
            states: States {
                schemas: vec![0],
                bytes: Blobs::from_iter([b"s".as_slice()]),
                wake_at: vec![0],
            },
        }
    }

    fn complaint(change: impl FnOnce(&mut Decision)) -> String {
        let mut lying = good();
        change(&mut lying);
        match decision(&lying, &[0, 0], &[0], &manifest()) {
            Ok(()) => "nothing".into(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn honest_columns_pass() {
        assert_eq!(complaint(|_| ()), "nothing");
    }

    #[test]
    fn every_lie_is_found_and_names_its_column() {
        type Lie = fn(&mut Decision);
        let lies: [(&str, Lie); 14] = [
            ("bad-output: outcomes.code has 1 entries instead of 2", |d| {
                d.outcomes.code.truncate(1);
            }),
            ("bad-output: outcomes.code has 3", |d| d.outcomes.code[0] = 3),
            ("bad-output: outcomes.reasons: refusal 1 has no code", |d| {
                d.outcomes.reasons = Blobs::from_iter([b"".as_slice(); 2]);
            }),
            ("bad-output: outcomes.details: entry 0 is not UTF-8", |d| {
                d.outcomes.details = Blobs::from_iter([b"\xff".as_slice(), b"".as_slice()]);
            }),
            ("output: outcomes.replies: 2000 bytes", |d| {
                d.outcomes.replies = Blobs::from_iter([&[0; 2000][..], b""]);
            }),
            ("bad-output: outcomes.replies: ends decrease", |d| {
                d.outcomes.replies = Blobs { data: vec![0; 2], ends: vec![2, 1] }
            }),
            ("bad-output: outcomes.replies: the last end is 1", |d| {
                d.outcomes.replies = Blobs { data: vec![0; 2], ends: vec![1, 1] }
            }),
            ("bad-output: events.cause has 2", |d| d.events.cause[0] = 2),
            ("bad-output: events.cause names command 1", |d| d.events.cause[0] = 1),
            ("bad-output: events.kind 0 is no event", |d| d.events.kind[0] = 0),
            ("bad-output: events.kind has 2 entries", |d| d.events.kind.push(1)),
            ("bad-output: states.schemas has 9", |d| d.states.schemas[0] = 9),
            ("bad-output: states.wake-at has 0", |d| d.states.wake_at.clear()),
            ("bad-output: states.bytes has 2", |d| d.states.bytes.push(b"")),
        ];
        for (expected, tell) in lies {
            let found = complaint(tell);
            assert!(found.starts_with(expected), "expected `{expected}`, found `{found}`");
        }
    }

    #[test]
    fn commands_outside_the_manifest_are_found() {
        let honest = SentColumns {
            cause: vec![0],
            aggregate_type: vec![0],
            keys: Blobs::from_iter([b"k".as_slice()]),
            kind: vec![0],
            bodies: Blobs::from_iter([b"b".as_slice()]),
        };
        assert_eq!(sent(&honest, 1, &manifest()), Ok(()));
        assert!(sent(&honest, 0, &manifest()).is_err());
        assert!(sent(&SentColumns { kind: vec![1], ..honest.clone() }, 1, &manifest()).is_err());
        let no_key = SentColumns { keys: Blobs::from_iter([b"".as_slice()]), ..honest };
        assert!(sent(&no_key, 1, &manifest()).is_err());
    }

    #[test]
    fn causes_that_decrease_or_never_end_are_found() {
        assert!(causes("c", &[0, 1, 0], 2).is_err());
        assert!(causes("c", &vec![0; MESSAGES_PER_ITEM_MAX], 1).is_ok());
        assert!(causes("c", &vec![0; MESSAGES_PER_ITEM_MAX + 1], 1).is_err());
    }
}
