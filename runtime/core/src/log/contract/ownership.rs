//! Partitions that move between shards. The shards of a test are numbered as they are opened.

use super::author::Author;
use super::fixture::{LEFT_0, LEFT_1, RIGHT_0, Shard, owner, plain, sent_to};
use super::{LogUnderTest, Moves};
use crate::error::EngineError;
use crate::log::{Ownership, Progress};

/// They are written, durable and told, although the partition is on its way out.
pub fn a_revoked_partition_lets_commits_in_flight_finish(log: &mut impl Moves) {
    let (mut first, mut author) = owner(log, LEFT_0);
    let mut second = Shard::open(log, &[LEFT_1]);
    log.hold_written(true);
    let turn = author.turn(2, &[], 1);
    let id = first.submit(vec![turn.clone()]);
    log.revoke(LEFT_0, 1);
    await_ownership(log, &mut first, Ownership::Revoked(LEFT_0));
    first.log.give_up(LEFT_0);
    for _ in 0..10 {
        log.settle();
        assert_eq!(second.log.ownership(), None, "assigned with a commit in flight");
    }
    log.hold_written(false);
    second.await_assigned(log, &[LEFT_0]);
    second.assert_holds(LEFT_0, std::slice::from_ref(&turn));
    first.await_durable(log, id);
    second.assert_holds(LEFT_0, &[turn]);
}

/// However long that takes.
pub fn the_next_owner_waits_until_the_partition_is_given_up(log: &mut impl Moves) {
    let (mut first, mut author) = owner(log, LEFT_0);
    let mut second = Shard::open(log, &[LEFT_1]);
    log.revoke(LEFT_0, 1);
    for _ in 0..10 {
        log.settle();
        assert_eq!(second.log.ownership(), None);
    }
    // Not heard yet: this is still in flight, not new.
    let turn = author.turn(1, &[], 0);
    first.write(log, vec![turn.clone()]);
    await_ownership(log, &mut first, Ownership::Revoked(LEFT_0));
    for _ in 0..10 {
        log.settle();
        assert_eq!(second.log.ownership(), None);
    }
    first.log.give_up(LEFT_0);
    second.await_assigned(log, &[LEFT_0]);
    second.assert_holds(LEFT_0, &[turn]);
}

/// When it is assigned, all of it is durable: what it reads is the truth.
pub fn the_next_owner_finds_all_that_was_written(log: &mut impl Moves) {
    let (mut first, mut author) = owner(log, LEFT_0);
    let mut second = Shard::open(log, &[LEFT_1]);
    let turns: Vec<_> = (0..5).map(|n| author.turn(n, &[LEFT_0], 1)).collect();
    for turn in &turns {
        first.submit(vec![turn.clone()]);
    }
    log.settle();
    log.lose(LEFT_0, 1);
    second.await_assigned(log, &[LEFT_0]);
    await_ownership(log, &mut first, Ownership::Lost(LEFT_0));
    second.assert_holds(LEFT_0, &turns);
    assert_eq!(plain(&second.commands(LEFT_0)), sent_to(LEFT_0, &turns));
    let turn = author.turn(1, &[], 0);
    second.write(log, vec![turn]);
    assert_eq!(second.last_turn(LEFT_0), 6);
}

/// It is told as aborted, and the next owner may write the same numbers.
pub fn a_lost_partition_commits_nothing_that_was_in_flight(log: &mut impl Moves) {
    let (mut first, mut author) = owner(log, LEFT_0);
    let mut second = Shard::open(log, &[LEFT_1]);
    log.hold_written(true);
    first.submit(vec![author.clone().turn(7, &[LEFT_0], 2)]);
    log.lose(LEFT_0, 1);
    log.hold_written(false);
    await_ownership(log, &mut first, Ownership::Lost(LEFT_0));
    first.await_news(log, |news| *news == Progress::Aborted(1));
    second.await_assigned(log, &[LEFT_0]);
    second.assert_holds(LEFT_0, &[]);
    let turn = author.turn(1, &[LEFT_0], 1);
    second.write(log, vec![turn.clone()]);
    second.assert_holds(LEFT_0, std::slice::from_ref(&turn));
    assert_eq!(plain(&second.commands(LEFT_0)), sent_to(LEFT_0, &[turn]));
}

/// The old owner has not heard yet that it is one.
pub fn a_commit_submitted_after_the_loss_never_happens(log: &mut impl Moves) {
    let (mut first, mut author) = owner(log, LEFT_0);
    let mut second = Shard::open(log, &[LEFT_1]);
    log.lose(LEFT_0, 1);
    let commit = first.commit(vec![author.clone().turn(7, &[LEFT_0], 2)]);
    if first.log.submit(commit).is_ok() {
        first.await_news(log, |news| *news == Progress::Aborted(1));
    }
    second.await_assigned(log, &[LEFT_0]);
    second.assert_holds(LEFT_0, &[]);
    let turn = author.turn(1, &[], 0);
    second.write(log, vec![turn.clone()]);
    second.assert_holds(LEFT_0, &[turn]);
}

/// Only what came after a lost turn is aborted, and can be submitted again without it.
pub fn other_partitions_of_the_shard_go_on_after_a_loss(log: &mut impl Moves) {
    let mut first = Shard::open(log, &[LEFT_0, RIGHT_0]);
    let mut second = Shard::open(log, &[LEFT_1]);
    let (mut left, mut right) = (Author::new(LEFT_0), Author::new(RIGHT_0));
    let kept = right.turn(1, &[], 0);
    first.write(log, vec![kept.clone()]);
    log.hold_written(true);
    first.submit(vec![left.turn(1, &[], 0)]);
    let again = right.turn(2, &[], 1);
    first.submit(vec![again.clone()]);
    log.lose(LEFT_0, 1);
    log.hold_written(false);
    first.await_news(log, |news| *news == Progress::Aborted(2));
    await_ownership(log, &mut first, Ownership::Lost(LEFT_0));
    first.reuse_ids_from(2);
    first.write(log, vec![again.clone()]);
    first.assert_holds(RIGHT_0, &[kept, again]);
    second.await_assigned(log, &[LEFT_0]);
    second.assert_holds(LEFT_0, &[]);
}

/// It is told so, and whatever it still does, nothing comes of it.
pub fn a_fenced_shard_has_no_effect(log: &mut impl Moves) {
    let (mut first, mut author) = owner(log, LEFT_0);
    let turn = author.turn(1, &[], 0);
    first.write(log, vec![turn.clone()]);
    log.fence(0);
    let mut next = Shard::open(log, &[LEFT_0]);
    let commit = first.commit(vec![author.clone().turn(3, &[LEFT_0], 1)]);
    let refused = first.log.submit(commit.clone());
    assert!(
        matches!(&refused, Ok(()) | Err((_, EngineError::Fenced(_)))),
        "{refused:?} of {commit:?}"
    );
    first.await_news(log, |news| *news == Progress::Fenced);
    let commit = first.commit(vec![author.clone().turn(3, &[LEFT_0], 1)]);
    let refused = first.log.submit(commit);
    assert!(matches!(&refused, Err((_, EngineError::Fenced(_)))), "{refused:?}");
    assert!(matches!(first.log.resolve(), Err(EngineError::Fenced(_)) | Ok(())));
    log.settle();
    next.assert_holds(LEFT_0, &[turn]);
    assert_eq!(next.commands(LEFT_0), []);
}

/// What it had in flight happened before the fence or never: the next owner reads which, and that
/// does not change.
pub fn the_partitions_of_a_fenced_shard_have_one_truth(log: &mut impl Moves) {
    let mut turns = Vec::new();
    for round in 0..10 {
        let mut shard = Shard::open(log, &[LEFT_0]);
        let found = shard.last_turn(LEFT_0) as usize;
        assert!(found <= turns.len());
        turns.truncate(found);
        shard.assert_holds(LEFT_0, &turns);
        let mut author = Author::after(LEFT_0, &turns);
        turns.push(author.turn(1, &[LEFT_0], 1));
        shard.write(log, vec![turns[found].clone()]);
        log.hold_written(true);
        for _ in 0..3 {
            turns.push(author.turn(1, &[LEFT_0], 0));
            shard.submit(vec![turns[turns.len() - 1].clone()]);
        }
        log.fence(round);
        log.hold_written(false);
    }
    let mut shard = Shard::open(log, &[LEFT_0]);
    turns.truncate(shard.last_turn(LEFT_0) as usize);
    assert!(turns.len() >= 10);
    shard.assert_holds(LEFT_0, &turns);
    assert_eq!(plain(&shard.commands(LEFT_0)), sent_to(LEFT_0, &turns));
}

fn await_ownership(log: &mut impl LogUnderTest, shard: &mut Shard, expected: Ownership) {
    for _ in 0..1_000 {
        log.settle();
        if let Some(news) = shard.log.ownership() {
            assert_eq!(news, expected);
            return;
        }
    }
    panic!("never told {expected:?}");
}
