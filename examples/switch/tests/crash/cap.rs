//! A payer at its cap: what was refused because of it stays refused, also when the cap was freed
//! meanwhile, and also when the host was killed before any of it went to its store.

use std::sync::Arc;

use switch::ledger::Findings;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::driver::listen;
use crate::host::{Arming, Host, PATIENCE};
use crate::plan::{self, Request};
use crate::story::ask_again;
use crate::told::Told;

/// The first turn of each of the four partitions of transfers goes to the store at once. So at least
/// one of five transfers, asked for one after another, is known from the log alone.
const REJECTED: u64 = 5;

/// Has transfers rejected at the cap, frees the cap, kills the host, starts it with this sabotage,
/// and asks all of it again.
pub(crate) async fn refuses_again(sabotage: Option<&str>) -> Findings {
    let mut host = Host::start(&Arming::default()).await;
    let told = Arc::new(Told::new());
    let mut listener = JoinSet::new();
    listener.spawn(listen(host.client.clone(), Arc::clone(&told)));

    completes(&host, &told, 0, "poor", "bank01", "10").await;
    for index in 1..=REJECTED {
        let id = plan::id(1, index);
        asks(&host, &told, plan::prepare(&id, "poor", "bank02", "9")).await;
        sees(&told, &id, "TransferRejected").await;
        asks(&host, &told, plan::fulfil(&id, "bank02")).await;
    }
    completes(&host, &told, 6, "bank01", "poor", "10").await;
    completes(&host, &told, 7, "poor", "bank02", "9").await;

    host.node.kill().unwrap();
    host.restart(&Arming::points(sabotage.as_slice())).await;
    host.node.ready(&host.client).await.unwrap();
    ask_again(&host, &told).await
}

async fn completes(host: &Host, told: &Told, index: u64, payer: &str, payee: &str, amount: &str) {
    let id = plan::id(1, index);
    asks(host, told, plan::prepare(&id, payer, payee, amount)).await;
    sees(told, &id, "TransferPrepared").await;
    asks(host, told, plan::fulfil(&id, payee)).await;
    sees(told, &id, "TransferFulfilled").await;
}

async fn asks(host: &Host, told: &Told, request: Request) {
    let answers = host.client.ask(request.batch()).await.unwrap();
    told.answer(&request, answers.into_iter().next().unwrap());
}

async fn sees(told: &Told, transfer: &str, kind: &'static str) {
    timeout(PATIENCE, told.sees(transfer, &[kind])).await.expect(kind);
}
