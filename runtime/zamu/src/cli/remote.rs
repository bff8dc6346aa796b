//! A running node, over HTTP. Its problems become errors that say what it said.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::cli::NodeArgs;

/// How long a node may say nothing at all.
const SILENCE: Duration = Duration::from_secs(90);
/// Names a node for all commands.
const VARIABLE: &str = "ZAMU_NODE";
/// Where a node listens if nobody says otherwise.
const DEFAULT: &str = "http://127.0.0.1:7600";

/// A connection to a node, and the thread's own loop to wait with.
#[derive(Debug)]
pub(crate) struct Remote {
    url: String,
    client: Client,
    runtime: Runtime,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its body.
    pub(crate) body: Value,
}

impl Remote {
    /// Prepares to ask; nothing is sent.
    pub(crate) fn new(args: &NodeArgs) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(SILENCE)
            .build()
            .context("cannot make an HTTP client")?;
        let url = chosen(args.node.as_deref(), std::env::var(VARIABLE).ok())?;
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            client,
            runtime: runtime.context("cannot make an HTTP client")?,
        })
    }

    /// The node's address, without a slash at its end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A request to a path, which is percent-encoded already.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Asks for a value.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self.ask(self.request(Method::GET, path))?;
        let body = answer.expect_success()?;
        serde_json::from_value(body).with_context(|| format!("the node's answer to {path}"))
    }

    /// Sends a request and reads the text of an answer that must be a good one.
    pub(crate) fn text(&self, request: RequestBuilder) -> Result<String> {
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| self.unreachable(error))?;
            if !response.status().is_success() {
                return Err(Answer::read(response).await?.problem());
            }
            response.text().await.context("the node's answer broke off")
        })
    }

    /// Has something done.
    pub(crate) fn post(&self, path: &str) -> Result<Value> {
        self.ask(self.request(Method::POST, path))?.expect_success()
    }

    /// Sends a request and reads the answer, whatever it is.
    pub(crate) fn ask(&self, request: RequestBuilder) -> Result<Answer> {
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| self.unreachable(error))?;
            Answer::read(response).await
        })
    }

    /// Sends a request and hands over the answer piece by piece, as text comes in, until `take`
    /// says that it has enough.
    pub(crate) fn stream<E: From<anyhow::Error>>(
        &self,
        request: RequestBuilder,
        mut take: impl FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| self.unreachable(error))?;
            if !response.status().is_success() {
                Answer::read(response).await?.expect_success()?;
                return Ok(());
            }
            let mut response = response;
            while let Some(piece) =
                response.chunk().await.map_err(|error| self.unreachable(error))?
            {
                if !take(&piece)? {
                    return Ok(());
                }
            }
            Err(anyhow!("the node at {} has ended the stream", self.url).into())
        })
    }

    fn unreachable(&self, error: reqwest::Error) -> anyhow::Error {
        let Self { url, .. } = self;
        anyhow!(error.without_url()).context(format!(
            "no answer from the node at {url}: start one with `zamu run`, name another with --node \
             or ZAMU_NODE, or read the files of a stopped one with --data"
        ))
    }
}

impl Answer {
    async fn read(response: Response) -> Result<Self> {
        let status = response.status();
        let text = response.text().await.context("the node's answer broke off")?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Self { status, body })
    }

    /// The body, if all is well.
    pub(crate) fn expect_success(self) -> Result<Value> {
        if self.status.is_success() { Ok(self.body) } else { Err(self.problem()) }
    }

    /// What went wrong, in the node's own words.
    pub(crate) fn problem(&self) -> anyhow::Error {
        let Self { status, body } = self;
        match body["detail"].as_str() {
            Some(detail) => anyhow!("{detail} ({status})"),
            None => anyhow!("the node answered {status}: {body}"),
        }
    }
}

/// What was asked for, or else what the environment names, or else where nodes listen.
fn chosen(asked: Option<&str>, variable: Option<String>) -> Result<String> {
    match (asked, variable) {
        (Some(asked), _) => Ok(asked.to_owned()),
        (None, Some(text)) if !text.is_empty() => {
            url(&text).map_err(|remedy| anyhow!("{VARIABLE} is `{text}`: {remedy}"))
        }
        (None, _) => Ok(DEFAULT.to_owned()),
    }
}

/// The address of a node, checked.
pub(crate) fn url(text: &str) -> Result<String, String> {
    let is_http = text.starts_with("http://") || text.starts_with("https://");
    match reqwest::Url::parse(text) {
        Ok(url) if is_http && url.has_host() => Ok(text.to_owned()),
        _ => Err("write it with its scheme, as in http://127.0.0.1:7600".to_owned()),
    }
}

/// One segment of a path.
pub(crate) fn segment(text: &str) -> String {
    percent(text, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// The value of a CloudEvents attribute in a header.
pub(crate) fn attribute(text: &str) -> String {
    percent(text, |byte| byte.is_ascii_graphic() && !b"%\"".contains(&byte))
}

fn percent(text: &str, plain: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_attributes_survive_the_way() {
        assert_eq!(segment("simple-1._~"), "simple-1._~");
        assert_eq!(segment("a/b c%ü?#"), "a%2Fb%20c%25%C3%BC%3F%23");
        assert_eq!(attribute("a/b c%ü\"\n"), "a/b%20c%25%C3%BC%22%0A");
    }

    #[test]
    fn an_address_without_a_scheme_is_refused_with_an_example() {
        for text in ["", "h", "h:7600", "ftp://h", "http://", "http:"] {
            assert!(
                url(text).is_err_and(|error| error.contains("http://127.0.0.1:7600")),
                "{text}"
            );
        }
        for text in ["http://h", "https://h/zamu/", "http://[::1]:7600"] {
            assert_eq!(url(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn the_option_wins_over_the_environment() {
        let variable = || Some("http://variable:1".to_owned());
        let chosen = |asked, variable| chosen(asked, variable).map_err(|error| error.to_string());
        assert_eq!(chosen(Some("http://a:1"), variable()).as_deref(), Ok("http://a:1"));
        assert_eq!(chosen(None, variable()).as_deref(), Ok("http://variable:1"));
        assert_eq!(chosen(None, None).as_deref(), Ok(DEFAULT));
        assert_eq!(chosen(None, Some(String::new())).as_deref(), Ok(DEFAULT));
        assert!(chosen(None, Some("h:1".into())).is_err_and(|error| error.contains(VARIABLE)));
    }

    #[test]
    fn a_problem_is_told_in_the_nodes_words() {
        let answer = Answer {
            status: StatusCode::NOT_FOUND,
            body: serde_json::json!({ "detail": "there is no `x`" }),
        };
        assert_eq!(answer.problem().to_string(), "there is no `x` (404 Not Found)");
        let answer = Answer { status: StatusCode::BAD_GATEWAY, body: Value::String("oops".into()) };
        assert!(answer.problem().to_string().contains("oops"));
    }
}
