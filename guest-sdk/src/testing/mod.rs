//! The test kit: given, when, then, and the laws of the contract checked without being asked.
//!
//! Everything a scenario does crosses the columns of `wit/`, so what it tests is the code that runs
//! in the sandbox. By default it runs natively; [`Scenario::on_engine`] takes any other [`Engine`].
//! [`Scenario`] is for aggregates, [`Reaction`] for event handlers, [`Projected`] for projections.
//!
//! What a handler looks up in reference tables is given, too ([`Scenario::given_reference`]): there is
//! nothing in them that a test has not put there. Commands before and after such a change are never put
//! into one batch, as a host does not do that either.
//!
//! What no law can check, for want of knowing it:
//! - **That old records are still understood.** Only their author knows what logs hold. [`frozen`] keeps
//!   the bytes of every kind, and does not pass while one has none, [`frozen_states`] those of states;
//!   what is not written any more stays by [`stored`], [`Scenario::given_stored`] and [`Projected::on_stored`].
//! - **What the same content under another id leads to** is a rule of the business, and wants a scenario
//!   of its own; the kit only asks every command a second time, to see that it does not fault. What comes
//!   again under its *own* id a handler never sees: the host answers as before without asking, and so
//!   does a scenario ([`Scenario::id`], [`Scenario::then_duplicate`]).
//!
//! ```
//! # use serde::{Deserialize, Serialize};
//! # use zamu_guest::{Aggregate, Context, Decision};
//! # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] pub struct Add { pub by: u64 }
//! # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] pub struct Added { pub by: u64 }
//! # zamu_guest::messages! { pub enum Command { Add } }
//! # zamu_guest::messages! { pub enum Event { Added } }
//! # pub struct Sum;
//! # impl Aggregate for Sum {
//! #     const TYPE: &'static str = "sum";
//! #     type State = u64;
//! #     type Command = Command;
//! #     type Event = Event;
//! #     type Configuration = ();
//! #     fn decide(sum: &u64, command: Command, _: &Context) -> Decision<Event> {
//! #         let Command::Add(Add { by }) = command;
//! #         match sum.checked_add(by) {
//! #             None => Decision::refuse("too-large", "the sum would not fit"),
//! #             Some(_) if by == 0 => Decision::nothing(),
//! #             Some(sum) => Decision::accept(Added { by }).reply(&sum),
//! #         }
//! #     }
//! #     fn evolve(sum: u64, event: &Event) -> u64 { let Event::Added(added) = event; sum + added.by }
//! # }
//! use zamu_guest::testing::Scenario;
//!
//! Scenario::<Sum>::new()
//!     .given([Added { by: 2 }])
//!     .when(Add { by: 3 })
//!     .then_events([Added { by: 3 }])
//!     .then_reply(&5)
//!     .when(Add { by: 0 })
//!     .then_nothing()
//!     .when(Add { by: u64::MAX })
//!     .then_refused("too-large")
//!     .then_state(|sum| assert_eq!(*sum, 5));
//! ```

mod diff;
mod engine;
mod lane;
mod laws;
mod lists;
mod projected;
mod reaction;
mod scenario;
mod setting;
mod stored;
mod window;

pub use engine::{Engine, Native};
pub use laws::Law;
pub use lists::MessageList;
pub use projected::Projected;
pub use reaction::Reaction;
pub use scenario::Scenario;
pub use setting::{ReferenceRows, Setting};
pub use stored::{frozen, frozen_protobuf, frozen_protobuf_states, frozen_states, stored};
