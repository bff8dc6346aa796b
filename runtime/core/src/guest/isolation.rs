//! What happens on a fault, the same for deciding and reacting: one bad item never takes its
//! neighbours along, and is only blamed when it fails alone.
//!
//! A batch is a range of items, of which some are *asked* of the guest. On a fault with a culprit
//! the items before it, it alone, and the rest run in that order; a fault that names nobody is
//! halved. Every part runs in a fresh instance on what the part before it left. A fault that says
//! nothing of the items (the machine's, or of an instance that does not start) is nobody's verdict:
//! the whole turn is tried later.

use std::ops::Range;

use super::Fault;

/// A part of a batch, still to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which items.
    pub items: Range<usize>,
    /// Whether it must run in a fresh instance.
    pub fresh: bool,
}

/// What to do after a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Run these parts, in order.
    Run(Vec<Part>),
    /// Nothing was learnt about any item: try everything later.
    Later,
    /// The item failed alone in a fresh instance: the fault is final. The items before it in the
    /// part were not asked; run those after it.
    Final {
        /// Which item.
        item: usize,
        /// What comes after it.
        rest: Part,
    },
}

/// Decides how to go on after `part` ended in a fault. `asked` lists the items that were asked of
/// the guest, ascending and not empty; the fault's culprit is an index into it.
#[must_use]
pub fn after_fault(part: &Part, asked: &[usize], fault: &Fault) -> Next {
    if fault.reason.blames_no_item() {
        return Next::Later;
    }
    let Range { start, end } = part.items.clone();
    let fresh = |items: Range<usize>| Part { items, fresh: true };
    if let [item] = *asked {
        return if part.fresh {
            Next::Final { item, rest: fresh(item + 1..end) }
        } else {
            Next::Run(vec![fresh(start..end)])
        };
    }
    let culprit = fault.culprit.and_then(|c| asked.get(c as usize)).copied();
    let parts = match culprit {
        Some(item) => vec![start..item, item..item + 1, item + 1..end],
        None => {
            let middle = asked[asked.len() / 2];
            vec![start..middle, middle..end]
        }
    };
    Next::Run(parts.into_iter().filter(|items| !items.is_empty()).map(fresh).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::FaultReason;

    /// Runs ten items of which some are poisoned; returns the items found guilty and how often the
    /// guest was called.
    fn run(poisoned: &[usize], named: bool) -> (Vec<usize>, Vec<usize>, usize) {
        let (mut guilty, mut done, mut calls) = (Vec::new(), Vec::new(), 0);
        let mut work = vec![Part { items: 0..10, fresh: false }];
        while let Some(part) = work.pop() {
            let asked: Vec<usize> = part.items.clone().collect();
            if asked.is_empty() {
                continue;
            }
            calls += 1;
            let Some(bad) = asked.iter().position(|i| poisoned.contains(i)) else {
                done.extend(asked);
                continue;
            };
            let culprit = named.then_some(bad as u32);
            let fault = Fault { culprit, reason: FaultReason::Trap, message: String::new() };
            match after_fault(&part, &asked, &fault) {
                Next::Run(parts) => work.extend(parts.into_iter().rev()),
                Next::Final { item, rest } => {
                    guilty.push(item);
                    work.push(rest);
                }
                Next::Later => unreachable!("a trap is somebody's"),
            }
        }
        (guilty, done, calls)
    }

    #[test]
    fn only_the_poisoned_are_blamed_and_the_others_run_once_in_order() {
        for named in [true, false] {
            for poisoned in [&[][..], &[0], &[9], &[4], &[3, 4], &[0, 5, 9]] {
                let (guilty, done, _) = run(poisoned, named);
                assert_eq!(guilty, poisoned, "named {named}");
                let healthy: Vec<usize> = (0..10).filter(|i| !poisoned.contains(i)).collect();
                assert_eq!(done, healthy, "named {named}, poisoned {poisoned:?}");
            }
        }
    }

    #[test]
    fn what_the_machine_could_not_do_is_no_items_fault_not_even_of_one_alone() {
        let alone = Part { items: 4..5, fresh: true };
        for reason in [FaultReason::Host, FaultReason::Instantiate] {
            let fault = Fault { culprit: Some(0), reason, message: String::new() };
            assert_eq!(after_fault(&alone, &[4], &fault), Next::Later);
        }
    }

    #[test]
    fn a_named_culprit_costs_three_more_calls_at_most() {
        let (_, _, calls) = run(&[4], true);
        assert_eq!(calls, 4);
    }
}
