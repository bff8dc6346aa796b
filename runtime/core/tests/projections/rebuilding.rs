//! Another generation is built beside the one that is served, and takes its place as a whole.

use zamu_core::prng::Prng;
use zamu_core::projection::query;
use zamu_core::projection::set::OrderError;
use zamu_core::store::tables::memory::MemoryTables;
use zamu_core::store::tables::{Place, TableStore};

use crate::toy::{Behaviour, Log, PARTITIONS, ends, positions, served, start, try_start};

fn serving(tables: &MemoryTables) -> u32 {
    let catalogue = query::catalogue(&*tables.snapshot()).unwrap();
    query::find(&catalogue, "adds", |_| true).unwrap().generation.number
}

fn grown(seed: u64) -> Log {
    let log = Log::default();
    log.grow(&mut Prng::new(seed), 120);
    log
}

fn place(generation: u32, partition: u32) -> Place {
    Place { generation, source: 0, partition }
}

#[test]
fn a_rebuild_serves_the_old_rows_until_the_new_ones_are_the_same() {
    let (log, tables) = (grown(6), MemoryTables::new());
    let mut maker = start(&log, &tables, &Behaviour::default(), 10);
    maker.settle();
    let before = served(&tables);
    let old: Vec<_> = (0..PARTITIONS).map(|p| tables.all_rows(place(1, p))).collect();
    assert_eq!(maker.set.rebuild("sums"), Ok(2));
    assert_eq!(maker.set.rebuild("sums"), Ok(2), "it goes on already");
    while serving(&tables) == 1 {
        assert_eq!(served(&tables), before);
        assert!(maker.set.step().unwrap(), "it ends by itself");
    }
    assert_eq!(served(&tables), before);
    for partition in 0..PARTITIONS {
        assert_eq!(tables.all_rows(place(2, partition)), old[partition as usize]);
        assert!(tables.all_rows(place(1, partition)).is_empty(), "the old one is gone");
    }
    assert!(!maker.set.step().unwrap());
    assert_eq!(maker.told.0.lock().unwrap().last().unwrap(), "sums 2 is served");
    assert_eq!(maker.set.rebuild("nobody"), Err(OrderError::Unknown("nobody".into())));
}

#[test]
fn a_rebuild_survives_a_crash_after_any_write() {
    let log = grown(7);
    let whole = MemoryTables::new();
    let mut maker = start(&log, &whole, &Behaviour::default(), 30);
    maker.settle();
    let before = whole.writes();
    maker.set.rebuild("sums").unwrap();
    maker.settle();
    for kept in before..=whole.writes() {
        let tables = MemoryTables::new();
        let mut maker = start(&log, &tables, &Behaviour::default(), 30);
        maker.settle();
        maker.set.rebuild("sums").unwrap();
        maker.settle();
        tables.crash_keeping(kept);
        assert_eq!(served(&tables), log.fold(&ends(&log)), "{kept} kept: old or new, all of it");
        start(&log, &tables, &Behaviour::default(), 30).settle();
        assert_eq!(served(&tables), log.fold(&ends(&log)), "{kept} kept, and restarted");
        assert_eq!(serving(&tables), if kept == before { 1 } else { 2 });
    }
}

#[test]
fn served_rows_follow_the_log_while_a_rebuild_goes_on_and_never_go_back() {
    let (log, tables) = (grown(8), MemoryTables::new());
    let mut prng = Prng::new(9);
    let mut maker = start(&log, &tables, &Behaviour::default(), 5);
    maker.settle();
    maker.set.rebuild("sums").unwrap();
    let mut reached = positions(&tables);
    let mut steps = 0;
    // The log grows all the time, slower than it is read.
    while serving(&tables) == 1 {
        if steps % 8 == 0 {
            log.grow(&mut prng, 3);
        }
        maker.set.step().unwrap();
        let now = positions(&tables);
        assert!(now.iter().zip(&reached).all(|(now, before)| now >= before), "{now:?} {reached:?}");
        assert_eq!(served(&tables), log.fold(&now));
        reached = now;
        steps += 1;
        assert!(steps < 10_000, "it comes to an end under load");
    }
    maker.settle();
    assert_eq!(served(&tables), log.fold(&ends(&log)));
}

#[test]
fn another_fold_number_is_built_beside_what_the_old_one_made() {
    let (log, tables) = (grown(10), MemoryTables::new());
    start(&log, &tables, &Behaviour::default(), 10).settle();
    let (old, reached) = (served(&tables), positions(&tables));
    log.grow(&mut Prng::new(11), 50);
    let mut maker = try_start(&log, &tables, &Behaviour::default(), 2, 10).unwrap();
    assert!(maker.set.standings().iter().all(|standing| !standing.served));
    maker.set.step().unwrap();
    assert_eq!((served(&tables), positions(&tables)), (old, reached), "the old rows stay");
    drop(maker);
    // It goes on after a restart, and does not begin again.
    let mut maker = try_start(&log, &tables, &Behaviour::default(), 2, 10).unwrap();
    assert!(maker.set.standings().iter().any(|standing| standing.next > 0));
    maker.settle();
    assert_eq!(serving(&tables), 2);
    assert_eq!(served(&tables), log.fold(&ends(&log)));
}

#[test]
fn a_rebuild_that_breaks_leaves_the_old_rows_served_and_begins_again_when_asked() {
    let (log, tables, behaviour) = (grown(12), MemoryTables::new(), Behaviour::default());
    log.append("a", "Added", "13");
    behaviour.mend();
    let mut maker = start(&log, &tables, &behaviour, 10);
    maker.settle();
    behaviour.mended.store(false, std::sync::atomic::Ordering::SeqCst);
    maker.set.rebuild("sums").unwrap();
    maker.settle();
    assert_eq!(serving(&tables), 1);
    assert_eq!(served(&tables), log.fold(&ends(&log)));
    let building: Vec<_> = maker.set.standings().into_iter().filter(|s| !s.served).collect();
    assert_eq!(building.iter().filter(|standing| standing.stale.is_some()).count(), 1);
    behaviour.mend();
    assert_eq!(maker.set.rebuild("sums"), Ok(3));
    maker.settle();
    assert_eq!(serving(&tables), 3);
    assert!((0..PARTITIONS).all(|p| tables.all_rows(place(2, p)).is_empty()));
    assert_eq!(served(&tables), log.fold(&ends(&log)));
}

#[test]
fn a_watcher_hears_of_every_write() {
    let (log, tables) = (Log::default(), MemoryTables::new());
    let mut maker = start(&log, &tables, &Behaviour::default(), 10);
    maker.settle();
    assert!(maker.told.0.lock().unwrap().is_empty());
    log.append("a", "Added", "20");
    log.append("a", "Noise", "");
    maker.settle();
    let number = zamu_core::model::partition_of(b"a", PARTITIONS);
    let told = maker.told.0.lock().unwrap().clone();
    assert_eq!(told, [format!("sums 1 served {number}: 2, 2 rows")]);
}
