//! The host as a client sees it: HTTP and JSON, nothing else.
//!
//! What was not answered is sent again with the same ids: the host applies it once.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use reqwest::{Response, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};

const BATCH: &str = "application/cloudevents-batch+json";
/// How long a command is sent again and again before the host counts as dead.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two attempts to reach a host that is not there.
const RETRY: Duration = Duration::from_millis(20);
/// Between two attempts when a busy host does not say how long to wait.
const BUSY: Duration = Duration::from_millis(100);

/// A client of one host. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// Where a partition of a type stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Topic {
    /// The aggregate type.
    #[serde(rename = "type")]
    pub aggregate_type: String,
    /// The partition.
    pub partition: u32,
    /// `running`, or what it is instead.
    pub status: String,
    /// Why it does not run.
    pub reason: Option<String>,
    /// How many events it has.
    pub events: u64,
    /// External commands.
    pub requests: Input,
    /// Choreographed commands.
    pub commands: Input,
    /// How many dead letters are open.
    #[serde(rename = "deadLetters")]
    pub dead_letters: u64,
}

/// One input of a partition.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Input {
    /// How many records wait.
    pub lag: u64,
}

/// Why a request has no answer.
enum Failed {
    /// The host is not there, or went away: nobody knows what it has done.
    Unreachable(reqwest::Error),
    /// The host asks to come again.
    Busy(Duration),
    /// The host will never take it.
    Refused(String),
}

impl Client {
    /// A client of the host at this address.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(address: impl std::fmt::Display) -> Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(2))
            .read_timeout(Duration::from_secs(30))
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { http, url: format!("http://{address}") })
    }

    /// Where the host is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether all partitions are running.
    pub async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("{}/ready", self.url)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Sends a batch of commands until the host has taken it durably.
    ///
    /// # Errors
    /// When the host refuses it, or is not to be reached for a minute.
    pub async fn deliver(&self, batch: Bytes) -> Result<()> {
        self.insist(batch, "respond-async").await.map(drop)
    }

    /// Sends a batch of commands until the host has decided each, with a list of answers that must
    /// all be of status 200.
    ///
    /// # Errors
    /// When the host refuses any, or is not to be reached for a minute.
    pub async fn deliver_and_wait(&self, batch: Bytes) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.insist(batch.clone(), "wait=10").await?;
            let answers: Vec<serde_json::Value> = read(answer).await?;
            let statuses: Vec<u64> =
                answers.iter().filter_map(|answer| answer["status"].as_u64()).collect();
            ensure!(statuses.len() == answers.len(), "an answer without a status: {answers:?}");
            match answers.iter().zip(&statuses).find(|(_, status)| !matches!(**status, 200 | 202)) {
                Some((answer, status)) => bail!("a command was answered {status}: {answer}"),
                None if statuses.iter().all(|status| *status == 200) => return Ok(()),
                None => ensure!(Instant::now() < until, "no answer for {PATIENCE:?}: {answers:?}"),
            }
        }
    }

    /// Sends a batch of commands until the host has decided each: their answers as they were
    /// written, accepted or not.
    ///
    /// # Errors
    /// When the host refuses the batch, or is not to be reached for a minute.
    pub async fn ask(&self, batch: Bytes) -> Result<Vec<Box<RawValue>>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let answers: Vec<Box<RawValue>> =
                read(self.insist(batch.clone(), "wait=10").await?).await.unwrap_or_default();
            let undecided = |answer: &RawValue| {
                let answer: Result<serde_json::Value, _> = serde_json::from_str(answer.get());
                answer.is_ok_and(|answer| answer["status"] == 202)
            };
            if !answers.is_empty() && !answers.iter().any(|answer| undecided(answer)) {
                return Ok(answers);
            }
            ensure!(Instant::now() < until, "no answer for {PATIENCE:?}: {answers:?}");
        }
    }

    /// Sends commands and waits for their answers, without patience: whether there was one to each,
    /// be it a refusal.
    pub async fn is_answered(&self, batch: Bytes) -> bool {
        let Ok(answer) = self.post(batch, "wait=10").await else { return false };
        let answers: Result<Vec<serde_json::Value>> = read(answer).await;
        answers.is_ok_and(|answers| {
            answers.iter().all(|answer| answer["status"] == 200 || answer["status"] == 422)
        })
    }

    /// All partitions.
    ///
    /// # Errors
    /// When the host does not answer as expected.
    pub async fn topics(&self) -> Result<Vec<Topic>> {
        self.get("/topics").await
    }

    /// Whatever the host answers to a question, as JSON.
    ///
    /// # Errors
    /// When it does not answer as expected.
    pub async fn look<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.get(path).await
    }

    /// The state of an aggregate of this type and key; none if there is none.
    ///
    /// # Errors
    /// When the host does not answer as expected.
    pub async fn find_state(&self, of: &str, key: &str) -> Result<Option<serde_json::Value>> {
        #[derive(Deserialize)]
        struct Aggregate {
            state: serde_json::Value,
        }
        let path = format!("/aggregates/{}/{}", segment(of), segment(key));
        let answer = self.http.get(format!("{}{path}", self.url)).send().await;
        let answer = answer.with_context(|| format!("no answer to GET {path}"))?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let Aggregate { state } = read(answer).await?;
                Ok(Some(state))
            }
            status => bail!("the host answered {status} to GET {path}: {}", text(answer).await),
        }
    }

    /// The state of an aggregate.
    ///
    /// # Errors
    /// When it has none, or the host does not answer as expected.
    pub async fn state<S: DeserializeOwned>(&self, path: &str) -> Result<S> {
        #[derive(Deserialize)]
        struct Aggregate<S> {
            state: S,
        }
        self.get::<Aggregate<S>>(path).await.map(|aggregate| aggregate.state)
    }

    /// The host's metrics, as Prometheus reads them.
    ///
    /// # Errors
    /// When the host does not answer as expected.
    pub async fn metrics(&self) -> Result<String> {
        let answer = self.http.get(format!("{}/metrics", self.url)).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// A live stream of events after a position, or from the first one.
    ///
    /// # Errors
    /// When the host cannot be reached or refuses.
    pub async fn events(&self, query: &str, after: Option<&str>) -> Result<Response> {
        let mut request = self.http.get(format!("{}/events?{query}", self.url));
        request = request.header(header::ACCEPT, "text/event-stream");
        if let Some(position) = after {
            request = request.header("last-event-id", position);
        }
        let answer = request.send().await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        bail!("the host answered {} to /events?{query}: {}", answer.status(), text(answer).await)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await;
        let answer = answer.with_context(|| format!("no answer to GET {path}"))?;
        let status = answer.status();
        if !status.is_success() {
            bail!("the host answered {status} to GET {path}: {}", text(answer).await);
        }
        read(answer).await.with_context(|| format!("the answer to GET {path}"))
    }

    async fn insist(&self, batch: Bytes, prefer: &str) -> Result<Response> {
        let until = Instant::now() + PATIENCE;
        loop {
            let pause = match self.post(batch.clone(), prefer).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::Refused(reason)) => bail!("the host refuses a batch: {reason}"),
                Err(Failed::Busy(pause)) => pause,
                Err(Failed::Unreachable(error)) if Instant::now() > until => {
                    return Err(error).context("the host is not to be reached");
                }
                Err(Failed::Unreachable(_)) => RETRY,
            };
            sleep(pause).await;
        }
    }

    async fn post(&self, batch: Bytes, prefer: &str) -> Result<Response, Failed> {
        let request = self.http.post(format!("{}/commands", self.url));
        let request = request.header(header::CONTENT_TYPE, BATCH).header("prefer", prefer);
        let answer = request.body(batch).send().await.map_err(Failed::Unreachable)?;
        match answer.status() {
            StatusCode::OK | StatusCode::ACCEPTED => Ok(answer),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Err(Failed::Busy(retry_after(&answer)))
            }
            status => Err(Failed::Refused(format!("{status}: {}", text(answer).await))),
        }
    }
}

/// A name as a part of a path.
pub(crate) fn segment(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

fn retry_after(answer: &Response) -> Duration {
    let seconds = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    seconds.and_then(|value| value.parse().ok()).map_or(BUSY, Duration::from_secs)
}

async fn read<T: DeserializeOwned>(answer: Response) -> Result<T> {
    let bytes = answer.bytes().await?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("not the expected JSON: {}", String::from_utf8_lossy(&bytes)))
}

async fn text(answer: Response) -> String {
    answer.text().await.unwrap_or_else(|error| error.to_string())
}
