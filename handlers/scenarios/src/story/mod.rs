//! Random stories: whatever clients send, however the switch gets on with it and whatever becomes of
//! its process, the laws of money hold whenever it comes to rest.
//!
//! A number makes a story, so a number replays it; one that fails is told in its smallest form. What a
//! story is played on is any [`Driven`](crate::switch::Driven) switch.

mod cast;
mod next;
mod seeds;
mod sight;
mod teller;

use std::ops::Range;

use serde_json::{Value, json};
use zamu_guest::Codec;

use self::cast::{PARTICIPANTS, accounts};
use self::next::MOSTLY;
use crate::prng::Prng;

pub use next::{Change, Next};
pub use seeds::{each, seeds};
pub use sight::{ends, invalid, kinds, picture, timeouts};
pub use teller::play;

/// What happens, and under which configuration.
#[derive(Clone, Debug)]
pub struct Story {
    /// Whether one may pay oneself.
    pub on_us: bool,
    /// Whether one needs cover to pay.
    pub cover_required: bool,
    /// In which form accounts and transfers write what they tell each other.
    pub codecs: [Codec; 2],
    /// One after another.
    pub happens: Vec<Next>,
}

impl Story {
    /// The story of this seed: most participants are there and have accounts, and then so many
    /// happenings.
    #[must_use]
    pub fn of(seed: u64, lengths: Range<usize>) -> Self {
        let mut prng = Prng::new(seed);
        let length = lengths.start + prng.below(lengths.len());
        let (on_us, cover_required) = (prng.below(2) == 0, prng.below(8) == 0);
        let mut happens = beginning(&mut prng);
        happens.extend((0..length).map(|_| Next::draw(&mut prng)));
        // Nothing that happens is different in another form.
        let codecs = [seed, seed / 2].map(|bit| Codec::ALL[(bit % 2) as usize]);
        Self { on_us, cover_required, codecs, happens }
    }

    /// The configuration of the handlers, by name.
    #[must_use]
    pub fn configuration(&self) -> Vec<(String, String)> {
        let of = |handler: &str, json: Value| (handler.to_owned(), json.to_string());
        let [accounts, transfers] = self.codecs;
        vec![
            of("transfers", json!({ "allowOnUs": self.on_us, "codec": transfers })),
            of("accounts", json!({ "coverRequired": self.cover_required, "codec": accounts })),
        ]
    }
}

/// Most participants are taken up and active, most of their accounts open; and mostly, that is known.
fn beginning(prng: &mut Prng) -> Vec<Next> {
    let mut happens = Vec::new();
    for participant in 0..PARTICIPANTS {
        if prng.below(MOSTLY) > 0 {
            for change in [Change::Create, Change::Activate] {
                happens.push(Next::Part { participant, change });
            }
        }
    }
    for (participant, currency) in accounts() {
        if prng.below(3) > 0 {
            // Half of the caps are soon reached.
            let caps = [40, 3_000][prng.below(2)];
            let cap = prng.below(caps) as u32;
            happens.push(Next::Open { participant, currency, cap, position: None });
        }
    }
    if prng.below(MOSTLY) > 0 {
        happens.push(Next::Rest);
    }
    happens
}
