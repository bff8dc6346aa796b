//! The live stream of events: server-sent events, resumed after the last one that was handled.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Response;
use tokio::time::{Instant, sleep};

use crate::client::Client;

/// How long the stream may be out of reach before the host counts as dead.
const PATIENCE: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_millis(20);

/// A stream that survives the host.
#[derive(Debug)]
pub struct Stream {
    client: Client,
    query: String,
    position: Option<String>,
    connection: Option<(Response, Parser)>,
    alive: Instant,
}

impl Stream {
    /// The events that match the query, from the first one.
    pub fn new(client: Client, query: impl Into<String>) -> Self {
        let alive = Instant::now();
        Self { client, query: query.into(), position: None, connection: None, alive }
    }

    /// Waits for news and hands each event's JSON to `handle`. Connects, or connects again, by
    /// itself; an event that `handle` has seen does not come again.
    ///
    /// # Errors
    /// Those of `handle`, and when the host is not to be reached for a minute.
    pub async fn next(&mut self, mut handle: impl FnMut(&str) -> Result<()>) -> Result<()> {
        let Some((response, parser)) = &mut self.connection else {
            return self.connect().await;
        };
        match response.chunk().await {
            Ok(Some(chunk)) => {
                parser.push(&chunk);
                self.alive = Instant::now();
            }
            // Gone; what was read half comes again.
            Ok(None) | Err(_) => {
                self.connection = None;
                return Ok(());
            }
        }
        while let Some(message) = parser.next()? {
            if let Some(data) = message.data {
                handle(data).with_context(|| format!("an event of the stream: {data}"))?;
            }
            if let Some(id) = message.id {
                let position = self.position.get_or_insert_default();
                position.clear();
                position.push_str(id);
            }
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<()> {
        match self.client.events(&self.query, self.position.as_deref()).await {
            Ok(response) => self.connection = Some((response, Parser::default())),
            Err(error) if self.alive.elapsed() > PATIENCE => {
                return Err(error.context("the stream of events is not to be had"));
            }
            Err(_) => sleep(RETRY).await,
        }
        Ok(())
    }
}

/// Cuts a stream of bytes into messages, wherever the pieces end.
#[derive(Debug, Default)]
struct Parser {
    bytes: Vec<u8>,
    /// What lies before has been handed out.
    done: usize,
}

/// One message; those of comments only have neither part.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message<'a> {
    id: Option<&'a str>,
    data: Option<&'a str>,
}

impl Parser {
    fn push(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.done);
        self.done = 0;
        self.bytes.extend_from_slice(piece);
    }

    /// The next whole message. Data of several lines is refused: the host's JSON has one.
    fn next(&mut self) -> Result<Option<Message<'_>>> {
        let mut message = Message::default();
        let mut at = self.done;
        while let Some(length) = self.bytes[at..].iter().position(|byte| *byte == b'\n') {
            let line = &self.bytes[at..at + length];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            at += length + 1;
            if line.is_empty() {
                self.done = at;
                return Ok(Some(message));
            }
            let line = std::str::from_utf8(line).context("the stream of events is not UTF-8")?;
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "id" => message.id = Some(value),
                "data" if message.data.is_some() => bail!("an event of more than one line"),
                "data" => message.data = Some(value),
                _ => {}
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const STREAM: &str = ": hello\n\nid: 1.4\nevent: Made\ndata: {\"a\":1}\n\n: still there\n\nid:2\r\ndata:{\"b\": \"ü\"}\r\n\r\nid: 3\n";

    fn read(pieces: impl IntoIterator<Item = Vec<u8>>) -> Vec<(String, String)> {
        let mut parser = Parser::default();
        let mut messages = Vec::new();
        for piece in pieces {
            parser.push(&piece);
            while let Some(message) = parser.next().unwrap() {
                if let (Some(id), Some(data)) = (message.id, message.data) {
                    messages.push((id.to_owned(), data.to_owned()));
                }
            }
        }
        messages
    }

    #[test]
    fn a_stream_reads_the_same_however_it_is_cut() {
        let expected = [("1.4", "{\"a\":1}"), ("2", "{\"b\": \"ü\"}")]
            .map(|(id, data)| (id.to_owned(), data.to_owned()));
        for size in 1..=STREAM.len() {
            let pieces = STREAM.as_bytes().chunks(size).map(<[u8]>::to_vec);
            assert_eq!(read(pieces), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_message_that_has_not_ended_is_not_handed_out() {
        let mut parser = Parser::default();
        parser.push(b"id: 1\ndata: {}\n");
        assert_eq!(parser.next().unwrap(), None);
        parser.push(b"\n");
        assert_eq!(parser.next().unwrap(), Some(Message { id: Some("1"), data: Some("{}") }));
        assert_eq!(parser.next().unwrap(), None);
    }

    #[test]
    fn what_cannot_be_an_event_is_an_error() {
        for bytes in [&b"data: 1\ndata: 2\n\n"[..], b"data: \xff\n\n"] {
            let mut parser = Parser::default();
            parser.push(bytes);
            assert!(parser.next().is_err());
        }
    }
}
