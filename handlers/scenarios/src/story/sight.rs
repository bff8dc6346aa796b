//! What is to be seen of a story's participants, transfers and accounts.

use std::collections::BTreeSet;

use super::cast::{TRANSFERS, aggregates};
use crate::switch::Switch;

/// Everything there is to see of a story's participants, transfers and accounts.
///
/// # Errors
/// As the switch has them.
pub fn picture(switch: &mut dyn Switch) -> anyhow::Result<String> {
    let mut text = String::new();
    for (aggregate_type, key) in aggregates() {
        let state = switch.state(aggregate_type, &key)?;
        let events = switch.events(aggregate_type, &key)?;
        text += &format!("{key} {state:?}\n{events:?}\n");
    }
    Ok(text)
}

/// The kinds of events that have happened to a story's participants, transfers and accounts.
///
/// # Errors
/// As the switch has them.
pub fn kinds(switch: &mut dyn Switch) -> anyhow::Result<BTreeSet<String>> {
    let mut kinds = BTreeSet::new();
    for (aggregate_type, key) in aggregates() {
        kinds.extend(switch.events(aggregate_type, &key)?.into_iter().map(|event| event.kind));
    }
    Ok(kinds)
}

/// Code and reason of all invalid transfers of a story.
///
/// # Errors
/// As the switch has them.
pub fn invalid(switch: &mut dyn Switch) -> anyhow::Result<BTreeSet<(String, String)>> {
    let mut invalid = BTreeSet::new();
    for transfer in 0..TRANSFERS {
        let events = switch.events(scheme::TRANSFER, &format!("T{transfer}"))?;
        for event in events.iter().filter(|event| event.kind == "InvalidTransfer") {
            let text = |field: &str| event.body[field].as_str().unwrap_or_default().to_owned();
            invalid.insert((text("code"), text("reason")));
        }
    }
    Ok(invalid)
}

/// The states in which a story's transfers are.
///
/// # Errors
/// As the switch has them.
pub fn ends(switch: &mut dyn Switch) -> anyhow::Result<BTreeSet<String>> {
    let mut ends = BTreeSet::new();
    for transfer in 0..TRANSFERS {
        if let Some(state) = switch.state(scheme::TRANSFER, &format!("T{transfer}"))? {
            ends.insert(state["state"].as_str().unwrap_or_default().to_owned());
        }
    }
    Ok(ends)
}

/// The states into which a story's transfers came because their offers ended.
///
/// # Errors
/// As the switch has them.
pub fn timeouts(switch: &mut dyn Switch) -> anyhow::Result<BTreeSet<String>> {
    let mut timeouts = BTreeSet::new();
    for transfer in 0..TRANSFERS {
        let events = switch.events(scheme::TRANSFER, &format!("T{transfer}"))?;
        for event in events.iter().filter(|event| event.kind == "TransferTimedOut") {
            timeouts.insert(event.body["state"].as_str().unwrap_or_default().to_owned());
        }
    }
    Ok(timeouts)
}
