//! The liquidity cover.

use scheme::codes;
use serde_json::json;

use crate::common::{
    account, commit_payee, commit_payer, credited, debited, held, lower, lowered, open, opened,
    raise, raised, rejected, reserve, reserved, unopened,
};

/// Golden scenario 15: the cover limits as the cap does, and is told of first.
#[test]
fn a_reservation_may_reach_the_cover_and_not_exceed_it() {
    let short = |cover| format!("the liquidity cover of {cover} would be exceeded");
    let over = |cap| format!("the net debit cap of {cap} would be exceeded");
    for (cap, cover, held, position, asked, then) in [
        ("100", "60", "0", "0", "70", Err((codes::PAYER_LIQUIDITY, short("60")))),
        ("100", "60", "0", "0", "60.0001", Err((codes::PAYER_LIQUIDITY, short("60")))),
        ("100", "60", "0", "0", "60", Ok("60")),
        ("100", "60", "20", "30", "10", Ok("30")),
        ("100", "60", "20", "30", "10.01", Err((codes::PAYER_LIQUIDITY, short("60")))),
        ("100", "0", "0", "-5", "5", Ok("5")),
        ("100", "0", "0", "0", "0.01", Err((codes::PAYER_LIQUIDITY, short("0")))),
        ("50", "60", "0", "0", "55", Err((codes::PAYER_LIMIT, over("50")))),
        ("50", "60", "0", "0", "65", Err((codes::PAYER_LIQUIDITY, short("60")))),
    ] {
        let event = match then {
            Ok(after) => reserved("T1", asked, after, position),
            Err((code, reason)) => rejected("T1", asked, code, &reason),
        };
        let _ = account(cap, held, position)
            .given([raised(cover, cover)])
            .when(reserve("T1", asked))
            .then_events([event]);
    }
}

#[test]
fn without_a_settlement_account_cover_is_nothing_where_the_operator_requires_it() {
    for (configuration, pays) in [
        (json!({}), true),
        (json!({ "coverRequired": false }), true),
        (json!({ "coverRequired": true }), false),
    ] {
        let asked = account("100", "0", "0").configured(configuration).id("zamu", "2");
        let asked = asked.when(reserve("T1", "1"));
        let _ = if pays {
            asked.then_events([reserved("T1", "1", "1", "0")])
        } else {
            let reason = "the liquidity cover of 0 would be exceeded";
            asked.then_events([rejected("T1", "1", codes::PAYER_LIQUIDITY, reason)])
        };
    }
}

#[test]
fn cover_rises_by_what_comes_in_and_never_falls_below_what_is_owed() {
    let needed = |needed, cover| format!("{needed} of the liquidity cover of {cover} is needed");
    let _ = account("1000", "0", "0")
        .when(raise("0"))
        .then_events([raised("0", "0")])
        .when(raise("60"))
        .then_events([raised("60", "60")])
        .when(lower("60.01"))
        .then_events([held("60.01", &needed("0", "60"))])
        .when(reserve("T1", "40"))
        .then_events([reserved("T1", "40", "40", "0")])
        .when(commit_payer("T1", "40"))
        .then_events([debited("T1", "40", "0", "40")])
        .when(reserve("T2", "5"))
        .then_events([reserved("T2", "5", "5", "40")])
        .when(lower("15.01"))
        .then_events([held("15.01", &needed("45", "60"))])
        .when(lower("15"))
        .then_events([lowered("15", "45")])
        .when(lower("0.01"))
        .then_events([held("0.01", &needed("45", "45"))])
        .when(commit_payee("T3", "100"))
        .then_events([credited("T3", "100", "5", "-60")])
        .when(lower("45"))
        .then_events([lowered("45", "0")])
        .when(lower("1"))
        .then_events([held("1", &needed("0", "0"))]);
}

#[test]
fn an_account_that_was_never_opened_takes_cover_too() {
    let _ = unopened()
        .when(raise("60"))
        .then_events([raised("60", "60")])
        .then_state(|state| assert!(!state.opened))
        .when(open("100"))
        .then_events([opened("100")])
        .when(reserve("T1", "60"))
        .then_events([reserved("T1", "60", "60", "0")]);
}
