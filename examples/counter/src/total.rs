//! The counter of all counters: what any other counter counts, `total` counts too.

use zamu_guest::{EventContext, EventHandler, Outbox};

use crate::messages::{Increment, Incremented};

/// Key of the counter that counts what all others count. Its own events are not counted again.
pub const TOTAL: &str = "total";

/// Tells the counter `total` of what other counters count.
#[derive(Debug)]
pub struct Total;

zamu_guest::addressed! {
    /// The events that `total` is told of.
    pub enum Heard {
        "counter" => { Incremented },
    }
}

zamu_guest::addressed! {
    /// What `total` is told.
    pub enum Sent {
        "counter" => { Increment },
    }
}

impl EventHandler for Total {
    type Event = Heard;
    type Command = Sent;
    type Configuration = ();

    fn react(event: &Heard, context: &EventContext) -> Outbox<Sent> {
        let Heard::Incremented(Incremented { by, .. }) = event;
        if context.key == TOTAL {
            return Outbox::none();
        }
        Outbox::to(TOTAL, Increment { by: *by })
    }
}
