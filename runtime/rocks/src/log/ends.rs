//! How far the topics of a partition reach.

use zamu_core::log::InputPositions;
use zamu_core::model::{DeadLetterNumber, EventNumber, Offset, TurnNumber};

use crate::keys::Topic;

/// The numbers that the next records of a partition's topics get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// In `<type>.requests`, from 0.
    pub requests: Offset,
    /// In `<type>.commands`, from 0.
    pub commands: Offset,
    /// In `<type>.outcomes`, from 1.
    pub outcomes: TurnNumber,
    /// In `<type>.events`, from 0.
    pub events: EventNumber,
    /// In `<type>.dead-letters`, from 1.
    pub dead_letters: DeadLetterNumber,
}

impl Default for Ends {
    fn default() -> Self {
        Self { requests: 0, commands: 0, outcomes: 1, events: 0, dead_letters: 1 }
    }
}

/// The number of the first control record.
pub(crate) const CONTROL_FIRST: Offset = 1;

impl Ends {
    /// The next number in a topic.
    pub(crate) fn of(&self, topic: Topic) -> u64 {
        match topic {
            Topic::Requests => self.requests,
            Topic::Commands => self.commands,
            Topic::Outcomes => self.outcomes,
            Topic::Events => self.events,
            Topic::DeadLetters => self.dead_letters,
            Topic::Control => CONTROL_FIRST,
        }
    }

    /// Sets the next number in a topic of a partition.
    pub(crate) fn set(&mut self, topic: Topic, next: u64) {
        match topic {
            Topic::Requests => self.requests = next,
            Topic::Commands => self.commands = next,
            Topic::Outcomes => self.outcomes = next,
            Topic::Events => self.events = next,
            Topic::DeadLetters => self.dead_letters = next,
            Topic::Control => {}
        }
    }

    /// The ends of the two inputs.
    pub(crate) fn input(&self) -> InputPositions {
        InputPositions { requests: self.requests, commands: self.commands }
    }
}
