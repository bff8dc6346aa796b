//! Each command between aggregates has its one effect, in its turn.

use serde_json::{Value, json};

use crate::ledger::findings::BROKEN_CHANNEL;
use crate::ledger::tests::host::Host;

#[test]
fn anything_that_happens_twice_is_doubled_and_breaks_its_channel() {
    for (kind, account) in [
        ("PayerFundsReserved", Some("a/USD")),
        ("PayerFundsCommitted", Some("a/USD")),
        ("PayeeFundsCommitted", Some("b/USD")),
        ("TransferFulfilled", None),
    ] {
        let mut host = Host::new();
        host.completed("T1");
        host.completed("T2");
        let by_kind = |event: &&Value| event["kind"] == kind;
        let cause = host.events.iter().find(by_kind).unwrap()["cause"]["command"]["id"].clone();
        let cause = cause.as_str().unwrap().rsplitn(3, '/').last().unwrap().to_owned();
        match account {
            Some(account) => host.money("T1", account, kind, "1.5", &cause),
            None => host.transfer("T1", kind, Some(&cause)),
        };
        let balance = host.balance(&["T1", "T2"]);
        assert_eq!((balance.doubled, balance.completed), (1, 2), "{kind}");
        host.found(BROKEN_CHANNEL);
    }
}

#[test]
fn a_command_that_was_lost_overtaken_or_invented_is_found() {
    let mut host = Host::new();
    host.transfer("T1", "TransferPrepareAccepted", None);
    host.found(BROKEN_CHANNEL);

    // Sent in the order T1, T2, and applied the other way round.
    let mut host = Host::new();
    let first = host.transfer("T1", "TransferPrepareAccepted", None);
    let second = host.transfer("T2", "TransferPrepareAccepted", None);
    host.money("T2", "a/USD", "PayerFundsReserved", "1.5", &second);
    assert!(host.ledger().so_far().is_empty());
    host.money("T1", "a/USD", "PayerFundsReserved", "1.5", &first);
    assert!(host.ledger().so_far().count(BROKEN_CHANNEL) > 0);

    let mut host = Host::new();
    host.completed("T1");
    host.events.last_mut().unwrap()["cause"]["command"]["offset"] = json!(2);
    host.found(BROKEN_CHANNEL);

    let mut host = Host::new();
    host.prepared("T1");
    host.transfer("T2", "TransferPrepared", Some("account/a/USD/9"));
    assert!(host.ledger().so_far().count(BROKEN_CHANNEL) > 0);
}
