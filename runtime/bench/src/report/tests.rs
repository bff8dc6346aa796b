//! What people and programs are told.
#![allow(clippy::unwrap_used)]

use super::*;

pub(crate) fn report() -> Report {
    let latency = Latency { p50: 1.0, p90: 2.0, p99: 3.0, p999: 4.0, max: 5.0, mean: 1.5 };
    Report {
        load: "the <load>".to_owned(),
        unit: "order".to_owned(),
        asked: Asked { poison: Some(100), hot_key_percent: Some(70.0), ..Asked::default() },
        sent: 100,
        warm_up: 10,
        completed: 97,
        refused: 2,
        faulted: 1,
        seconds: 2.0,
        rate_per_s: 48.5,
        rate_by_second: Some([40, 48, 57]),
        latency_ms: latency,
        cpu_us_per_unit: 100.0,
        own_cpu_us_per_unit: 20.0,
        cpu_split: vec![Share { what: "shards".to_owned(), us: 60.0 }],
        bytes_written_per_unit: 900.0,
        folder_bytes_per_unit: 800.0,
        rss_mib: RssMib { half: 50.0, end: 60.0 },
        all: All {
            sent: 110,
            completed: 107,
            refused: 2,
            faulted: 1,
            lost: 0,
            doubled: 0,
            events: 300,
            dead_letters: 1,
        },
        sums: [("sum".to_owned(), [("all".to_owned(), "0".to_owned())].into())].into(),
        findings: vec!["lost: 1 (x)".to_owned()],
        ok: false,
        machine: Machine {
            cores: 2,
            cpu: "Fast".to_owned(),
            kernel: "6".to_owned(),
            file_system: "ext4".to_owned(),
            durable: true,
        },
    }
}

#[test]
fn people_are_told_what_was_asked_for_what_came_of_it_and_what_is_wrong() {
    let text = report().text();
    for part in [
        "one of 100 is poison",
        "one key takes 70 %",
        "97 of 100 (10 more warmed it up)",
        "2 refused, 1 faulted",
        "p99.9 4.0",
        "100.0 us per order",
        "110 sent = 107 completed + 2 refused + 1 faulted; 0 lost, 0 doubled",
        "sum, all: 0",
        "WRONG             lost: 1 (x)",
        "fsync before every answer, on ext4",
    ] {
        assert!(text.contains(part), "`{part}` in {text}");
    }
}

#[test]
fn programs_find_every_percentile_by_its_name() {
    let json = serde_json::to_value(report()).unwrap();
    for (name, ms) in [("p50", 1.0), ("p90", 2.0), ("p99", 3.0), ("p99.9", 4.0), ("max", 5.0)] {
        assert_eq!(json["latency_ms"][name], ms, "{name}");
    }
    assert_eq!(json["machine"]["cores"], 2);
}
