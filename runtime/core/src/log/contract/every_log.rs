//! What every log promises while nothing worse happens than a `kill -9`.

use super::LogUnderTest;
use super::author::{Author, odd_requests, request, wake, with_wakes};
use super::fixture::{
    ALL, Answers, LEFT_0, LEFT_1, RIGHT_0, RIGHT_2, Shard, append, owner, plain, sent_to,
};
use crate::log::{InputPositions, Limit, LowWater, Progress, TurnWrite};
use crate::model::Request;

/// `Assigned` comes for each of its partitions, once, and nothing else.
pub fn a_shard_is_assigned_its_partitions_before_anything_else(log: &mut impl LogUnderTest) {
    let mut shard = Shard::open(log, &[RIGHT_2, LEFT_0]);
    log.settle();
    assert_eq!(shard.log.ownership(), None);
    assert_eq!(shard.log.poll(), None);
}

/// Every field comes back, empty ones, binary ones and big ones too: judging is not the log's.
pub fn requests_come_back_as_they_were_sent(log: &mut impl LogUnderTest) {
    let (mut shard, _) = owner(log, LEFT_0);
    append(log, LEFT_0, &odd_requests());
    assert_eq!(plain(&shard.requests(LEFT_0)), odd_requests());
}

/// Within a partition, over all appends.
pub fn offsets_ascend_and_append_times_never_decrease(log: &mut impl LogUnderTest) {
    let (mut shard, _) = owner(log, LEFT_0);
    for n in 0..20 {
        append(log, LEFT_0, &[request(n), request(n)]);
    }
    let stored = shard.requests(LEFT_0);
    assert_eq!(stored.len(), 40);
    for pair in stored.windows(2) {
        assert!(pair[0].offset < pair[1].offset, "{pair:?}");
        assert!(pair[0].appended <= pair[1].appended, "{pair:?}");
    }
}

/// First offset and time of the answer are those of the records, which follow without a gap.
pub fn an_append_stands_together_and_says_where(log: &mut impl LogUnderTest) {
    let (mut shard, _) = owner(log, LEFT_0);
    append(log, LEFT_0, &[request(0)]);
    let sent: Vec<_> = (1..6).map(request).collect();
    let appended = append(log, LEFT_0, &sent);
    append(log, LEFT_0, &[request(9)]);
    let stored = shard.requests_from(LEFT_0, appended.first);
    assert_eq!(plain(&stored[..5]), sent);
    for (i, record) in stored[..5].iter().enumerate() {
        assert_eq!(record.offset, appended.first + i as u64);
        assert_eq!(record.appended, appended.time);
    }
}

/// Also when it does not wait for answers.
pub fn appends_of_one_client_keep_their_order(log: &mut impl LogUnderTest) {
    let (mut shard, _) = owner(log, LEFT_0);
    let answers = Answers::default();
    let intake = log.intake();
    for n in 0..50 {
        intake.append(LEFT_0, vec![request(n)], answers.done());
    }
    log.settle();
    let sent: Vec<_> = (0..50).map(request).collect();
    assert_eq!(plain(&shard.requests(LEFT_0)), sent);
}

/// An append of nothing too.
pub fn an_append_is_answered_exactly_once(log: &mut impl LogUnderTest) {
    let (mut shard, _) = owner(log, LEFT_0);
    let answers = Answers::default();
    let intake = log.intake();
    for n in 0..10 {
        let requests: Vec<Request> = (0..n).map(request).collect();
        intake.append(LEFT_0, requests, answers.done());
    }
    log.settle();
    drop(intake);
    log.settle();
    assert_eq!(answers.all().len(), 10);
    assert_eq!(shard.requests(LEFT_0).len(), 45);
    for told in answers.all() {
        assert!(told.is_ok(), "{told:?}");
    }
}

/// The bound on records is exact, that on bytes rough; but one record is always given.
pub fn a_take_gives_at_least_one_record_and_no_more_than_asked(log: &mut impl LogUnderTest) {
    let (mut shard, _) = owner(log, LEFT_0);
    let big = Request { body: vec![7; 10_000].into(), ..request(1) };
    append(log, LEFT_0, &vec![big; 10]);
    let mut take = |records, bytes| {
        let limit = Limit { records, bytes };
        shard.log.take_requests(LEFT_0, 0, limit).expect("requests").len()
    };
    assert_eq!(take(1, 1 << 20), 1);
    assert!((1..=3).contains(&take(3, 1 << 20)));
    assert_eq!(take(10, 1), 1);
    assert!((1..=4).contains(&take(10, 35_000)));
    assert_eq!(shard.requests(LEFT_0).len(), 10, "page by page");
}

/// No error, and no waiting.
pub fn taking_past_the_end_gives_nothing(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    assert_eq!(shard.log.take_requests(LEFT_0, 0, ALL), Ok(Vec::new()));
    assert_eq!(shard.log.take_commands(LEFT_0, 0, ALL), Ok(Vec::new()));
    assert_eq!(shard.log.read_events(LEFT_0, 0, ALL), Ok(Vec::new()));
    assert_eq!(shard.log.read_outcomes(LEFT_0, 1, ALL), Ok(Vec::new()));
    let appended = append(log, LEFT_0, &[request(1)]);
    shard.write(log, vec![author.turn(2, &[], 0)]);
    assert_eq!(shard.log.take_requests(LEFT_0, appended.first + 1, ALL), Ok(Vec::new()));
    assert_eq!(shard.log.read_events(LEFT_0, 2, ALL), Ok(Vec::new()));
    assert_eq!(shard.log.read_outcomes(LEFT_0, 2, ALL), Ok(Vec::new()));
}

/// With the positions they give the lag.
pub fn input_ends_are_the_offsets_after_the_last_records(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    assert_eq!(shard.log.input_ends(LEFT_0), InputPositions::default());
    append(log, LEFT_0, &[request(1), request(2), request(3)]);
    shard.write(log, vec![author.turn(2, &[LEFT_0], 0)]);
    let requests = shard.requests(LEFT_0).last().expect("a request").offset + 1;
    let commands = shard.commands(LEFT_0).last().expect("a command").offset + 1;
    assert_eq!(shard.log.input_ends(LEFT_0), InputPositions { requests, commands });
}

/// Each kind of news ascends, durable comes for the last one, and nothing else is told.
pub fn a_commit_is_told_written_and_durable_in_the_order_of_ids(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    for _ in 0..20 {
        shard.submit(vec![author.turn(1, &[], 0)]);
    }
    shard.await_durable(log, 20);
    let (mut written, mut durable) = (0, 0);
    for news in &shard.heard {
        match *news {
            Progress::Written(id) => {
                assert!(id > written && id <= 20, "{:?}", shard.heard);
                written = id;
            }
            Progress::Durable(id) => {
                assert!(id > durable && id <= 20, "{:?}", shard.heard);
                (durable, written) = (id, written.max(id));
            }
            _ => panic!("nothing failed, but {news:?}"),
        }
    }
    assert_eq!((written, durable), (20, 20));
}

/// Every field, causes of both kinds, and the chain of each aggregate.
pub fn events_come_back_as_they_were_decided(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    append(log, LEFT_0, &odd_requests());
    let requests = shard.requests(LEFT_0);
    let turns = [author.decide(&requests, &[]), author.turn(5, &[], 0), author.turn(0, &[], 0)];
    for turn in &turns {
        shard.write(log, vec![turn.clone()]);
    }
    shard.assert_holds(LEFT_0, &turns);
}

/// In the middle of a commit too, and within a limit.
pub fn events_are_read_from_any_number_on(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    for _ in 0..5 {
        shard.write(log, vec![author.turn(4, &[], 0)]);
    }
    let all = shard.events(LEFT_0);
    assert_eq!(all.len(), 20);
    for from in 0..20_u64 {
        let limit = Limit { records: 3, ..ALL };
        let some = shard.log.read_events(LEFT_0, from, limit).expect("events");
        assert!((1..=3).contains(&some.len()), "{} from {from}", some.len());
        assert_eq!(some, all[from as usize..][..some.len()]);
    }
    let tiny = Limit { bytes: 1, ..ALL };
    assert_eq!(shard.log.read_events(LEFT_0, 7, tiny).expect("events").len(), 1);
}

/// And the newest is found without knowing its number.
pub fn batch_records_are_addressed_by_turn(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let turns: Vec<_> = (0..6).map(|n| author.turn(n % 3, &[], 0)).collect();
    for turn in &turns {
        shard.write(log, vec![turn.clone()]);
        assert_eq!(shard.last_turn(LEFT_0), turn.turn);
    }
    for turn in &turns {
        let found = shard.outcomes(LEFT_0, turn.turn);
        assert_eq!(found[0], (turn.turn, turn.outcome.clone()));
        assert_eq!(found.len() as u64, 7 - turn.turn);
    }
}

/// `None`, which is no error.
pub fn a_new_partition_has_no_batch_record(log: &mut impl LogUnderTest) {
    let (mut shard, _) = owner(log, LEFT_0);
    assert_eq!(shard.log.last_outcome(LEFT_0), Ok(None));
    shard.assert_holds(LEFT_0, &[]);
}

/// Several of one turn, and turns without any between them.
pub fn dead_letters_are_addressed_by_number(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let turns = [author.turn(1, &[], 2), author.turn(1, &[], 0), author.turn(0, &[], 3)];
    for turn in &turns {
        shard.write(log, vec![turn.clone()]);
    }
    shard.assert_holds(LEFT_0, &turns);
    assert_eq!(shard.log.read_dead_letter(LEFT_0, 99), Ok(None));
}

/// To partitions of other types, of the same type, and of other shards, with every field.
pub fn commands_reach_the_partition_they_are_for(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let mut other = Shard::open(log, &[LEFT_1, RIGHT_0]);
    let turns = [author.turn(3, &[LEFT_1, RIGHT_0], 0), author.turn(2, &[RIGHT_0], 0)];
    for turn in &turns {
        shard.write(log, vec![turn.clone()]);
    }
    for partition in [LEFT_1, RIGHT_0] {
        let taken = other.commands(partition);
        assert_eq!(plain(&taken), sent_to(partition, &turns), "{partition:?}");
        for pair in taken.windows(2) {
            assert!(pair[0].offset < pair[1].offset && pair[0].appended <= pair[1].appended);
        }
    }
    assert_eq!(shard.commands(LEFT_0), Vec::new());
}

/// Whatever two senders do to each other, the commands of each are in its order.
pub fn commands_of_one_partition_arrive_in_the_order_of_its_turns(log: &mut impl LogUnderTest) {
    let (mut left, mut left_author) = owner(log, LEFT_0);
    let (mut right, mut right_author) = owner(log, RIGHT_0);
    let mut target = Shard::open(log, &[RIGHT_2]);
    let mut turns = Vec::new();
    for _ in 0..10 {
        turns.push(left_author.turn(2, &[RIGHT_2], 0));
        left.submit(vec![turns[turns.len() - 1].clone()]);
        turns.push(right_author.turn(3, &[RIGHT_2], 0));
        right.submit(vec![turns[turns.len() - 1].clone()]);
    }
    left.await_durable(log, 10);
    right.await_durable(log, 10);
    let taken = plain(&target.commands(RIGHT_2));
    for sender in [LEFT_0, RIGHT_0] {
        let of_sender = |turn: &&TurnWrite| turn.partition == sender;
        let sent = sent_to(RIGHT_2, &turns.iter().filter(of_sender).cloned().collect::<Vec<_>>());
        let got: Vec<_> =
            taken.iter().filter(|c| c.channel.expect("a stamp").from == sender).cloned().collect();
        assert_eq!(got, sent, "from {sender:?}");
    }
    assert_eq!(taken.len(), 50);
}

/// Turns of both, their commands to each other and to a third.
pub fn a_commit_of_two_partitions_happens_as_a_whole(log: &mut impl LogUnderTest) {
    let mut shard = Shard::open(log, &[LEFT_0, RIGHT_0]);
    let (mut left, mut right) = (Author::new(LEFT_0), Author::new(RIGHT_0));
    let turns = [left.turn(2, &[RIGHT_0, LEFT_1], 1), right.turn(3, &[LEFT_0, LEFT_1], 0)];
    shard.write(log, turns.to_vec());
    shard.assert_holds(LEFT_0, &turns[..1]);
    shard.assert_holds(RIGHT_0, &turns[1..]);
    assert_eq!(plain(&shard.commands(LEFT_0)), sent_to(LEFT_0, &turns));
    assert_eq!(plain(&shard.commands(RIGHT_0)), sent_to(RIGHT_0, &turns));
    let mut third = Shard::open(log, &[LEFT_1]);
    assert_eq!(plain(&third.commands(LEFT_1)), sent_to(LEFT_1, &turns));
}

/// A turn whose input was all dropped.
pub fn a_turn_without_input_or_output_leaves_its_record(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let turn = author.turn(0, &[], 0);
    shard.write(log, vec![turn.clone()]);
    shard.assert_holds(LEFT_0, &[turn]);
}

/// What it sends itself is taken like any other command.
pub fn a_turn_may_send_to_its_own_partition(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let first = author.turn(2, &[LEFT_0], 0);
    shard.write(log, vec![first.clone()]);
    let taken = shard.commands(LEFT_0);
    assert_eq!(plain(&taken), sent_to(LEFT_0, std::slice::from_ref(&first)));
    author.took_commands_to(taken[1].offset + 1);
    let second = author.turn(2, &[], 0);
    shard.write(log, vec![second.clone()]);
    shard.assert_holds(LEFT_0, &[first, second]);
}

/// By the turn's own commit, in their order, with append times like any other; other partitions get
/// none.
pub fn wakes_stand_behind_the_requests_of_their_partition(log: &mut impl LogUnderTest) {
    let mut shard = Shard::open(log, &[LEFT_0, RIGHT_0]);
    let (mut left, mut right) = (Author::new(LEFT_0), Author::new(RIGHT_0));
    append(log, LEFT_0, &[request(1), request(2)]);
    let first = with_wakes(left.turn(2, &[RIGHT_0], 1), 10..13);
    shard.write(log, vec![first.clone(), with_wakes(right.turn(1, &[], 0), 20..21)]);
    append(log, LEFT_0, &[request(3)]);
    // A turn of nothing but Wakes.
    let second = with_wakes(left.turn(0, &[], 0), 13..14);
    shard.write(log, vec![second.clone()]);
    let stored = shard.requests(LEFT_0);
    let expected = [request(1), request(2), wake(10), wake(11), wake(12), request(3), wake(13)];
    assert_eq!(plain(&stored), expected);
    for pair in stored.windows(2) {
        assert!(pair[0].offset < pair[1].offset && pair[0].appended <= pair[1].appended);
    }
    assert_eq!(plain(&shard.requests(RIGHT_0)), [wake(20)]);
    let end = stored.last().expect("a Wake").offset + 1;
    assert_eq!(shard.log.input_ends(LEFT_0).requests, end);
    shard.assert_holds(LEFT_0, &[first, second]);
    drop(shard);
    log.restart();
    let mut shard = Shard::open(log, &[LEFT_0]);
    assert_eq!(shard.requests(LEFT_0), stored);
    let appended = append(log, LEFT_0, &[request(4)]);
    assert!(appended.first >= end, "{appended:?}");
}

/// The same numbers in two partitions of a type, and in two types.
pub fn partitions_do_not_mix(log: &mut impl LogUnderTest) {
    let partitions = [LEFT_0, LEFT_1, RIGHT_0, RIGHT_2];
    let mut shard = Shard::open(log, &partitions);
    for (n, partition) in partitions.into_iter().enumerate() {
        append(log, partition, &vec![request(n as u32); n + 1]);
        let turns: Vec<_> = {
            let mut author = Author::new(partition);
            (0..=n).map(|i| author.turn(i as u32 + 1, &[], 1)).collect()
        };
        for turn in &turns {
            shard.write(log, vec![turn.clone()]);
        }
        shard.assert_holds(partition, &turns);
    }
    for (n, partition) in partitions.into_iter().enumerate() {
        assert_eq!(plain(&shard.requests(partition)), vec![request(n as u32); n + 1]);
        assert_eq!(shard.last_turn(partition), n as u64 + 1);
    }
}

/// Ten thousand events with as many commands: visible at once, whole.
pub fn a_big_commit_is_one_commit(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let turn = author.turn(10_000, &[RIGHT_0], 100);
    shard.write(log, vec![turn.clone()]);
    shard.assert_holds(LEFT_0, std::slice::from_ref(&turn));
    let mut target = Shard::open(log, &[RIGHT_0]);
    assert_eq!(plain(&target.commands(RIGHT_0)), sent_to(RIGHT_0, &[turn]));
}

/// All of it: what was appended and answered, and what was committed.
pub fn what_was_durable_is_found_after_a_restart(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    append(log, LEFT_0, &odd_requests());
    let requests = shard.requests(LEFT_0);
    let turns = [author.decide(&requests, &[LEFT_0]), author.turn(3, &[LEFT_0], 2)];
    for turn in &turns {
        shard.write(log, vec![turn.clone()]);
    }
    let commands = shard.commands(LEFT_0);
    drop(shard);
    for _ in 0..3 {
        log.restart();
        let mut shard = Shard::open(log, &[LEFT_0]);
        shard.assert_holds(LEFT_0, &turns);
        assert_eq!(shard.requests(LEFT_0), requests);
        assert_eq!(shard.commands(LEFT_0), commands);
    }
}

/// Killed after any number of commits, without waiting for any of them.
pub fn a_kill_leaves_whole_commits_and_a_prefix_of_them(log: &mut impl LogUnderTest) {
    let (mut left, mut right) = (Author::new(LEFT_0), Author::new(RIGHT_0));
    let mut turns: Vec<[TurnWrite; 2]> = Vec::new();
    for submitted in 0..8 {
        let mut shard = Shard::open(log, &[LEFT_0, RIGHT_0]);
        for _ in 0..submitted {
            turns.push([left.turn(2, &[RIGHT_0], 1), right.turn(1, &[LEFT_0, RIGHT_2], 0)]);
            shard.submit(turns[turns.len() - 1].to_vec());
        }
        shard.listen();
        let told = turns.len() as u64 - submitted + shard.durable();
        drop(shard);
        log.restart();

        let mut shard = Shard::open(log, &[LEFT_0, RIGHT_0, RIGHT_2]);
        let found = shard.last_turn(LEFT_0);
        assert!(found >= told && found <= turns.len() as u64, "{found} of {}", turns.len());
        turns.truncate(found as usize);
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

/// No offset is given twice, no number is skipped.
pub fn numbering_goes_on_after_a_restart(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let before = append(log, LEFT_0, &[request(1), request(2)]);
    let first = author.turn(2, &[LEFT_0], 1);
    shard.write(log, vec![first.clone()]);
    drop(shard);
    log.restart();

    let mut shard = Shard::open(log, &[LEFT_0]);
    let after = append(log, LEFT_0, &[request(3)]);
    assert!(after.first > before.first + 1, "{after:?} after {before:?}");
    assert!(after.time >= before.time, "{after:?} after {before:?}");
    let second = author.turn(2, &[LEFT_0], 1);
    shard.write(log, vec![second.clone()]);
    let turns = [first, second];
    shard.assert_holds(LEFT_0, &turns);
    assert_eq!(plain(&shard.commands(LEFT_0)), sent_to(LEFT_0, &turns));
    let offsets: Vec<_> = shard.commands(LEFT_0).iter().map(|c| c.offset).collect();
    assert!(offsets.windows(2).all(|pair| pair[0] < pair[1]), "{offsets:?}");
}

/// One identity for all shards and all processes.
pub fn the_log_keeps_its_identity(log: &mut impl LogUnderTest) {
    let (left, _) = owner(log, LEFT_0);
    let (right, _) = owner(log, RIGHT_0);
    let id = left.log.log_id();
    assert!(!id.is_empty());
    assert_eq!(right.log.log_id(), id);
    drop((left, right));
    log.restart();
    assert_eq!(Shard::open(log, &[LEFT_0]).log.log_id(), id);
}

/// `Ok` at once, and commits go on.
pub fn resolving_without_doubt_changes_nothing(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    let turns = [author.turn(1, &[], 0), author.turn(1, &[], 0)];
    shard.write(log, vec![turns[0].clone()]);
    assert_eq!(shard.log.resolve(), Ok(()));
    shard.write(log, vec![turns[1].clone()]);
    shard.assert_holds(LEFT_0, &turns);
}

/// Whenever retention runs: what is above the low-water mark, and the newest batch record, stay.
pub fn releasing_takes_nothing_that_recovery_needs(log: &mut impl LogUnderTest) {
    let (mut shard, mut author) = owner(log, LEFT_0);
    append(log, LEFT_0, &[request(1), request(2)]);
    let requests = shard.requests(LEFT_0);
    let first = author.decide(&requests[..1], &[]);
    shard.write(log, vec![first]);
    let low_water = LowWater { turn: author.last_turn(), input: author.input() };
    let second = author.turn(2, &[], 0);
    shard.write(log, vec![second.clone()]);
    shard.log.release(LEFT_0, low_water);
    log.settle();
    assert_eq!(shard.outcomes(LEFT_0, 2), [(2, second.outcome)]);
    assert_eq!(shard.last_turn(LEFT_0), 2);
    assert_eq!(shard.requests_from(LEFT_0, low_water.input.requests), requests[1..]);
    assert_eq!(shard.events(LEFT_0).len(), 3);
}
