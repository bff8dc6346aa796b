//! Position accounts: whether each is open.

use scheme::AccountKey;
use scheme::account_events::{AccountClosed, AccountOpened, AccountReopened};
use scheme::directory::ListedAccount;
use zamu_guest::projection::TableDeclaration;
use zamu_guest::{KeyedTable, Projection, ProjectionContext, Rows};

/// Every account that was opened once, by its key: `participant/currency`. One that only took a credit
/// is not among them.
pub const ACCOUNTS: KeyedTable<ListedAccount> =
    KeyedTable::new(scheme::directory::ACCOUNTS).reference();

zamu_guest::messages! {
    /// What opens or closes an account.
    pub enum Event { AccountOpened, AccountClosed, AccountReopened }
}

/// Makes the table of accounts.
#[derive(Clone, Copy, Debug)]
pub struct Accounts;

impl Projection for Accounts {
    const TYPE: &'static str = scheme::ACCOUNT;
    const TABLES: &'static [TableDeclaration] = &[ACCOUNTS.declared()];
    type Event = Event;

    fn project(event: &Event, context: &ProjectionContext<'_>, rows: &mut Rows<'_>) {
        // Accounts are opened under such keys only; what has another is none that anyone could name.
        let Ok(AccountKey { currency, .. }) = context.key.parse() else { return };
        let open = match event {
            Event::AccountOpened(_) | Event::AccountReopened(AccountReopened {}) => true,
            Event::AccountClosed(AccountClosed {}) => false,
        };
        *rows.current(&ACCOUNTS) = Some(ListedAccount { currency, open });
    }
}
