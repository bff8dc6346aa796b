//! An alarm wherever the threshold is passed upward, and nowhere else.

use serde_json::{Value, json};

use crate::ledger::findings::{ALARM, BROKEN_CHAIN, FIGURES};
use crate::ledger::tests::host::{ALARMED, Host, units};

/// With an alarm at half of the cap, which is 3.
fn with_alarm() -> Host {
    let mut host = Host::new();
    host.administers("LimitsChanged", json!({ "cap": "3", "alarm": 50 }));
    host.figures.get_mut("a/USD").unwrap().cap = Some(units("3"));
    host
}

fn alarm(current: &str) -> Value {
    json!({ "alarm": 50, "cap": "3", "currentPosition": current })
}

#[test]
fn an_alarm_attends_what_passes_the_threshold_and_nothing_else() {
    // 1.5 is half of 3, and not above it.
    let mut host = with_alarm();
    host.completed("T1");
    host.clean();
    let asked = host.transfer("T2", "TransferPrepareAccepted", None);
    let reserved = host.money("T2", "a/USD", "PayerFundsReserved", "1.5", &asked);
    assert!(host.ledger().so_far().count(ALARM) > 0, "it is due at once");
    host.attends("a/USD", ALARMED, alarm("3"));
    host.transfer("T2", "TransferPrepared", Some(&reserved));
    host.clean_so_far();
    let accepted = host.transfer("T2", "TransferFulfilAccepted", None);
    host.money("T2", "a/USD", "PayerFundsCommitted", "1.5", &accepted);
    let credited = host.money("T2", "b/USD", "PayeeFundsCommitted", "1.5", &accepted);
    host.transfer("T2", "TransferFulfilled", Some(&credited));
    host.clean();

    // Above it already: once is enough.
    host.attends("a/USD", ALARMED, alarm("3"));
    host.found(ALARM);

    let mut host = with_alarm();
    host.completed("T1");
    host.attends("b/USD", ALARMED, alarm("0"));
    host.found(ALARM);
}

#[test]
fn an_alarm_tells_the_figures_and_stands_behind_their_event() {
    let reserved = || {
        let mut host = with_alarm();
        host.completed("T1");
        let asked = host.transfer("T2", "TransferPrepareAccepted", None);
        host.money("T2", "a/USD", "PayerFundsReserved", "1.5", &asked);
        host
    };
    for (member, wrong) in
        [("currentPosition", json!("2")), ("cap", json!("4")), ("alarm", json!(60))]
    {
        let mut host = reserved();
        let mut data = alarm("3");
        data[member] = wrong;
        host.attends("a/USD", ALARMED, data);
        assert!(host.ledger().so_far().count(FIGURES) > 0, "{member}");
    }
    let mut host = reserved();
    host.administers(ALARMED, alarm("3"));
    assert!(host.ledger().so_far().count(BROKEN_CHAIN) > 0);
}
