//! Write, test and build a handler: business rules that run sandboxed in Zamu.
//!
//! # Write
//! An aggregate is a state and two pure functions. [`messages!`] makes enums of the structs that
//! are its commands and events; bodies and states are JSON, by serde. An event handler is one pure
//! function.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use zamu_guest::{Aggregate, Context, Decision, EventContext, EventHandler, Outbox};
//!
//! #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
//! pub struct Rent { pub days: u32 }
//! #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
//! pub struct Rented { pub by: String, pub days: u32 }
//!
//! zamu_guest::messages! { pub enum BikeCommand { Rent } }
//! zamu_guest::messages! { pub enum BikeEvent { Rented } }
//!
//! pub struct Bike;
//!
//! #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
//! pub struct State { rented_by: Option<String> }
//!
//! impl Aggregate for Bike {
//!     const TYPE: &'static str = "bike";
//!     type State = State;
//!     type Command = BikeCommand;
//!     type Event = BikeEvent;
//!     type Configuration = ();
//!
//!     fn decide(bike: &State, command: BikeCommand, context: &Context) -> Decision<BikeEvent> {
//!         let BikeCommand::Rent(Rent { days }) = command;
//!         match &bike.rented_by {
//!             None => Decision::accept(Rented { by: context.principal.to_owned(), days }),
//!             Some(by) if by == context.principal => Decision::nothing().reply("yours already"),
//!             Some(_) => Decision::refuse("rented", "someone else has this bike"),
//!         }
//!     }
//!
//!     fn evolve(bike: State, event: &BikeEvent) -> State {
//!         let BikeEvent::Rented(Rented { by, .. }) = event;
//!         State { rented_by: Some(by.clone()), ..bike }
//!     }
//! }
//!
//! // An event handler hears events of some aggregate types, its own handler's or others', and
//! // sends commands to some. These enums say which.
//! zamu_guest::addressed! { pub enum Heard { "bike" => { Rented } } }
//! zamu_guest::addressed! { pub enum Asked { "customer" => { Charge } } }
//!
//! #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
//! pub struct Charge { pub days: u32 }
//!
//! pub struct Billing;
//!
//! impl EventHandler for Billing {
//!     type Event = Heard;
//!     type Command = Asked;
//!     type Configuration = ();
//!
//!     fn react(event: &Heard, _: &EventContext) -> Outbox<Asked> {
//!         let Heard::Rented(Rented { by, days }) = event;
//!         Outbox::to(by, Charge { days: *days })
//!     }
//! }
//!
//! // One handler is one component; it exports the roles that it is given.
//! zamu_guest::handler! {
//!     name: "bikes",
//!     fold: 1,
//!     aggregates: [Bike],
//!     event_handlers: [Billing],
//! }
//!
//! // In tests:
//! use zamu_guest::testing::{Reaction, Scenario};
//!
//! # fn main() {
//! Scenario::<Bike>::new()
//!     .principal("ann")
//!     .when(Rent { days: 2 })
//!     .then_events([Rented { by: "ann".to_owned(), days: 2 }])
//!     .principal("ben")
//!     .when(Rent { days: 1 })
//!     .then_refused("rented");
//!
//! Reaction::<Billing>::new()
//!     .on(Rented { by: "ann".to_owned(), days: 2 })
//!     .then_commands([("ann", Charge { days: 2 })]);
//! # }
//! ```
//!
//! A third role, the [`Projection`], turns events into rows of tables, which queries read.
//!
//! All that is not a function of state and message comes in the [`Context`]: time, ids, who asked,
//! the operator's configuration, and [`Reference`] tables, in which [`Context::lookup`] looks up what
//! projections have made of other aggregates' events. There is nothing else: no clock, no randomness,
//! no files. A body
//! that does not decode is refused as `malformed`, naming the field; how strict that is, serde's
//! attributes say (`#[serde(deny_unknown_fields)]`). A panic ends the item, which becomes a dead
//! letter with the panic's text.
//!
//! What has to happen when nobody asks for it is a deadline: [`Aggregate::wake_at`] says for a state
//! when, and [`Aggregate::wake`] what happens then. A deadline is data of the state, so it survives
//! what the state survives; a test brings it about with [`testing::Scenario::when_woken_at`].
//!
//! # JSON or Protobuf
//! Every body and state can be JSON. What only handlers read can be [`Protobuf`], too, which is shorter and
//! quicker: plain structs get that form by `#[derive(prost::Message)]`, those whose values check themselves
//! by [`protobuf!`]. A message is read in the form that its content type says; in which form each kind is
//! written, [`Aggregate::codec`] and [`EventHandler::codec`] choose.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use zamu_guest::{Aggregate, Codec, Context, Decision, ProtobufForm};
//!
//! /// A client's: JSON only.
//! #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
//! pub struct Pay { pub cents: u64 }
//!
//! #[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
//! pub struct Paid {
//!     #[prost(uint64, tag = "1")]
//!     pub cents: u64,
//! }
//!
//! #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
//! pub struct Till { cents: u64, closed: bool }
//! zamu_guest::protobuf! { Till { cents = 1, closed = 2 } }
//!
//! zamu_guest::messages! { pub enum Command { Pay } }
//! zamu_guest::messages! { pub enum Event { Paid } }
//!
//! #[derive(Default, Deserialize)]
//! #[serde(default)]
//! pub struct Configuration { codec: Codec }
//!
//! pub struct Tills;
//!
//! impl Aggregate for Tills {
//!     const TYPE: &'static str = "till";
//!     const STATE_PROTOBUF: Option<ProtobufForm<Till>> = Some(ProtobufForm::new());
//!     type State = Till;
//!     type Command = Command;
//!     type Event = Event;
//!     type Configuration = Configuration;
//!
//!     fn decide(_: &Till, command: Command, _: &Context<Configuration>) -> Decision<Event> {
//!         let Command::Pay(Pay { cents }) = command;
//!         Decision::accept(Paid { cents })
//!     }
//!
//!     fn evolve(till: Till, event: &Event) -> Till {
//!         let Event::Paid(Paid { cents }) = event;
//!         Till { cents: till.cents.wrapping_add(*cents), ..till }
//!     }
//!
//!     fn codec(_: &Event, configuration: &Configuration) -> Codec {
//!         configuration.codec
//!     }
//! }
//!
//! # fn main() {
//! use zamu_guest::testing::Scenario;
//! Scenario::<Tills>::new()
//!     .configured(serde_json::json!({ "codec": "protobuf" }))
//!     .when(Pay { cents: 150 })
//!     .then_events([Paid { cents: 150 }]);
//! # }
//! ```
//!
//! Give a body this form in a crate that all who hear it share, and deploy those who read it before those
//! who write it: a handler that was built without the form does not hear the event. An unknown field is
//! passed over, so one that nobody may overlook needs another schema id.
//!
//! # Test
//! `cargo test`, with the [`testing`] kit. It checks the contract's [laws](Aggregate#laws) after
//! every step without being asked; a broken one is named and shown as a difference. The commonest:
//! a `HashMap` in a state, whose JSON is different every time.
//! What logs hold of older versions no kit can know: [`testing::frozen`] and
//! [`testing::frozen_protobuf`] keep the bytes of messages.
//!
//! # Build
//! ```toml
//! [lib]
//! crate-type = ["cdylib", "rlib"]
//! ```
//! `cargo build --target wasm32-unknown-unknown --profile guest`, encoded as a component; in this
//! repository `cargo xtask guests` does both. Or `--target wasm32-wasip2`, which makes a component by
//! itself: `println!` is a line of its log then, but no clock, file or socket is there either way.

pub mod aggregate;
pub mod bounds;
pub mod codec;
pub mod columns;
pub mod decision;
pub mod event_handler;
mod export;
pub mod handler;
mod item;
pub mod json;
pub mod log;
pub mod messages;
pub mod projection;
pub mod protobuf;
pub mod reference;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod time;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod wasm;

pub use aggregate::{Aggregate, Context};
pub use codec::{Codec, ProtobufForm};
pub use decision::Decision;
pub use event_handler::{EventContext, EventHandler, Outbox};
pub use handler::{Handler, Host};
pub use messages::{Addressed, Kind, Messages};
pub use projection::{KeyedTable, ListTable, Projection, ProjectionContext, Rows};
pub use protobuf::Protobuf;
pub use reference::{Reference, ReferenceDeclaration};
pub use time::Time;
