//! Commits that fail, surely or perhaps, in a log that goes on.

use super::author::{Author, wake, with_wakes};
use super::fixture::{LEFT_0, RIGHT_0, Shard, owner, plain, sent_to};
use super::{Fails, Fate};
use crate::error::EngineError;
use crate::log::{Progress, TurnWrite};

/// Nothing happened, and it is the very same commit.
pub fn a_refused_commit_comes_back_whole_and_can_be_submitted_again(log: &mut impl Fails) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let turn = author.turn(2, &[], 1);
    let commit = shard.commit(vec![turn.clone()]);
    log.next(Fate::Refused);
    let Err((refused, error)) = shard.log.submit(commit.clone()) else { panic!("was taken") };
    assert!(matches!(error, EngineError::Retry(_)), "{error}");
    assert_eq!(refused, commit);
    log.settle();
    shard.assert_holds(LEFT_0, &[]);
    shard.log.submit(refused).expect("taken now");
    shard.await_durable(log, commit.id);
    shard.assert_holds(LEFT_0, &[turn]);
}

/// All that were in flight, whatever partition they are of; and they are told once.
pub fn an_aborted_commit_never_happens_and_takes_later_ones_with_it(log: &mut impl Fails) {
    let mut shard = Shard::open(log, &[LEFT_0, RIGHT_0]);
    let (mut left, mut right) = (Author::new(LEFT_0), Author::new(RIGHT_0));
    log.next(Fate::Aborted);
    log.hold_written(true);
    shard.submit(vec![left.turn(1, &[RIGHT_0], 0)]);
    shard.submit(vec![right.turn(1, &[LEFT_0], 0)]);
    shard.submit(vec![left.turn(1, &[], 0)]);
    log.hold_written(false);
    shard.await_news(log, |news| *news == Progress::Aborted(1));
    log.settle();
    shard.listen();
    assert_eq!(shard.heard, [Progress::Aborted(1)]);
    for partition in [LEFT_0, RIGHT_0] {
        shard.assert_holds(partition, &[]);
        assert_eq!(shard.commands(partition), []);
    }
}

/// Neither now nor after the commit was made again without them.
pub fn an_aborted_commit_leaves_no_wakes(log: &mut impl Fails) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let turn = author.turn(1, &[], 0);
    log.next(Fate::Aborted);
    shard.submit(vec![with_wakes(turn.clone(), 0..3)]);
    shard.await_news(log, |news| *news == Progress::Aborted(1));
    assert_eq!(shard.requests(LEFT_0), []);
    shard.reuse_ids_from(1);
    shard.write(log, vec![with_wakes(turn, 7..8)]);
    assert_eq!(plain(&shard.requests(LEFT_0)), [wake(7)]);
}

/// With the same id and the same numbers.
pub fn the_same_commit_can_be_submitted_after_an_abort(log: &mut impl Fails) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let turns = [author.turn(2, &[LEFT_0], 1), author.turn(1, &[LEFT_0], 0)];
    log.next(Fate::Aborted);
    shard.submit(vec![turns[0].clone()]);
    shard.await_news(log, |news| *news == Progress::Aborted(1));
    shard.reuse_ids_from(1);
    for turn in &turns {
        shard.write(log, vec![turn.clone()]);
    }
    shard.assert_holds(LEFT_0, &turns);
    assert_eq!(plain(&shard.commands(LEFT_0)), sent_to(LEFT_0, &turns));
}

/// And they are told, before the failure is.
pub fn commits_before_a_failed_one_happen(log: &mut impl Fails) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    log.next(Fate::Written);
    log.next(Fate::Written);
    log.next(Fate::Aborted);
    log.hold_written(true);
    let turns = [author.turn(1, &[], 0), author.turn(2, &[], 0)];
    for turn in &turns {
        shard.submit(vec![turn.clone()]);
    }
    shard.submit(vec![author.turn(3, &[], 0)]);
    log.hold_written(false);
    shard.await_news(log, |news| *news == Progress::Aborted(3));
    shard.await_durable(log, 2);
    let aborted = shard.heard.iter().position(|news| *news == Progress::Aborted(3));
    let written = shard
        .heard
        .iter()
        .position(|news| matches!(news, Progress::Written(2) | Progress::Durable(2)));
    assert!(written < aborted, "{:?}", shard.heard);
    shard.assert_holds(LEFT_0, &turns);
}

/// A shard that has not heard yet cannot slip a commit in behind the failed one.
pub fn what_was_submitted_before_the_abort_was_told_fails_too(log: &mut impl Fails) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let mut doomed = author.clone();
    log.next(Fate::Aborted);
    shard.submit(vec![doomed.turn(5, &[LEFT_0], 0)]);
    log.settle();
    shard.submit(vec![doomed.turn(1, &[LEFT_0], 0)]);
    shard.await_news(log, |news| *news == Progress::Aborted(1));
    log.settle();
    shard.assert_holds(LEFT_0, &[]);

    shard.reuse_ids_from(1);
    let turn = author.turn(1, &[LEFT_0], 0);
    shard.write(log, vec![turn.clone()]);
    shard.assert_holds(LEFT_0, std::slice::from_ref(&turn));
    assert_eq!(plain(&shard.commands(LEFT_0)), sent_to(LEFT_0, &[turn]));
}

/// The first kind of doubt.
pub fn a_doubtful_commit_that_happened_is_there_once_resolved(log: &mut impl Fails) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let turns = doubt(log, &mut shard, &mut author, 1, 1);
    shard.assert_holds(LEFT_0, &turns);
    assert_eq!(plain(&shard.commands(LEFT_0)), sent_to(LEFT_0, &turns));
}

/// The second kind: not now, not later, not after a restart.
pub fn a_doubtful_commit_that_did_not_happen_never_will(log: &mut impl Fails) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    doubt(log, &mut shard, &mut author, 1, 0);
    shard.assert_holds(LEFT_0, &[]);
    log.settle();
    shard.assert_holds(LEFT_0, &[]);
    drop(shard);
    log.restart();
    let mut shard = Shard::open(log, &[LEFT_0]);
    shard.assert_holds(LEFT_0, &[]);
    assert_eq!(shard.commands(LEFT_0), []);
}

/// In their order: never the second without the first.
pub fn of_doubtful_commits_a_prefix_happened(log: &mut impl Fails) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let turns = doubt(log, &mut shard, &mut author, 4, 2);
    shard.assert_holds(LEFT_0, &turns[..2]);
    assert_eq!(plain(&shard.commands(LEFT_0)), sent_to(LEFT_0, &turns[..2]));
}

/// It comes back whole, and nothing of it happens.
pub fn nothing_is_taken_between_unknown_and_resolve(log: &mut impl Fails) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    log.next(Fate::Doubted { happened: 0 });
    shard.submit(vec![author.turn(1, &[], 0)]);
    shard.await_news(log, |news| *news == Progress::Unknown(1));
    let commit = shard.commit(vec![author.turn(2, &[], 0)]);
    let Err((back, _)) = shard.log.submit(commit.clone()) else { panic!("was taken") };
    assert_eq!(back, commit);
    resolve(log, &mut shard);
    log.settle();
    shard.assert_holds(LEFT_0, &[]);
}

/// From what reading tells, with the ids from the doubtful one on; and of the doubtful ones nothing
/// more is told.
pub fn the_shard_goes_on_after_resolving(log: &mut impl Fails) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let mut turns = Vec::new();
    for happened in 0..=3 {
        shard.heard.clear();
        let doubtful = doubt(log, &mut shard, &mut author, 3, happened);
        turns.extend_from_slice(&doubtful[..happened]);
        author = Author::after(LEFT_0, &turns);
        shard.heard.clear();
        turns.push(author.turn(1, &[LEFT_0], 1));
        let id = shard.write(log, vec![turns[turns.len() - 1].clone()]);
        let is_of_it = |news: &Progress| matches!(news, Progress::Written(n) | Progress::Durable(n) if *n == id);
        assert!(shard.heard.iter().all(is_of_it), "{:?}", shard.heard);
        shard.assert_holds(LEFT_0, &turns);
    }
    assert_eq!(plain(&shard.commands(LEFT_0)), sent_to(LEFT_0, &turns));
}

/// Submits commits that become unknown, of which so many happen, and resolves them. Gives back all
/// their turns; the shard's ids go on from the first.
fn doubt(
    log: &mut impl Fails,
    shard: &mut Shard,
    author: &mut Author,
    commits: usize,
    happened: usize,
) -> Vec<TurnWrite> {
    log.next(Fate::Doubted { happened });
    log.hold_written(true);
    let turns: Vec<_> = (0..commits).map(|_| author.turn(2, &[LEFT_0], 1)).collect();
    let ids: Vec<_> = turns.iter().map(|turn| shard.submit(vec![turn.clone()])).collect();
    log.hold_written(false);
    shard.await_news(log, |news| *news == Progress::Unknown(ids[0]));
    resolve(log, shard);
    shard.reuse_ids_from(ids[0]);
    turns
}

fn resolve(log: &mut impl Fails, shard: &mut Shard) {
    for _ in 0..1_000 {
        match shard.log.resolve() {
            Ok(()) => return,
            Err(EngineError::Retry(_)) => log.settle(),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("never resolved");
}
