//! Golden scenarios of the transfer switch: plain text that a domain expert can read and write, and
//! that runs against any switch that can be sent commands and asked for states and events.
//!
//! [`text`] reads the files beside this crate, [`run`](mod@run) plays a scenario on a [`Switch`] and holds it
//! to what the text says and, whenever it has come to rest, to the [`laws`] of money. [`native`] is a
//! switch without a runtime: the handlers as plain Rust in one queue. What the runtime adds (a log,
//! recovery, many partitions) is left to the package `engine`, which plays the same text, and the same
//! random [stories](story), in the real one. Which golden scenarios there are and where each is held
//! stands in `COVERAGE.md`, made by [`golden`].
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
//! | `given accounts` | `account`, `cap`, (`alarm`), (`position`), (`funds`): creates and activates the participant, opens the account, and a settlement account if there are funds |
//! | `when create participant` | `participant`, `name`, `outcome` |
//! | `when activate participant`, `when deactivate participant` | `participant`, `outcome` |
//! | `when set endpoint` | `participant`, `type`, `value`, `outcome` |
//! | `when remove endpoint` | `participant`, `type`, `outcome` |
//! | `when open account` | `account`, `cap`, `outcome`, (`alarm`), (`position`) |
//! | `when change limits` | `account`, `cap`, `outcome`, (`alarm`) |
//! | `when close account`, `when reopen account` | `account`, `outcome` |
//! | `when open settlement account` | `account`, `outcome`, (`funds`) |
//! | `when fund in`, `when fund out` | `account`, `reference`, `amount`, `outcome` |
//! | `when prepare` | `transfer`, `payer`, `payee`, `amount`, `outcome`, (`currency`: USD), (`expiration`: `in 5 min`, `5 min ago` or a time), (`condition`), (`reply`) |
//! | `when fulfil` | `transfer`, `outcome`, (`by`: the payee), (`fulfilment`: the right one), (`reply`) |
//! | `when abort` | `transfer`, `code`, `outcome`, (`by`: the payee), (`reason`), (`reply`) |
//! | `when send` | `type`, `key`, `command`, `body` (as it is, JSON or not), `outcome` |
//! | `when time passes` | `by` (`5 min`, `5 s` or `5 ms`) |
//! | `when accounts are held back`, `when accounts go on` | no table: what transfers ask of accounts waits, and then arrives in its order |
//! | `when delivered again` | `to` (as in `account simfsp01/USD`), `command`: the last such command that the switch itself sent there arrives a second time |
//! | `when the switch sends` | as `when send`, and as only the switch itself can: what an account would tell a transfer, say |
//! | `then transfers` | `transfer`, `state`, (`code`) |
//! | `then accounts` | `account`, `reserved`, `position`, (`cap`), (`alarm`), (`cover`), (`opened`), (`closed`) |
//! | `then settlement accounts` | `account`, `funds`, `leaving` |
//! | `then participants` | `participant`, `name`, `active` |
//! | `then endpoints` | `participant`, `type`, `value` |
//! | `then events` | `of` (as in `transfer T1`), `event`, (`with`: `field value, field value`) |
//!
//! A cell of `-` where a command has a field means that it is left out. `and time passes` stands last
//! in a step: time passes before anything that was sent has led to anything else.
//!
//! An outcome is `accepted`, `nothing`, or `refused` with its code and, after a colon, its details if
//! the text is to say them; a reply is the state that it
//! names, with a code where it has one, or `-` for none. A state of `-` says that there is none.
//! `then events` lists all events of each aggregate that it mentions, in their order.

pub mod codecs;
pub mod fixture;
pub mod golden;
pub mod laws;
pub mod native;
pub mod noted;
pub mod prng;
pub mod run;
pub mod scenario;
pub mod story;
pub mod switch;
pub mod text;

pub use noted::Noted;
pub use run::{Names, run, run_together};
pub use scenario::Scenario;
pub use switch::{Driven, Switch};

/// The files beside this crate: name and text.
pub const FILES: &[(&str, &str)] = &[
    ("abort.scenario", include_str!("../abort.scenario")),
    ("accounts.scenario", include_str!("../accounts.scenario")),
    ("cap.scenario", include_str!("../cap.scenario")),
    ("choreography.scenario", include_str!("../choreography.scenario")),
    ("deadline.scenario", include_str!("../deadline.scenario")),
    ("duplicates.scenario", include_str!("../duplicates.scenario")),
    ("endpoints.scenario", include_str!("../endpoints.scenario")),
    ("fulfilment.scenario", include_str!("../fulfilment.scenario")),
    ("happy-path.scenario", include_str!("../happy-path.scenario")),
    ("limits.scenario", include_str!("../limits.scenario")),
    ("participants.scenario", include_str!("../participants.scenario")),
    ("settlement.scenario", include_str!("../settlement.scenario")),
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
