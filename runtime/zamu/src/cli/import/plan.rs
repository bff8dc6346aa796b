//! The commands of a file: rows through the mapping, each command with an id that is the same
//! whenever the file is read.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use anyhow::Result;
use sha2::{Digest, Sha256};
use zamu::json::Flow;

use super::mapping::{Mapping, Planned};
use super::rows::{Row, Rows, Wrong};

/// A command to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    /// The line it comes from.
    pub(crate) line: u64,
    /// Its id.
    pub(crate) id: String,
    /// The command.
    pub(crate) planned: Planned,
}

/// The commands of a file, one after another.
pub(crate) struct Plan<'a> {
    rows: Rows,
    mapping: &'a Mapping,
    ids: Ids,
    ready: VecDeque<Command>,
}

impl<'a> Plan<'a> {
    /// Reads rows through a mapping.
    pub(crate) fn new(rows: Rows, mapping: &'a Mapping) -> Self {
        Self { rows, mapping, ids: Ids::default(), ready: VecDeque::new() }
    }

    fn commands(&mut self, row: &Row) -> Result<(), Wrong> {
        let planned = self.mapping.commands(row).map_err(|what| Wrong { line: row.line, what })?;
        for planned in planned {
            let id = planned.id.clone().unwrap_or_else(|| self.ids.of(&planned));
            self.ready.push_back(Command { line: row.line, id, planned });
        }
        Ok(())
    }
}

impl Iterator for Plan<'_> {
    type Item = Result<Command, Wrong>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(command) = self.ready.pop_front() {
                return Some(Ok(command));
            }
            let row = match self.rows.next()? {
                Ok(row) => row,
                Err(wrong) => return Some(Err(wrong)),
            };
            if let Err(wrong) = self.commands(&row) {
                return Some(Err(wrong));
            }
        }
    }
}

/// Ids from what a command says, and how often it was said before: changing one line changes no
/// other line's ids, and two equal lines are two commands.
#[derive(Default)]
struct Ids(HashMap<[u8; 16], u32>);

impl Ids {
    fn of(&mut self, planned: &Planned) -> String {
        let mut hash = Sha256::new();
        let schema = planned.schema.as_deref().unwrap_or_default();
        for part in
            [&planned.aggregate_type, &planned.key, &planned.kind, schema, planned.data.get()]
        {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut content = [0; 16];
        content.copy_from_slice(&hash.finalize()[..16]);
        let times = self.0.entry(content).or_default();
        *times += 1;
        let hex: String = content.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{hex}-{times}")
    }
}

/// What a first look at all commands tells.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// How many there are, by aggregate type and kind.
    pub(crate) kinds: BTreeMap<(String, String), u64>,
    /// How many there are.
    pub(crate) commands: u64,
    /// What is wrong, the first of it.
    pub(crate) wrong: Vec<Wrong>,
    /// How much is wrong.
    pub(crate) wrong_count: u64,
}

/// So much of what is wrong is told line by line.
const WRONG_MAX: usize = 100;

impl Survey {
    /// Looks at all commands. With a `flow`, at their kinds, too.
    pub(crate) fn of(plan: Plan<'_>, flow: Option<&Flow>) -> Self {
        let taken = flow.map(taken);
        let mut survey = Self::default();
        for command in plan {
            let checked = command.and_then(|command| match &taken {
                Some(taken) => known(&command, taken).map(|()| command),
                None => Ok(command),
            });
            match checked {
                Ok(command) => {
                    let Planned { aggregate_type, kind, .. } = command.planned;
                    *survey.kinds.entry((aggregate_type, kind)).or_default() += 1;
                    survey.commands += 1;
                }
                Err(wrong) => {
                    survey.wrong_count += 1;
                    if survey.wrong.len() < WRONG_MAX {
                        survey.wrong.push(wrong);
                    }
                }
            }
        }
        survey
    }
}

fn taken(flow: &Flow) -> BTreeMap<&str, BTreeSet<&str>> {
    flow.types
        .iter()
        .map(|of| {
            let kinds = of.commands.iter().filter(|c| c.taken).map(|c| c.kind.as_str());
            (of.r#type.as_str(), kinds.collect())
        })
        .collect()
}

fn known(command: &Command, taken: &BTreeMap<&str, BTreeSet<&str>>) -> Result<(), Wrong> {
    let Planned { aggregate_type, kind, .. } = &command.planned;
    let list = |names: Vec<&str>| names.join(", ");
    let what = match taken.get(aggregate_type.as_str()) {
        None => format!(
            "there is no aggregate type `{aggregate_type}`; there are {}",
            list(taken.keys().copied().collect())
        ),
        Some(kinds) if !kinds.contains(kind.as_str()) => format!(
            "no handler takes `{kind}` of `{aggregate_type}`; taken: {}",
            list(kinds.iter().copied().collect())
        ),
        Some(_) => return Ok(()),
    };
    Err(Wrong { line: command.line, what })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;
    use zamu::json::{FlowCommand, FlowType};

    use super::super::rows::Format;
    use super::*;

    fn plan_of(lines: &[serde_json::Value]) -> Vec<Result<Command, Wrong>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
        std::fs::write(&path, text.join("\n")).unwrap();
        Plan::new(Rows::open(&path, Format::Jsonl).unwrap(), &Mapping::None).collect()
    }

    fn add(key: &str, by: u64) -> serde_json::Value {
        json!({ "aggregatetype": "counter", "subject": key, "type": "Add", "data": { "by": by } })
    }

    fn ids(lines: &[serde_json::Value]) -> Vec<String> {
        plan_of(lines).into_iter().map(|command| command.unwrap().id).collect()
    }

    #[test]
    fn a_commands_id_is_the_same_whenever_and_wherever_it_stands() {
        let whole = ids(&[add("a", 1), add("b", 1), add("a", 2)]);
        let mended = ids(&[add("a", 1), add("b", 7), add("a", 2)]);
        assert_eq!((&whole[0], &whole[2]), (&mended[0], &mended[2]));
        assert_ne!(whole[1], mended[1]);
        assert_eq!(
            ids(&[json!({ "aggregatetype": "t", "subject": "k", "type": "D", "id": "7" })]),
            ["7"]
        );
    }

    #[test]
    fn two_equal_lines_are_two_commands() {
        let ids = ids(&[add("a", 1), add("a", 1)]);
        assert_ne!(ids[0], ids[1]);
    }

    #[test]
    fn a_survey_counts_kinds_and_names_what_nobody_takes() {
        let command = |kind: &str| FlowCommand { kind: kind.into(), taken: true, senders: vec![] };
        let counter = FlowType {
            r#type: "counter".into(),
            commands: vec![command("Add")],
            ..FlowType::default()
        };
        let flow = Flow { types: vec![counter], ..Flow::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let other = json!({ "aggregatetype": "counter", "subject": "k", "type": "Ad" });
        let lost = json!({ "aggregatetype": "countr", "subject": "k", "type": "Add" });
        let text = format!("{}\n{other}\nx\n{lost}\n", add("a", 1));
        std::fs::write(&path, text).unwrap();
        let rows = || Rows::open(&path, Format::Jsonl).unwrap();
        let survey = Survey::of(Plan::new(rows(), &Mapping::None), Some(&flow));
        assert_eq!(survey.kinds, BTreeMap::from([(("counter".into(), "Add".into()), 1)]));
        let told: Vec<_> = survey.wrong.iter().map(|w| (w.line, w.what.as_str())).collect();
        assert_eq!(told[0], (2, "no handler takes `Ad` of `counter`; taken: Add"));
        assert_eq!(told[1].0, 3);
        assert_eq!(told[2], (4, "there is no aggregate type `countr`; there are counter"));
        assert_eq!(Survey::of(Plan::new(rows(), &Mapping::None), None).wrong_count, 1);
    }
}
