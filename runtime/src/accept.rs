//! Connections that are let in: so many at once, each with a bounded handshake, with TLS or without.
//!
//! A client that connects and says nothing costs a place for [`GREETING`] and no more; one that fails its handshake
//! costs the others nothing. What goes wrong with one connection, or with all of them for want of file descriptors,
//! never ends the server.

mod connection;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream, StreamExt as _, unfold};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use connection::Connection;

use crate::tls::ServerTls;

/// Connections of one port at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 8_192;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the first bytes of HTTP may take after that.
const GREETING: Duration = Duration::from_secs(10);
/// How long nobody is let in after the machine would not open another connection.
const RECOVERY: Duration = Duration::from_millis(100);

/// A port with somebody at the door.
pub struct Door {
    listener: TcpListener,
    tls: Option<ServerTls>,
    server: &'static str,
    places: Arc<Semaphore>,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<Connection>>>,
    greeting: Duration,
}

impl Door {
    /// Lets in whoever comes to `listener`; with `tls`, only over TLS. `server` is for logs and metrics.
    #[must_use]
    pub fn new(server: &'static str, listener: TcpListener, tls: Option<ServerTls>) -> Self {
        // There before it first counts, so that its first step is seen.
        metrics::counter!("switchboard_accept_errors_total", "server" => server).increment(0);
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        Self { listener, tls, server, places, handshakes: FuturesUnordered::new(), greeting: GREETING }
    }

    /// The same with another bound on connections and on the time for the first bytes.
    #[must_use]
    pub fn with_limits(mut self, connections: usize, greeting: Duration) -> Self {
        self.places = Arc::new(Semaphore::new(connections));
        self.greeting = greeting;
        self
    }

    /// The next connection that is ready to speak HTTP. Cancel-safe.
    pub async fn next(&mut self) -> Connection {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.next(), if !self.handshakes.is_empty() => {
                    if let Some(connection) = done {
                        return connection;
                    }
                }
                (socket, place) = accept(self.server, &self.listener, &self.places) => {
                    let Some(tls) = &self.tls else {
                        return Connection::plain(socket, place, self.greeting);
                    };
                    let (acceptor, server, greeting) = (tls.acceptor(), self.server, self.greeting);
                    self.handshakes.push(Box::pin(async move {
                        let peer = socket.peer_addr().ok();
                        let shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(socket)).await;
                        let why = match shaken {
                            Ok(Ok(stream)) => return Some(Connection::tls(stream, place, greeting)),
                            Ok(Err(error)) => error.to_string(),
                            Err(_) => format!("not done within {HANDSHAKE:?}"),
                        };
                        metrics::counter!("switchboard_tls_handshakes_failed_total", "server" => server).increment(1);
                        tracing::info!(server, ?peer, error = why, "TLS handshake failed");
                        None
                    }));
                }
            }
        }
    }

    /// The connections as a stream, which never ends and has no errors.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Connection>> {
        unfold(self, |mut door| async move {
            let connection = door.next().await;
            Some((Ok(connection), door))
        })
    }
}

async fn accept(
    server: &'static str,
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        let Ok(place) = Arc::clone(places).acquire_owned().await else {
            // Nobody closes the places.
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((socket, _)) => {
                // An error means that the peer is gone already, which shows soon enough.
                let _ = socket.set_nodelay(true);
                return (socket, place);
            }
            Err(error) if of_one_connection(&error) => {}
            Err(error) => {
                metrics::counter!("switchboard_accept_errors_total", "server" => server).increment(1);
                tracing::error!(server, %error, "no connection can be let in now; is the limit of open files too low?");
                tokio::time::sleep(RECOVERY).await;
            }
        }
    }
}

fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("server", &self.server).field("tls", &self.tls).finish_non_exhaustive()
    }
}
