//! Written against durable, and what the loss of power leaves.

use super::LosesPower;
use super::author::{Author, request, with_wakes};
use super::fixture::{
    ALL, Answers, LEFT_0, LEFT_1, RIGHT_0, RIGHT_2, Shard, append, owner, plain, sent_to,
};
use crate::log::{Progress, TurnWrite};

/// Thousandths of what was not durable that survive, over all runs of a test.
const KEPT: [u32; 13] = [0, 50, 130, 210, 290, 380, 460, 540, 620, 710, 850, 970, 1000];

/// `Written` without `Durable` while fsync is held back; then `Durable`.
pub fn a_commit_is_written_before_it_is_durable(log: &mut impl LosesPower) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    log.hold_durable(true);
    let id = shard.submit(vec![author.turn(1, &[], 0)]);
    shard.await_news(log, |news| *news == Progress::Written(id));
    assert_eq!(shard.durable(), 0);
    log.hold_durable(false);
    shard.await_durable(log, id);
    assert_eq!(shard.written(), id);
}

/// Events, batch records and dead letters that power could still take are shown to nobody.
pub fn reads_show_only_what_is_durable(log: &mut impl LosesPower) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let turns = [author.turn(2, &[], 1), author.turn(3, &[], 2)];
    shard.write(log, vec![turns[0].clone()]);
    log.hold_durable(true);
    let id = shard.submit(vec![turns[1].clone()]);
    shard.await_news(log, |news| *news == Progress::Written(id));
    shard.assert_holds(LEFT_0, &turns[..1]);
    log.hold_durable(false);
    shard.await_durable(log, id);
    shard.assert_holds(LEFT_0, &turns);
}

/// A hop between shards of a process costs no fsync.
pub fn commands_are_taken_by_another_shard_before_they_are_durable(log: &mut impl LosesPower) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let mut target = Shard::open(log, &[RIGHT_0]);
    log.hold_durable(true);
    let turn = author.turn(2, &[RIGHT_0], 0);
    let id = shard.submit(vec![turn.clone()]);
    shard.await_news(log, |news| *news == Progress::Written(id));
    assert_eq!(plain(&target.commands(RIGHT_0)), sent_to(RIGHT_0, &[turn]));
    assert_eq!(shard.durable(), 0);
}

/// Work may begin before, the client hears after.
pub fn requests_are_taken_before_they_are_durable_and_told_after(log: &mut impl LosesPower) {
    let (mut shard, _) = owner(log, LEFT_0);
    let answers = Answers::default();
    log.hold_durable(true);
    log.intake().append(LEFT_0, vec![request(1)], answers.done());
    log.settle();
    assert_eq!(plain(&shard.requests(LEFT_0)), [request(1)]);
    assert_eq!(answers.all(), []);
    log.hold_durable(false);
    log.settle();
    assert_eq!(answers.all().len(), 1);
}

/// Even if nothing else does.
pub fn durable_commits_survive_the_loss_of_power(log: &mut impl LosesPower) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let turns = [author.turn(2, &[LEFT_0], 1), author.turn(3, &[LEFT_0], 0)];
    for turn in &turns {
        shard.write(log, vec![turn.clone()]);
    }
    log.hold_durable(true);
    let id = shard.submit(vec![author.turn(4, &[LEFT_0], 1)]);
    shard.await_news(log, |news| *news == Progress::Written(id));
    drop(shard);
    log.power_loss(0);
    let mut shard = Shard::open(log, &[LEFT_0]);
    shard.assert_holds(LEFT_0, &turns);
    assert_eq!(plain(&shard.commands(LEFT_0)), sent_to(LEFT_0, &turns));
}

/// Commits of two partitions each, cut after any part of what was written.
pub fn the_loss_of_power_leaves_a_prefix_of_whole_commits_at_every_point(
    log: &mut impl LosesPower,
) {
    let (mut left, mut right) = (Author::new(LEFT_0), Author::new(RIGHT_0));
    let mut turns: Vec<[TurnWrite; 2]> = Vec::new();
    for kept in KEPT {
        let mut shard = Shard::open(log, &[LEFT_0, RIGHT_0]);
        turns.push([left.turn(1, &[], 0), right.turn(1, &[], 0)]);
        shard.write(log, turns[turns.len() - 1].to_vec());
        let durable = turns.len();
        log.hold_durable(true);
        for _ in 0..6 {
            turns.push([left.turn(3, &[RIGHT_0], 1), right.turn(2, &[LEFT_0, RIGHT_2], 0)]);
            shard.submit(turns[turns.len() - 1].to_vec());
        }
        shard.await_news(log, |news| *news == Progress::Written(7));
        drop(shard);
        log.power_loss(kept);

        let mut shard = Shard::open(log, &[LEFT_0, RIGHT_0, RIGHT_2]);
        let found = shard.last_turn(LEFT_0) as usize;
        assert!((durable..=turns.len()).contains(&found), "{found}, {durable} were durable");
        assert!(kept < 1000 || found == turns.len(), "{found} of {}", turns.len());
        turns.truncate(found);
        let (lefts, rights): (Vec<_>, Vec<_>) =
            turns.iter().map(|[left, right]| (left.clone(), right.clone())).unzip();
        shard.assert_holds(LEFT_0, &lefts);
        shard.assert_holds(RIGHT_0, &rights);
        assert_eq!(plain(&shard.commands(RIGHT_0)), sent_to(RIGHT_0, &lefts));
        assert_eq!(plain(&shard.commands(LEFT_0)), sent_to(LEFT_0, &rights));
        assert_eq!(plain(&shard.commands(RIGHT_2)), sent_to(RIGHT_2, &rights));
        (left, right) = (Author::after(LEFT_0, &lefts), Author::after(RIGHT_0, &rights));
    }
}

/// Requests, the turns of one shard that decided them, and the turns of another that took their
/// commands: whatever is found, all that it was computed from is found too.
pub fn a_cause_survives_with_its_consequence_across_shards(log: &mut impl LosesPower) {
    let (mut left, mut right) = (Author::new(LEFT_0), Author::new(RIGHT_0));
    let (mut lefts, mut rights) = (Vec::new(), Vec::new());
    for kept in KEPT {
        let mut first = Shard::open(log, &[LEFT_0]);
        let mut second = Shard::open(log, &[RIGHT_0]);
        log.hold_durable(true);
        let intake = log.intake();
        for n in 0..4 {
            intake.append(LEFT_0, vec![request(n)], Answers::default().done());
            log.settle();
            let requests = first.requests_from(LEFT_0, left.input().requests);
            lefts.push(left.decide(&requests, &[RIGHT_0]));
            let id = first.submit(vec![lefts[lefts.len() - 1].clone()]);
            first.await_news(log, |news| *news == Progress::Written(id));
            let commands = second.commands_from(RIGHT_0, right.input().commands);
            right.took_commands_to(commands.last().expect("a command").offset + 1);
            rights.push(right.turn(commands.len() as u32, &[LEFT_1], 0));
            let id = second.submit(vec![rights[rights.len() - 1].clone()]);
            second.await_news(log, |news| *news == Progress::Written(id));
        }
        drop((first, second, intake));
        log.power_loss(kept);

        let mut shard = Shard::open(log, &[LEFT_0, RIGHT_0]);
        let (left_turns, right_turns) = (shard.last_turn(LEFT_0), shard.last_turn(RIGHT_0));
        lefts.truncate(left_turns as usize);
        rights.truncate(right_turns as usize);
        (left, right) = (Author::after(LEFT_0, &lefts), Author::after(RIGHT_0, &rights));
        assert!(right_turns <= left_turns, "{right_turns} turns decided {left_turns}");
        let ends = shard.log.input_ends(LEFT_0);
        assert!(left.input().requests <= ends.requests, "{:?} of {ends:?}", left.input());
        let ends = shard.log.input_ends(RIGHT_0);
        assert!(right.input().commands <= ends.commands, "{:?} of {ends:?}", right.input());
        assert_eq!(plain(&shard.commands(RIGHT_0)), sent_to(RIGHT_0, &lefts));
        shard.assert_holds(LEFT_0, &lefts);
        shard.assert_holds(RIGHT_0, &rights);
    }
}

/// As many as the turns that are found have, cut after any part of what was written.
pub fn wakes_survive_with_their_commit_and_not_without(log: &mut impl LosesPower) {
    let mut author = Author::new(LEFT_0);
    let mut turns: Vec<TurnWrite> = Vec::new();
    for kept in KEPT {
        let mut shard = Shard::open(log, &[LEFT_0]);
        let next = |turns: &[TurnWrite]| 10 * turns.len() as u32;
        turns.push(with_wakes(author.turn(1, &[], 0), next(&turns)..next(&turns) + 2));
        shard.write(log, vec![turns[turns.len() - 1].clone()]);
        log.hold_durable(true);
        for _ in 0..5 {
            turns.push(with_wakes(author.turn(1, &[], 0), next(&turns)..next(&turns) + 3));
            shard.submit(vec![turns[turns.len() - 1].clone()]);
        }
        shard.await_news(log, |news| *news == Progress::Written(6));
        let written: Vec<_> = turns.iter().flat_map(|t| t.wakes.clone()).collect();
        assert_eq!(plain(&shard.requests(LEFT_0)), written, "taken before they are durable");
        drop(shard);
        log.power_loss(kept);

        let mut shard = Shard::open(log, &[LEFT_0]);
        turns.truncate(shard.last_turn(LEFT_0) as usize);
        author = Author::after(LEFT_0, &turns);
        let found: Vec<_> = turns.iter().flat_map(|t| t.wakes.clone()).collect();
        assert_eq!(plain(&shard.requests(LEFT_0)), found, "{kept} kept");
    }
}

/// What a client was told stands in the log, at the offset that it was told.
pub fn an_answered_append_survives_the_loss_of_power(log: &mut impl LosesPower) {
    let mut told = Vec::new();
    for kept in KEPT {
        let shard = Shard::open(log, &[LEFT_0]);
        let n = told.len() as u32;
        told.push((append(log, LEFT_0, &[request(n)]), request(n)));
        log.hold_durable(true);
        let answers = Answers::default();
        let intake = log.intake();
        for n in 100..105 {
            intake.append(LEFT_0, vec![request(n)], answers.done());
        }
        log.settle();
        assert_eq!(answers.all(), []);
        drop((shard, intake));
        log.power_loss(kept);

        let mut shard = Shard::open(log, &[LEFT_0]);
        let found = shard.requests(LEFT_0);
        for (appended, request) in &told {
            let stored = found.iter().find(|r| r.offset == appended.first).expect("what was told");
            assert_eq!((&stored.record, stored.appended), (request, appended.time));
        }
        assert_eq!(
            shard.log.take_requests(LEFT_0, 0, ALL).expect("requests")[0].record,
            request(0)
        );
    }
}

/// The next turn takes the number after the last one that is found.
pub fn the_log_goes_on_after_the_loss_of_power(log: &mut impl LosesPower) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let first = author.turn(2, &[LEFT_0], 1);
    shard.write(log, vec![first.clone()]);
    log.hold_durable(true);
    let id = shard.submit(vec![author.clone().turn(9, &[LEFT_0], 9)]);
    shard.await_news(log, |news| *news == Progress::Written(id));
    drop(shard);
    log.power_loss(0);

    let mut shard = Shard::open(log, &[LEFT_0]);
    append(log, LEFT_0, &[request(1)]);
    let second = author.turn(1, &[LEFT_0], 1);
    shard.write(log, vec![second.clone()]);
    let turns = [first, second];
    shard.assert_holds(LEFT_0, &turns);
    assert_eq!(plain(&shard.commands(LEFT_0)), sent_to(LEFT_0, &turns));
    assert_eq!(plain(&shard.requests(LEFT_0)), [request(1)]);
    drop(shard);
    log.restart();
    Shard::open(log, &[LEFT_0]).assert_holds(LEFT_0, &turns);
}
