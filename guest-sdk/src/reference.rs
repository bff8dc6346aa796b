//! Reference tables: small tables, made by projections of the deployment, in which commands and
//! events are looked up while they are decided and reacted to.
//!
//! How a lookup reaches the host is left to [`handler`](mod@crate::handler); how such a table is made, to
//! [`projection`](crate::projection).

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

/// A reference table as those see it who look something up in it: its name, and what its rows are
/// read as. `R` may leave out fields that the table's maker writes.
///
/// What a lookup gives is a row of a [`KeyedTable`](crate::KeyedTable) that some projection of the
/// deployment declares [`reference`](crate::KeyedTable::reference): as it was a moment ago, never as it
/// will be, and the same for all commands of a batch and for the events that they lead to. A deployment
/// in which nobody makes the table is refused.
///
/// Lookups are for deciding and reacting alone. Folding and projecting have no context to ask, so that
/// states and rows follow from events and from nothing else: what was looked up and matters later is
/// put into the event.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] pub struct Rent { pub rider: String }
/// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] pub struct Rented { pub rider: String }
/// # zamu_guest::messages! { pub enum Command { Rent } }
/// # zamu_guest::messages! { pub enum Event { Rented } }
/// use zamu_guest::testing::Scenario;
/// use zamu_guest::{Aggregate, Context, Decision, Reference, ReferenceDeclaration};
///
/// #[derive(Serialize, Deserialize)]
/// pub struct Rider { member: bool }
///
/// /// Who may rent: a table that another handler makes.
/// pub const RIDERS: Reference<Rider> = Reference::new("riders");
///
/// pub struct Bike;
///
/// impl Aggregate for Bike {
///     // ...
/// #   const TYPE: &'static str = "bike";
/// #   type State = Option<String>;
/// #   type Command = Command;
/// #   type Event = Event;
/// #   type Configuration = ();
///     const REFERENCES: &'static [ReferenceDeclaration] = &[RIDERS.declared()];
///
///     fn decide(_: &Option<String>, command: Command, context: &Context) -> Decision<Event> {
///         let Command::Rent(Rent { rider }) = command;
///         match context.lookup(&RIDERS, &rider) {
///             Some(Rider { member: true }) => Decision::accept(Rented { rider }),
///             Some(_) => Decision::refuse("no-member", "join first"),
///             None => Decision::refuse("nobody", "who is that?"),
///         }
///     }
/// #   fn evolve(_: Option<String>, event: &Event) -> Option<String> {
/// #       let Event::Rented(Rented { rider }) = event;
/// #       Some(rider.clone())
/// #   }
/// }
///
/// # fn main() {
/// let ann = || Rent { rider: "ann".to_owned() };
/// Scenario::<Bike>::new()
///     .when(ann())
///     .then_refused("nobody")
///     .given_reference(&RIDERS, "ann", &Rider { member: true })
///     .when(ann())
///     .then_events([Rented { rider: "ann".to_owned() }]);
/// # }
/// ```
pub struct Reference<R> {
    name: &'static str,
    row: PhantomData<fn() -> R>,
}

/// What the manifest says of a reference table that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceDeclaration {
    /// The table's name.
    pub name: &'static str,
}

impl<R: DeserializeOwned> Reference<R> {
    /// The reference table of that name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, row: PhantomData }
    }
}

impl<R> Reference<R> {
    /// What the manifest says of it: for [`Aggregate::REFERENCES`](crate::Aggregate::REFERENCES) and
    /// [`EventHandler::REFERENCES`](crate::EventHandler::REFERENCES).
    #[must_use]
    pub const fn declared(&self) -> ReferenceDeclaration {
        ReferenceDeclaration { name: self.name }
    }
}

impl<R> fmt::Debug for Reference<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reference").field(&self.name).finish()
    }
}
