//! Each promise broken once: the ledger must find it, by its name.
#![allow(clippy::unwrap_used)]

mod accounts;
mod alarms;
mod channels;
mod cover;
mod deadlines;
mod host;
mod order;
mod transfers;
