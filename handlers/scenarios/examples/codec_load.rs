//! Measures what the messages and states of one transfer cost in each form: bytes, and nanoseconds to
//! write and to read. Natively: in the sandbox all of it takes about twice as long.
//!
//! `cargo run -p scenarios --example codec_load -- [ROUNDS]`

#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

use std::hint::black_box;
use std::time::Instant;

use scenarios::codecs::Codec;
use scenarios::fixture;
use scheme::account_events::{PayeeFundsCommitted, PayerFundsCommitted, PayerFundsReserved};
use scheme::transfer_events::{TransferFulfilAccepted, TransferPrepareAccepted};
use scheme::{ContentHasher, Phase, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zamu_guest::codec::{decode, encode};
use zamu_guest::{Messages, Protobuf, ProtobufForm};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let rounds: u32 = std::env::args().nth(1).as_deref().unwrap_or("200000").parse()?;
    println!("{:28} {:>16} {:>16} {:>16}", "", "bytes", "write, ns", "read, ns");
    println!("{:28} {}", "", "    json   proto ".repeat(3));
    let mut sum = Cost::default();
    for cost in all(rounds)? {
        cost.print();
        sum.add(&cost);
    }
    sum.print();
    Ok(())
}

/// What one message or state costs as JSON and as Protobuf.
#[derive(Default)]
struct Cost {
    name: String,
    bytes: [usize; 2],
    write_ns: [f64; 2],
    read_ns: [f64; 2],
}

impl Cost {
    fn print(&self) {
        let name = if self.name.is_empty() { "all" } else { &*self.name };
        let ([a, b], [c, d], [e, f]) = (self.bytes, self.write_ns, self.read_ns);
        println!("{name:28} {a:>8}{b:>8} {c:>8.0}{d:>8.0} {e:>8.0}{f:>8.0}");
    }

    fn add(&mut self, other: &Self) {
        for form in 0..2 {
            self.bytes[form] += other.bytes[form];
            self.write_ns[form] += other.write_ns[form];
            self.read_ns[form] += other.read_ns[form];
        }
    }
}

/// Each as often as a fulfilled transfer has it written.
fn all(rounds: u32) -> Result<Vec<Cost>, Failure> {
    let (payer, payee) = ("simfsp01".parse()?, "simfsp02".parse()?);
    let (amount, currency) = ("1.11".parse()?, fixture::CURRENCY.parse()?);
    let (condition, fulfilment) = (fixture::CONDITION.parse()?, fixture::FULFILMENT.parse()?);
    let expiration = Timestamp::from_ms(fixture::START_MS)?;
    let content = ContentHasher::default().field("all").finish();
    let id = "b51ec534-ee48-4575-b6a9-ead2955b8069".to_owned();
    let (reserved, position) = ("1234.11".parse()?, "-98765.43".parse()?);
    let accepted =
        TransferPrepareAccepted { payer, payee, amount, currency, expiration, condition, content };
    let TransferPrepareAccepted { payer, payee, .. } = accepted.clone();
    let terms = transfers::Terms {
        payer: payer.clone(),
        payee: payee.clone(),
        amount,
        currency,
        expiration,
        condition,
    };
    let transfer = |state, fulfilment| {
        let terms = Some(terms.clone());
        let (answer, failure, unannounced) = (None, None, false);
        transfers::State(Some(transfers::TransferState {
            state,
            content,
            terms,
            fulfilment,
            answer,
            failure,
            unannounced,
        }))
    };
    let account = accounts::State {
        opened: true,
        cap: Some("10000000".parse()?),
        reserved,
        position,
        ..accounts::State::default()
    };
    use accounts::messages as asked;
    use transfers::messages as acked;
    let fulfilled = Some(fulfilment);
    let reserve = asked::ReservePayerFunds { transfer_id: id.clone(), amount };
    let commit_payer = asked::CommitPayerFunds { transfer_id: id.clone(), amount };
    let commit_payee = asked::CommitPayeeFunds { transfer_id: id.clone(), amount };
    let event_reserved = PayerFundsReserved { transfer_id: id.clone(), amount, reserved, position };
    let event_payer = PayerFundsCommitted { transfer_id: id.clone(), amount, reserved, position };
    let event_payee =
        PayeeFundsCommitted { transfer_id: id, amount, reserved, position, unopened: false };
    let fulfil = TransferFulfilAccepted { payer, payee, amount, currency, fulfilment };
    Ok(vec![
        message::<acked::Event>(accepted.into(), rounds)?,
        state("a transfer, RECEIVED_PREPARE", &transfer(Phase::ReceivedPrepare, None), rounds)?,
        message::<asked::Command>(reserve.into(), rounds)?,
        message::<asked::Event>(event_reserved.into(), rounds)?,
        state("an account", &account, rounds)?,
        message::<acked::Command>(acked::AckPayerFundsReserved {}.into(), rounds)?,
        state("a transfer, RESERVED", &transfer(Phase::Reserved, None), rounds)?,
        message::<acked::Event>(fulfil.into(), rounds)?,
        state("a transfer, RECEIVED_FULFIL", &transfer(Phase::ReceivedFulfil, fulfilled), rounds)?,
        message::<asked::Command>(commit_payer.into(), rounds)?,
        message::<asked::Event>(event_payer.into(), rounds)?,
        message::<asked::Command>(commit_payee.into(), rounds)?,
        message::<asked::Event>(event_payee.into(), rounds)?,
        message::<acked::Command>(acked::AckPayeeFundsCommitted {}.into(), rounds)?,
        state("a transfer, COMMITTED", &transfer(Phase::Committed, fulfilled), rounds)?,
    ])
}

fn message<M: Messages>(message: M, rounds: u32) -> Result<Cost, Failure> {
    let kind = message.kind();
    let mut cost = Cost { name: M::KINDS[kind].name.to_owned(), ..Cost::default() };
    for (form, codec) in Codec::ALL.into_iter().enumerate() {
        let mut body = Vec::new();
        message.encode(codec, &mut body)?;
        cost.bytes[form] = body.len();
        cost.read_ns[form] = time(rounds, || M::decode(kind, codec, black_box(&body)).is_ok());
        cost.write_ns[form] = time(rounds, || {
            body.clear();
            black_box(&message).encode(codec, &mut body).is_ok()
        });
    }
    Ok(cost)
}

fn state<S>(name: &str, state: &S, rounds: u32) -> Result<Cost, Failure>
where
    S: Protobuf + Serialize + DeserializeOwned,
{
    let form = Some(ProtobufForm::new());
    let mut cost = Cost { name: name.to_owned(), ..Cost::default() };
    for (at, codec) in Codec::ALL.into_iter().enumerate() {
        let mut body = Vec::new();
        encode(state, codec, form, &mut body)?;
        cost.bytes[at] = body.len();
        cost.read_ns[at] = time(rounds, || decode::<S>(codec, black_box(&body), form).is_ok());
        cost.write_ns[at] = time(rounds, || {
            body.clear();
            encode(black_box(state), codec, form, &mut body).is_ok()
        });
    }
    Ok(cost)
}

/// Nanoseconds of one call: the best of five runs, which the rest of the machine disturbs least.
fn time(rounds: u32, mut call: impl FnMut() -> bool) -> f64 {
    let run = |_| {
        let started = Instant::now();
        for _ in 0..rounds {
            black_box(call());
        }
        started.elapsed().as_nanos() as f64 / f64::from(rounds)
    };
    (0..5).map(run).fold(f64::INFINITY, f64::min)
}
