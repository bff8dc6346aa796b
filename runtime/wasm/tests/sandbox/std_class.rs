//! Class *std*: what a guest of `wasm32-wasip2` gets when it uses its standard library, the same on
//! every machine and in every run; what it is refused at the door; and that it decides as a pure one.

use std::collections::BTreeSet;

use wasmparser::Payload;
use zamu_core::guest::columns::{ACCEPTED, NOTHING, PastColumns, REFUSED};
use zamu_core::guest::manifest::Class;
use zamu_core::guest::{FaultReason, Guest, Lookup};
use zamu_wasm::admission::{AdmissionError, admit};
use zamu_wasm::{Handler, Instance, Limits, LoadError};

use crate::log_lines::logged_by;
use crate::support::*;
use crate::tables::project;

fn zoo_std() -> Instance {
    load("zoo-std", Limits::default()).instance()
}

fn asked(guest: &mut Instance, question: &str) -> String {
    replies(&decide(guest, &[question]).unwrap()).remove(0)
}

#[test]
fn a_handler_says_which_class_it_is_of() {
    for (name, class) in [
        ("zoo", Class::Pure),
        ("counter", Class::Pure),
        ("zoo-std", Class::Std),
        ("counter-std", Class::Std),
    ] {
        assert_eq!(load(name, Limits::default()).spec().class, class, "{name}");
    }
}

#[test]
fn what_asks_for_a_clock_a_file_or_a_socket_is_refused_by_name_with_the_remedy() {
    for (name, imports, remedy) in [
        (
            "zoo-clock",
            &["wasi:clocks/monotonic-clock@0.2.6", "wasi:clocks/wall-clock@0.2.6"][..],
            "Instant",
        ),
        ("zoo-file", &["wasi:filesystem/types@0.2.6"], "a handler has no files"),
        ("zoo-socket", &["wasi:sockets/tcp@0.2.6"], "a handler talks to nobody"),
    ] {
        let refused = admit(&guest(name), &Limits::default()).unwrap_err().to_string();
        for part in imports.iter().chain([&remedy]) {
            assert!(refused.contains(part), "{name}: {refused}");
        }
    }
}

/// Frozen: another list means that the compiler's standard library drags in more or less.
#[test]
fn a_plain_handler_of_wasip2_imports_the_harmless_interfaces_and_nothing_else() {
    let wasi: Vec<String> = imports(&guest("counter-std"))
        .into_iter()
        .filter_map(|name| name.strip_prefix("wasi:").map(str::to_owned))
        .collect();
    assert_eq!(
        wasi.iter().map(|name| name.strip_suffix("@0.2.6").unwrap()).collect::<BTreeSet<_>>(),
        BTreeSet::from([
            "cli/environment",
            "cli/exit",
            "cli/stderr",
            "cli/stdin",
            "cli/stdout",
            "cli/terminal-input",
            "cli/terminal-output",
            "cli/terminal-stderr",
            "cli/terminal-stdin",
            "cli/terminal-stdout",
            "io/error",
            "io/poll",
            "io/streams",
        ])
    );
    assert!(imports(&guest("counter")).iter().all(|name| name.starts_with("zamu:handler/")));
}

#[test]
fn a_function_that_no_stub_has_is_refused_when_the_component_is_loaded() {
    let mut wasm = guest("zoo-std");
    let (from, to) = (b"get-arguments", b"get-argumentz");
    let places: Vec<usize> =
        (0..wasm.len() - from.len()).filter(|i| wasm[*i..].starts_with(from)).collect();
    for place in places {
        wasm[place..place + to.len()].copy_from_slice(to);
    }
    let error = Handler::load(&ENGINE, &wasm, None, Limits::default(), bytes::Bytes::new())
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, LoadError::Imports(_)), "{error}");
    let error = error.to_string();
    for part in ["wasi:cli/environment@0.2.6", "get-argumentz", "WASI 0.2.6 or older"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_class_that_the_operator_does_not_name_is_not_let_in() {
    let only = |class| Limits { classes: vec![class], ..Limits::default() };
    let load = |name, limits| {
        Handler::load(&ENGINE, &guest(name), Some(&cache()), limits, bytes::Bytes::new()).map(drop)
    };
    let refused = load("zoo-std", only(Class::Pure)).unwrap_err();
    assert!(matches!(
        &refused,
        LoadError::Admission(AdmissionError::ForbiddenClass { class: Class::Std, .. })
    ));
    let refused = refused.to_string();
    for part in ["class std", "it imports wasi:", "limit classes", "wasm32-unknown-unknown"] {
        assert!(refused.contains(part), "{refused}");
    }
    load("zoo", only(Class::Pure)).unwrap();
    load("zoo-std", only(Class::Std)).unwrap();
    let refused = load("zoo", only(Class::Std)).unwrap_err().to_string();
    assert!(refused.contains("of class pure, and the limit classes"), "{refused}");
}

#[test]
fn there_is_no_environment_no_argument_no_input_and_no_terminal() {
    let mut zoo = zoo_std();
    for (question, answer) in [
        ("std-environment", "[] [] None"),
        ("std-stdin", r#"Ok(0) """#),
        ("std-terminal", "false false false"),
        ("std-poll", "[0, 1]"),
    ] {
        assert_eq!(asked(&mut zoo, question), answer, "{question}");
    }
    assert_healthy(&mut zoo);
}

/// Two constants are the keys, so a map has one order, whatever the machine, the run or the instance.
#[test]
fn hash_maps_work_and_hash_alike_in_every_fresh_instance() {
    let order = asked(&mut zoo_std(), "std-map");
    let mut pairs: Vec<&str> = order.split_whitespace().collect();
    assert_ne!(pairs[..3], ["0:0", "1:1", "2:4"], "the order is that of hashes");
    pairs.sort_by_key(|pair| pair.split(':').next().unwrap().parse::<u32>().unwrap());
    let all: Vec<String> = (0..40).map(|n| format!("{n}:{}", n * n)).collect();
    assert_eq!(pairs, all);
    assert_eq!(asked(&mut zoo_std(), "std-map"), order);
    // Frozen: SipHash-1-3 of "zoo" under the constants. Another figure means that handlers that
    // depend on the order of a map decide differently on this host.
    assert_eq!(asked(&mut zoo_std(), "std-hash"), "eb9610ad06e93c43");
}

#[test]
fn standard_streams_are_lines_of_the_log() {
    let lines = logged_by("zoo-std", Limits::default(), &["std-print", "std-print-bytes"]);
    assert_eq!(
        lines,
        [
            r#"INFO message=to the standard output handler="zoo-std""#,
            r#"INFO message=in two lines handler="zoo-std""#,
            r#"WARN message=to the standard error, [31min pieces handler="zoo-std""#,
            "WARN message=\u{fffd}\u{fffd} no text  handler=\"zoo-std\"",
        ]
    );
}

#[test]
fn a_line_without_an_end_ends_with_the_call() {
    let lines = logged_by("zoo-std", Limits::default(), &["std-print-half", "note"]);
    assert_eq!(lines, [r#"INFO message=not yet a line handler="zoo-std""#]);
    let mut zoo = zoo_std();
    for _ in 0..3 {
        decide(&mut zoo, &["std-print-half"]).unwrap();
    }
    assert_eq!(zoo.counters().log_lines(), 3);
}

#[test]
fn standard_streams_are_held_to_the_bounds_of_the_log() {
    let few = Limits { log_lines: 5, ..Limits::default() };
    let lines = logged_by("zoo-std", few, &["std-print-flood"]);
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[4], r#"INFO message=line 4 of a flood handler="zoo-std""#);
    assert!(lines[5].contains("dropped=995"), "{}", lines[5]);
    let short = Limits { log_bytes: 12, ..Limits::default() };
    let lines = logged_by("zoo-std", short, &["std-print-long"]);
    assert_eq!(lines[0], r#"INFO message=long long lo handler="zoo-std""#);
    let mut zoo = zoo_std();
    decide(&mut zoo, &["std-print-flood"]).unwrap();
    assert_eq!((zoo.counters().log_lines(), zoo.counters().log_lines_dropped()), (64, 936));
}

/// What is asked for, the fault that follows, and what the message says.
const ANIMALS: [(&str, FaultReason, &str); 10] = [
    ("std-exit", FaultReason::Trap, "called exit with status"),
    ("std-exit-well", FaultReason::Trap, "called exit with status 0"),
    ("std-abort", FaultReason::Trap, "unreachable"),
    ("std-panic", FaultReason::Trap, "the zoo was asked to panic as programs do"),
    ("std-thread", FaultReason::Trap, "thread"),
    ("std-many-streams", FaultReason::Memory, "more than 64 streams"),
    ("std-poll-many", FaultReason::Memory, "more than 64 streams"),
    ("std-poll-nothing", FaultReason::Trap, "waited for nothing"),
    ("std-print-storm", FaultReason::Fuel, "fuel_per_item"),
    ("std-insist-on-input", FaultReason::Fuel, "fuel_per_item"),
];

#[test]
fn what_ends_a_program_is_the_fault_of_its_item_and_the_next_batch_is_served() {
    let mut zoo = zoo_std();
    for (animal, reason, says) in ANIMALS {
        let fault = decide(&mut zoo, &["note", animal, "note"]).unwrap_err();
        assert_eq!((fault.reason, fault.culprit), (reason, Some(1)), "{animal}: {fault}");
        assert!(fault.message.contains(says), "{animal}: {fault}");
        assert_healthy(&mut zoo);
    }
}

#[test]
fn what_was_said_of_an_item_explains_its_own_fault_only() {
    let mut zoo = zoo_std();
    let fault = decide(&mut zoo, &["std-complain", "std-abort"]).unwrap_err();
    assert!(!fault.message.contains("odd"), "{fault}");
    let fault = decide(&mut zoo, &["std-complain"]);
    assert!(fault.is_ok());
    let fault = decide(&mut zoo, &["note", "std-panic"]).unwrap_err();
    assert!(fault.message.contains("unreachable"), "{fault}");
    assert!(fault.message.contains("its standard error ends with: "), "{fault}");
}

/// As with any other breach of the component model, nobody's item is blamed.
#[test]
fn handles_that_are_not_there_and_bytes_that_are_not_there_are_faults() {
    let mut zoo = zoo_std();
    for animal in ["std-drop-twice", "std-forged-handle", "std-wrong-handle", "std-write-beyond"] {
        let fault = decide(&mut zoo, &["note", animal, "note"]).unwrap_err();
        assert_eq!(fault.reason, FaultReason::BadOutput, "{animal}: {fault}");
        assert_healthy(&mut zoo);
    }
}

#[test]
fn evolve_and_project_may_use_it_too_for_it_says_nothing() {
    let mut zoo = zoo_std();
    let states = zoo.evolve(&one_aggregate(), &past(&["std-print", "x"])).unwrap();
    assert_eq!(texts(&states.bytes), ["2"]);
    project(&mut zoo, &["project std-print", "x"]).unwrap();
    zoo.react(&events(&["react std-print"]), &Lookup::default()).unwrap();
    assert_eq!(zoo.counters().log_lines(), 9);
    let fault = zoo.evolve(&one_aggregate(), &past(&["x", "std-exit"])).unwrap_err();
    assert_eq!((fault.reason, fault.culprit), (FaultReason::Trap, Some(1)), "{fault}");
}

/// The same sources, built for either target.
#[test]
fn both_builds_of_a_handler_give_the_same_bytes_in_every_call() {
    let [mut pure, mut std] = ["counter", "counter-std"]
        .map(|name| load_configured(name, Limits::default(), br#"{"limit":100}"#).instance());
    let manifest = pure.handler().spec().manifest.clone();
    assert_eq!(manifest, std.handler().spec().manifest);
    let counter = manifest.types.iter().position(|name| name == "counter").unwrap();
    let increment = manifest.kinds.iter().position(|kind| kind.name == "Increment").unwrap();
    let mut aggregates = one_aggregate();
    aggregates.aggregate_type = vec![counter as u32];
    let bodies = [r#"{"by":4}"#, r#"{"by":-1}"#, "{}", r#"{"by":0}"#, r#"{"by":9}"#, "no JSON"];
    let mut codes = BTreeSet::new();
    for n in 0..40_usize {
        let batch: Vec<&str> = (0..n % 8).map(|i| bodies[(n + i * i) % bodies.len()]).collect();
        let mut batch = commands(&batch);
        batch.kind.fill(increment as u32);
        let [decided, same] = [&mut pure, &mut std]
            .map(|guest| guest.decide(&aggregates, &batch, &Lookup::default()));
        let decided = decided.unwrap();
        assert_eq!(decided, same.unwrap());
        codes.extend(decided.outcomes.code.iter().copied());
        let events = PastColumns {
            slot: vec![0; decided.events.kind.len()],
            time: vec![batch.time.first().copied().unwrap_or(0); decided.events.kind.len()],
            kind: decided.events.kind,
            bodies: decided.events.bodies,
        };
        let [folded, same] = [&mut pure, &mut std].map(|guest| guest.evolve(&aggregates, &events));
        let folded = folded.unwrap();
        assert_eq!(folded, same.unwrap());
        if let ([schema], Some(state)) = (&*folded.schemas, folded.bytes.iter().next()) {
            aggregates.schemas = vec![*schema];
            aggregates.states = [state].into_iter().collect();
            aggregates.sequences = vec![aggregates.sequences[0] + events.kind.len() as u64];
        }
        let [shown, same] = [&mut pure, &mut std].map(|guest| guest.inspect(&aggregates));
        assert_eq!(shown.unwrap(), same.unwrap());
    }
    assert_eq!(codes, BTreeSet::from([ACCEPTED, REFUSED, NOTHING]));
    assert_ne!(pure.handler().spec().digest, std.handler().spec().digest);
}

/// The names of what a component imports.
fn imports(wasm: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        match payload.unwrap() {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                names.extend(section.into_iter().map(|i| i.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    names
}
