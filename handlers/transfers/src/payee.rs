//! May the payee of a new transfer be paid at all? Looked up in the directory, which may be a moment
//! old; once a transfer is accepted, nobody asks again.
//!
//! The payer is not looked up: its account answers for itself when it is asked to reserve.

use scheme::directory::{self, ListedAccount, ListedParticipant};
use scheme::{AccountKey, codes};
use zamu_guest::{Context, Reference};

use crate::Configuration;
use crate::state::{Failure, Terms};

/// Who takes part in the scheme.
pub const PARTICIPANTS: Reference<ListedParticipant> = Reference::new(directory::PARTICIPANTS);
/// Which position accounts there are.
pub const ACCOUNTS: Reference<ListedAccount> = Reference::new(directory::ACCOUNTS);

/// Whether the payee takes part and has an open account in the currency; or why it cannot be paid.
pub(crate) fn check(terms: &Terms, context: &Context<'_, Configuration>) -> Result<(), Failure> {
    listed(terms, context)
        .map_err(|reason| Failure { code: codes::PAYEE_NOT_FOUND.to_owned(), reason })
}

fn listed(
    Terms { payee, currency, .. }: &Terms,
    context: &Context<'_, Configuration>,
) -> Result<(), String> {
    match context.lookup(&PARTICIPANTS, payee.as_str()) {
        None => return Err("payee: no such participant".to_owned()),
        Some(ListedParticipant { active: false }) => {
            return Err("payee: the participant is not active".to_owned());
        }
        Some(ListedParticipant { active: true }) => {}
    }
    match context.lookup(&ACCOUNTS, AccountKey::text(payee, *currency)) {
        None => Err(format!("payee: no account in {currency}")),
        Some(ListedAccount { open: false, .. }) => {
            Err(format!("payee: the account in {currency} is closed"))
        }
        Some(ListedAccount { open: true, .. }) => Ok(()),
    }
}
