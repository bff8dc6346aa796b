//! Rows and position change together, and a fold goes on where it was.

use zamu_core::error::EngineError;
use zamu_core::prng::Prng;
use zamu_core::store::tables::TableStore;
use zamu_core::store::tables::memory::MemoryTables;

use crate::toy::{Behaviour, Log, ends, positions, served, start, try_start};

#[test]
fn rows_are_the_fold_of_the_events_whatever_the_size_of_a_page() {
    let log = Log::default();
    log.grow(&mut Prng::new(1), 300);
    for page in [1, 2, 7, 50, 1_000] {
        let tables = MemoryTables::new();
        start(&log, &tables, &Behaviour::default(), page).settle();
        assert_eq!(served(&tables), log.fold(&ends(&log)), "pages of {page}");
        assert_eq!(positions(&tables), ends(&log), "pages of {page}");
    }
}

#[test]
fn a_crash_after_any_write_leaves_rows_that_fit_their_position_and_costs_nothing_else() {
    let log = Log::default();
    log.grow(&mut Prng::new(2), 60);
    let whole = MemoryTables::new();
    start(&log, &whole, &Behaviour::default(), 4).settle();
    for kept in 0..=whole.writes() {
        let tables = MemoryTables::new();
        start(&log, &tables, &Behaviour::default(), 4).settle();
        tables.crash_keeping(kept);
        assert_eq!(served(&tables), log.fold(&positions(&tables)), "{kept} writes kept");
        start(&log, &tables, &Behaviour::default(), 3).settle();
        assert_eq!(served(&tables), log.fold(&ends(&log)), "{kept} writes kept, and restarted");
    }
}

#[test]
fn random_crashes_between_random_steps_while_the_log_grows_change_nothing() {
    for seed in 0..200 {
        let mut prng = Prng::new(seed);
        let (log, tables) = (Log::default(), MemoryTables::new());
        for _ in 0..6 {
            let size = prng.index(30);
            log.grow(&mut prng, size);
            let mut maker = start(&log, &tables, &Behaviour::default(), 1 + prng.index(9));
            if prng.index(4) == 0 {
                maker.set.rebuild("sums").unwrap();
            }
            for _ in 0..prng.index(20) {
                maker.set.step().unwrap();
            }
            drop(maker);
            tables.crash_keeping(prng.index(tables.writes() + 1).max(tables.writes() / 2));
            assert_eq!(served(&tables), log.fold(&positions(&tables)), "seed {seed}");
        }
        start(&log, &tables, &Behaviour::default(), 5).settle();
        assert_eq!(served(&tables), log.fold(&ends(&log)), "seed {seed}");
    }
}

#[test]
fn a_failure_that_passes_is_waited_for_and_another_is_told_with_the_rows() {
    let (log, tables) = (Log::default(), MemoryTables::new());
    log.grow(&mut Prng::new(3), 50);
    let mut maker = start(&log, &tables, &Behaviour::default(), 10);
    *log.failure.lock().unwrap() = Some(EngineError::Retry("busy".into()));
    assert_eq!(maker.set.step(), Err(EngineError::Retry("busy".into())));
    assert!(maker.set.standings().iter().all(|standing| standing.stale.is_none()));
    *log.failure.lock().unwrap() = Some(EngineError::Damaged("event 3 is missing".into()));
    maker.settle();
    let stale: Vec<_> = maker.set.standings().into_iter().filter_map(|s| s.stale).collect();
    assert_eq!(stale.len(), 1);
    assert_eq!(stale[0].reason, "damaged: event 3 is missing");
    assert_eq!(maker.set.resume("sums"), Ok(1));
    maker.settle();
    assert_eq!(served(&tables), log.fold(&ends(&log)));
}

#[test]
fn tables_of_another_log_are_refused() {
    let tables = MemoryTables::new();
    let foreign =
        zamu_core::proto::TableCatalogue { log_id: "another".into(), ..Default::default() };
    let bytes = zamu_core::projection::catalogue::encode_catalogue(&foreign);
    tables.write_catalogue(&bytes, &[]).unwrap();
    let error = try_start(&Log::default(), &tables, &Behaviour::default(), 1, 1).err().unwrap();
    assert!(error.to_string().contains("made of another log: remove the folder"), "{error}");
}
