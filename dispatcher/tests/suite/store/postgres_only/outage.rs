//! A server that goes away is told quickly, and used again as soon as it is back.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use switchboard_dispatcher::{
    message::Status,
    store::{
        Store as _, StoreError,
        postgres::{PoolSizes, PostgresStore},
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::store::{
    build::{accepted, commit, message, record, stored},
    harness::{Engine as _, RECONCILE_AFTER},
    server::Postgres,
};

/// A wire to the server that can be cut.
struct Wire {
    address: SocketAddr,
    server: String,
    cut: CancellationToken,
    carrying: JoinSet<()>,
}

impl Wire {
    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut wire = Self { address, server, cut: CancellationToken::new(), carrying: JoinSet::new() };
        wire.carry(listener);
        wire
    }

    fn carry(&mut self, listener: TcpListener) {
        let (cut, server) = (self.cut.clone(), self.server.clone());
        let carry = async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut far = TcpStream::connect(&server).await.unwrap();
                connections.spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
            }
        };
        self.carrying.spawn(async move { cut.run_until_cancelled(carry).await.unwrap_or(()) });
    }

    async fn cut(&mut self) {
        self.cut.cancel();
        while self.carrying.join_next().await.is_some() {}
    }

    async fn mend(&mut self) {
        self.cut = CancellationToken::new();
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.carry(listener);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_server_is_told_within_seconds_and_used_again_when_it_is_back() {
    let engine = Postgres::create().await;
    let url = engine.url();
    let server = url.rsplit_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let mut wire = Wire::to(server.clone()).await;
    let through = url.replace(&server, &wire.address.to_string());
    let pools = PoolSizes { writers: 2, readers: 2 };
    PostgresStore::migrate(&url).await.unwrap();
    let store = PostgresStore::open(&through, pools, RECONCILE_AFTER).await.unwrap();
    commit(&store, record(message("m1"))).await;
    assert_eq!(stored(&store, "m1").await.state.status(), Status::Requested);

    wire.cut().await;
    let began = Instant::now();
    let refused = store.commit(vec![record(message("m2"))]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.message("m1").await, Err(StoreError::Unavailable(_))));
    assert!(store.ping().await.is_err());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?} for three calls", began.elapsed());

    wire.mend().await;
    commit(&store, record(message("m3"))).await;
    commit(&store, accepted("m1", "v1", 1)).await;
    assert_eq!(stored(&store, "m1").await.state.status(), Status::Queued);
    assert!(store.message("m2").await.unwrap().is_none(), "what was refused is not there");

    // Cut and mended at once: the pool's connections are dead and it does not know. Nobody notices.
    wire.cut().await;
    wire.mend().await;
    commit(&store, record(message("m4"))).await;
    assert_eq!(stored(&store, "m4").await.state.status(), Status::Requested);
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_refused_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("postgres://postgres:secret@{address}/postgres");
    let refused = PostgresStore::open(&url, PoolSizes { writers: 2, readers: 2 }, RECONCILE_AFTER).await.err().unwrap();
    assert!(matches!(refused, StoreError::Unavailable(_)));
    assert!(!refused.to_string().contains("secret"));
}
