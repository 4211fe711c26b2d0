//! One connection, with TLS or without.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// The greeting of HTTP/2 (RFC 9113, 3.4), which is also no longer than the shortest useful request of HTTP/1.1.
const GREETING_BYTES: usize = 24;

/// A connection that has been let in. Its place at the door comes free when it is dropped.
pub struct Connection {
    io: Io,
    greeting: Option<Greeting>,
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
    _place: OwnedSemaphorePermit,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The first bytes have to come in time; HTTP keeps its own time after that.
struct Greeting {
    missing: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Connection {
    pub(super) fn plain(socket: TcpStream, place: OwnedSemaphorePermit, greeting: Duration) -> Self {
        let (peer, local) = (socket.peer_addr().ok(), socket.local_addr().ok());
        Self { io: Io::Plain(socket), greeting: Some(Greeting::within(greeting)), peer, local, _place: place }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>, place: OwnedSemaphorePermit, greeting: Duration) -> Self {
        let socket = stream.get_ref().0;
        let (peer, local) = (socket.peer_addr().ok(), socket.local_addr().ok());
        Self { io: Io::Tls(Box::new(stream)), greeting: Some(Greeting::within(greeting)), peer, local, _place: place }
    }
}

impl Greeting {
    fn within(time: Duration) -> Self {
        Self { missing: GREETING_BYTES, deadline: Box::pin(tokio::time::sleep(time)) }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = match &mut this.io {
            Io::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        let Some(greeting) = &mut this.greeting else { return read };
        greeting.missing = greeting.missing.saturating_sub(buffer.filled().len() - before);
        if greeting.missing == 0 {
            this.greeting = None;
            return read;
        }
        if read.is_pending() {
            ready!(greeting.deadline.as_mut().poll(context));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "no request came in time")));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(socket) => Pin::new(socket).poll_flush(context),
            Io::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    /// Never from several places at once, though it could: so an answer of less than a kilobyte is put together before it is
    /// written, and leaves in one piece. Otherwise a call's last frame, ten bytes, takes a system call, a segment and a
    /// wake-up of the caller for itself.
    fn is_write_vectored(&self) -> bool {
        false
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        TcpConnectInfo { local_addr: self.local, remote_addr: self.peer }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}
