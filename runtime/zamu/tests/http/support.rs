//! A node to talk to.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::{JoinHandle, block_in_place};
use zamu::config::Config;
use zamu::http::Server;
use zamu::node::Node;

use crate::configuration;

/// How long anything may take before a test gives up. Far beyond what it takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running node.
pub(crate) struct Host {
    pub(crate) folder: TempDir,
    pub(crate) node: Node,
    url: String,
    client: reqwest::Client,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Host {
    /// A node with the counter and the zoo, over a new folder.
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// The same, with more configuration.
    pub(crate) async fn with(more: &str) -> Self {
        Self::over(TempDir::new().unwrap(), more).await
    }

    /// The same, over a folder that a node has left.
    pub(crate) async fn over(folder: TempDir, more: &str) -> Self {
        Self::configured(folder, more, LIMIT).await
    }

    /// The same, with another limit for counters.
    pub(crate) async fn configured(folder: TempDir, more: &str, limit: u64) -> Self {
        let text = configuration::text(folder.path(), more, limit);
        Self::of(folder, &text).await
    }

    /// A node with this configuration.
    pub(crate) async fn of(folder: TempDir, configuration: &str) -> Self {
        Self::configured_as(folder, &config_of(configuration)).await
    }

    /// A node with these settings.
    pub(crate) async fn configured_as(folder: TempDir, config: &Config) -> Self {
        let node = block_in_place(|| Node::start(config)).unwrap();
        let server = Server::bind(node.services(), &config.http).await.unwrap();
        let url = format!("http://{}", server.address().unwrap());
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(server.run(stopped));
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let host = Self { folder, node, url, client, stop, server };
        tokio::time::timeout(PATIENCE, host.node.ready()).await.unwrap().unwrap();
        host
    }

    /// Ends the node in good order, and leaves its folder.
    pub(crate) async fn stop(self) -> TempDir {
        self.node.drain().await;
        self.stop.send_replace(true);
        self.server.await.unwrap();
        let node = self.node;
        block_in_place(|| node.stop()).unwrap();
        self.folder
    }

    pub(crate) async fn get(&self, path: &str) -> Told {
        Told::of(self.client.get(self.url(path)).send().await.unwrap()).await
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        self.client.get(self.url(path)).send().await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Told {
        let mut request = self.client.post(self.url(path)).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Told::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Told {
        Told::of(self.client.delete(self.url(path)).send().await.unwrap()).await
    }

    /// A request whose answer is not waited for here.
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// Sends a command to a counter and waits for its answer.
    pub(crate) async fn count(&self, key: &str, id: &str, kind: &str, body: &str) -> Told {
        self.post(
            &format!("/aggregates/counter/{key}/commands"),
            &[("ce-id", id), ("ce-source", "test"), ("ce-type", kind), ("prefer", "wait=60")],
            body,
        )
        .await
    }

    /// Sends a command to an animal and waits for its answer.
    pub(crate) async fn act(&self, key: &str, id: &str, body: &str) -> Told {
        let headers = [
            ("ce-id", id),
            ("ce-source", "test"),
            ("ce-type", "Act"),
            ("content-type", "text/plain"),
            ("prefer", "wait=60"),
        ];
        self.post(&format!("/aggregates/animal/{key}/commands"), &headers, body).await
    }

    /// Sends a list of commands.
    pub(crate) async fn batch(&self, prefer: &str, commands: &Value) -> Told {
        let headers = [("content-type", "application/cloudevents-batch+json"), ("prefer", prefer)];
        self.post("/commands", &headers, &commands.to_string()).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

impl Told {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Self { status, headers, json: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// An entry of a list: an increment of a counter.
pub(crate) fn increment(key: &str, id: &str, by: u64) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "test", "type": "Increment",
        "aggregatetype": "counter", "subject": key, "data": { "by": by },
    })
}

/// The value that a counter may reach.
const LIMIT: u64 = 100_000;

/// Reads a configuration file.
pub(crate) fn config_of(text: &str) -> Config {
    let variables = [("ZAMU_HTTP_LISTEN", "127.0.0.1:0"), ("ZAMU_SHARDS_COUNT", "2")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Config::parse(text, "test", variables).unwrap()
}
