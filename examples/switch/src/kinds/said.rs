//! What is said of a transfer, as the commands that say it.

use anyhow::Result;
use scheme::Timestamp;

use crate::kinds::{Answer, Transfer, When, Word};
use crate::transfer::{self, ABORT_CODE, Abort, Body, Command, Fulfil, Prepare};

const PAYERS: &str = "payers";
const PAYEES: &str = "payees";
/// Why the payee does not want a transfer.
const REASON: &str = "no such customer";

/// When an offer is made, and until when the usual ones stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offered<'a> {
    /// When: short ones end soon after it.
    pub(crate) made: Timestamp,
    /// Until when.
    pub(crate) expiration: &'a str,
}

impl Transfer {
    /// The payer's command.
    ///
    /// # Errors
    /// Never for 32 bytes of hash; the type of [`transfer::fulfilment`].
    pub(crate) fn offer<'a>(
        self,
        id: &'a str,
        offered: Offered<'a>,
    ) -> Result<Command<'a, Body<'a>>> {
        let prepare = Body::Prepare(self.prepare(id, offered)?);
        Ok(Command::new(PAYERS, "PrepareTransfer", scheme::TRANSFER, id, prepare))
    }

    /// All that is said of it then, in order, and what must be answered. Whoever does not repeat the
    /// offer need not know when it was made.
    ///
    /// # Errors
    /// Never for 32 bytes of hash; the type of [`transfer::fulfilment`].
    pub(crate) fn words<'a>(
        self,
        when: When,
        id: &'a str,
        offered: Offered<'a>,
    ) -> Result<Vec<(Command<'a, Body<'a>>, Answer)>> {
        let says = self.kind().says.iter().filter(|say| say.when == when);
        says.map(|say| Ok((self.word(say.word, id, offered)?, say.answer))).collect()
    }

    fn word<'a>(
        self,
        word: Word,
        id: &'a str,
        offered: Offered<'a>,
    ) -> Result<Command<'a, Body<'a>>> {
        let mut prepare = self.prepare(id, offered)?;
        let again = |prepare| {
            let body = Body::Prepare(prepare);
            Command::new(PAYERS, "PrepareTransfer", scheme::TRANSFER, id, body).under("again")
        };
        let fulfil = |fsp, fulfilment| {
            let body = Body::Fulfil(Fulfil { fsp, fulfilment });
            Command::new(PAYEES, "FulfilTransfer", scheme::TRANSFER, id, body)
        };
        let abort = |fsp, reason| {
            let body = Body::Abort(Abort { fsp, code: ABORT_CODE, reason });
            Command::new(PAYEES, "AbortTransfer", scheme::TRANSFER, id, body)
        };
        let secret = || transfer::fulfilment(id).map(|fulfilment| fulfilment.to_string());
        Ok(match word {
            Word::Same => again(prepare),
            Word::Changed => {
                prepare.amount = "99".into();
                again(prepare)
            }
            Word::Fulfil => fulfil(prepare.payee, secret()?),
            Word::FulfilEarly => fulfil(prepare.payee, secret()?).under("early"),
            Word::FulfilAgain => fulfil(prepare.payee, secret()?).under("again"),
            Word::FulfilWrong => {
                fulfil(prepare.payee, transfer::fulfilment("another")?.to_string()).under("wrong")
            }
            Word::FulfilMalformed => fulfil(prepare.payee, "no secret".to_owned()).under("wrong"),
            Word::FulfilByPayer => fulfil(prepare.payer, secret()?).under("wrong"),
            Word::Abort => abort(prepare.payee, REASON),
            Word::AbortEarly => abort(prepare.payee, REASON).under("early"),
            Word::AbortAgain => abort(prepare.payee, REASON).under("again"),
            Word::AbortOtherwise => abort(prepare.payee, "account blocked").under("again"),
            Word::AbortByPayer => abort(prepare.payer, REASON).under("wrong"),
        })
    }

    fn prepare<'a>(
        self,
        id: &str,
        Offered { made, expiration }: Offered<'a>,
    ) -> Result<Prepare<'a>> {
        // The unhappy ones stand at regular places: all participants get some of each kind.
        let place = if self.is_happy() { self.index } else { transfer::mix(self.index) };
        let parties = transfer::parties(place);
        let mut prepare = Prepare::new(self.index, id, parties, expiration)?;
        (self.kind().offer)(&mut prepare, made);
        Ok(prepare)
    }
}
