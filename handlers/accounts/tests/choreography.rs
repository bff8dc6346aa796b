//! What accounts make of each event of a transfer.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use accounts::OnTransfers;
use accounts::messages::{
    CommitPayeeFunds, CommitPayerFunds, ReservePayerFunds, ReversePayerFunds,
};
use scheme::transfer_events::{
    TransferFulfilAccepted, TransferFulfilInvalid, TransferPrepareAccepted,
};
use scheme::{Amount, ContentHasher, Currency, FspId, Timestamp};
use zamu_guest::Outbox;
use zamu_guest::testing::Reaction;

fn payer() -> FspId {
    "simfsp01".parse().unwrap()
}

fn payee() -> FspId {
    "simfsp02".parse().unwrap()
}

fn amount() -> Amount {
    "1.11".parse().unwrap()
}

fn currency() -> Currency {
    "USD".parse().unwrap()
}

fn transfer() -> Reaction<OnTransfers> {
    Reaction::new().key("T1")
}

#[test]
fn a_prepared_transfer_asks_the_payers_account_to_reserve() {
    let event = TransferPrepareAccepted {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        expiration: Timestamp::from_ms(0).unwrap(),
        condition: "HOr22-H3AfTDHrSkPjJtVPRdKouuMkDXTR4ejlQa8Ks".parse().unwrap(),
        content: ContentHasher::default().finish(),
    };
    let _ = transfer().on(event).then_commands(Outbox::to(
        "simfsp01/USD",
        ReservePayerFunds { transfer_id: "T1".to_owned(), amount: amount() },
    ));
}

#[test]
fn a_fulfilled_transfer_asks_both_accounts_to_commit() {
    let event = TransferFulfilAccepted {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        fulfilment: "XoSz1cL0tljJSCp_VtIYmPNw-zFUgGfbUqf69AagUzY".parse().unwrap(),
    };
    let _ = transfer().on(event).then_commands(
        Outbox::to(
            "simfsp01/USD",
            CommitPayerFunds { transfer_id: "T1".to_owned(), amount: amount() },
        )
        .and_to(
            "simfsp02/USD",
            CommitPayeeFunds { transfer_id: "T1".to_owned(), amount: amount() },
        ),
    );
}

#[test]
fn a_transfer_that_is_not_fulfilled_asks_the_payers_account_to_give_back() {
    let event = TransferFulfilInvalid {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        code: "3100".to_owned(),
        reason: "fulfilment: not the preimage of the condition".to_owned(),
    };
    let _ = transfer().on(event).then_commands(Outbox::to(
        "simfsp01/USD",
        ReversePayerFunds { transfer_id: "T1".to_owned(), amount: amount() },
    ));
}
