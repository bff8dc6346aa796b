//! What can be asked of the switch without asking an aggregate: transfers and positions, each as it
//! is now and with all that happened to it.
//!
//! Events are those of `scheme`, which transfers and accounts write and read themselves: any that they
//! still understand, however old, is understood here too. What one means is left to them.

pub mod positions;
pub mod transfers;

zamu_guest::handler! {
    name: "views",
    fold: 2,
    projections: [transfers::Transfers, positions::Positions],
}
