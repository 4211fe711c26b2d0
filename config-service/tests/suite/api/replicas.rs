//! Two replicas over PostgreSQL: one order, one view of the nodes, woken by Redis or by polling.

use std::{sync::Arc, time::Duration};

use switchboard_config_service::{Config, migrate};
use switchboard_proto::config::v1::{CreateOrganizationRequest, GetPropagationRequest, NodeKind};
use tempfile::TempDir;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{
    cable::Cable,
    steps,
    subscriber::{Subscriber, hello},
};
use crate::{
    store::harness::Database,
    support::{SOON, Service, config, folder, refusal, registry},
};

const REDIS: &str = "SWITCHBOARD_TEST_REDIS_URL";

fn redis() -> String {
    std::env::var(REDIS)
        .unwrap_or_else(|_| panic!("{REDIS} is not set: run `make test`, which starts PostgreSQL and Redis"))
}

struct Replicas {
    one: Service,
    two: Service,
    database: Database,
}

impl Replicas {
    async fn start(settings: Config, redis_url: Option<&str>) -> Self {
        let (folder, database) = (folder(), Database::create().await);
        let config = || Config { database_url: Some(database.url.clone()), ..settings.clone() };
        migrate(&config(), folder.path()).await.unwrap();
        let start = async |folder: &Arc<TempDir>| {
            let registry = registry("http://127.0.0.1:9", "http://127.0.0.1:9");
            Service::start_beside(config(), registry, Arc::clone(folder), redis_url.map(str::to_owned)).await
        };
        let (one, two) = (start(&folder).await, start(&folder).await);
        Self { one, two, database }
    }

    async fn stop(self) {
        self.one.stop().await;
        self.two.stop().await;
        self.database.remove().await;
    }
}

async fn in_step(subscriber: &mut Subscriber) -> i64 {
    let revision = subscriber.snapshot().await.revision;
    subscriber.ack(revision).await;
    subscriber.heartbeat().await;
    revision
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_of_both_replicas_see_the_same_changes_in_the_same_order() {
    let replicas = Replicas::start(config(), None).await;
    let mut on_one = Subscriber::dispatcher(&replicas.one, "d1").await;
    let mut on_two = Subscriber::dispatcher(&replicas.two, "d2").await;
    let start = in_step(&mut on_one).await;
    assert_eq!(in_step(&mut on_two).await, start);
    let writers = [&replicas.one, &replicas.two].into_iter().enumerate().map(|(writer, service)| async move {
        for number in 0..15 {
            steps::organization(service, &format!("org-{writer}-{number}"), "Acme").await;
        }
    });
    futures::future::join_all(writers).await;
    for expected in start + 1..=start + 30 {
        let (a, b) = (on_one.change().await, on_two.change().await);
        assert_eq!((a.revision, b.revision), (expected, expected));
        assert_eq!(a.organization_id, b.organization_id);
    }
    // A dispatcher that moves to the other replica goes on where it was.
    let snapshot = Subscriber::dispatcher(&replicas.one, "d3").await.snapshot().await;
    steps::organization(&replicas.two, "later", "Acme").await;
    let resume = hello("d3", NodeKind::Dispatcher, snapshot.revision, &snapshot.epoch);
    let mut moved = Subscriber::open(&replicas.two, "dispatcher", resume).await.unwrap();
    assert_eq!(moved.change().await.revision, snapshot.revision + 1);
    replicas.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_and_propagation_cover_the_nodes_of_every_replica() {
    let replicas = Replicas::start(config(), None).await;
    let mut near = Subscriber::dispatcher(&replicas.one, "near").await;
    let mut far = Subscriber::dispatcher(&replicas.two, "far").await;
    let mut gateway = Subscriber::gateway(&replicas.two, "gateway").await;
    in_step(&mut near).await;
    in_step(&mut far).await;
    in_step(&mut gateway).await;
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        let request = GetPropagationRequest { revision: 0 };
        let reply = replicas.one.admin("viewer").get_propagation(request).await.unwrap().into_inner();
        let known: Vec<_> =
            reply.nodes.iter().map(|node| (node.node_id.as_str(), node.kind.as_str(), node.applied)).collect();
        let dispatcher = "dispatcher";
        if known == [("far", dispatcher, true), ("gateway", "webhook-gateway", true), ("near", dispatcher, true)] {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{known:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let create = |id: &str, wait: i64| CreateOrganizationRequest {
        organization_id: id.to_owned(),
        name: "Acme".to_owned(),
        wait_applied: Some(prost_types::Duration { seconds: wait, nanos: 500_000_000 }),
        ..Default::default()
    };
    let acking = async |subscriber: &mut Subscriber| {
        let revision = subscriber.change().await.revision;
        subscriber.ack(revision).await;
    };
    let mut admin = replicas.one.admin("superadmin");
    let (reply, ..) = tokio::join!(admin.create_organization(create("one", 20)), acking(&mut near), acking(&mut far));
    assert_eq!(reply.unwrap().into_inner().pending_nodes, Vec::<String>::new());
    let (reply, ..) = tokio::join!(admin.create_organization(create("two", 0)), acking(&mut near));
    assert_eq!(reply.unwrap().into_inner().pending_nodes, ["far"]);
    replicas.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_hardly_polls_is_woken_through_redis() {
    let rarely = Config { poll_interval: SOON * 10, ..config() };
    let replicas = Replicas::start(rarely, Some(&redis())).await;
    let mut on_two = Subscriber::dispatcher(&replicas.two, "d2").await;
    let mut at = on_two.snapshot().await.revision;
    for number in 0..5 {
        // With polling alone the change would come long after the test has given up waiting for it.
        steps::organization(&replicas.one, &format!("org-{number}"), "Acme").await;
        let change = on_two.change().await;
        assert_eq!(change.revision, at + 1);
        at = change.revision;
    }
    replicas.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_goes_and_comes_back_wakes_again() {
    let address = redis().rsplit_once("//").unwrap().1.split('/').next().unwrap().parse().unwrap();
    let cable = Cable::lay(address).await;
    let rarely = Config { poll_interval: SOON * 10, ..config() };
    let replicas = Replicas::start(rarely, Some(&format!("redis://{}", cable.address))).await;
    let mut on_two = Subscriber::dispatcher(&replicas.two, "d2").await;
    let mut at = on_two.snapshot().await.revision;
    for number in 0..3 {
        steps::organization(&replicas.one, &format!("org-{number}"), "Acme").await;
        let change = on_two.change().await;
        assert_eq!(change.revision, at + 1);
        at = change.revision;
        // Whatever was missed while the line was down is found when it is up again.
        cable.snap();
    }
    replicas.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_goes_and_comes_back_needs_no_restart() {
    let (folder, database) = (folder(), Database::create().await);
    let (place, name) = database.url.rsplit_once('/').unwrap();
    let (user, address) = place.rsplit_once('@').unwrap();
    let cable = Cable::lay(address.parse().unwrap()).await;
    let config = Config { database_url: Some(format!("{user}@{}/{name}", cable.address)), ..config() };
    migrate(&config, folder.path()).await.unwrap();
    let registry = registry("http://127.0.0.1:9", "http://127.0.0.1:9");
    let service = Service::start_over(config, registry, folder).await;
    let mut dispatcher = Subscriber::dispatcher(&service, "d1").await;
    let at = in_step(&mut dispatcher).await;
    let create = |id: &str| CreateOrganizationRequest {
        organization_id: id.to_owned(),
        name: "Acme".to_owned(),
        ..Default::default()
    };
    cable.unplug(true);
    let mut admin = service.admin("superadmin");
    let refused = admin.create_organization(create("acme")).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unavailable, "CONFIG_UNAVAILABLE".to_owned()));
    assert!(refused.get_error_details().retry_info().is_some());
    cable.unplug(false);
    let deadline = tokio::time::Instant::now() + SOON;
    while let Err(refused) = admin.create_organization(create("acme")).await {
        assert!(tokio::time::Instant::now() < deadline, "{refused}");
    }
    // The stream was silent meanwhile, and goes on.
    assert_eq!(dispatcher.change().await.revision, at + 1);
    service.stop().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_redis_that_it_is_told_of_a_replica_polls() {
    let replicas = Replicas::start(config(), Some("redis://127.0.0.1:9")).await;
    let mut on_two = Subscriber::dispatcher(&replicas.two, "d2").await;
    let at = on_two.snapshot().await.revision;
    steps::organization(&replicas.one, "acme", "Acme").await;
    assert_eq!(on_two.change().await.revision, at + 1);
    replicas.stop().await;
}
