//! The rules of settlement accounts. Nothing is changed here.

use scheme::{AccountKey, Amount, Currency, Money, MoneyError, SWITCH_SOURCE, codes};
use zamu_guest::{Context, Decision};

use super::State;
use super::messages::{
    Command, CommitFundsOut, Event, FundIn, FundOut, FundsIn, FundsOutCommitted, FundsOutPrepared,
    FundsOutRejected, OpenSettlementAccount, RejectFundsOut, SettlementAccountOpened,
};

const REFERENCE_CHARS_MAX: usize = 128;

pub(crate) fn decide(state: &State, command: Command, context: &Context<'_>) -> Decision<Event> {
    match command {
        Command::OpenSettlementAccount(open) => decide_open(state, &open, context.key),
        Command::FundIn(fund) => decide_in(state, fund, context.key),
        Command::FundOut(fund) => decide_out(state, fund, context.key),
        _ if context.source != SWITCH_SOURCE => Decision::refuse(
            codes::VALIDATION,
            "what the position account says is told by it only: no client may send this command",
        ),
        Command::CommitFundsOut(commit) => or_defect(commit_out(state, commit)),
        Command::RejectFundsOut(reject) => or_defect(reject_out(state, reject)),
    }
}

fn decide_open(state: &State, open: &OpenSettlementAccount, key: &str) -> Decision<Event> {
    match (state.opened, open.funds) {
        (true, None) => Decision::nothing(),
        (true, Some(_)) => Decision::refuse(
            codes::MODIFIED_REQUEST,
            "the settlement account is open already: send FundIn for more funds",
        ),
        (false, funds) => {
            let funds = funds.unwrap_or_default();
            match check_opening(key, funds) {
                Ok(()) => Decision::accept(SettlementAccountOpened { funds }),
                Err(reason) => Decision::refuse(codes::VALIDATION, reason),
            }
        }
    }
}

fn check_opening(key: &str, funds: Money) -> Result<(), String> {
    let currency = currency(key)?;
    if funds.is_negative() {
        return Err("funds: not below nothing".to_owned());
    }
    currency.admits(funds).map_err(|error| format!("funds: {error}"))
}

fn decide_in(state: &State, fund: FundIn, key: &str) -> Decision<Event> {
    let FundIn { reference, amount } = fund;
    if let Err(refusal) = check_fund(state, &reference, amount, key) {
        return refusal;
    }
    match state.funds.plus(amount) {
        Ok(funds) => Decision::accept(FundsIn { reference, amount, funds }),
        Err(error) => Decision::refuse(codes::VALIDATION, format!("amount: {error}")),
    }
}

/// What is plainly not there is refused at once; the rest is for the position account to say.
fn decide_out(state: &State, fund: FundOut, key: &str) -> Decision<Event> {
    let FundOut { reference, amount } = fund;
    if let Err(refusal) = check_fund(state, &reference, amount, key) {
        return refusal;
    }
    match state.leaving.plus(amount) {
        Ok(leaving) if leaving <= state.funds => {
            Decision::accept(FundsOutPrepared { reference, amount, leaving })
        }
        _ => Decision::refuse(
            codes::PAYER_LIQUIDITY,
            format!("there are {} here, and {} of it leave already", state.funds, state.leaving),
        ),
    }
}

fn check_fund(
    state: &State,
    reference: &str,
    amount: Amount,
    key: &str,
) -> Result<(), Decision<Event>> {
    if !state.opened {
        return Err(Decision::refuse(
            codes::ID_NOT_FOUND,
            "no such settlement account: send OpenSettlementAccount first",
        ));
    }
    check_terms(reference, amount, key)
        .map_err(|reason| Decision::refuse(codes::VALIDATION, reason))
}

fn check_terms(reference: &str, amount: Amount, key: &str) -> Result<(), String> {
    if reference.chars().count() > REFERENCE_CHARS_MAX {
        return Err(format!("reference: at most {REFERENCE_CHARS_MAX} characters"));
    }
    if amount.is_zero() {
        return Err("amount: more than nothing".to_owned());
    }
    currency(key)?.admits(amount).map_err(|error| format!("amount: {error}"))
}

fn commit_out(state: &State, commit: CommitFundsOut) -> Result<Decision<Event>, MoneyError> {
    let CommitFundsOut { reference, amount } = commit;
    let (funds, leaving) = (state.funds.minus(amount)?, state.leaving.minus(amount)?);
    if funds.is_negative() || leaving.is_negative() {
        return Ok(never_left(state, amount));
    }
    Ok(Decision::accept(FundsOutCommitted { reference, amount, funds, leaving }))
}

fn reject_out(state: &State, reject: RejectFundsOut) -> Result<Decision<Event>, MoneyError> {
    let RejectFundsOut { reference, amount, code, reason } = reject;
    let leaving = state.leaving.minus(amount)?;
    if leaving.is_negative() {
        return Ok(never_left(state, amount));
    }
    Ok(Decision::accept(FundsOutRejected { reference, amount, leaving, code, reason }))
}

/// What only a defect can ask for.
fn never_left(state: &State, amount: Amount) -> Decision<Event> {
    Decision::refuse(
        codes::INTERNAL,
        format!("{amount} cannot be on its way out of {} leaving", state.leaving),
    )
}

fn currency(key: &str) -> Result<Currency, String> {
    key.parse().map(|key: AccountKey| key.currency).map_err(|error| format!("key: {error}"))
}

fn or_defect(decision: Result<Decision<Event>, MoneyError>) -> Decision<Event> {
    decision.unwrap_or_else(|error| Decision::refuse(codes::INTERNAL, error.to_string()))
}
