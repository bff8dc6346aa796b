//! Who is in a story: participants and their accounts, and the transfers between them.

use crate::laws::Touched;

pub(super) const PARTICIPANTS: usize = 4;
pub(super) const TRANSFERS: usize = 12;
pub(super) const CURRENCIES: [&str; 2] = ["USD", "JPY"];
/// A participant that nobody ever takes up.
pub(super) const GHOST: usize = PARTICIPANTS;

pub(super) fn name(participant: usize) -> String {
    format!("fsp{participant}")
}

pub(super) fn account(participant: usize, currency: usize) -> String {
    format!("fsp{participant}/{}", CURRENCIES[currency])
}

pub(super) fn accounts() -> impl Iterator<Item = (usize, usize)> {
    (0..PARTICIPANTS).flat_map(|participant| (0..2).map(move |currency| (participant, currency)))
}

/// Type and key of all that a story may touch.
pub(super) fn aggregates() -> impl Iterator<Item = (&'static str, String)> {
    let transfers = (0..TRANSFERS).map(|transfer| (scheme::TRANSFER, format!("T{transfer}")));
    let accounts = |aggregate_type| {
        accounts().map(move |(p, currency)| (aggregate_type, account(p, currency)))
    };
    (0..PARTICIPANTS)
        .map(|participant| (scheme::PARTICIPANT, name(participant)))
        .chain(transfers)
        .chain(accounts(scheme::ACCOUNT))
        .chain(accounts(scheme::SETTLEMENT_ACCOUNT))
}

/// All that the laws are to look at.
pub(super) fn everyone() -> Touched {
    let mut touched = Touched::default();
    for transfer in 0..TRANSFERS {
        touched.transfer(format!("T{transfer}"));
    }
    let of_ghost = (0..CURRENCIES.len()).map(|currency| (GHOST, currency));
    for (participant, currency) in accounts().chain(of_ghost) {
        touched.account(account(participant, currency));
    }
    touched
}
