//! What accounts do when something happens elsewhere: to a transfer, or to a settlement account.

pub mod funds;
pub mod transfers;
