//! A thread that makes tables.
//!
//! It steps the core's [`Projections`] until there is nothing left to do, then parks until something
//! has become durable. Orders run between two steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::{oneshot, watch};
use zamu_core::error::EngineError;
use zamu_core::projection::Projections;
use zamu_rocks::Subscription;

use super::Stopped;
use crate::config::Pace;
use crate::node::shards::{CallError, Doorbell, STACK_BYTES};

/// Orders that may wait.
const ORDERS_MAX: usize = 64;
/// The longest time without a look around, in case a wake-up was missed.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// Carried out between two steps. What it leaves tells the one who ordered, once all others can see
/// what it did.
type Order = Box<dyn FnOnce(&mut Projections) -> Tell + Send>;
type Tell = Box<dyn FnOnce() + Send>;

/// What is kept of the thread.
pub(super) struct Maker {
    /// The projections whose tables it makes.
    names: Vec<Arc<str>>,
    orders: Sender<Order>,
    doorbell: Doorbell,
    _subscription: Subscription,
}

/// What the thread is made of.
pub(super) struct Drive {
    pub(super) set: Projections,
    pub(super) stopping: Arc<AtomicBool>,
    pub(super) stopped: Stopped,
    pub(super) tell: watch::Sender<()>,
    pub(super) gather: Duration,
    pub(super) pace: Pace,
    pub(super) failed: Arc<dyn Fn(String) + Send + Sync>,
}

impl Maker {
    /// Starts the thread. It is rung by `doorbell`, to which `subscription` belongs.
    ///
    /// # Errors
    /// When the system has no thread.
    pub(super) fn start(
        thread: &str,
        drive: Drive,
        doorbell: Doorbell,
        subscription: Subscription,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (orders, inbox) = bounded(ORDERS_MAX);
        let names = drive.set.names().map(Arc::clone).collect();
        let bell = doorbell.clone();
        let handle = thread::Builder::new().name(thread.to_owned()).stack_size(STACK_BYTES).spawn(
            move || {
                bell.belongs_here();
                drive.run(&inbox);
            },
        )?;
        Ok((Self { names, orders, doorbell, _subscription: subscription }, handle))
    }

    /// Whether it makes the tables of this projection.
    pub(super) fn makes(&self, projection: &str) -> bool {
        self.names.iter().any(|name| **name == *projection)
    }

    /// Has the thread look around.
    pub(super) fn ring(&self) {
        self.doorbell.ring();
    }

    /// Has the thread do something; the result comes when it has.
    ///
    /// # Errors
    /// When too many orders wait, or the thread has stopped.
    pub(super) async fn order<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Projections) -> T + Send + 'static,
    ) -> Result<T, CallError> {
        let (tell, told) = oneshot::channel();
        let order: Order = Box::new(move |set| {
            let done = what(set);
            // Nobody may be there any more to hear it.
            Box::new(move || drop(tell.send(done)))
        });
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => CallError::Busy,
            TrySendError::Disconnected(_) => CallError::Gone,
        })?;
        self.doorbell.ring();
        told.await.map_err(|_| CallError::Gone)
    }
}

impl Drive {
    fn run(mut self, inbox: &Receiver<Order>) {
        if self.pace == Pace::Behind {
            stay_behind();
        }
        while !self.stopping.load(Ordering::Acquire) {
            for order in inbox.try_iter().take(ORDERS_MAX) {
                let tell = order(&mut self.set);
                self.stopped.set(&self.set);
                self.tell.send_replace(());
                tell();
            }
            match self.set.step() {
                Ok(true) => self.stopped.set(&self.set),
                Ok(false) => {
                    thread::park_timeout(LOOK_AROUND);
                    // What comes next to each other costs less together.
                    thread::sleep(self.gather);
                }
                Err(error @ EngineError::Retry(_)) => {
                    tracing::warn!(%error, "making tables goes on later");
                    thread::park_timeout(LOOK_AROUND);
                }
                Err(error) => {
                    (self.failed)(format!("no more tables can be made: {error}"));
                    return;
                }
            }
        }
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.failed)("a thread of tables panicked: see above".to_owned());
        }
    }
}

/// The calling thread runs only where the cores have nothing else to do.
fn stay_behind() {
    let nothing_to_say = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread, and the pointer is to a value that outlives the call. Where
    // the system does not allow it, nothing changes.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const nothing_to_say) };
}
