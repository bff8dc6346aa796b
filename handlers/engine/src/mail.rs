//! Clients' commands and what became of them: as a client sees it, by answers, and as it stands in
//! the log.
//!
//! - A command is sent until the log has said where it stands; again, under its id, if the log would
//!   not take it or the process ended before it said anything.
//! - An answer is matched by that place against durable batch records.
//! - Nothing that was answered is missing from the log or different there, and an id is decided once:
//!   all later ones are duplicates of that decision.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use scenarios::switch::Outcome;
use serde_json::Value;
use zamu_core::error::EngineError;
use zamu_core::log::{Appended, Intake};
use zamu_core::model::{Offset, PartitionId, Request, TurnNumber};
use zamu_core::proto::outcome::What;
use zamu_core::proto::{self, BatchRecord};

/// Where a command stands in the log.
type Place = (PartitionId, Offset);

/// What was sent, and what it came to.
#[derive(Default)]
pub(crate) struct Mail {
    posts: Vec<Post>,
    /// Sent, and not known to be in the log.
    under_way: Vec<Parcel>,
    /// What clients have been told and was not yet found in the log.
    told: BTreeMap<Place, proto::Outcome>,
    /// What the log says.
    logged: BTreeMap<Place, proto::Outcome>,
    /// The last turn of each partition that was looked at.
    seen: BTreeMap<PartitionId, TurnNumber>,
    /// Where each id was decided.
    decided: BTreeMap<Bytes, Place>,
    /// How many records were found to be duplicates.
    duplicates: usize,
}

struct Post {
    partition: PartitionId,
    request: Request,
    /// Once for each time that it was sent and got into the log, as far as is known.
    places: Vec<Place>,
}

/// Commands that are appended next to each other.
struct Parcel {
    partition: PartitionId,
    posts: Vec<usize>,
    told: Arc<Mutex<Option<Result<Appended, EngineError>>>>,
}

impl Mail {
    /// Notes a command that is to be sent; gives its number.
    pub(crate) fn post(&mut self, partition: PartitionId, request: Request) -> usize {
        self.posts.push(Post { partition, request, places: Vec::new() });
        self.posts.len() - 1
    }

    /// How many commands there are.
    pub(crate) fn len(&self) -> usize {
        self.posts.len()
    }

    /// How many of the records that were compared are duplicates of another.
    pub(crate) fn duplicates(&self) -> usize {
        self.duplicates
    }

    /// Sends posted commands, those for one partition next to each other and in this order.
    pub(crate) fn send(&mut self, intake: &dyn Intake, posts: &[usize]) {
        let mut parcels: BTreeMap<PartitionId, Vec<usize>> = BTreeMap::new();
        for post in posts {
            parcels.entry(self.posts[*post].partition).or_default().push(*post);
        }
        for (partition, posts) in parcels {
            self.append(intake, partition, posts);
        }
    }

    fn append(&mut self, intake: &dyn Intake, partition: PartitionId, posts: Vec<usize>) {
        let requests = posts.iter().map(|post| self.posts[*post].request.clone()).collect();
        let told = Arc::new(Mutex::new(None));
        let tell = Arc::clone(&told);
        let done = Box::new(move |result| {
            *tell.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        });
        intake.append(partition, requests, done);
        self.under_way.push(Parcel { partition, posts, told });
    }

    /// Hears where commands stand by now; what the log would not take is sent again.
    pub(crate) fn hear(&mut self, intake: &dyn Intake) -> anyhow::Result<()> {
        for parcel in std::mem::take(&mut self.under_way) {
            let told = parcel.told.lock().unwrap_or_else(PoisonError::into_inner).take();
            match told {
                None => self.under_way.push(parcel),
                Some(Ok(Appended { first, .. })) => {
                    for (offset, post) in (first..).zip(parcel.posts) {
                        self.posts[post].places.push((parcel.partition, offset));
                    }
                }
                Some(Err(EngineError::Retry(_))) => {
                    self.append(intake, parcel.partition, parcel.posts);
                }
                Some(Err(error)) => return Err(error).context("a command was not taken"),
            }
        }
        Ok(())
    }

    /// A new process: whoever has heard nothing sends again.
    pub(crate) fn send_again(&mut self, intake: &dyn Intake) {
        for parcel in std::mem::take(&mut self.under_way) {
            self.append(intake, parcel.partition, parcel.posts);
        }
    }

    /// Whether everything that was sent stands in the log.
    pub(crate) fn has_arrived(&self) -> bool {
        self.under_way.is_empty()
    }

    /// A durable turn tells clients what became of their commands.
    pub(crate) fn tell(
        &mut self,
        partition: PartitionId,
        record: &BatchRecord,
    ) -> anyhow::Result<()> {
        for outcome in record.external.iter().filter(|outcome| outcome.wake.is_none()) {
            let place = (partition, outcome.offset);
            let what = outcome.outcome.clone().unwrap_or_default();
            let before = self.told.get(&place).or_else(|| self.logged.get(&place));
            ensure!(
                before.is_none_or(|before| *before == what),
                "the request at {place:?} was answered {before:?} and then {what:?}"
            );
            if before.is_none() {
                self.told.insert(place, what);
            }
        }
        Ok(())
    }

    /// What became of a posted command, if that is known.
    pub(crate) fn outcome(&self, post: usize) -> anyhow::Result<Option<Outcome>> {
        let Some(post) = self.posts.get(post) else { return Ok(None) };
        let known = |place| self.logged.get(place).or_else(|| self.told.get(place));
        let Some(what) = post.places.iter().find_map(known) else { return Ok(None) };
        read(what).map(Some).with_context(|| format!("{}", post.request.kind))
    }

    /// The last turn of a partition whose record was compared.
    pub(crate) fn seen(&self, partition: PartitionId) -> TurnNumber {
        self.seen.get(&partition).copied().unwrap_or_default()
    }

    /// Compares the batch records after that turn, all there are of the partition, with what clients
    /// were told.
    pub(crate) fn compare(
        &mut self,
        partition: PartitionId,
        records: Vec<BatchRecord>,
    ) -> anyhow::Result<()> {
        for record in records {
            let turn = self.seen(partition) + 1;
            ensure!(
                record.turn == turn,
                "turn {} follows {} of {partition:?}",
                record.turn,
                turn - 1
            );
            self.seen.insert(partition, turn);
            // Nobody waits for what becomes of a Wake.
            for logged in record.external.into_iter().filter(|logged| logged.wake.is_none()) {
                let place = (partition, logged.offset);
                let what = logged.outcome.unwrap_or_default();
                self.check_id(logged.id, place, &what)?;
                let told = self.told.remove(&place);
                ensure!(
                    told.as_ref().is_none_or(|told| *told == what),
                    "the request at {place:?} was answered {told:?}, the log says {what:?}"
                );
                self.logged.insert(place, what);
            }
        }
        let lost = self.told.iter().find(|((of, _), _)| *of == partition);
        ensure!(lost.is_none(), "was answered and is not in the log: {lost:?}");
        Ok(())
    }

    /// Whether an id is decided where it stands first, and only there.
    fn check_id(&mut self, id: Bytes, at: Place, what: &proto::Outcome) -> anyhow::Result<()> {
        let first = self.decided.entry(id.clone()).or_insert(at);
        if *first == at {
            return match &what.what {
                Some(What::Duplicate(_)) => bail!("id {id:?} at {at:?} is a duplicate of nothing"),
                _ => Ok(()),
            };
        }
        let Some(What::Duplicate(duplicate)) = &what.what else {
            bail!("id {id:?} was decided at {first:?} and again at {at:?}: {what:?}");
        };
        ensure!(
            (at.0, duplicate.first) == *first
                && duplicate.outcome.as_deref() == self.logged.get(first),
            "id {id:?} at {at:?} is no duplicate of the one at {first:?}: {duplicate:?}"
        );
        self.duplicates += 1;
        Ok(())
    }
}

/// The outcome as scenarios have it; a duplicate's is that of the first.
fn read(outcome: &proto::Outcome) -> anyhow::Result<Outcome> {
    Ok(match outcome.what.as_ref().context("an outcome that says nothing")? {
        What::Accepted(accepted) => Outcome::Accepted { reply: reply(&accepted.reply)? },
        What::Nothing(nothing) => Outcome::Nothing { reply: reply(&nothing.reply)? },
        What::Refused(refused) => {
            Outcome::Refused { code: refused.code.clone(), details: refused.details.clone() }
        }
        What::Duplicate(duplicate) => {
            read(duplicate.outcome.as_ref().context("a duplicate without an outcome")?)?
        }
        What::Fault(fault) => bail!("a fault: dead letter {}", fault.dead_letter),
        What::Dropped(dropped) => bail!("dropped: {}", dropped.reason),
    })
}

fn reply(bytes: &[u8]) -> anyhow::Result<Option<Value>> {
    if bytes.is_empty() { Ok(None) } else { Ok(Some(serde_json::from_slice(bytes)?)) }
}
