//! May the payer of a new transfer pay, and may its payee be paid? Looked up in the directory, which may
//! be a moment old; once a transfer is accepted, nobody asks again.
//!
//! Of the payer only what its account cannot know is looked up: that the participant was taken up and
//! is not active. All else its account answers when it is asked to reserve, also for a payer that
//! nobody knows.

use scheme::directory::{self, ListedAccount, ListedParticipant};
use scheme::{AccountKey, codes};
use zamu_guest::{Context, Reference};

use crate::Configuration;
use crate::state::{Failure, Terms};

/// Who takes part in the scheme.
pub const PARTICIPANTS: Reference<ListedParticipant> = Reference::new(directory::PARTICIPANTS);
/// Which position accounts there are.
pub const ACCOUNTS: Reference<ListedAccount> = Reference::new(directory::ACCOUNTS);

/// Whether the payer may pay, as far as the directory can say, and the payee takes part and has an
/// open account in the currency; or why not, the payer first.
pub(crate) fn check(terms: &Terms, context: &Context<'_, Configuration>) -> Result<(), Failure> {
    check_payer(terms, context).map_err(|reason| failure(codes::PAYER_NOT_FOUND, reason))?;
    check_payee(terms, context).map_err(|reason| failure(codes::PAYEE_NOT_FOUND, reason))
}

fn check_payer(
    Terms { payer, .. }: &Terms,
    context: &Context<'_, Configuration>,
) -> Result<(), String> {
    match context.lookup(&PARTICIPANTS, payer.as_str()) {
        Some(ListedParticipant { active: false }) => {
            Err("payer: the participant is not active".to_owned())
        }
        Some(ListedParticipant { active: true }) | None => Ok(()),
    }
}

fn check_payee(
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

fn failure(code: &str, reason: String) -> Failure {
    Failure { code: code.to_owned(), reason }
}
