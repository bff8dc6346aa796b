//! What retention removes once it was released, and what it never removes.

use super::Retains;
use super::author::{Author, request};
use super::fixture::{ALL, LEFT_0, RIGHT_0, Shard, append, owner, plain};
use crate::error::EngineError;
use crate::log::LowWater;

/// Even when everything is released.
pub fn the_newest_batch_record_outlives_everything(log: &mut impl Retains) {
    let (mut shard, author) = after_turns(log, 5);
    release_to(&mut shard, &author, 5);
    log.trim();
    assert_eq!(shard.last_turn(LEFT_0), 5);
    assert_eq!(shard.outcomes(LEFT_0, 5).len(), 1);
}

/// All of them, from the first one that was not released.
pub fn batch_records_after_the_low_water_mark_stay(log: &mut impl Retains) {
    let (mut shard, author) = after_turns(log, 6);
    release_to(&mut shard, &author, 2);
    log.trim();
    let turns: Vec<_> = shard.outcomes(LEFT_0, 3).into_iter().map(|(turn, _)| turn).collect();
    assert_eq!(turns, [3, 4, 5, 6]);
}

/// An error, never an answer that leaves something out.
pub fn a_trimmed_turn_is_told_as_trimmed(log: &mut impl Retains) {
    let (mut shard, author) = after_turns(log, 6);
    release_to(&mut shard, &author, 4);
    log.trim();
    for turn in 1..=4 {
        let found = shard.log.read_outcomes(LEFT_0, turn, ALL);
        assert!(matches!(found, Err(EngineError::Trimmed(_))), "turn {turn}: {found:?}");
    }
}

/// From it on a lost store is rebuilt, so it is neither earlier nor later, whatever was released.
pub fn the_oldest_turn_is_the_first_that_can_be_read(log: &mut impl Retains) {
    let (mut shard, mut author) = after_turns(log, 4);
    assert_eq!(shard.oldest_turn(RIGHT_0), 1, "nothing was ever there");
    assert_eq!(shard.oldest_turn(LEFT_0), 1, "nothing was removed");
    for released in [0, 3, 4] {
        release_to(&mut shard, &author, released);
        log.trim();
        let oldest = shard.oldest_turn(LEFT_0);
        assert_eq!(oldest, (released + 1).min(4));
        let turns: Vec<_> = shard.outcomes(LEFT_0, oldest).into_iter().map(|(t, _)| t).collect();
        assert_eq!(turns, (oldest..=4).collect::<Vec<_>>());
    }
    shard.write(log, vec![author.turn(2, &[], 0)]);
    drop(shard);
    log.restart();
    let mut shard = Shard::open(log, &[LEFT_0, RIGHT_0]);
    let oldest = shard.oldest_turn(LEFT_0);
    assert_eq!(shard.outcomes(LEFT_0, oldest).len() as u64, 6 - oldest);
}

/// Requests below the released position are told as trimmed, the others are there.
pub fn consumed_inputs_go_and_others_stay(log: &mut impl Retains) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    append(log, LEFT_0, &[request(1), request(2), request(3)]);
    let requests = shard.requests(LEFT_0);
    shard.write(log, vec![author.decide(&requests[..2], &[LEFT_0])]);
    let commands = shard.commands(LEFT_0);
    author.took_commands_to(commands[0].offset + 1);
    shard.write(log, vec![author.turn(0, &[], 0)]);
    release_to(&mut shard, &author, 2);
    log.trim();
    assert_eq!(shard.requests_from(LEFT_0, author.input().requests), requests[2..]);
    assert_eq!(shard.commands_from(LEFT_0, author.input().commands), commands[1..]);
    let trimmed = shard.log.take_requests(LEFT_0, requests[0].offset, ALL);
    assert!(matches!(trimmed, Err(EngineError::Trimmed(_))), "{trimmed:?}");
    let trimmed = shard.log.take_commands(LEFT_0, commands[0].offset, ALL);
    assert!(matches!(trimmed, Err(EngineError::Trimmed(_))), "{trimmed:?}");
    let ends = shard.log.input_ends(LEFT_0);
    assert_eq!(ends.requests, requests[2].offset + 1);
}

/// They are the truth, from the first one on.
pub fn events_are_never_removed(log: &mut impl Retains) {
    let (mut shard, author) = after_turns(log, 5);
    let before = shard.events(LEFT_0);
    release_to(&mut shard, &author, 5);
    log.trim();
    assert_eq!(shard.events(LEFT_0), before);
    assert_eq!(before.len(), 10);
}

/// Nothing comes back, nothing more goes, numbering goes on.
pub fn a_trimmed_log_is_the_same_after_a_restart(log: &mut impl Retains) {
    let (mut shard, mut author) = after_turns(log, 5);
    append(log, LEFT_0, &[request(1)]);
    release_to(&mut shard, &author, 5);
    log.trim();
    drop(shard);
    log.restart();
    let mut shard = Shard::open(log, &[LEFT_0]);
    assert_eq!(shard.last_turn(LEFT_0), 5);
    assert_eq!(shard.events(LEFT_0).len(), 10);
    let position = author.input().requests;
    assert_eq!(plain(&shard.requests_from(LEFT_0, position)), [request(1)]);
    shard.write(log, vec![author.turn(2, &[], 0)]);
    assert_eq!(shard.last_turn(LEFT_0), 6);
}

/// A partition with so many turns of two events each.
fn after_turns(log: &mut impl Retains, turns: u64) -> (Shard, Author) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    for _ in 0..turns {
        shard.write(log, vec![author.turn(2, &[], 0)]);
    }
    (shard, author)
}

fn release_to(shard: &mut Shard, author: &Author, turn: u64) {
    shard.log.release(LEFT_0, LowWater { turn, input: author.input() });
}
