//! A text is blocks, each a heading and a table. What they say is left to the rest of the reader.

use super::Wrong;

/// A heading with its table.
pub(super) struct Block<'t> {
    pub(super) line: usize,
    pub(super) heading: &'t str,
    pub(super) columns: Vec<&'t str>,
    pub(super) rows: Vec<Row<'t>>,
}

pub(super) struct Row<'t> {
    pub(super) line: usize,
    pub(super) cells: Vec<&'t str>,
}

/// A block's columns by name.
pub(super) struct Table<'t> {
    columns: &'t [&'t str],
}

pub(super) fn blocks(text: &str) -> Result<Vec<Block<'_>>, Wrong> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (index, content) in text.lines().enumerate() {
        let (line, content) = (index + 1, content.trim());
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let Some(row) = content.strip_prefix('|') else {
            blocks.push(Block { line, heading: content, columns: vec![], rows: vec![] });
            continue;
        };
        let row = row.strip_suffix('|').ok_or_else(|| Wrong::at(line, "a row ends with |"))?;
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let block = blocks.last_mut().ok_or_else(|| Wrong::at(line, "a row without a heading"))?;
        if block.columns.is_empty() {
            block.columns = cells;
        } else if cells.len() == block.columns.len() {
            block.rows.push(Row { line, cells });
        } else {
            return Err(Wrong::at(
                line,
                format!("{} cells under {} columns", cells.len(), block.columns.len()),
            ));
        }
    }
    Ok(blocks)
}

impl<'t> Table<'t> {
    pub(super) fn new(
        block: &'t Block<'t>,
        required: &[&str],
        optional: &[&str],
    ) -> Result<Self, Wrong> {
        let columns = &*block.columns;
        if let Some(missing) = required.iter().find(|column| !columns.contains(column)) {
            return Err(Wrong::at(block.line, format!("the column {missing} is missing")));
        }
        let known = |column: &&&str| !required.contains(column) && !optional.contains(column);
        if let Some(unknown) = columns.iter().find(known) {
            return Err(Wrong::at(block.line, format!("no such column here: {unknown}")));
        }
        Ok(Self { columns })
    }

    /// A required cell; it may be empty.
    pub(super) fn cell<'r>(&self, row: &'r Row<'_>, column: &str) -> &'r str {
        let at = self.columns.iter().position(|name| *name == column);
        at.and_then(|at| row.cells.get(at)).copied().unwrap_or_default()
    }

    /// An optional cell, unless it is empty or its column is not there.
    pub(super) fn optional<'r>(&self, row: &'r Row<'_>, column: &str) -> Option<&'r str> {
        Some(self.cell(row, column)).filter(|text| !text.is_empty())
    }
}
