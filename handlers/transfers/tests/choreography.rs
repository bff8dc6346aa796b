//! What transfers make of each event of an account.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::amount;
use scheme::Money;
use scheme::account_events::{
    PayeeFundsCommitted, PayerFundsRejected, PayerFundsReserved, PayerFundsReversed,
};
use transfers::OnAccounts;
use transfers::messages::{
    AckPayeeFundsCommitted, AckPayerFundsReserved, AckPayerFundsReversed, RejectTransfer,
};
use zamu_guest::Outbox;
use zamu_guest::testing::Reaction;

fn account() -> Reaction<OnAccounts> {
    Reaction::new().key("simfsp01/USD")
}

fn id() -> String {
    "T1".to_owned()
}

#[test]
fn each_answer_of_an_account_goes_to_the_transfer_that_it_names() {
    let (reserved, position) = (Money::ZERO, Money::ZERO);
    let _ = account()
        .on(PayerFundsReserved { transfer_id: id(), amount: amount(), reserved, position })
        .then_commands(Outbox::to("T1", AckPayerFundsReserved {}))
        .on(PayeeFundsCommitted {
            transfer_id: id(),
            amount: amount(),
            reserved,
            position,
            unopened: true,
        })
        .then_commands(Outbox::to("T1", AckPayeeFundsCommitted {}))
        .on(PayerFundsReversed { transfer_id: id(), amount: amount(), reserved, position })
        .then_commands(Outbox::to("T1", AckPayerFundsReversed {}));
}

#[test]
fn a_rejection_is_passed_on_with_its_reason() {
    let (code, reason) = ("4200".to_owned(), "too much".to_owned());
    let _ = account()
        .on(PayerFundsRejected {
            transfer_id: id(),
            amount: amount(),
            code: code.clone(),
            reason: reason.clone(),
        })
        .then_commands(Outbox::to("T1", RejectTransfer { code, reason }));
}
