//! Golden scenarios of the transfer switch: plain text that a domain expert can read and write, and
//! that runs against any switch that can be sent commands and asked for states and events.
//!
//! [`text`] reads the files beside this crate, [`run`](mod@run) plays a scenario on a [`Switch`] and holds it
//! to what the text says and, whenever it has come to rest, to the [`laws`] of money. [`native`] is a
//! switch without a runtime: the handlers as plain Rust in one queue. What the runtime adds (a log,
//! recovery, many partitions) is left to the package `engine`, which plays the same text, and the same
//! random [stories](story), in the real one.
//!
//! # The text
//! ```text
//! # A comment.
//! scenario 1: a transfer of 1.11 USD runs both legs
//!
//! given accounts
//!   | account      | cap      |
//!   | simfsp01/USD | 10000000 |
//!   | simfsp02/USD | 10000000 |
//!
//! when prepare
//!   | transfer | payer    | payee    | amount | outcome  |
//!   | T1       | simfsp01 | simfsp02 | 1.11   | accepted |
//!
//! when fulfil
//!   | transfer | outcome  |
//!   | T1       | accepted |
//!
//! then transfers
//!   | transfer | state     |
//!   | T1       | COMMITTED |
//! ```
//! Between any two steps the switch comes to rest; `and` instead of `when` sends together with the
//! step before, so that the commands of one aggregate are taken up one right after another. Commands
//! of one step for different aggregates have no order: where one must come first, it has its own step.
//!
//! | step | columns (those in brackets may be left out) |
//! |---|---|
//! | `given configuration` | `handler`, `configuration` (JSON) |
//! | `given accounts` | `account`, `cap`: creates and activates the participant, opens the account |
//! | `when create participant` | `participant`, `name`, `outcome` |
//! | `when activate participant` | `participant`, `outcome` |
//! | `when open account` | `account`, `cap`, `outcome` |
//! | `when prepare` | `transfer`, `payer`, `payee`, `amount`, `outcome`, (`currency`: USD), (`expiration`: `in 5 min`, `5 min ago` or a time), (`condition`), (`reply`) |
//! | `when fulfil` | `transfer`, `outcome`, (`by`: the payee), (`fulfilment`: the right one), (`reply`) |
//! | `when send` | `type`, `key`, `command`, `body` (as it is, JSON or not), `outcome` |
//! | `then transfers` | `transfer`, `state`, (`code`) |
//! | `then accounts` | `account`, `reserved`, `position`, (`cap`), (`opened`) |
//! | `then participants` | `participant`, `name`, `active` |
//! | `then events` | `of` (as in `transfer T1`), `event`, (`with`: `field value, field value`) |
//!
//! An outcome is `accepted`, `nothing`, or `refused` with its code; a reply is the state that it
//! names, with a code where it has one, or `-` for none. A state of `-` says that there is none.
//! `then events` lists all events of each aggregate that it mentions, in their order.

pub mod fixture;
pub mod laws;
pub mod native;
pub mod run;
pub mod scenario;
pub mod story;
pub mod switch;
pub mod text;

pub use run::{Names, run, run_together};
pub use scenario::Scenario;
pub use switch::{Driven, Switch};

/// The files beside this crate: name and text.
pub const FILES: &[(&str, &str)] = &[
    ("accounts.scenario", include_str!("../accounts.scenario")),
    ("cap.scenario", include_str!("../cap.scenario")),
    ("duplicates.scenario", include_str!("../duplicates.scenario")),
    ("fulfilment.scenario", include_str!("../fulfilment.scenario")),
    ("happy-path.scenario", include_str!("../happy-path.scenario")),
    ("participants.scenario", include_str!("../participants.scenario")),
    ("trespass.scenario", include_str!("../trespass.scenario")),
    ("validation.scenario", include_str!("../validation.scenario")),
];

/// All scenarios of all files.
///
/// # Errors
/// The file, the line and what is wrong there.
pub fn all() -> anyhow::Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    for (file, text) in FILES {
        scenarios.extend(text::parse(file, text)?);
    }
    Ok(scenarios)
}
