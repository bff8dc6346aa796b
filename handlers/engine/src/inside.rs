//! What only the switch itself sends, sent by a test: a command once more, or one that no aggregate
//! would send. It goes the way of all others: numbered in a channel, through the log, into a turn.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use scenarios::switch::{Command, Outcome};
use zamu_core::model::{
    self, ChannelStamp, Context, EventRef, KindName, PartitionId, Request, Stored, Time, TypeId,
    Wake,
};
use zamu_core::proto::command_outcome::Why;

use crate::runtime::{DEPLOYMENT, Runtime};

/// Key of the aggregate that sends what no aggregate would send.
const NOBODY: &[u8] = b"nobody";

impl Runtime {
    /// Sends the last command of this kind to this aggregate again, as it stands in the log.
    pub(crate) fn send_again(
        &mut self,
        aggregate_type: &str,
        key: &str,
        kind: &str,
    ) -> anyhow::Result<()> {
        let (partition, key) = self.locate(aggregate_type, key)?;
        let sent = self.medium.commands(partition)?.into_iter().map(|stored| stored.record);
        let last = sent.rev().find(|sent| sent.key == key && sent.kind.name == kind);
        self.relay_to(partition, last.context("the switch has sent nothing like it")?)?;
        Ok(())
    }

    /// Sends a command over a channel that no aggregate uses; its refusal is no cause for alarm.
    pub(crate) fn send_as_switch(&mut self, command: Command) -> anyhow::Result<Outcome> {
        let (partition, key) = self.locate(&command.aggregate_type, &command.key)?;
        let said = KindName { name: command.kind, ..KindName::default() };
        let kind = self.topology.command_kind(partition.aggregate_type, &said);
        let sender = self.silent_type()?;
        let from = self.topology.partition(sender, NOBODY);
        let before = self.medium.commands(partition)?;
        let stamps = before.iter().filter_map(|stored| stored.record.channel);
        let last = stamps.filter(|stamp| stamp.from == from).map(|stamp| stamp.number).max();
        let record = model::Command {
            key,
            kind: kind.with_context(|| format!("nobody takes {}", said.name))?,
            time: self.now,
            channel: Some(ChannelStamp { from, number: last.unwrap_or(0) + 1 }),
            cause: EventRef {
                aggregate_type: sender,
                key: Bytes::from_static(NOBODY),
                sequence: 1,
            },
            handler: Arc::from("scenario"),
            index: 0,
            deployment: DEPLOYMENT,
            context: Arc::new(Context::default()),
            body: Bytes::from(command.body),
        };
        let turn = self.mail.seen(partition);
        self.alarms.excuse(Some(partition));
        let stored = self.relay_to(partition, record)?;
        let records = self.medium.records(partition, turn)?;
        let why = records.into_iter().flat_map(|record| record.commandless);
        let why = why.filter(|of| of.offset == stored.offset).find_map(|of| of.why);
        let outcome = match why {
            None => Outcome::Accepted { reply: None },
            Some(Why::Refused(refused)) => {
                ensure!(self.alarms.was_excused(), "nobody was alarmed of {refused:?}");
                Outcome::Refused { code: refused.code, details: refused.details }
            }
            Some(other) => anyhow::bail!("it came to {other:?}"),
        };
        self.alarms.excuse(None);
        Ok(outcome)
    }

    /// Has a turn of the sender take the command along, and gives the record that stands in the log.
    fn relay_to(
        &mut self,
        target: PartitionId,
        command: model::Command,
    ) -> anyhow::Result<Stored<model::Command>> {
        let stamp = command.channel.context("what was sent over no channel")?;
        let before = self.medium.commands(target)?.len();
        self.relay.take_along(target, command.clone());
        self.nudge(stamp.from, command.cause.key.clone())?;
        self.rest()?;
        let arrived = self.medium.commands(target)?.into_iter().skip(before);
        let mut arrived = arrived.filter(|stored| stored.record == command);
        arrived.next().context("it did not arrive in the log")
    }

    /// A Wake that the aggregate does not want: it has a turn of its partition, and does nothing.
    fn nudge(&mut self, partition: PartitionId, key: Bytes) -> anyhow::Result<()> {
        let request = Request {
            key,
            kind: Arc::new(KindName::default()),
            source: Bytes::new(),
            id: Bytes::new(),
            context: Arc::new(Context::default()),
            redrive: None,
            wake: Some(Wake { sequence: 0, deadline: Time(0) }),
            body: Bytes::new(),
        };
        self.medium.intake()?.append(partition, vec![request], Box::new(|_| ()));
        Ok(())
    }

    /// A type whose events nobody reacts to, so that its channels are unused.
    fn silent_type(&self) -> anyhow::Result<TypeId> {
        let types = (0..self.topology.types.len()).map(|index| TypeId(index as u16));
        let mut silent = types.filter(|of| self.topology.reactors(*of).is_empty());
        silent.next().context("every type has event handlers")
    }
}
