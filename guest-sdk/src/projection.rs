//! The role of a projection: events of one aggregate type become rows of tables, which queries read.

use std::fmt::Debug;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::handler::rows::Rows;

use crate::messages::Messages;
use crate::time::Time;

/// Turns events into rows.
///
/// Every row belongs to the aggregate whose event wrote it, and its key begins with the aggregate's
/// key, so that rows of different aggregates never meet. There are two sorts of tables: a
/// [`KeyedTable`] has one row per aggregate, which is handed in; a [`ListTable`] has any number of
/// them, written without being read.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] pub struct Rented { pub by: String }
/// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] pub struct Returned {}
/// # zamu_guest::messages! { pub enum BikeEvent { Rented, Returned } }
/// use zamu_guest::projection::TableDeclaration;
/// use zamu_guest::testing::Projected;
/// use zamu_guest::{KeyedTable, ListTable, Projection, ProjectionContext, Rows, Time};
///
/// #[derive(Debug, Serialize, Deserialize)]
/// pub struct Bike { rented_by: Option<String>, rentals: u64 }
///
/// /// Every bike as it is now, under its own key.
/// pub const BIKES: KeyedTable<Bike> = KeyedTable::new("bikes");
/// /// Who rented a bike, and when: `bike/00000000000000000007`.
/// pub const RENTALS: ListTable<(String, Time)> = ListTable::new("rentals");
///
/// pub struct Bikes;
///
/// impl Projection for Bikes {
///     const TYPE: &'static str = "bike";
///     const TABLES: &'static [TableDeclaration] = &[BIKES.declared(), RENTALS.declared()];
///     type Event = BikeEvent;
///
///     fn project(event: &BikeEvent, context: &ProjectionContext, rows: &mut Rows) {
///         let bike = rows.current(&BIKES).get_or_insert(Bike { rented_by: None, rentals: 0 });
///         match event {
///             BikeEvent::Rented(Rented { by }) => {
///                 bike.rented_by = Some(by.clone());
///                 bike.rentals += 1;
///                 rows.put(&RENTALS, context.sequence_suffix(), &(by.clone(), context.time));
///             }
///             BikeEvent::Returned(_) => bike.rented_by = None,
///         }
///     }
/// }
///
/// zamu_guest::handler! { name: "bike-tables", fold: 1, projections: [Bikes] }
///
/// # fn main() {
/// Projected::<Bikes>::new()
///     .key("red")
///     .at(Time(5))
///     .on(Rented { by: "ann".to_owned() })
///     .on(Returned {})
///     .then_row(&BIKES, &Bike { rented_by: None, rentals: 1 })
///     .then_row_at(&RENTALS, "00000000000000000001", &("ann", 5));
/// # }
/// ```
///
/// # Laws
/// The test kit ([`crate::testing::Projected`]) checks them after every step, without being asked:
/// - the same input gives the same output;
/// - projecting a batch leaves the rows that projecting its events one by one leaves;
/// - what happens to one aggregate's rows does not depend on other aggregates in the batch.
///
/// Rows are made of the events and of nothing else: there is no configuration here. They can be
/// thrown away and made again at any time.
pub trait Projection: 'static {
    /// The aggregate type whose events it takes.
    const TYPE: &'static str;
    /// The tables that it writes, and nobody else does.
    const TABLES: &'static [TableDeclaration];
    /// The events that it takes, an enum made by [`messages!`](macro@crate::messages). Others of
    /// the type are left out.
    type Event: Messages;

    /// What an event does to the aggregate's rows. Facts are never refused: also those of older
    /// versions must be taken. A panic stops the tables of the aggregate's partition until there is
    /// a version that does not panic.
    fn project(event: &Self::Event, context: &ProjectionContext<'_>, rows: &mut Rows<'_>);
}

/// Everything about an event that is not in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct ProjectionContext<'a> {
    /// Key of the aggregate that decided the event.
    pub key: &'a str,
    /// The event's number within its aggregate, from 1.
    pub sequence: u64,
    /// The time of the command that caused the event.
    pub time: Time,
    /// Ties together all messages of one business process.
    pub correlation: &'a str,
}

impl ProjectionContext<'_> {
    /// The event's number as a suffix in a [`ListTable`]: of so many digits that the order of keys
    /// is the order of events.
    #[must_use]
    pub fn sequence_suffix(&self) -> String {
        sequence_suffix(self.sequence)
    }
}

/// A number as a suffix in a [`ListTable`], in twenty digits, so that the order of keys is the
/// order of numbers.
#[must_use]
pub fn sequence_suffix(number: u64) -> String {
    format!("{number:020}")
}

/// What the manifest says of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableDeclaration {
    /// The name by which queries ask for it: unique among all handlers of a deployment.
    pub name: &'static str,
    /// Whether an aggregate has exactly one row.
    pub keyed: bool,
    /// Whether it is small, and of use to other handlers.
    pub reference: bool,
}

/// A table with one row per aggregate; the row's key is the aggregate's.
#[derive(Debug)]
pub struct KeyedTable<R> {
    declaration: TableDeclaration,
    row: PhantomData<fn() -> R>,
}

/// A table with any number of rows per aggregate; a row's key is the aggregate's key, `/` and a
/// suffix.
#[derive(Debug)]
pub struct ListTable<R> {
    declaration: TableDeclaration,
    row: PhantomData<fn() -> R>,
}

impl<R: Row> KeyedTable<R> {
    /// A table of that name: lower-case letters, digits and hyphens.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let declaration = TableDeclaration { name, keyed: true, reference: false };
        Self { declaration, row: PhantomData }
    }

    /// The table is small, and handlers look things up in it while they decide and react: by a
    /// [`Reference`](crate::Reference) of the same name. Every process holds all of its rows.
    #[must_use]
    pub const fn reference(mut self) -> Self {
        self.declaration.reference = true;
        self
    }

    /// What the manifest says of it: for [`Projection::TABLES`].
    #[must_use]
    pub const fn declared(&self) -> TableDeclaration {
        self.declaration
    }
}

impl<R: Row> ListTable<R> {
    /// A table of that name: lower-case letters, digits and hyphens.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let declaration = TableDeclaration { name, keyed: false, reference: false };
        Self { declaration, row: PhantomData }
    }

    /// What the manifest says of it: for [`Projection::TABLES`].
    #[must_use]
    pub const fn declared(&self) -> TableDeclaration {
        self.declaration
    }
}

/// What a row can be: JSON, there and back. As canonical as a state: no `HashMap` in it.
pub trait Row: Serialize + DeserializeOwned + Debug + 'static {}

impl<R: Serialize + DeserializeOwned + Debug + 'static> Row for R {}
