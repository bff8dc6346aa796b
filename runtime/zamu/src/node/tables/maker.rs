//! A thread that makes tables.
//!
//! It takes the core's [`Projections`] round and round until there is nothing left to do, then parks
//! until something has become durable. Orders run between two rounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::{oneshot, watch};
use zamu_core::error::EngineError;
use zamu_core::projection::{Progress, Projections};
use zamu_rocks::Subscription;

use super::Stopped;
use super::courtesy::{Turns, stay_behind};
use crate::config::Pace;
use crate::node::shards::{CallError, Doorbell, STACK_BYTES};

/// Orders that may wait.
const ORDERS_MAX: usize = 64;
/// The longest time without a look around, in case a wake-up was missed.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// Heard between two rounds.
enum Order {
    /// To be done.
    Do(Box<dyn FnOnce(&mut Projections) -> Tell + Send>),
    /// Somebody waits: do not gather, go on.
    Hurry,
}

/// Tells the one who ordered, once all others can see what was done.
type Tell = Box<dyn FnOnce() + Send>;

/// What is kept of the thread.
pub(super) struct Maker {
    /// The projections whose tables it makes.
    names: Vec<Arc<str>>,
    orders: Sender<Order>,
    /// Whether it was told to hurry and has not heard it yet.
    hurried: Arc<AtomicBool>,
    tell: watch::Sender<()>,
    doorbell: Doorbell,
    _subscription: Subscription,
}

/// What the thread is made of.
pub(super) struct Drive {
    pub(super) set: Projections,
    pub(super) stopping: Arc<AtomicBool>,
    pub(super) hurried: Arc<AtomicBool>,
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
        let hurried = Arc::clone(&drive.hurried);
        let names = drive.set.names().map(Arc::clone).collect();
        let tell = drive.tell.clone();
        let bell = doorbell.clone();
        let handle = thread::Builder::new().name(thread.to_owned()).stack_size(STACK_BYTES).spawn(
            move || {
                bell.belongs_here();
                drive.run(&inbox);
            },
        )?;
        Ok((Self { names, orders, hurried, tell, doorbell, _subscription: subscription }, handle))
    }

    /// Whether it makes the tables of this projection.
    pub(super) fn makes(&self, projection: &str) -> bool {
        self.names.iter().any(|name| **name == *projection)
    }

    /// Changes when something has become of these tables.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.tell.subscribe()
    }

    /// Has the thread go on with what there is, whatever it waits for.
    pub(super) fn hurry(&self) {
        // Whoever is told once need not be told again.
        if !self.hurried.swap(true, Ordering::AcqRel) {
            drop(self.orders.try_send(Order::Hurry));
        }
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
        let (order, told) = order(what);
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => CallError::Busy,
            TrySendError::Disconnected(_) => CallError::Gone,
        })?;
        self.doorbell.ring();
        told.await.map_err(|_| CallError::Gone)
    }

    /// As [`Maker::order`], and waits for its place if too many orders wait; the result comes later, or
    /// never if the thread has stopped.
    pub(super) async fn insist<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Projections) -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (order, told) = order(what);
        if let Err(TrySendError::Full(order)) = self.orders.try_send(order) {
            let orders = self.orders.clone();
            // Where the thread has stopped, whoever waits is told so by the end of the order.
            drop(tokio::task::spawn_blocking(move || drop(orders.send(order))).await);
        }
        self.doorbell.ring();
        told
    }
}

/// An order, and where its result comes.
fn order<T: Send + 'static>(
    what: impl FnOnce(&mut Projections) -> T + Send + 'static,
) -> (Order, oneshot::Receiver<T>) {
    let (tell, told) = oneshot::channel();
    let order = Order::Do(Box::new(move |set| {
        let done = what(set);
        // Nobody may be there any more to hear it.
        Box::new(move || drop(tell.send(done)))
    }));
    (order, told)
}

impl Drive {
    fn run(mut self, inbox: &Receiver<Order>) {
        let is_behind = self.pace == Pace::Behind;
        if is_behind {
            stay_behind();
        }
        while !self.stopping.load(Ordering::Acquire) {
            for order in inbox.try_iter().take(ORDERS_MAX) {
                self.carry_out(order);
            }
            let before = Turns::of_this_thread();
            let stopping = Arc::clone(&self.stopping);
            let goes_on = || inbox.is_empty() && !stopping.load(Ordering::Acquire);
            let progress = match self.set.round(goes_on) {
                Ok(progress) => progress,
                Err(error @ EngineError::Retry(_)) => {
                    tracing::warn!(%error, "making tables goes on later");
                    Progress::Nothing
                }
                Err(error) => {
                    (self.failed)(format!("no more tables can be made: {error}"));
                    return;
                }
            };
            let rest =
                if is_behind { Turns::of_this_thread().rest(before) } else { Duration::ZERO };
            self.stopped.set(&self.set);
            if progress == Progress::Nothing {
                thread::park_timeout(LOOK_AROUND);
            }
            // What comes next to each other costs less together.
            let gather = if progress == Progress::Full { Duration::ZERO } else { self.gather };
            self.pause(rest.max(gather), inbox);
        }
    }

    /// Lets time pass, unless there is an order.
    fn pause(&mut self, time: Duration, inbox: &Receiver<Order>) {
        if let Ok(order) = inbox.recv_timeout(time) {
            self.carry_out(order);
        }
    }

    fn carry_out(&mut self, order: Order) {
        let what = match order {
            Order::Do(what) => what,
            Order::Hurry => {
                self.hurried.store(false, Ordering::Release);
                return;
            }
        };
        let tell = what(&mut self.set);
        self.stopped.set(&self.set);
        self.tell.send_replace(());
        tell();
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.failed)("a thread of tables panicked: see above".to_owned());
        }
    }
}
