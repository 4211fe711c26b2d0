//! The network between two parts: a TCP proxy that can be cut, or swallow everything.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What is wrong with the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Connections are cut, and new ones refused.
    Cut,
    /// Connections stay and new ones come about, but nothing arrives any more.
    Silence,
}

/// A way to some servers. A connection goes to whichever is there, in turn.
pub(crate) struct Wire {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
}

impl Wire {
    /// A way to the servers on these ports of this machine.
    pub(crate) async fn to(ports: Vec<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (fault, faults) = watch::channel(Fault::None);
        let servers = Arc::new(Servers { ports, next: AtomicUsize::new(0) });
        crate::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *faults.borrow() == Fault::Cut {
                    continue;
                }
                let (servers, faults) = (Arc::clone(&servers), faults.clone());
                crate::spawn(async move {
                    // Either end may break off at any time: that is what it is for.
                    let _ = carry(client, &servers, faults).await;
                });
            }
        });
        Self { address, fault }
    }

    pub(super) async fn to_one(port: Option<u16>) -> Option<Self> {
        match port {
            Some(port) => Some(Self::to(vec![port]).await),
            None => None,
        }
    }

    /// Where it begins, after a scheme, or a scheme and a user.
    pub(crate) fn url(&self, scheme: &str) -> String {
        match scheme.contains("://") {
            true => format!("{scheme}{}", self.address),
            false => format!("{scheme}://{}", self.address),
        }
    }

    /// From now on this is wrong with it.
    pub(crate) fn suffer(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

struct Servers {
    ports: Vec<u16>,
    next: AtomicUsize,
}

impl Servers {
    async fn connect(&self) -> io::Result<TcpStream> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        for turn in 0..self.ports.len() {
            match TcpStream::connect(("127.0.0.1", self.ports[(first + turn) % self.ports.len()])).await {
                Ok(server) => return Ok(server),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }
}

async fn carry(client: TcpStream, servers: &Servers, mut faults: watch::Receiver<Fault>) -> io::Result<()> {
    let server = tokio::select! {
        server = servers.connect() => server?,
        _ = faults.wait_for(|fault| *fault == Fault::Cut) => return Ok(()),
    };
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let cut = faults.clone();
    tokio::select! {
        there = pass(&mut from_client, &mut to_server, faults.clone()) => there,
        back = pass(&mut from_server, &mut to_client, faults) => back,
        () = is_cut(cut) => Ok(()),
    }
}

async fn is_cut(mut faults: watch::Receiver<Fault>) {
    if faults.wait_for(|fault| *fault == Fault::Cut).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn pass(
    from: &mut tokio::net::tcp::OwnedReadHalf,
    to: &mut tokio::net::tcp::OwnedWriteHalf,
    mut faults: watch::Receiver<Fault>,
) -> io::Result<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        if faults.wait_for(|fault| *fault != Fault::Silence).await.is_err() {
            return Ok(());
        }
        to.write_all(&buffer[..count]).await?;
    }
}
