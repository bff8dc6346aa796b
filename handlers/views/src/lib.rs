//! What can be asked of the switch without asking an aggregate: transfers and positions, each as it
//! is now and with all that happened to it.
//!
//! Events are read with the fields that the tables need and no others, so that transfers and
//! accounts can grow without this crate. What an event means is left to them.

pub mod positions;
pub mod transfers;

zamu_guest::handler! {
    name: "views",
    fold: 2,
    projections: [transfers::Transfers, positions::Positions],
}
