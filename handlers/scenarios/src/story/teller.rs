//! Plays a story, and holds the switch to the laws whenever it comes to rest.

use anyhow::{Context as _, ensure};

use super::cast::everyone;
use super::next::LONGEST_S;
use super::{Next, Story};
use crate::laws::{Books, Touched};
use crate::switch::{Driven, Outcome};

/// What every story ends with: the switch comes to rest, all offers that ever end do so, and so does
/// what was still reserved for them. A deadline has come when it has passed.
const FINALE: [Next; 3] = [Next::Rest, Next::Advance(LONGEST_S * 1_000 + 1), Next::Rest];

/// Plays a story to its end, and holds the switch to the laws at every rest.
///
/// # Errors
/// What broke, and after which happening.
pub fn play(story: &Story, switch: &mut dyn Driven) -> anyhow::Result<()> {
    let mut teller =
        Teller { switch, everyone: everyone(), books: Books::default(), posted: Vec::new() };
    for (number, next) in story.happens.iter().chain(&FINALE).enumerate() {
        teller.tell(next).with_context(|| format!("happening {number}, {next:?}"))?;
    }
    Ok(())
}

struct Teller<'s> {
    switch: &'s mut dyn Driven,
    everyone: Touched,
    books: Books,
    /// Whether each posted command must be refused, and its outcome once it was known.
    posted: Vec<(bool, Option<Outcome>)>,
}

impl Teller<'_> {
    fn tell(&mut self, next: &Next) -> anyhow::Result<()> {
        match next {
            Next::Steps(choices) => choices.iter().try_for_each(|choice| self.switch.step(*choice)),
            Next::Advance(ms) => self.switch.advance(*ms),
            Next::Restart(end) => self.switch.restart(*end),
            Next::Repeat { back } => match self.posted.len().checked_sub(1) {
                Some(last) => self.switch.repeat(last - back.min(&last)),
                None => Ok(()),
            },
            Next::HoldBack(held) => self.switch.hold_back(scheme::ACCOUNT, *held),
            Next::Rest => self.rest(),
            command => self.post(command),
        }
    }

    fn post(&mut self, next: &Next) -> anyhow::Result<()> {
        let Some(command) = next.command() else { return Ok(()) };
        let number = self.switch.post(command)?;
        ensure!(number == self.posted.len(), "posted as {number}");
        self.posted.push((matches!(next, Next::Trespass { .. }), None));
        Ok(())
    }

    fn rest(&mut self) -> anyhow::Result<()> {
        self.switch.hold_back(scheme::ACCOUNT, false)?;
        self.switch.settle()?;
        for (number, (trespass, known)) in self.posted.iter_mut().enumerate() {
            let outcome = self.switch.outcome(number)?;
            let outcome = outcome.with_context(|| format!("command {number} has no outcome"))?;
            ensure!(
                !*trespass || matches!(outcome, Outcome::Refused { .. }),
                "command {number}, a trespass, came to {outcome:?}"
            );
            let before = known.get_or_insert_with(|| outcome.clone());
            ensure!(
                *before == outcome,
                "command {number} came to {before:?} once, and now to {outcome:?}"
            );
        }
        self.books.check(&mut *self.switch, &self.everyone)
    }
}
