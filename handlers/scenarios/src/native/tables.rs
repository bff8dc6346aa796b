//! Reference tables of a native switch: rows as projections make them of events, one event at a time,
//! behind what is decided.
//!
//! When they get on is left to [`Switch::settle`](crate::Switch::settle) and
//! [`Driven::step`](crate::Driven::step): in between, what is looked up is as it was.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use zamu_guest::columns::{Changes, CurrentRows, Projected, Subjects};
use zamu_guest::testing::ReferenceRows;

use super::directory::{Directory, Projector, Table};
use super::store::Kept;
use super::{Happened, Native};

impl Native {
    /// Makes the rows of the oldest event that has none yet. Tells whether there was one.
    pub(super) fn project_next(&mut self) -> anyhow::Result<bool> {
        let Some(event) = self.unprojected.pop_front() else { return Ok(false) };
        self.project(&event)?;
        Ok(true)
    }

    /// Makes the rows of all that has happened.
    pub(super) fn project_all(&mut self) -> anyhow::Result<()> {
        while self.project_next()? {}
        Ok(())
    }

    /// Makes all rows again, from the first event on: they are those that were there.
    pub(super) fn make_tables_again(&mut self) -> anyhow::Result<()> {
        self.project_all()?;
        let before = std::mem::take(&mut self.rows);
        for aggregate in 0..self.store.aggregates.len() {
            for at in 0..self.store.aggregates[aggregate].events.len() {
                self.project(&Happened { aggregate, at })?;
            }
        }
        ensure!(self.rows == before, "rows made again: {:?}, they were {before:?}", self.rows);
        Ok(())
    }

    fn project(&mut self, event: &Happened) -> anyhow::Result<()> {
        let directory = Arc::clone(&self.directory);
        let stored = &self.store.aggregates[event.aggregate];
        let (key, of_type) = (stored.key.clone(), stored.aggregate_type);
        let kind = stored.events[event.at].kind;
        for projector in directory.projectors(of_type, kind) {
            let Projector { handler, aggregate_type, kind } = *projector;
            let tables = directory.tables(handler);
            let subjects = Subjects {
                aggregate_type: vec![aggregate_type],
                keys: [&key].into_iter().collect(),
            };
            let current = self.handed_in(tables, aggregate_type, &key);
            let Kept { time_ms, body, .. } =
                &self.store.aggregates[event.aggregate].events[event.at];
            let projected = Projected {
                slot: vec![0],
                sequences: vec![event.at as u64 + 1],
                kind: vec![kind],
                time: vec![*time_ms],
                correlations: [""].into_iter().collect(),
                bodies: [body].into_iter().collect(),
            };
            let engine = &mut self.handlers[handler].engine;
            let changes = engine.project(&subjects, &current, &projected)?;
            self.change(&directory, tables, &key, &changes)?;
        }
        Ok(())
    }

    /// The rows that an aggregate has in keyed tables of its type.
    fn handed_in(&self, tables: &[Table], aggregate_type: u32, key: &str) -> CurrentRows {
        let mut current = CurrentRows::default();
        for (table, index) in tables.iter().zip(0..) {
            if !table.keyed || table.aggregate_type != aggregate_type {
                continue;
            }
            if let Some(row) = self.rows.row(&table.name, key.as_bytes()) {
                current.slot.push(0);
                current.table.push(index);
                current.values.push(row);
            }
        }
        current
    }

    /// Keeps changed rows, and shows them to who looks things up there.
    fn change(
        &mut self,
        directory: &Directory,
        tables: &[Table],
        key: &str,
        changes: &Changes,
    ) -> anyhow::Result<()> {
        for index in 0..changes.table.len() {
            let table = tables.get(changes.table[index] as usize);
            let table = table.context("a row of a table that the manifest does not have")?;
            let key = row_key(table, key, changes, index);
            let row = (changes.delete[index] == 0).then(|| changes.values.get(index));
            write(&mut self.rows, &table.name, &key, row);
            for reader in directory.readers(&table.name) {
                let setting = &mut self.handlers[*reader].setting;
                write(&mut setting.references, &table.name, &key, row);
            }
        }
        Ok(())
    }
}

fn row_key(table: &Table, key: &str, changes: &Changes, index: usize) -> Vec<u8> {
    if table.keyed {
        return key.as_bytes().to_vec();
    }
    [key.as_bytes(), b"/", changes.suffixes.get(index)].concat()
}

fn write(rows: &mut ReferenceRows, table: &str, key: &[u8], row: Option<&[u8]>) {
    match row {
        Some(row) => rows.put(table, key, row),
        None => rows.remove(table, key),
    }
}
