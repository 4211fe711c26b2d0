//! A connection that can be cut in one direction, without either end being told, or snapped.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
};

pub struct Cable {
    /// Where to connect instead.
    pub address: SocketAddr,
    cut: watch::Sender<bool>,
    snapped: Arc<Notify>,
    unplugged: Arc<AtomicBool>,
}

impl Cable {
    /// A cable to `target`.
    pub async fn lay(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = watch::Sender::new(false);
        let state = cut.subscribe();
        let snapped = Arc::new(Notify::new());
        let snap = Arc::clone(&snapped);
        let unplugged = Arc::new(AtomicBool::new(false));
        let dead = Arc::clone(&unplugged);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if dead.load(Ordering::SeqCst) {
                    continue;
                }
                let far = TcpStream::connect(target).await.unwrap();
                let (state, snap) = (state.clone(), Arc::clone(&snap));
                tokio::spawn(async move {
                    tokio::select! { () = carry(near, far, state) => {}, () = snap.notified() => {} }
                });
            }
        });
        Self { address, cut, snapped, unplugged }
    }

    /// From now on nothing of what is said to the target arrives.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Closes every connection; new ones can be made.
    pub fn snap(&self) {
        self.snapped.notify_waiters();
    }

    /// Closes every connection, and closes new ones at once for as long as it is unplugged.
    pub fn unplug(&self, unplugged: bool) {
        self.unplugged.store(unplugged, Ordering::SeqCst);
        self.snap();
    }
}

async fn carry(near: TcpStream, far: TcpStream, cut: watch::Receiver<bool>) {
    let (mut near_reads, mut near_writes) = near.into_split();
    let (mut far_reads, mut far_writes) = far.into_split();
    let there = async {
        let mut buffer = [0; 4_096];
        while let Ok(length @ 1..) = near_reads.read(&mut buffer).await {
            if !*cut.borrow() && far_writes.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
    };
    let back = tokio::io::copy(&mut far_reads, &mut near_writes);
    tokio::select! { () = there => {}, _ = back => {} }
}
