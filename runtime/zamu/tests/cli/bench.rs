//! `zamu bench`: real nodes under small loads, and the books at the end.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::configuration;
use crate::done::{Done, zamu};

/// The load that is the format's own documentation.
const COUNTER: &str = include_str!("../../../../examples/counter/load.toml");

/// Animals that do as they are told, and break where they are told to.
const ANIMALS: &str = r#"
name = "animals"
unit = "act"
config = "zamu.toml"
[values]
animal = { choose = 50, text = "animal-{n}" }
act = { text = "note" }
[send]
type = "animal"
key = "{animal}"
kind = "Act"
content-type = "text/plain"
text = "{act}"
[ends]
by = "answer"
completed = [{ type = "animal", kind = "Noted" }]
[poison]
values = { act = "trap" }
config.deployments.faults-max = 0
"#;

/// A folder with a load and the configuration that it names.
struct Place(TempDir);

impl Place {
    fn new(load: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("load.toml"), load).unwrap();
        // Only what the load needs: each run compiles it anew.
        let (handler, types) = if load.contains("animal") {
            ("zoo", "types.animal.partitions = 3\ntypes.keeper.partitions = 1")
        } else {
            ("counter", "types.counter.partitions = 3")
        };
        let component = configuration::guests().join(format!("{handler}.wasm"));
        let configuration =
            format!("data = \"data\"\n{types}\n[handlers.{handler}]\ncomponent = {component:?}\n");
        std::fs::write(folder.path().join("zamu.toml"), configuration).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Without a warm-up, so that all units are measured.
    fn bench(&self, words: &[&str]) -> Done {
        let load = self.path("load.toml");
        zamu(&[&["bench", text(&load), "--warm-up", "0s"], words].concat())
    }

    /// What is there beside what the test has put there.
    fn left(&self) -> Vec<String> {
        let ours = ["load.toml", "zamu.toml"];
        let names = std::fs::read_dir(self.0.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !ours.contains(&name.as_str())).collect()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_bench_counts_every_unit_in_the_log_and_leaves_nothing_behind() {
    let place = Place::new(COUNTER);
    let report = place.bench(&["--count", "300", "--json"]).ok().json();
    assert_eq!((&report["sent"], &report["completed"]), (&300.into(), &300.into()), "{report}");
    let all = &report["all"];
    for (name, count) in [
        ("sent", 300),
        ("completed", 300),
        ("refused", 0),
        ("faulted", 0),
        ("lost", 0),
        ("doubled", 0),
    ] {
        assert_eq!(all[name], count, "{name}: {report}");
    }
    // Each increment, and the one of the counter of all counters.
    assert_eq!(all["events"], 600);
    let sums = report["sums"].as_object().unwrap();
    assert_eq!(sums.len(), 2);
    assert!(sums.values().all(|sum| sum["all"] == "0"), "{report}");
    for name in ["rate_per_s", "folder_bytes_per_unit", "seconds"] {
        assert!(report[name].as_f64().unwrap() > 0.0, "{name}: {report}");
    }
    // What a disk is told, and what the kernel counts in hundredths of a second, may be nothing.
    for name in ["cpu_us_per_unit", "own_cpu_us_per_unit", "bytes_written_per_unit"] {
        assert!(report[name].is_f64(), "{name}: {report}");
    }
    let latency = |name: &str| report["latency_ms"][name].as_f64().unwrap();
    assert!(latency("p50") > 0.0 && latency("p50") <= latency("p99.9"), "{report}");
    assert!(latency("p99.9") <= latency("max") * 1.01, "{report}");
    let shares: Vec<&str> =
        report["cpu_split"].as_array().unwrap().iter().filter_map(|s| s["what"].as_str()).collect();
    assert!(shares.iter().any(|what| what.contains("decide")), "{shares:?}");
    assert!(report["rss_mib"]["half"].as_f64().unwrap() > 1.0);
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0);
    assert_eq!((&report["ok"], &report["findings"]), (&true.into(), &Value::Array(Vec::new())));
    assert_eq!(place.left(), Vec::<String>::new());
}

#[test]
fn a_hot_key_takes_its_share_at_a_given_rate_and_the_files_can_be_kept() {
    let place = Place::new(COUNTER);
    let kept = place.path("kept");
    let words = ["--count", "400", "--rate", "2000", "--hot-key", "--shards", "1", "--batch", "50"];
    let done = place.bench(&[&words[..], &["--data", text(&kept)]].concat()).ok();
    for part in
        ["2000 a second", "one key takes 70 %", "batches of 50", "1 shards", "since each was due"]
    {
        assert!(done.out.contains(part), "`{part}` in {}", done.out);
    }
    let data = kept.join("data");
    let events =
        zamu(&["events", "--type", "counter", "--data", text(&data), "--json"]).ok().lines();
    let of = |key: &str| events.iter().filter(|event| event["key"] == key).count();
    assert_eq!(of("total"), 400);
    assert!((230..330).contains(&of("counter-0")), "{}", of("counter-0"));
    place.bench(&["--count", "1", "--data", text(&kept)]).fails(1, "new folder with --data");
}

#[test]
fn what_is_refused_is_counted_apart() {
    // So few counters that their limit is soon reached.
    let place = Place::new(&COUNTER.replace("choose = 1000", "choose = 3"));
    let report = place.bench(&["--count", "300", "--variant", "limit=low", "--json"]).ok().json();
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(count("completed") + count("refused"), 300, "{report}");
    assert!(count("refused") > 200 && count("completed") > 30, "{report}");
    assert_eq!(report["asked"]["variants"]["limit"], "low");
}

#[test]
fn poison_is_isolated_counted_and_told_from_what_is_lost() {
    let by_events = ANIMALS.replace("by = \"answer\"", "by = \"events\"");
    for load in [ANIMALS, &by_events] {
        let place = Place::new(load);
        let report = place.bench(&["--count", "120", "--poison", "1/10", "--json"]).ok().json();
        for (name, count) in [("completed", 108), ("refused", 0), ("faulted", 12)] {
            assert_eq!(report[name], count, "{name}: {report}");
            assert_eq!(report["all"][name], count, "{name}: {report}");
        }
        assert_eq!(
            (&report["all"]["lost"], &report["all"]["dead_letters"]),
            (&0.into(), &12.into())
        );
    }
    // Without being asked for, a fault is what a bench does not pass with.
    let place = Place::new(&ANIMALS.replace("\"note\"", "\"trap\""));
    place.bench(&["--count", "1"]).fails(1, "dead letters: 1");
}

#[test]
fn a_sweep_holds_sizes_of_turns_against_each_other() {
    let place = Place::new(COUNTER);
    let picture = place.path("sweep.svg");
    let words = ["--count", "100", "--sweep", text(&picture), "--json"];
    let told = place.bench(&words).ok().json();
    let runs = told["sweep"].as_array().unwrap();
    let batches: Vec<u64> = runs.iter().map(|run| run["batch"].as_u64().unwrap()).collect();
    assert_eq!(batches, [1, 50, 500]);
    assert_eq!(runs[0]["rate_ratio"], 1.0);
    for run in runs {
        assert_eq!(run["report"]["all"]["completed"], 100, "{run}");
        assert_eq!(run["report"]["asked"]["batch"], run["batch"]);
        assert!(run["rate_ratio"].as_f64().unwrap() > 0.0);
    }
    let svg = std::fs::read_to_string(&picture).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("the counter"));
    assert_eq!(place.left(), ["sweep.svg"]);
}

#[test]
fn books_that_do_not_balance_are_an_error_that_says_where_the_files_are() {
    // Every event counts once too few.
    let wrong = COUNTER.replacen("times = -1", "times = -2", 1);
    assert_ne!(wrong, COUNTER);
    let place = Place::new(&wrong);
    let done = place.bench(&["--count", "50"]);
    done.fails(1, "a sum that is not zero: 1 (counters less what happened to them of all: -");
    assert!(done.out.contains("WRONG") && done.err.contains("the files are left in"), "{done:?}");
    assert_eq!(place.left().len(), 1);

    // A unit that would complete by what never happens is lost.
    let wrong = COUNTER.replacen("kind = \"Incremented\", key", "kind = \"WasReset\", key", 1);
    Place::new(&wrong).bench(&["--count", "5"]).fails(1, "lost: 5");
}

#[test]
fn a_load_is_checked_before_anything_is_started() {
    let place = Place::new(COUNTER);
    let told = place.bench(&["--dry-run", "--json"]).ok().json();
    assert_eq!(told["variants"]["projections"], "behind");
    assert_eq!(told["commands"][0]["type"], "Increment");
    for (load, words, part) in [
        (COUNTER.replace("\"Increment\"", "\"Incroment\""), &["--dry-run"][..], "`Incroment`"),
        (
            COUNTER.replace("\"Increment\"", "\"Incroment\""),
            &["--count", "1"],
            "it has Increment, Reset",
        ),
        (COUNTER.replace("[ends]", "[end]"), &["--dry-run"], "unknown field `end`"),
        (COUNTER.replace("\"zamu.toml\"", "\"none.toml\""), &["--dry-run"], "none.toml"),
        (
            COUNTER.replace("pace = \"behind\"", "pace = \"ahead\""),
            &["--dry-run"],
            "projections.pace",
        ),
        (
            COUNTER.to_owned(),
            &["--codec", "protobuf"],
            "no [variants.codec]; it varies in limit, projections",
        ),
        (COUNTER.to_owned(), &["--poison", "1/5"], "no [poison]"),
    ] {
        Place::new(&load).bench(words).fails(1, part);
    }
}
