//! The promises of the watch, over loopback.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection as _, Executor as _, SqliteConnection};
use switchboard_config_service::Config;
use switchboard_proto::config::v1::{
    CreateOrganizationRequest, DeleteProviderConfigRequest, GetPropagationRequest, NodeKind, NodePropagation,
    ResolveOrganizationRequest, Routing, UpdateOrganizationRequest, UpdateProviderConfigRequest,
    watch_response::Response,
};
use switchboard_runtime::error::reason_of;
use switchboard_vendor_sim::demo;
use tonic::Code;

use super::{
    cable::Cable,
    steps,
    subscriber::{Subscriber, hello},
};
use crate::support::{SOON, Service, cloudmsg, config, folder, pairs, refusal, registry, sendtalk};

async fn rename(service: &Service, organization: &str, name: &str, version: i64) -> i64 {
    let request = UpdateOrganizationRequest {
        organization_id: organization.to_owned(),
        name: name.to_owned(),
        version,
        ..Default::default()
    };
    service.admin("superadmin").update_organization(request).await.unwrap().into_inner().revision
}

async fn nodes(service: &Service, revision: i64) -> Vec<NodePropagation> {
    let request = GetPropagationRequest { revision };
    service.admin("viewer").get_propagation(request).await.unwrap().into_inner().nodes
}

/// Asks until the nodes are as expected.
async fn nodes_become(service: &Service, expected: impl Fn(&[NodePropagation]) -> bool) -> Vec<NodePropagation> {
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        let nodes = nodes(service, 0).await;
        if expected(&nodes) {
            return nodes;
        }
        assert!(tokio::time::Instant::now() < deadline, "never as expected: {nodes:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_gets_everything_first_and_then_every_change_in_order() {
    let service = Service::start().await;
    steps::acme_with_cloudmsg(&service).await;
    let mut dispatcher = Subscriber::dispatcher(&service, "d1").await;
    let snapshot = dispatcher.snapshot().await;
    assert_eq!(snapshot.entries.keys().collect::<Vec<_>>(), ["acme", "default"]);
    assert!(!snapshot.epoch.is_empty());
    let first = rename(&service, "acme", "Acme 2", 1).await;
    let second = rename(&service, "default", "기본", 1).await;
    assert_eq!((first, second), (snapshot.revision + 1, snapshot.revision + 2));
    for (revision, organization) in [(first, "acme"), (second, "default")] {
        let change = dispatcher.change().await;
        assert_eq!((change.revision, change.organization_id.as_str()), (revision, organization));
        assert!(change.entry.unwrap().revision >= revision);
    }
    let heartbeat = dispatcher.heartbeat().await;
    assert_eq!((heartbeat.revision, heartbeat.epoch), (second, snapshot.epoch));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_node_gets_what_it_needs_and_not_a_byte_more() {
    let service = Service::start().await;
    steps::acme_with_cloudmsg(&service).await;
    steps::save(&service, steps::create("acme", "sendtalk", sendtalk())).await.unwrap();
    steps::route(&service, "acme", Routing { primary: "sendtalk".to_owned(), ..Default::default() }).await.unwrap();

    let snapshot = Subscriber::dispatcher(&service, "d1").await.snapshot().await;
    let entry = &snapshot.entries["acme"];
    assert_eq!(entry.routing.as_ref().unwrap().primary, "sendtalk");
    let mut keys: Vec<(&str, Vec<&str>)> = Vec::new();
    for account in &entry.accounts {
        assert!(account.webhook_secrets.is_empty());
        let mut names: Vec<_> = account.credentials.keys().map(String::as_str).collect();
        names.sort_unstable();
        keys.push((&account.provider, names));
    }
    assert_eq!(
        keys,
        [
            ("cloudmsg", vec!["access_key", "channel_id", "default_sender", "secret_key", "service_id"]),
            ("sendtalk", vec!["account_id", "api_key", "default_sender", "sender_profile_key"]),
        ]
    );

    let snapshot = Subscriber::gateway(&service, "g1").await.snapshot().await;
    assert_eq!(snapshot.entries.keys().collect::<Vec<_>>(), ["acme"], "only organisations that have an account");
    let entry = &snapshot.entries["acme"];
    assert_eq!(entry.routing, None);
    for (account, (provider, name, secret)) in entry.accounts.iter().zip([
        ("cloudmsg", demo::CLOUDMSG_HANBIT.service_id, demo::CLOUDMSG_HANBIT.callback_secret),
        ("sendtalk", demo::SENDTALK_HANBIT.account_id, demo::SENDTALK_HANBIT.webhook_secret),
    ]) {
        assert_eq!((account.provider.as_str(), account.provider_account.as_str()), (provider, name));
        assert!(account.credentials.is_empty());
        let secrets: Vec<_> =
            account.webhook_secrets.iter().map(|one| (one.secret.as_str(), one.expire_time)).collect();
        assert_eq!(secrets, [(secret, None)]);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_gets_the_replaced_webhook_secret_until_it_expires() {
    let service = Service::start().await;
    steps::acme_with_cloudmsg(&service).await;
    let mut gateway = Subscriber::gateway(&service, "g1").await;
    gateway.snapshot().await;
    let update = UpdateProviderConfigRequest {
        organization_id: "acme".to_owned(),
        provider: "cloudmsg".to_owned(),
        credentials: pairs([("callback_secret", "the-next-secret")]),
        version: 1,
        ..Default::default()
    };
    let updated = service.admin("operator").update_provider_config(update).await.unwrap().into_inner();
    let field =
        updated.provider_config.unwrap().fields.into_iter().find(|field| field.key == "callback_secret").unwrap();
    let entry = gateway.change().await.entry.unwrap();
    let secrets = &entry.accounts[0].webhook_secrets;
    assert_eq!((secrets[0].secret.as_str(), secrets[0].expire_time), ("the-next-secret", None));
    assert_eq!(secrets[1].secret, demo::CLOUDMSG_HANBIT.callback_secret);
    assert_eq!(secrets[1].expire_time, field.previous_expire_time);
    assert!(secrets[1].expire_time.is_some());
    assert_eq!(secrets.len(), 2);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_does_not_fit_the_role_of_the_token_is_refused() {
    let service = Service::start().await;
    for (caller, kind) in [("dispatcher", NodeKind::WebhookGateway), ("webhook-gateway", NodeKind::Dispatcher)] {
        let refused = Subscriber::open(&service, caller, hello("n1", kind, 0, "")).await.err().unwrap();
        assert_eq!(refusal(&refused), (Code::PermissionDenied, "ROLE_REQUIRED".to_owned()), "{caller}");
    }
    let limited = hello("n1", NodeKind::Dispatcher, 0, "");
    let refused = Subscriber::open(&service, "dispatcher-of-acme", limited).await.err().unwrap();
    assert_eq!(refusal(&refused), (Code::PermissionDenied, "ROLE_REQUIRED".to_owned()));
    for wrong in [hello("", NodeKind::Dispatcher, 0, ""), hello("d", NodeKind::Unspecified, 0, "")] {
        let refused = Subscriber::open(&service, "dispatcher", wrong).await.err().unwrap();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_replays_exactly_what_was_missed_over_a_restart() {
    let folder = folder();
    let service = Service::start_with(config(), Arc::clone(&folder)).await;
    steps::organization(&service, "acme", "Acme").await;
    let mut dispatcher = Subscriber::dispatcher(&service, "d1").await;
    let snapshot = dispatcher.snapshot().await;
    drop(dispatcher);
    rename(&service, "acme", "Acme 2", 1).await;
    rename(&service, "acme", "Acme 3", 2).await;
    service.stop().await;

    let service = Service::start_with(config(), folder).await;
    let resume = hello("d1", NodeKind::Dispatcher, snapshot.revision, &snapshot.epoch);
    let mut dispatcher = Subscriber::open(&service, "dispatcher", resume).await.unwrap();
    let missed = [dispatcher.change().await.revision, dispatcher.change().await.revision];
    assert_eq!(missed, [snapshot.revision + 1, snapshot.revision + 2]);
    let live = rename(&service, "acme", "Acme 4", 3).await;
    assert_eq!(dispatcher.change().await.revision, live);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_from_another_epoch_or_from_before_the_retention_starts_with_a_snapshot() {
    let folder = folder();
    let forgetful = Config { change_retention: Duration::ZERO, ..config() };
    let service = Service::start_with(forgetful, Arc::clone(&folder)).await;
    steps::organization(&service, "acme", "Acme").await;
    let snapshot = Subscriber::dispatcher(&service, "d1").await.snapshot().await;
    rename(&service, "acme", "Acme 2", 1).await;
    rename(&service, "acme", "Acme 3", 2).await;
    service.stop().await;

    let forgetful = Config { change_retention: Duration::ZERO, ..config() };
    let service = Service::start_with(forgetful, folder).await;
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        // What is older than the retention goes soon after the start.
        let resume = hello("d1", NodeKind::Dispatcher, snapshot.revision, &snapshot.epoch);
        let mut dispatcher = Subscriber::open(&service, "dispatcher", resume).await.unwrap();
        match dispatcher.news_or_end().await {
            Ok(Response::SnapshotBegin(begin)) => {
                assert_eq!((begin.revision, begin.epoch.as_str()), (snapshot.revision + 2, snapshot.epoch.as_str()));
                break;
            }
            // Still there, or forgotten between the look at the position and the look at the changes.
            Ok(_) => assert!(tokio::time::Instant::now() < deadline, "nothing was forgotten"),
            Err(ended) => assert_eq!(ended.code(), Code::Unavailable),
        }
    }
    let elsewhere = hello("d1", NodeKind::Dispatcher, snapshot.revision + 2, "another epoch");
    let mut dispatcher = Subscriber::open(&service, "dispatcher", elsewhere).await.unwrap();
    assert_eq!(dispatcher.snapshot().await.epoch, snapshot.epoch);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_knows_more_than_the_store_gets_a_new_epoch_with_its_snapshot() {
    let service = Service::start().await;
    let mut loyal = Subscriber::dispatcher(&service, "loyal").await;
    let before = loyal.snapshot().await;
    let ahead = hello("ahead", NodeKind::Dispatcher, before.revision + 50, &before.epoch);
    let after = Subscriber::open(&service, "dispatcher", ahead).await.unwrap().snapshot().await;
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.revision, before.revision);
    // Everybody else is sent away, to begin anew in the new epoch.
    assert_eq!(loyal.end().await.code(), Code::Unavailable);
    let resume = hello("loyal", NodeKind::Dispatcher, before.revision, &before.epoch);
    let again = Subscriber::open(&service, "dispatcher", resume).await.unwrap().snapshot().await;
    assert_eq!(again.epoch, after.epoch);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_comes_in_parts_and_what_changes_meanwhile_comes_after_it() {
    let service = Service::start().await;
    for number in 0..600 {
        steps::organization(&service, &format!("org-{number:03}"), "Some organisation").await;
    }
    let mut dispatcher = Subscriber::dispatcher(&service, "d1").await;
    let changed = rename(&service, "org-599", "Renamed", 1).await;
    let snapshot = dispatcher.snapshot().await;
    assert_eq!((snapshot.entries.len(), snapshot.parts), (601, 3));
    if snapshot.revision < changed {
        assert_eq!(dispatcher.change().await.revision, changed);
    }
    let next = rename(&service, "org-000", "Renamed", 1).await;
    assert_eq!(dispatcher.change().await.revision, next);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_whose_connection_was_cut_without_a_word_is_dropped() {
    let service = Service::start().await;
    let cable = Cable::lay(service.started.address).await;
    let hello = hello("cut-off", NodeKind::Dispatcher, 0, "");
    let mut dispatcher = Subscriber::narrow(cable.address, "dispatcher", hello).await;
    let revision = dispatcher.snapshot().await.revision;
    dispatcher.ack(revision).await;
    nodes_become(&service, |nodes| nodes.iter().any(|node| node.applied)).await;
    // What the subscriber says is lost from now on; what it is told still arrives, and no connection is closed.
    cable.cut();
    nodes_become(&service, <[_]>::is_empty).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn propagation_shows_acks_and_nacks_and_forgets_who_has_gone() {
    let service = Service::start().await;
    steps::organization(&service, "acme", "Acme").await;
    let mut dispatcher = Subscriber::dispatcher(&service, "d1").await;
    let snapshot = dispatcher.snapshot().await;
    let listed = nodes_become(&service, |nodes| nodes.len() == 1).await;
    assert_eq!((listed[0].kind.as_str(), listed[0].applied_revision, listed[0].applied), ("dispatcher", 0, false));
    dispatcher.ack(snapshot.revision).await;
    nodes_become(&service, |nodes| nodes[0].applied && nodes[0].applied_revision == snapshot.revision).await;
    let revision = rename(&service, "acme", "Acme 2", 1).await;
    dispatcher.change().await;
    dispatcher.nack(revision, "does not fit").await;
    let listed = nodes_become(&service, |nodes| !nodes[0].nack_reason.is_empty()).await;
    assert_eq!((listed[0].nack_reason.as_str(), listed[0].applied), ("does not fit", false));
    dispatcher.ack(revision).await;
    nodes_become(&service, |nodes| nodes[0].applied && nodes[0].nack_reason.is_empty()).await;
    drop(dispatcher);
    nodes_become(&service, <[_]>::is_empty).await;
    let request = GetPropagationRequest { revision: revision + 1 };
    let refused = service.admin("viewer").get_propagation(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_change_is_not_shown_as_applied_by_the_next_one_and_is_no_silence() {
    let config = Config { subscriber_patience: Duration::from_millis(300), ..config() };
    let service = Service::start_with(config, folder()).await;
    let mut dispatcher = Subscriber::dispatcher(&service, "d1").await;
    let snapshot = dispatcher.snapshot().await;
    dispatcher.ack(snapshot.revision).await;
    let refused = rename(&service, "default", "기본", 1).await;
    assert_eq!(dispatcher.change().await.revision, refused);
    dispatcher.nack(refused, "does not fit").await;
    // Longer than anybody may be silent.
    for _ in 0..6 {
        dispatcher.heartbeat().await;
    }
    let next = rename(&service, "default", "기본 2", 2).await;
    assert_eq!(dispatcher.change().await.revision, next);
    dispatcher.ack(next).await;
    for _ in 0..6 {
        dispatcher.heartbeat().await;
    }
    let node = nodes(&service, refused).await.remove(0);
    assert_eq!((node.applied, node.applied_revision, node.nack_reason.as_str()), (false, refused - 1, "does not fit"));
    let mut dispatcher = Subscriber::dispatcher(&service, "d1").await;
    let snapshot = dispatcher.snapshot().await;
    dispatcher.ack(snapshot.revision).await;
    nodes_become(&service, |nodes| nodes.iter().all(|node| node.applied && node.nack_reason.is_empty())).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ack_of_what_was_never_sent_or_a_second_hello_ends_the_stream() {
    let service = Service::start().await;
    let mut dispatcher = Subscriber::dispatcher(&service, "d1").await;
    let snapshot = dispatcher.snapshot().await;
    dispatcher.ack(snapshot.revision + 1).await;
    assert_eq!(dispatcher.end().await.code(), Code::InvalidArgument);
    let mut dispatcher = Subscriber::dispatcher(&service, "d1").await;
    dispatcher.snapshot().await;
    dispatcher.say_hello_again().await;
    assert_eq!(dispatcher.end().await.code(), Code::InvalidArgument);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_has_one_stream_and_the_newer_one_takes_over() {
    let service = Service::start().await;
    let mut old = Subscriber::dispatcher(&service, "d1").await;
    old.snapshot().await;
    let mut new = Subscriber::dispatcher(&service, "d1").await;
    new.snapshot().await;
    assert!(old.end().await.message().contains("taken over"));
    assert_eq!(nodes(&service, 0).await.len(), 1);
    new.heartbeat().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_acknowledges_nothing_is_dropped() {
    let config = Config { subscriber_patience: Duration::from_millis(300), ..config() };
    let service = Service::start_with(config, folder()).await;
    let mut silent = Subscriber::dispatcher(&service, "silent").await;
    silent.snapshot().await;
    let end = silent.end().await;
    assert_eq!(refusal(&end), (Code::ResourceExhausted, "OVERLOADED".to_owned()));
    assert!(end.message().contains("acknowledged"), "{end:?}");
    let mut diligent = Subscriber::dispatcher(&service, "diligent").await;
    let snapshot = diligent.snapshot().await;
    diligent.ack(snapshot.revision).await;
    for _ in 0..6 {
        diligent.heartbeat().await;
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_can_wait_until_every_connected_dispatcher_has_applied_it() {
    let service = Service::start().await;
    let mut quick = Subscriber::dispatcher(&service, "quick").await;
    let mut slow = Subscriber::dispatcher(&service, "slow").await;
    let mut gateway = Subscriber::gateway(&service, "gateway").await;
    for (name, subscriber) in [("quick", &mut quick), ("slow", &mut slow), ("gateway", &mut gateway)] {
        let revision = subscriber.snapshot().await.revision;
        subscriber.ack(revision).await;
        nodes_become(&service, |nodes| nodes.iter().any(|node| node.node_id == name && node.applied)).await;
    }
    let create = |id: &str, wait: i64| CreateOrganizationRequest {
        organization_id: id.to_owned(),
        name: "Acme".to_owned(),
        wait_applied: Some(prost_types::Duration { seconds: wait, nanos: 200_000_000 }),
        ..Default::default()
    };
    let mut admin = service.admin("superadmin");
    let acking = async |subscriber: &mut Subscriber| {
        let revision = subscriber.change().await.revision;
        subscriber.ack(revision).await;
    };
    let (reply, ..) = tokio::join!(admin.create_organization(create("one", 20)), acking(&mut quick), acking(&mut slow));
    assert_eq!(reply.unwrap().into_inner().pending_nodes, Vec::<String>::new());
    let (reply, ..) = tokio::join!(admin.create_organization(create("two", 0)), acking(&mut quick));
    let reply = reply.unwrap().into_inner();
    assert_eq!(reply.pending_nodes, ["slow"]);
    assert!(reply.revision > 0 && reply.organization.is_some(), "the change is committed either way");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_told_as_committed_although_the_nodes_of_other_replicas_cannot_be_read() {
    let service = Service::start().await;
    let mut silent = Subscriber::dispatcher(&service, "silent").await;
    silent.snapshot().await;
    let file = format!("sqlite://{}", service.folder.path().join("config.db").display());
    let mut store = SqliteConnection::connect(&file).await.unwrap();
    store.execute("ALTER TABLE nodes RENAME TO nodes_gone").await.unwrap();
    let create = |id: &str, seconds: i64, nanos: i32| CreateOrganizationRequest {
        organization_id: id.to_owned(),
        name: "Acme".to_owned(),
        wait_applied: Some(prost_types::Duration { seconds, nanos }),
        ..Default::default()
    };
    let mut admin = service.admin("superadmin");
    let reply = admin.create_organization(create("one", 0, 200_000_000)).await.unwrap().into_inner();
    assert_eq!(reply.pending_nodes, ["silent"]);
    let applied = async {
        assert_eq!(silent.change().await.revision, reply.revision);
        let revision = silent.change().await.revision;
        silent.ack(revision).await;
        store.execute("ALTER TABLE nodes_gone RENAME TO nodes").await.unwrap();
    };
    let (reply, ()) = tokio::join!(admin.create_organization(create("two", 20, 0)), applied);
    assert_eq!(reply.unwrap().into_inner().pending_nodes, Vec::<String>::new());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mutating_rpc_reaches_the_subscribers_with_what_it_changed() {
    let service = Service::start().await;
    let mut dispatcher = Subscriber::dispatcher(&service, "d1").await;
    dispatcher.snapshot().await;
    let mut next = async |revision: i64| {
        let change = dispatcher.change().await;
        assert_eq!((change.revision, change.organization_id.as_str()), (revision, "acme"));
        change.entry.unwrap()
    };
    let (mut operator, mut superadmin) = (service.admin("operator"), service.admin("superadmin"));

    let create =
        CreateOrganizationRequest { organization_id: "acme".to_owned(), name: "Acme".to_owned(), ..Default::default() };
    let revision = superadmin.create_organization(create).await.unwrap().into_inner().revision;
    let entry = next(revision).await;
    assert_eq!((entry.routing.unwrap().version, entry.accounts.len()), (0, 0));

    let revision = rename(&service, "acme", "Acme 2", 1).await;
    next(revision).await;

    let revision = steps::save(&service, steps::create("acme", "cloudmsg", cloudmsg())).await.unwrap().revision;
    assert_eq!(next(revision).await.accounts[0].version, 1);

    let revision = steps::route(&service, "acme", Routing { primary: "cloudmsg".to_owned(), ..Default::default() })
        .await
        .unwrap()
        .revision;
    assert_eq!(next(revision).await.routing.unwrap().primary, "cloudmsg");

    let update = UpdateProviderConfigRequest {
        organization_id: "acme".to_owned(),
        provider: "cloudmsg".to_owned(),
        credentials: pairs([("default_sender", demo::CLOUDMSG_HANBIT.other_sender)]),
        version: 1,
        ..Default::default()
    };
    let revision = operator.update_provider_config(update).await.unwrap().into_inner().revision;
    let account = next(revision).await.accounts.remove(0);
    assert_eq!(account.version, 2);
    assert_eq!(account.credentials["default_sender"], demo::CLOUDMSG_HANBIT.other_sender);

    let revision = steps::route(&service, "acme", Routing { version: 1, ..Default::default() }).await.unwrap().revision;
    assert_eq!(next(revision).await.routing.unwrap().primary, "");
    let delete = DeleteProviderConfigRequest {
        organization_id: "acme".to_owned(),
        provider: "cloudmsg".to_owned(),
        version: 2,
        confirm_organization_name: "Acme 2".to_owned(),
        ..Default::default()
    };
    let revision = operator.delete_provider_config(delete).await.unwrap().into_inner().revision;
    assert!(next(revision).await.accounts.is_empty());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_organisation_can_be_asked_for_by_the_role_of_the_node() {
    let service = Service::start().await;
    let saved = steps::acme_with_cloudmsg(&service).await;
    let ask = async |caller: &str, id: &str| {
        let request = ResolveOrganizationRequest { organization_id: id.to_owned() };
        service.watch(caller).resolve_organization(request).await.map(tonic::Response::into_inner)
    };
    let found = ask("dispatcher", "acme").await.unwrap();
    let entry = found.entry.unwrap();
    assert_eq!((found.revision, entry.revision), (saved.revision, saved.revision));
    assert!(entry.routing.is_some() && !entry.accounts[0].credentials.is_empty());
    let entry = ask("webhook-gateway", "acme").await.unwrap().entry.unwrap();
    assert!(entry.routing.is_none() && entry.accounts[0].credentials.is_empty());
    assert_eq!(entry.accounts[0].webhook_secrets.len(), 1);
    assert_eq!(ask("dispatcher", "nowhere").await.unwrap().entry, None);
    assert_eq!(ask("webhook-gateway", "default").await.unwrap().entry, None);
    let refused = ask("dispatcher-of-acme", "default").await.unwrap_err();
    assert_eq!(reason_of(&refused).as_deref(), Some("ROLE_REQUIRED"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_service_drains_and_it_ends_in_time() {
    let service = Service::start().await;
    let mut dispatcher = Subscriber::dispatcher(&service, "d1").await;
    dispatcher.snapshot().await;
    let stopping = tokio::spawn(service.stop());
    assert_eq!(dispatcher.end().await.code(), Code::Unavailable);
    tokio::time::timeout(SOON, stopping).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_over_one_store_give_the_same_order() {
    let folder = folder();
    let one = Service::start_with(config(), Arc::clone(&folder)).await;
    let registry = registry(&one.vendors().cloudmsg_url(), &one.vendors().sendtalk_url());
    let two = Service::start_over(config(), registry, folder).await;
    let mut on_one = Subscriber::dispatcher(&one, "d1").await;
    let mut on_two = Subscriber::dispatcher(&two, "d2").await;
    let start = on_one.snapshot().await.revision;
    assert_eq!(on_two.snapshot().await.revision, start);
    let writers = [&one, &two, &one, &two].into_iter().enumerate().map(|(writer, service)| async move {
        for number in 0..10 {
            steps::organization(service, &format!("org-{writer}-{number}"), "Acme").await;
        }
    });
    futures::future::join_all(writers).await;
    for expected in start + 1..=start + 40 {
        let (a, b) = (on_one.change().await, on_two.change().await);
        assert_eq!((a.revision, b.revision), (expected, expected));
        assert_eq!(a.organization_id, b.organization_id);
    }
    one.stop().await;
    two.stop().await;
}
