//! Whether there is all that a load names: kinds of commands and events, types, as `/topology` tells
//! them. What is misspelt would be waited for in vain.

use anyhow::{Result, bail};
use serde::Deserialize;

use crate::load::{Kind, Plan, Where};

/// What `/topology` tells of it, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
pub struct Topology {
    types: Vec<Type>,
}

#[derive(Clone, Debug, Deserialize)]
struct Type {
    r#type: String,
    partitions: Option<u32>,
    commands: Vec<Command>,
    events: Vec<Event>,
}

#[derive(Clone, Debug, Deserialize)]
struct Command {
    kind: String,
    taken: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct Event {
    kind: String,
    decided: bool,
}

impl Plan {
    /// Whether there is all that it names.
    ///
    /// # Errors
    /// Names what there is not, and what there is.
    pub fn fits(&self, topology: &Topology) -> Result<()> {
        for Kind { aggregate_type, kind } in &self.sent {
            let of = topology.named(aggregate_type)?;
            let taken = of.commands.iter().filter(|command| command.taken);
            let taken: Vec<&str> = taken.map(|command| command.kind.as_str()).collect();
            there_is("command", aggregate_type, kind, &taken)?;
        }
        let sums = self.sums.iter().flat_map(|sum| &sum.terms);
        let summed = sums.clone().filter_map(|term| match &term.of {
            Where::Events(kind) => Some(kind),
            _ => None,
        });
        let heard = self.heard();
        for Kind { aggregate_type, kind } in
            self.ending.kinds().map(|of| &of.kind).chain(summed).chain(heard)
        {
            let of = topology.named(aggregate_type)?;
            let decided = of.events.iter().filter(|event| event.decided);
            let decided: Vec<&str> = decided.map(|event| event.kind.as_str()).collect();
            there_is("event", aggregate_type, kind, &decided)?;
        }
        for term in sums {
            if let Where::States { aggregate_type, .. } = &term.of {
                topology.named(aggregate_type)?;
            }
        }
        Ok(())
    }
}

impl Topology {
    fn named(&self, name: &str) -> Result<&Type> {
        let mut configured = self.types.iter().filter(|of| of.partitions.is_some());
        if let Some(of) = configured.clone().find(|of| of.r#type == name) {
            return Ok(of);
        }
        let known: Vec<&str> = configured.by_ref().map(|of| of.r#type.as_str()).collect();
        bail!("the load names the type `{name}`; the configuration has {}", known.join(", "))
    }
}

fn there_is(what: &str, aggregate_type: &str, kind: &str, known: &[&str]) -> Result<()> {
    if known.contains(&kind) {
        return Ok(());
    }
    bail!(
        "the load names the {what} `{kind}` of `{aggregate_type}`, which its handler does not know: it has {}",
        known.join(", ")
    )
}
