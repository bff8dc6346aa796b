//! What threads tell each other of a log: how far it is written, how far it is durable, and the
//! newest inputs. The committer and the syncer write here, everyone else reads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use zamu_core::log::{CommitId, LowWater};
use zamu_core::model::{Command, Offset, Request, TurnNumber};

use crate::log::ends::Ends;
use crate::log::released::Released;
use crate::log::tail::Tail;

/// Called when there may be something new; must be quick and must not call back into the log.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// The side of a shard that the log's threads see.
pub(crate) struct Side {
    /// The newest commit that is written.
    pub(crate) written: AtomicU64,
    /// The newest commit that is durable.
    pub(crate) durable: AtomicU64,
    fenced: AtomicBool,
    waker: Waker,
}

impl Side {
    /// A side with nothing committed.
    pub(crate) fn new(waker: Waker) -> Self {
        let zero = || AtomicU64::new(0);
        Self { written: zero(), durable: zero(), fenced: AtomicBool::new(false), waker }
    }

    /// Tells the shard to look.
    pub(crate) fn wake(&self) {
        (self.waker)();
    }

    /// Another owner takes over.
    pub(crate) fn fence(&self) {
        self.fenced.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether another owner has taken over.
    pub(crate) fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// Notes progress: of written or of durable commits.
    pub(crate) fn advance(progress: &AtomicU64, id: CommitId) {
        progress.store(id, Ordering::Release);
    }
}

/// What is known of one partition.
pub(crate) struct Partition {
    /// The newest requests.
    pub(crate) requests: Tail<Request>,
    /// The newest commands.
    pub(crate) commands: Tail<Command>,
    /// How far it is written.
    pub(crate) written: Ends,
    /// How far it is durable.
    pub(crate) durable: Ends,
    /// The newest durable batch record.
    pub(crate) last_outcome: Option<(TurnNumber, Bytes)>,
    /// What recovery no longer needs, as the owner says.
    pub(crate) low_water: Option<LowWater>,
    /// What retention has let go, as it stood a retention ago: less is given to nobody, even where
    /// the segment that holds it is still there.
    pub(crate) let_go: Released,
    /// The shard that owns it.
    pub(crate) owner: Option<Arc<Side>>,
}

/// All partitions by index, and the control topic.
pub(crate) struct Board {
    /// Held for writing while a group is published, and for reading while anything is looked up, so
    /// that what one commit holds becomes visible at once.
    gate: RwLock<()>,
    partitions: Vec<Mutex<Partition>>,
    control: AtomicU64,
}

impl Board {
    /// A board of a log in which everything that was found is durable.
    pub(crate) fn new(
        ends: &[Ends],
        mut last_outcomes: Vec<Option<(TurnNumber, Bytes)>>,
        control: Offset,
        tail_bytes: usize,
    ) -> Self {
        let tail_bytes = (tail_bytes / (2 * ends.len()).max(1)).max(1);
        last_outcomes.resize(ends.len(), None);
        let partition = |(ends, last_outcome): (&Ends, _)| {
            Mutex::new(Partition {
                requests: Tail::new(ends.requests, tail_bytes),
                commands: Tail::new(ends.commands, tail_bytes),
                written: *ends,
                durable: *ends,
                last_outcome,
                low_water: None,
                let_go: Released::default(),
                owner: None,
            })
        };
        Self {
            gate: RwLock::new(()),
            partitions: ends.iter().zip(last_outcomes).map(partition).collect(),
            control: AtomicU64::new(control),
        }
    }

    /// Looks at one partition.
    pub(crate) fn look<T>(&self, index: usize, look: impl FnOnce(&mut Partition) -> T) -> T {
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        look(&mut self.partition(index))
    }

    /// Changes several partitions as one.
    pub(crate) fn publish(&self, change: impl FnOnce(&Publication<'_>)) {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        change(&Publication(self));
    }

    /// The next durable control record's offset.
    pub(crate) fn control(&self) -> Offset {
        self.control.load(Ordering::Acquire)
    }

    /// The side of everyone who owns something.
    pub(crate) fn owners(&self) -> Vec<Arc<Side>> {
        let mut owners: Vec<Arc<Side>> = Vec::new();
        for index in 0..self.partitions.len() {
            if let Some(owner) = &self.partition(index).owner {
                add(&mut owners, owner);
            }
        }
        owners
    }

    fn partition(&self, index: usize) -> MutexGuard<'_, Partition> {
        // A panic while the lock was held leaves values that were set whole.
        self.partitions[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to change a board while nobody looks.
pub(crate) struct Publication<'a>(&'a Board);

impl Publication<'_> {
    /// A partition to change.
    pub(crate) fn partition(&self, index: usize) -> MutexGuard<'_, Partition> {
        self.0.partition(index)
    }

    /// Says how far the control topic is durable.
    pub(crate) fn control(&self, next: Offset) {
        self.0.control.store(next, Ordering::Release);
    }
}

/// Adds a side unless it is there.
pub(crate) fn add(sides: &mut Vec<Arc<Side>>, side: &Arc<Side>) {
    if !sides.iter().any(|known| Arc::ptr_eq(known, side)) {
        sides.push(side.clone());
    }
}
