//! The directory of the switch: who takes part and which accounts are open, for other handlers to look
//! up while they decide.
//!
//! Two reference tables, so their rows are as small as what is asked of them: names, limits and
//! positions are left to the participants and accounts themselves, and to the tables of `views`. What
//! follows from a listing is left to who looks it up.

pub mod accounts;
pub mod participants;

zamu_guest::handler! {
    name: "directory",
    fold: 1,
    projections: [participants::Participants, accounts::Accounts],
}
