//! `GET /events`: durable events as server-sent events, live, resumable after any of them.
//!
//! Each stream reads the log at its client's pace: what the client does not take is not read. News
//! wake it; nothing is polled. Within a partition events come in order; between partitions there is
//! no order.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use zamu_core::error::EngineError;
use zamu_core::log::Limit;
use zamu_core::model::{Event, PartitionId, TypeId};
use zamu_rocks::LogReader;

use crate::http::App;
use crate::http::params::Query;
use crate::http::position::Position;
use crate::http::problem::Problem;
use crate::json;
use crate::node::Services;

/// What is read of one partition at once.
const PAGE: Limit = Limit { records: 256, bytes: 256 << 10 };
/// Text of one round, in bytes; the page that reaches it is the last.
const ROUND_BYTES: usize = 128 << 10;
/// Rounds that may wait for the client.
const PAGES_WAITING: usize = 2;

/// What a client asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    types: Option<String>,
    kinds: Option<String>,
    from: Option<String>,
}

/// Begins a stream.
pub(crate) async fn get(
    State(app): State<App>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let types = types(&app, asked.types.as_deref())?;
    let kinds =
        asked.kinds.as_deref().map(|kinds| checked_kinds(&app, &types, kinds)).transpose()?;
    let position = position(&app, &types, asked.from.as_deref(), &headers)?;
    let Ok(permit) = Arc::clone(&app.gates.streams).try_acquire_owned() else {
        let max = app.settings.streams_max;
        return Err(Problem::busy(format!("{max} streams are open already (http.streams-max)")));
    };
    let (pages, taken) = mpsc::channel(PAGES_WAITING);
    let feed = Feed {
        reader: app.node.log.reader(),
        keep_alive: Duration::from_millis(app.settings.stream_keep_alive_ms),
        gather: Duration::from_millis(app.settings.stream_gather_ms),
        node: app.node,
        kinds,
        position,
        first: 0,
    };
    tokio::spawn(async move {
        let streams = feed.node.metrics.streams.clone();
        streams.inc();
        feed.run(pages).await;
        streams.dec();
        drop(permit);
    });
    let body = Body::from_stream(ReceiverStream::new(taken).map(Ok::<_, std::convert::Infallible>));
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

/// The asked types, or all, in the topology's order.
fn types<'a>(app: &'a App, asked: Option<&str>) -> Result<Vec<(TypeId, &'a str, u32)>, Problem> {
    let types = &app.node.types;
    let ids: BTreeSet<TypeId> = match asked {
        None => (0..types.len()).map(|index| TypeId(index as u16)).collect(),
        Some(names) => names
            .split(',')
            .map(|name| {
                types.named(name).ok_or_else(|| {
                    let known: Vec<&str> = types.iter().map(|t| &*t.name).collect();
                    let problem = format!("names `{name}`; there are {}", known.join(", "));
                    Problem::field("types", problem)
                })
            })
            .collect::<Result<_, _>>()?,
    };
    let entry = |id: TypeId| (id, &*types.settings(id).name, types.settings(id).partitions);
    Ok(ids.into_iter().map(entry).collect())
}

/// The asked kinds, all of which some handler of the types decides: a misspelt one would be silence.
fn checked_kinds(
    app: &App,
    types: &[(TypeId, &str, u32)],
    asked: &str,
) -> Result<BTreeSet<String>, Problem> {
    let now = app.node.in_force.now();
    let known: BTreeSet<&str> =
        types.iter().flat_map(|(id, ..)| now.topology.event_names(*id)).collect();
    let check = |name: &str| {
        if known.contains(name) {
            return Ok(name.to_owned());
        }
        let list = known.iter().copied().collect::<Vec<_>>().join(", ");
        Err(Problem::field("kinds", format!("names `{name}`; there are {list}")))
    };
    asked.split(',').map(check).collect()
}

/// The header that a client sends when it connects again wins over the address it was given first.
fn position(
    app: &App,
    types: &[(TypeId, &str, u32)],
    from: Option<&str>,
    headers: &HeaderMap,
) -> Result<Position, Problem> {
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let (field, text) = match (last, from) {
        (Some(last), _) => ("last-event-id", last),
        (None, from) => ("from", from.unwrap_or("start")),
    };
    match text {
        "start" => Ok(Position::new(types, |_| 0)),
        "end" => {
            // The partitions are those of the topology, so each has its ends.
            let end = |p| app.node.reader.ends(p).map_or(0, |ends| ends.events);
            Ok(Position::new(types, end))
        }
        text => {
            let position =
                Position::parse(text, types).map_err(|error| Problem::field(field, error))?;
            in_this_log(app, &position, field)?;
            Ok(position)
        }
    }
}

/// A position beyond the end is one of another log, or of one that lost events: waiting there would
/// skip all that comes before it.
fn in_this_log(app: &App, position: &Position, field: &str) -> Result<(), Problem> {
    for (partition, next) in position.partitions() {
        let end = app.node.reader.ends(partition)?.events;
        if next > end {
            let name = app.node.terms.type_name(partition.aggregate_type);
            let problem = format!(
                "says event {next} of {name}/{}, which has {end}: it is a position of another data folder. Begin again with `from=start` or `from=end`",
                partition.number
            );
            return Err(Problem::field(field, problem));
        }
    }
    Ok(())
}

/// One client's stream.
struct Feed {
    node: Arc<Services>,
    reader: LogReader,
    keep_alive: Duration,
    gather: Duration,
    /// All kinds, if `None`.
    kinds: Option<BTreeSet<String>>,
    position: Position,
    /// The partition to begin with, as an index into those of the position.
    first: usize,
}

impl Feed {
    /// Until the client has gone or the node stops.
    async fn run(mut self, pages: mpsc::Sender<Bytes>) {
        let mut news = self.node.news.clone();
        let mut stopping = self.node.stopping.clone();
        loop {
            let begun = Instant::now();
            news.mark_unchanged();
            let (feed, read) = match spawn_blocking(move || self.read()).await {
                Ok(read) => read,
                Err(_) => return,
            };
            self = feed;
            let round = match read {
                Ok(round) => round,
                Err(error) => {
                    tracing::error!(%error, "a stream of events ends");
                    return;
                }
            };
            if !round.text.is_empty() && !send(&pages, round.text, &mut stopping).await {
                return;
            }
            if round.more {
                continue;
            }
            let idle = tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return,
                () = pages.closed() => return,
                changed = news.changed() => match changed {
                    Ok(()) => false,
                    Err(_) => return,
                },
                () = tokio::time::sleep(self.keep_alive) => true,
            };
            if idle && !send(&pages, b": nothing new\n\n".to_vec(), &mut stopping).await {
                return;
            }
            sleep_until(begun + self.gather).await;
        }
    }

    /// Reads a page of each partition that has news.
    fn read(mut self) -> (Self, Result<Round, EngineError>) {
        let round = self.round();
        (self, round)
    }

    fn round(&mut self) -> Result<Round, EngineError> {
        let mut round = Round::default();
        let mut partitions: Vec<_> = self.position.partitions().collect();
        // Another one is first each time, so that none waits for ever.
        self.first = (self.first + 1) % partitions.len().max(1);
        partitions.rotate_left(self.first);
        for (partition, next) in partitions {
            if round.text.len() >= ROUND_BYTES {
                round.more = true;
                break;
            }
            let end = self.reader.ends(partition)?.events;
            if next >= end {
                continue;
            }
            let events = self.reader.events(partition, next, PAGE)?;
            let Some(last) = events.last().map(|event| event.number + 1) else { continue };
            round.more |= last < end;
            self.tell_page(partition, events, &mut round.text);
            self.position.set(partition, last);
        }
        Ok(round)
    }

    /// Only what is wanted is shown by its handler.
    fn tell_page(&mut self, partition: PartitionId, mut events: Vec<Event>, text: &mut Vec<u8>) {
        if let Some(kinds) = &self.kinds {
            events.retain(|event| kinds.contains(&event.kind.name));
        }
        self.node.show_events(partition.aggregate_type, &mut events);
        for event in &events {
            self.position.set(partition, event.number + 1);
            self.tell(event, partition, text);
        }
    }

    fn tell(&self, event: &Event, partition: PartitionId, text: &mut Vec<u8>) {
        self.node.metrics.stream_events.inc();
        // Writing to memory does not fail, and these shapes always are JSON.
        let _ = write!(text, "id: {}\nevent: ", self.position);
        one_line(text, |text| text.extend_from_slice(event.kind.name.as_bytes()));
        text.extend_from_slice(b"\ndata: ");
        one_line(text, |text| {
            let _ = serde_json::to_writer(text, &json::event(event, partition, &self.node.terms));
        });
        text.extend_from_slice(b"\n\n");
    }
}

/// What was read of all partitions at once.
#[derive(Default)]
struct Round {
    text: Vec<u8>,
    /// Some partition has more.
    more: bool,
}

/// Line breaks would end the field. In JSON they are only white space.
fn one_line(text: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = text.len();
    write(text);
    for byte in &mut text[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// Waits for the client to take what came before.
async fn send(
    pages: &mpsc::Sender<Bytes>,
    text: Vec<u8>,
    stopping: &mut watch::Receiver<bool>,
) -> bool {
    tokio::select! {
        sent = pages.send(Bytes::from(text)) => sent.is_ok(),
        _ = stopping.wait_for(|stopping| *stopping) => false,
    }
}
