//! A connection over TLS, with the certificates of the moment.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::Uri;
use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tower::Service;

use crate::tls::Connector;

/// Connects to one server.
#[derive(Clone)]
pub(super) struct Dial {
    host: Arc<str>,
    port: u16,
    name: ServerName<'static>,
    connector: Connector,
}

impl Dial {
    /// `None`: the host is no name that a certificate could have.
    pub(super) fn new(host: &str, port: u16, connector: Connector) -> Option<Self> {
        // An IPv6 address stands in brackets in a URL, and nowhere else.
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host.to_owned()).ok()?;
        Some(Self { host: host.into(), port, name, connector })
    }

    async fn connect(self) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let socket = TcpStream::connect((&*self.host, self.port)).await?;
        socket.set_nodelay(true)?;
        let stream = self.connector.get().connect(self.name, socket).await?;
        Ok(TokioIo::new(stream))
    }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().connect())
    }
}
