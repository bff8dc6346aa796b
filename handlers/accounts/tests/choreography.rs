//! What accounts make of each event of a transfer, and of each other's.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use accounts::messages::{
    CommitPayeeFunds, CommitPayerFunds, LowerCover, RaiseCover, ReservePayerFunds,
    ReversePayerFunds,
};
use accounts::settlement::messages::{
    CommitFundsOut, FundsIn, FundsOutPrepared, RejectFundsOut, SettlementAccountOpened,
};
use accounts::{OnFunds, OnTransfers};
use scheme::account_events::{CoverHeld, CoverLowered};
use scheme::transfer_events::{
    Answer, TransferAborted, TransferFulfilAccepted, TransferFulfilInvalid,
    TransferPrepareAccepted, TransferTimedOut,
};
use scheme::{Amount, ContentHasher, Currency, FspId, Phase, Timestamp};
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
    let (code, reason) = ("3100".to_owned(), "no".to_owned());
    let answer = Answer { fsp: payee(), content: ContentHasher::default().finish() };
    let give_back = || {
        Outbox::to(
            "simfsp01/USD",
            ReversePayerFunds { transfer_id: "T1".to_owned(), amount: amount() },
        )
    };
    let timed_out = |state| TransferTimedOut {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        state,
        code: code.clone(),
        reason: reason.clone(),
    };
    let _ = transfer()
        .on(TransferFulfilInvalid {
            payer: payer(),
            payee: payee(),
            amount: amount(),
            currency: currency(),
            code: code.clone(),
            reason: reason.clone(),
            answer: Some(answer.clone()),
        })
        .then_commands(give_back())
        .on(TransferAborted {
            payer: payer(),
            payee: payee(),
            amount: amount(),
            currency: currency(),
            code: code.clone(),
            reason: reason.clone(),
            answer,
        })
        .then_commands(give_back())
        .on(timed_out(Phase::ReservedTimeout))
        .then_commands(give_back())
        // Nothing may be reserved yet.
        .on(timed_out(Phase::PrepareTimeout))
        .then_commands(Outbox::none());
}

#[test]
fn what_comes_in_raises_the_cover_of_the_position_account() {
    let money = |text: &str| text.parse().unwrap();
    let _ = Reaction::<OnFunds>::new()
        .key("simfsp01/USD")
        .on(SettlementAccountOpened { funds: money("60") })
        .then_commands(Outbox::to("simfsp01/USD", RaiseCover { amount: money("60") }))
        .on(FundsIn { reference: "in".to_owned(), amount: amount(), funds: money("61.11") })
        .then_commands(Outbox::to("simfsp01/USD", RaiseCover { amount: money("1.11") }));
}

#[test]
fn what_is_to_go_out_waits_for_the_position_account() {
    let reference = || "out".to_owned();
    let (code, reason) = ("4001".to_owned(), "needed".to_owned());
    let _ = Reaction::<OnFunds>::new()
        .key("simfsp01/USD")
        .on(FundsOutPrepared { reference: reference(), amount: amount(), leaving: amount().into() })
        .then_commands(Outbox::to(
            "simfsp01/USD",
            LowerCover { reference: reference(), amount: amount() },
        ))
        .on(CoverLowered { reference: reference(), amount: amount(), cover: amount().into() })
        .then_commands(Outbox::to(
            "simfsp01/USD",
            CommitFundsOut { reference: reference(), amount: amount() },
        ))
        .on(CoverHeld {
            reference: reference(),
            amount: amount(),
            code: code.clone(),
            reason: reason.clone(),
        })
        .then_commands(Outbox::to(
            "simfsp01/USD",
            RejectFundsOut { reference: reference(), amount: amount(), code, reason },
        ));
}
