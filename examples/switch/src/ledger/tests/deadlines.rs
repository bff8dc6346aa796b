//! Nothing before its deadline, and nothing agreed to after it.

use serde_json::json;

use crate::ledger::findings::{EARLY, LATE, OUT_OF_ORDER};
use crate::ledger::tests::host::{Host, NOW, WAKE};

#[test]
fn after_a_fulfilment_there_is_no_deadline() {
    let mut host = Host::new();
    host.prepared("T1");
    host.transfer("T1", "TransferFulfilAccepted", None);
    host.transfer_to("T1", "TransferTimedOut", "RESERVED_TIMEOUT", Some(WAKE));
    host.found(OUT_OF_ORDER);
}

#[test]
fn a_deadline_that_is_acted_on_early_or_by_somebody_else_is_found() {
    let mut host = Host::new();
    host.expired("T1");
    host.clean();
    let event = host.events.iter_mut().find(|event| event["cause"].get("wake").is_some());
    event.unwrap()["cause"]["wake"]["deadline"] = json!(NOW + 1);
    host.found(EARLY);

    let mut host = Host::new();
    host.prepared("T1");
    host.transfer("T1", "TransferAborted", Some(WAKE));
    host.found(OUT_OF_ORDER);
}

#[test]
fn what_comes_after_the_deadline_is_found_and_so_is_another_deadline() {
    for kind in ["TransferPrepareAccepted", "TransferFulfilAccepted"] {
        for (time, is_late) in [(NOW, false), (NOW + 1, true)] {
            let mut host = Host::new();
            host.completed("T1");
            let event = host.events.iter_mut().find(|event| event["kind"] == kind);
            event.unwrap()["time"] = json!(time);
            assert_eq!(host.balance(&[]).findings.count(LATE) > 0, is_late, "{kind} at {time}");
        }
    }
    let mut host = Host::new();
    host.expired("T1");
    let event = host.events.iter_mut().find(|event| event["cause"].get("wake").is_some());
    event.unwrap()["cause"]["wake"]["deadline"] = json!(NOW - 1);
    host.found(EARLY);
}
