//! `zamu topology`: who owns what, who sends what to whom; as text, JSON or a drawing.

mod svg;

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use zamu::config::Config;
use zamu::handlers;
use zamu::json::{Flow, FlowTable, FlowType};

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::remote::Remote;
use crate::cli::{FormatArgs, NodeArgs};

const EXAMPLES: &str = "\
Examples:
  zamu topology
  zamu topology --config examples/switch/zamu.toml
  zamu topology --config examples/switch/zamu.toml --svg switch.svg
  zamu topology --json | jq '.types[].events[] | select(.listeners == [])'

A kind that is told and heard by no handler, or awaited and told by nobody, is marked with !.
Clients may listen to any event; no manifest knows of them.";

/// Shows how messages flow: which handler owns an aggregate type, who sends each command, who
/// hears each event and who looks things up in which table. Made from the manifests of a running node, or of a configuration file's
/// components.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TopologyArgs {
    /// Look at the components of a configuration file; no node need run
    #[arg(long, value_name = "FILE", conflicts_with = "node")]
    config: Option<PathBuf>,
    /// Draw it into this file instead of printing it
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Shows it.
pub(crate) fn run(args: &TopologyArgs, output: &mut Output) -> Result<(), Failure> {
    let flow: Flow = match &args.config {
        Some(file) => configured(file)?,
        None => Remote::new(&args.node)?.get("/topology")?,
    };
    if let Some(file) = &args.svg {
        std::fs::write(file, svg::draw(&flow))
            .with_context(|| format!("cannot write {}", file.display()))?;
        return output.line(format_args!("drawn into {}", file.display()));
    }
    if args.format.json { output.json(&flow) } else { output.line(text(&flow).trim_end()) }
}

fn configured(file: &std::path::Path) -> Result<Flow> {
    let config = Config::load(file)?;
    let specs = handlers::describe(&config.handlers, &config.guest_limits())?;
    let types = config.types.iter().map(|(name, of)| (name.as_str(), of.partitions));
    Ok(Flow::of(types, &specs))
}

fn text(flow: &Flow) -> String {
    let mut text = String::new();
    for of in &flow.types {
        text.push_str(&heading(of, flow));
        let commands = of.commands.iter().map(|command| {
            let by = match (command.loose(), &command.senders[..]) {
                (Some(what), senders) => format!("! {what}: {}", senders.join(", ")),
                (None, []) => "from clients".to_owned(),
                (None, senders) => format!("from {}", senders.join(", ")),
            };
            (command.kind.as_str(), by)
        });
        let events = of.events.iter().map(|event| {
            let to = match (event.loose(), &event.listeners[..]) {
                (Some(what), []) => format!("! {what}"),
                (Some(what), listeners) => format!("! {what}: {}", listeners.join(", ")),
                (None, listeners) => format!("to {}", listeners.join(", ")),
            };
            (event.kind.as_str(), to)
        });
        let width =
            of.commands.iter().map(|c| c.kind.len()).chain(of.events.iter().map(|e| e.kind.len()));
        let width = width.max().unwrap_or(0);
        section(&mut text, "takes", commands, width);
        section(&mut text, "tells", events, width);
        text.push('\n');
    }
    for (index, table) in flow.tables.iter().enumerate() {
        let title = if index == 0 { "reference tables\n" } else { "" };
        let _ = writeln!(text, "{title}  {}  {}", table.table, lookups(table));
        if index + 1 == flow.tables.len() {
            text.push('\n');
        }
    }
    let loose = flow.loose().count();
    if loose > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "! {loose} kinds stand alone");
    }
    text
}

/// Who makes a table, and who looks things up in it.
fn lookups(table: &FlowTable) -> String {
    let made = match (&table.maker, &table.r#type) {
        (Some(maker), Some(r#type)) => format!("made by {maker} of {type}"),
        _ => "! made by nobody".to_owned(),
    };
    match &table.readers[..] {
        [] => format!("{made}, looked up by nobody"),
        readers => format!("{made}, looked up by {}", readers.join(", ")),
    }
}

fn heading(of: &FlowType, flow: &Flow) -> String {
    let partitions = match of.partitions {
        Some(1) => "1 partition".to_owned(),
        Some(number) => format!("{number} partitions"),
        None => "! not configured".to_owned(),
    };
    let owner = of.owner.as_ref().map_or("! nobody owns it".to_owned(), |owner| {
        let version = flow.handlers.iter().find(|handler| handler.name == *owner);
        format!("owned by {owner} {}", version.map_or("", |handler| &handler.version))
    });
    format!("{} ({partitions}), {owner}\n", of.r#type)
}

fn section<'a>(
    text: &mut String,
    title: &str,
    rows: impl Iterator<Item = (&'a str, String)>,
    width: usize,
) {
    for (index, (kind, note)) in rows.enumerate() {
        let title = if index == 0 { title } else { "" };
        let _ = writeln!(text, "  {title:<6} {kind:<width$}  {note}");
    }
}

#[cfg(test)]
mod tests {
    use zamu::json::{FlowCommand, FlowEvent, FlowHandler};

    use super::*;

    pub(super) fn shop() -> Flow {
        let command = |kind: &str, senders: &[&str]| FlowCommand {
            kind: kind.to_owned(),
            taken: true,
            senders: senders.iter().map(ToString::to_string).collect(),
        };
        let event = |kind: &str, decided, listeners: &[&str]| FlowEvent {
            kind: kind.to_owned(),
            decided,
            listeners: listeners.iter().map(ToString::to_string).collect(),
        };
        Flow {
            types: vec![FlowType {
                r#type: "order".to_owned(),
                partitions: Some(4),
                owner: Some("orders".to_owned()),
                commands: vec![command("Place", &[]), command("Ship", &["desk"])],
                events: vec![
                    event("Placed", true, &["desk"]),
                    event("Plced<", false, &["desk"]),
                    event("Shipped", true, &[]),
                ],
            }],
            handlers: vec![
                FlowHandler { name: "desk".to_owned(), version: "2.0.0".to_owned() },
                FlowHandler { name: "orders".to_owned(), version: "1.2.3".to_owned() },
            ],
            tables: vec![
                FlowTable {
                    table: "stock".to_owned(),
                    r#type: Some("order".to_owned()),
                    maker: Some("desk".to_owned()),
                    readers: vec!["orders".to_owned()],
                },
                FlowTable {
                    table: "stok".to_owned(),
                    readers: vec!["orders".to_owned()],
                    ..FlowTable::default()
                },
            ],
        }
    }

    #[test]
    fn the_text_tells_who_says_what_to_whom_and_marks_what_stands_alone() {
        assert_eq!(
            text(&shop()),
            "\
order (4 partitions), owned by orders 1.2.3
  takes  Place    from clients
         Ship     from desk
  tells  Placed   to desk
         Plced<   ! awaited, but decided by nobody: desk
         Shipped  ! heard by no handler

reference tables
  stock  made by desk of order, looked up by orders
  stok  ! made by nobody, looked up by orders

! 2 kinds stand alone
"
        );
    }
}
