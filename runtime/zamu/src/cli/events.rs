//! `zamu events`: what happened, with provenance. One line an event.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use clap::{ArgAction, Args};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use zamu::json::{self};

use crate::cli::failure::Failure;
use crate::cli::files::Files;
use crate::cli::output::{Output, time};
use crate::cli::remote::{Remote, segment};
use crate::cli::{FormatArgs, SourceArgs};

const EXAMPLES: &str = "\
Examples:
  zamu events --type counter --key visits
  zamu events --kind Incremented --limit 10
  zamu events --follow --from end --json
  zamu events --data zamu-data --json > all-events.jsonl

Without --key, events come by partition, each partition in its order.";

/// Shows durable events: of one aggregate (--type and --key), of some types, or all.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EventsArgs {
    /// Events of this aggregate type only; may be given more than once
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Events of this aggregate only; its type is to be given too
    #[arg(long, requires = "types")]
    key: Option<String>,
    /// Events of this kind only; may be given more than once
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// With --key: events after this sequence
    #[arg(long, value_name = "SEQUENCE", requires = "key", default_value_t = 0)]
    after: u64,
    /// So many events at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Do not end: wait for more
    #[arg(long, action = ArgAction::SetTrue, conflicts_with_all = ["data", "key"])]
    follow: bool,
    /// With --follow: where to begin: `start`, `end`, or the id of a message of the stream
    #[arg(long, value_name = "POSITION", requires = "follow")]
    from: Option<String>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Shows them.
pub(crate) fn run(args: &EventsArgs, output: &mut Output) -> Result<(), Failure> {
    let mut printer = Printer { output, json: args.format.json, left: args.limit };
    match (&args.source.data, &args.key) {
        (Some(folder), _) => from_files(args, folder, &mut printer),
        (None, Some(key)) => of_aggregate(args, key, &mut printer),
        (None, None) => from_stream(args, &mut printer),
    }
}

/// Prints events until it has printed enough.
struct Printer<'a> {
    output: &'a mut Output,
    json: bool,
    left: Option<u64>,
}

impl Printer<'_> {
    /// Whether more are wanted.
    fn print(&mut self, event: &str) -> Result<bool, Failure> {
        if self.json {
            let raw: &RawValue = serde_json::from_str(event).map_err(anyhow::Error::new)?;
            self.output.json(&raw)?;
        } else {
            let event: Value = serde_json::from_str(event).map_err(anyhow::Error::new)?;
            self.output.line(line(&event))?;
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
            return Ok(*left > 0);
        }
        Ok(true)
    }
}

/// An event for people.
fn line(event: &Value) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let handler = &event["handler"];
    let version = handler["version"].as_str().map(|version| format!(" {version}"));
    let data = event.get("data").unwrap_or(&event["dataBase64"]);
    format!(
        "{}  {}  {}  by {}{}  {data}",
        time(event["time"].as_u64().unwrap_or_default()),
        plain(&event["id"]),
        plain(&event["kind"]),
        plain(&handler["name"]),
        version.unwrap_or_default(),
    )
}

fn from_files(args: &EventsArgs, folder: &Path, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let files = Files::open(folder)?;
    let partitions = match &args.key {
        Some(key) => {
            let of_type = |name: &String| files.partition_of(name, key);
            args.types.iter().map(of_type).collect::<Result<_>>()?
        }
        None => files.partitions(&args.types)?,
    };
    for partition in partitions {
        let wants_more = files.events(partition, |event| {
            let wanted = args.key.as_ref().is_none_or(|key| event.key == key.as_bytes())
                && event.sequence > args.after
                && is_wanted(&args.kinds, &event.kind.name);
            if !wanted {
                return Ok::<_, Failure>(true);
            }
            let shown = json::event(event, partition, &files.terms);
            printer.print(&serde_json::to_string(&shown).map_err(anyhow::Error::new)?)
        })?;
        if !wants_more {
            break;
        }
    }
    Ok(())
}

fn of_aggregate(args: &EventsArgs, key: &str, printer: &mut Printer<'_>) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Page {
        events: Vec<Box<RawValue>>,
    }
    let remote = Remote::new(&args.source.node)?;
    for name in &args.types {
        let path = format!("/aggregates/{}/{}/events", segment(name), segment(key));
        let mut after = args.after;
        loop {
            let answer = remote.request(Method::GET, &format!("{path}?after={after}"));
            let text = remote.text(answer)?;
            let page: Page = serde_json::from_str(&text).map_err(anyhow::Error::new)?;
            for event in &page.events {
                let place = Place::of(event.get())?;
                after = place.sequence;
                if is_wanted(&args.kinds, &place.kind) && !printer.print(event.get())? {
                    return Ok(());
                }
            }
            if page.events.is_empty() {
                break;
            }
        }
    }
    Ok(())
}

/// Reads the live stream: for ever, or until all that there is now was read.
fn from_stream(args: &EventsArgs, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let remote = Remote::new(&args.source.node)?;
    let mut unread = if args.follow { None } else { Some(Unread::ask(&remote, &args.types)?) };
    if unread.as_ref().is_some_and(Unread::is_empty) {
        return Ok(());
    }
    let mut query = format!("from={}", segment(args.from.as_deref().unwrap_or("start")));
    if !args.types.is_empty() {
        let names: Vec<String> = args.types.iter().map(|name| segment(name)).collect();
        query.push_str(&format!("&types={}", names.join(",")));
    }
    // The end is seen only if nothing is left out, so kinds are picked here then.
    if args.follow && !args.kinds.is_empty() {
        let names: Vec<String> = args.kinds.iter().map(|name| segment(name)).collect();
        query.push_str(&format!("&kinds={}", names.join(",")));
    }
    let mut lines = Lines::default();
    remote.stream(remote.request(Method::GET, &format!("/events?{query}")), |piece| {
        lines.push(piece);
        while let Some(line) = lines.next()? {
            let Some(event) = line.strip_prefix("data:").map(str::trim) else { continue };
            let place = Place::of(event)?;
            if is_wanted(&args.kinds, &place.kind) && !printer.print(event)? {
                return Ok(false);
            }
            if let Some(unread) = &mut unread {
                unread.read(&place);
                if unread.is_empty() {
                    return Ok(false);
                }
            }
        }
        if args.follow {
            printer.output.flush()?;
        }
        Ok(true)
    })
}

fn is_wanted(kinds: &[String], kind: &str) -> bool {
    kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind)
}

/// Of an event, what decides whether it is shown.
#[derive(Deserialize)]
struct Place {
    r#type: String,
    partition: u32,
    number: u64,
    sequence: u64,
    kind: String,
}

impl Place {
    fn of(event: &str) -> Result<Self> {
        serde_json::from_str(event)
            .map_err(|error| anyhow::anyhow!("not an event: {error}: {event}"))
    }
}

/// How many events each partition has that were not read yet.
#[derive(Debug, Default, PartialEq, Eq)]
struct Unread(BTreeMap<(String, u32), u64>);

impl Unread {
    fn ask(remote: &Remote, types: &[String]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Topic {
            r#type: String,
            partition: u32,
            events: u64,
        }
        let topics: Vec<Topic> = remote.get("/topics")?;
        if let Some(unknown) = types.iter().find(|name| topics.iter().all(|t| t.r#type != **name)) {
            let mut known: Vec<&str> = topics.iter().map(|topic| &*topic.r#type).collect();
            known.dedup();
            anyhow::bail!("there is no aggregate type `{unknown}`; there are {}", known.join(", "));
        }
        let wanted = topics.into_iter().filter(|topic| {
            topic.events > 0 && (types.is_empty() || types.contains(&topic.r#type))
        });
        Ok(Self(wanted.map(|topic| ((topic.r#type, topic.partition), topic.events)).collect()))
    }

    fn read(&mut self, place: &Place) {
        let partition = (place.r#type.clone(), place.partition);
        if self.0.get(&partition).is_some_and(|events| place.number + 1 >= *events) {
            self.0.remove(&partition);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Cuts a stream into lines, wherever its pieces end.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    done: usize,
}

impl Lines {
    fn push(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.done);
        self.done = 0;
        self.bytes.extend_from_slice(piece);
    }

    fn next(&mut self) -> Result<Option<&str>> {
        let rest = &self.bytes[self.done..];
        let Some(length) = rest.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        self.done += length + 1;
        Ok(Some(std::str::from_utf8(&rest[..length])?.trim_end_matches('\r')))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    const EVENT: &str = r#"{"id":"t/k/2","type":"t","key":"k","sequence":2,"partition":1,"number":4,"kind":"Made","time":0,"handler":{"name":"h","version":"1.2.0"},"data":{"a": 1.10}}"#;

    #[test]
    fn json_is_passed_on_byte_for_byte() {
        let (mut output, kept) = Output::kept();
        let mut printer = Printer { output: &mut output, json: true, left: None };
        assert!(printer.print(EVENT).unwrap());
        assert_eq!(kept.text(), format!("{EVENT}\n"));
    }

    #[test]
    fn people_see_when_what_who_and_the_body() {
        let (mut output, kept) = Output::kept();
        let mut printer = Printer { output: &mut output, json: false, left: None };
        printer.print(EVENT).unwrap();
        assert_eq!(
            kept.text(),
            "1970-01-01T00:00:00.000Z  t/k/2  Made  by h 1.2.0  {\"a\":1.10}\n"
                .replace("1.10", "1.1")
        );
        let unknown = json!({ "handler": { "name": "h", "version": null }, "dataBase64": "/w==" });
        assert!(line(&unknown).ends_with("by h  \"/w==\""));
    }

    #[test]
    fn the_limit_ends_the_output() {
        let (mut output, kept) = Output::kept();
        let mut printer = Printer { output: &mut output, json: true, left: Some(2) };
        assert!(printer.print(EVENT).unwrap());
        assert!(!printer.print(EVENT).unwrap());
        assert_eq!(kept.text().lines().count(), 2);
    }

    #[test]
    fn a_partition_is_read_when_its_last_event_was_seen() {
        let mut unread = Unread([(("t".to_owned(), 1), 5), (("t".to_owned(), 2), 1)].into());
        let place = Place::of(EVENT).unwrap();
        unread.read(&Place { number: 3, r#type: "t".into(), kind: String::new(), ..place });
        assert_eq!(unread.0.len(), 2);
        unread.read(&Place::of(EVENT).unwrap());
        assert_eq!(unread.0.len(), 1);
        unread.read(&Place { partition: 2, number: 7, ..Place::of(EVENT).unwrap() });
        assert!(unread.is_empty());
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_cut() {
        let stream = "id: 1\r\ndata: {\"a\":\"ü\"}\n\n: x\n";
        for size in 1..=stream.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for piece in stream.as_bytes().chunks(size) {
                lines.push(piece);
                while let Some(line) = lines.next().unwrap() {
                    found.push(line.to_owned());
                }
            }
            assert_eq!(found, ["id: 1", "data: {\"a\":\"ü\"}", "", ": x"], "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        for text in ["", "{}", "[]"] {
            assert!(Place::of(text).is_err(), "{text}");
        }
    }
}
