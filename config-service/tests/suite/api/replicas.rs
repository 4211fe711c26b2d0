//! Two replicas over PostgreSQL: one order, one view of the nodes, woken by Redis or by polling.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use prost_reflect::{DescriptorPool, MethodDescriptor};
use switchboard_config_service::{Config, migrate};
use switchboard_proto::{
    FILE_DESCRIPTOR_SET,
    config::v1::{
        CreateOrganizationRequest, CreateProviderConfigRequest, DeleteProviderConfigRequest, GetPropagationRequest,
        NodeKind, OrganizationEntry, Routing, UpdateOrganizationRequest, UpdateProviderConfigRequest,
        UpdateRoutingRequest,
    },
};
use tempfile::TempDir;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{
    cable::Cable,
    steps,
    subscriber::{Applying, Subscriber, hello},
};
use crate::{
    store::harness::Database,
    support::{AdminClient, SOON, Service, cloudmsg, config, folder, pairs, redis, refusal, registry},
};

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
async fn three_subscribers_of_two_replicas_see_the_same_changes_in_the_same_order() {
    let replicas = Replicas::start(config(), None).await;
    let mut on_one = Subscriber::dispatcher(&replicas.one, "d1").await;
    let mut on_two = Subscriber::dispatcher(&replicas.two, "d2").await;
    let mut also_on_two = Subscriber::dispatcher(&replicas.two, "d3").await;
    let start = in_step(&mut on_one).await;
    assert_eq!([in_step(&mut on_two).await, in_step(&mut also_on_two).await], [start; 2]);
    let writers = [&replicas.one, &replicas.two].into_iter().enumerate().map(|(writer, service)| async move {
        for number in 0..15 {
            steps::organization(service, &format!("org-{writer}-{number}"), "Acme").await;
        }
    });
    futures::future::join_all(writers).await;
    for expected in start + 1..=start + 30 {
        let first = on_one.change().await;
        assert_eq!(first.revision, expected);
        for other in [&mut on_two, &mut also_on_two] {
            let same = other.change().await;
            assert_eq!((same.revision, &same.organization_id), (expected, &first.organization_id));
        }
    }
    // A dispatcher that moves to the other replica goes on where it was.
    let snapshot = Subscriber::dispatcher(&replicas.one, "d4").await.snapshot().await;
    steps::organization(&replicas.two, "later", "Acme").await;
    let resume = hello("d4", NodeKind::Dispatcher, snapshot.revision, &snapshot.epoch);
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

/// Every RPC that changes something that dispatchers must see: those whose request says how long to wait for them.
fn mutations() -> BTreeSet<String> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let admin = pool.get_service_by_name("switchboard.config.v1.ConfigAdminService").unwrap();
    let waits = |method: &MethodDescriptor| method.input().get_field_by_name("wait_applied").is_some();
    admin.methods().filter(waits).map(|method| method.name().to_owned()).collect()
}

/// Two replicas that hardly poll, and three dispatchers: what nobody is woken for would come too late.
struct Watched {
    replicas: Replicas,
    dispatchers: [Applying; 3],
    seen: BTreeSet<String>,
}

const PATIENTLY: Option<prost_types::Duration> = Some(prost_types::Duration { seconds: 15, nanos: 0 });

impl Watched {
    async fn start() -> Self {
        let rarely = Config { poll_interval: SOON * 10, ..config() };
        let replicas = Replicas::start(rarely, Some(&redis())).await;
        let dispatchers = [
            Applying::start(&replicas.one, "d1").await,
            Applying::start(&replicas.two, "d2").await,
            Applying::start(&replicas.two, "d3").await,
        ];
        let everybody = async || {
            let request = GetPropagationRequest { revision: 0 };
            let reply = replicas.one.admin("viewer").get_propagation(request).await.unwrap().into_inner();
            reply.nodes.len() == 3 && reply.nodes.iter().all(|node| node.applied)
        };
        let deadline = tokio::time::Instant::now() + SOON;
        while !everybody().await {
            assert!(tokio::time::Instant::now() < deadline, "the first replica never hears of all dispatchers");
        }
        Self { replicas, dispatchers, seen: BTreeSet::new() }
    }

    fn admin(&self) -> AdminClient {
        self.replicas.one.admin("superadmin")
    }

    /// What every dispatcher goes by the moment that a mutation has been acknowledged as applied.
    fn acknowledged(&mut self, mutation: &str, pending: &[String], is_new: impl Fn(&OrganizationEntry) -> bool) {
        assert!(pending.is_empty(), "{mutation}: {pending:?}");
        for dispatcher in &self.dispatchers {
            let entry = dispatcher.entry("acme").unwrap_or_else(|| panic!("{mutation}: acme is not there"));
            assert!(is_new(&entry), "{mutation}: a dispatcher goes by the old version: {entry:?}");
        }
        self.seen.insert(mutation.to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_acknowledged_write_no_dispatcher_of_any_replica_uses_the_old_version_whatever_the_rpc() {
    let mut watched = Watched::start().await;
    let mut admin = watched.admin();
    let acme = || "acme".to_owned();

    let create = CreateOrganizationRequest {
        organization_id: acme(),
        name: "Acme".to_owned(),
        wait_applied: PATIENTLY,
        ..Default::default()
    };
    let made = admin.create_organization(create).await.unwrap().into_inner();
    watched.acknowledged("CreateOrganization", &made.pending_nodes, |entry| entry.revision == made.revision);

    let rename = UpdateOrganizationRequest {
        organization_id: acme(),
        name: "Acme 2".to_owned(),
        version: 1,
        wait_applied: PATIENTLY,
        ..Default::default()
    };
    let renamed = admin.update_organization(rename).await.unwrap().into_inner();
    watched.acknowledged("UpdateOrganization", &renamed.pending_nodes, |entry| entry.revision == renamed.revision);

    let create = CreateProviderConfigRequest {
        skip_connection_test: true,
        wait_applied: PATIENTLY,
        ..steps::create("acme", "cloudmsg", cloudmsg())
    };
    let saved = admin.create_provider_config(create).await.unwrap().into_inner();
    watched.acknowledged("CreateProviderConfig", &saved.pending_nodes, |entry| entry.accounts[0].version == 1);

    let update = UpdateProviderConfigRequest {
        organization_id: acme(),
        provider: "cloudmsg".to_owned(),
        credentials: pairs([("secret_key", "the-next-secret-key")]),
        version: 1,
        skip_connection_test: true,
        wait_applied: PATIENTLY,
        ..Default::default()
    };
    let updated = admin.update_provider_config(update).await.unwrap().into_inner();
    watched.acknowledged("UpdateProviderConfig", &updated.pending_nodes, |entry| {
        entry.accounts[0].credentials["secret_key"] == "the-next-secret-key"
    });

    // Again and again, from one vendor to the platform default and back.
    for version in 0..20 {
        let primary = if version % 2 == 0 { "cloudmsg" } else { "" };
        let route = UpdateRoutingRequest {
            organization_id: acme(),
            routing: Some(Routing { primary: primary.to_owned(), version, ..Default::default() }),
            wait_applied: PATIENTLY,
            ..Default::default()
        };
        let routed = admin.update_routing(route).await.unwrap().into_inner();
        watched.acknowledged("UpdateRouting", &routed.pending_nodes, |entry| {
            entry.routing.as_ref().is_some_and(|routing| routing.primary == primary && routing.version == version + 1)
        });
    }

    let delete = DeleteProviderConfigRequest {
        organization_id: acme(),
        provider: "cloudmsg".to_owned(),
        version: 2,
        confirm_organization_name: "Acme 2".to_owned(),
        wait_applied: PATIENTLY,
        ..Default::default()
    };
    let gone = admin.delete_provider_config(delete).await.unwrap().into_inner();
    watched.acknowledged("DeleteProviderConfig", &gone.pending_nodes, |entry| entry.accounts.is_empty());

    assert_eq!(watched.seen, mutations(), "every mutating RPC of the contract is tried here");
    watched.replicas.stop().await;
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
