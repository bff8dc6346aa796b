//! What is said of a transfer, as the commands that say it.

use anyhow::Result;
use scheme::Timestamp;

use crate::kinds::{Answer, Transfer, When, Word};
use crate::transfer::{self, ABORT_CODE, Abort, Body, Command, Fulfil, Prepare};

const PAYERS: &str = "payers";
const PAYEES: &str = "payees";

impl Transfer {
    /// The payer's command: an offer until `expiration`, or, if it is a short one, soon after `now`.
    ///
    /// # Errors
    /// Never for 32 bytes of hash; the type of [`transfer::fulfilment`].
    pub(crate) fn offer<'a>(
        self,
        id: &'a str,
        expiration: &'a str,
        now: Timestamp,
    ) -> Result<Command<'a, Body<'a>>> {
        let prepare = Body::Prepare(self.prepare(id, expiration, now)?);
        Ok(Command::new(PAYERS, "PrepareTransfer", scheme::TRANSFER, id, prepare))
    }

    /// All that is said of it then, in order, and what must be answered. `expiration` is that of its
    /// offer.
    ///
    /// # Errors
    /// Never for 32 bytes of hash; the type of [`transfer::fulfilment`].
    pub(crate) fn words<'a>(
        self,
        when: When,
        id: &'a str,
        expiration: &'a str,
    ) -> Result<Vec<(Command<'a, Body<'a>>, Answer)>> {
        let says = self.kind().says.iter().filter(|say| say.when == when);
        says.map(|say| Ok((self.word(say.word, id, expiration)?, say.answer))).collect()
    }

    fn word<'a>(
        self,
        word: Word,
        id: &'a str,
        expiration: &'a str,
    ) -> Result<Command<'a, Body<'a>>> {
        // Whoever repeats an offer has made one without regard to the time.
        let mut prepare = self.prepare(id, expiration, Timestamp::from_ms(0)?)?;
        let again = |prepare| {
            let body = Body::Prepare(prepare);
            Command::new(PAYERS, "PrepareTransfer", scheme::TRANSFER, id, body).under("again")
        };
        let fulfil = |fsp, fulfilment| {
            let body = Body::Fulfil(Fulfil { fsp, fulfilment });
            Command::new(PAYEES, "FulfilTransfer", scheme::TRANSFER, id, body)
        };
        let secret = || transfer::fulfilment(id).map(|fulfilment| fulfilment.to_string());
        Ok(match word {
            Word::Same => again(prepare),
            Word::Changed => {
                prepare.amount = "99".into();
                again(prepare)
            }
            Word::Fulfil => fulfil(prepare.payee, secret()?),
            Word::FulfilAgain => fulfil(prepare.payee, secret()?).under("again"),
            Word::FulfilWrong => {
                fulfil(prepare.payee, transfer::fulfilment("another")?.to_string()).under("wrong")
            }
            Word::FulfilMalformed => fulfil(prepare.payee, "no secret".to_owned()).under("wrong"),
            Word::FulfilByPayer => fulfil(prepare.payer, secret()?).under("wrong"),
            Word::Abort => {
                let reason = "no such customer";
                let body = Body::Abort(Abort { fsp: prepare.payee, code: ABORT_CODE, reason });
                Command::new(PAYEES, "AbortTransfer", scheme::TRANSFER, id, body)
            }
        })
    }

    fn prepare<'a>(self, id: &str, expiration: &'a str, now: Timestamp) -> Result<Prepare<'a>> {
        // The unhappy ones stand at regular places: all participants get some of each kind.
        let place = if self.is_happy() { self.index } else { transfer::mix(self.index) };
        let parties = transfer::parties(place);
        let mut prepare = Prepare::new(self.index, id, parties, expiration)?;
        (self.kind().offer)(&mut prepare, now);
        Ok(prepare)
    }
}
