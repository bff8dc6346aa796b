//! Connections: accepted up to a bound, with bounds on headers and on patience, and ended in good
//! order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::config;
use crate::http;
use crate::node::Services;

/// A bound address with everything that is served there.
pub struct Server {
    listener: TcpListener,
    router: Router,
    settings: config::Http,
    node: Arc<Services>,
}

/// For how long connections may finish what they are at when the server ends.
const GRACE: Duration = Duration::from_secs(5);
/// After an address had no free file or memory for a connection.
const PAUSE: Duration = Duration::from_millis(50);

impl Server {
    /// Binds the address.
    ///
    /// # Errors
    /// When it is taken or not allowed.
    pub async fn bind(node: Arc<Services>, settings: &config::Http) -> Result<Self> {
        let listen = settings.listen;
        let listener = TcpListener::bind(listen).await.with_context(|| {
            format!("cannot listen on {listen}: choose another address with `http.listen`")
        })?;
        let router = http::router(Arc::clone(&node), settings);
        Ok(Self { listener, router, settings: settings.clone(), node })
    }

    /// Where it listens; with the port that was taken, if any was to do.
    ///
    /// # Errors
    /// As the system has them.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until `stop` is true; then ends connections when they are done, or after some seconds.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(self.settings.connections_max));
        let mut connections = JoinSet::new();
        loop {
            let permit = tokio::select! {
                permit = Arc::clone(&places).acquire_owned() => permit,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let serve = self.serve(stream, stop.clone());
                    let connections_open = self.node.metrics.connections.clone();
                    connections.spawn(async move {
                        connections_open.inc();
                        serve.await;
                        connections_open.dec();
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
        drop(self.listener);
        if timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await.is_err()
        {
            connections.abort_all();
        }
    }

    fn serve(
        &self,
        stream: TcpStream,
        mut stop: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let service = TowerToHyperService::new(self.router.clone().into_service::<Incoming>());
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(self.settings.receive_timeout_ms))
            .max_buf_size(self.settings.header_bytes_max)
            .max_headers(self.settings.headers_max);
        // Small answers to waiting clients must not be held back.
        drop(stream.set_nodelay(true));
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        async move {
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                // A client that breaks off is its own affair.
                _ = connection.as_mut() => return,
                _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
            }
            drop(connection.await);
        }
    }
}
