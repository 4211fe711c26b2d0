//! What the services depend on goes, stays away from the start, falls silent, and comes back.

use std::time::Duration;

use switchboard_proto::dispatch::v1::MessageStatus;
use switchboard_vendor_sim::demo;
use tokio::time::Instant;
use tonic::Code;

use crate::{
    books,
    load::Load,
    site::{Fault, PATIENCE, Plan, Site, eventually, reason_of},
};

const ON_POSTGRES: Plan = Plan { postgres: true, redis: true, ..Plan::SMALL };
const SOON: [(&str, &str); 4] = [
    ("dispatcher.reconcile_after", "1s"),
    ("dispatcher.send_timeout", "2s"),
    ("dispatcher.retry_for", "0s"),
    ("dispatcher.absence_margin", "1s"),
];
const PHONE: &str = "010-1234-5678";

/// How long a refusal may take where the machine is busy with other tests: the service's own bound is below one second.
const AT_ONCE: Duration = Duration::from_secs(4);

/// Sends, and waits until the vendor has delivered it and the history knows.
async fn delivered(site: &Site, request_id: &str) {
    let sender = site.sender();
    let message = sender.send_until_taken("hanbit", request_id, PHONE).await;
    eventually(&format!("{request_id} is delivered"), async || {
        let now = sender.message(&message.message_id).await?;
        (now.status() == MessageStatus::Delivered).then_some(())
    })
    .await;
    assert_eq!(books::deliveries(site)[&message.message_id].len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_that_come_later_are_waited_for_and_said() {
    let mut site = Site::start(ON_POSTGRES, &[]).await;
    delivered(&site, "before").await;
    kept_in_redis(&site).await;
    for node in site.nodes_mut() {
        node.kill();
    }
    let sent_before = site.vendors.sendtalk().journal().sends().count();
    site.postgres.as_mut().unwrap().kill();
    for node in site.nodes_mut() {
        node.start();
    }

    let (dispatcher, config_service) = (&site.dispatchers[0], &site.config_services[0]);
    dispatcher.says(503, "waits for the message history's database").await;
    config_service.says(503, "waits for the configuration store's database").await;
    for node in [dispatcher, config_service] {
        assert_eq!(node.http("/healthz").await.unwrap().0, 200, "{} is alive", node.name());
    }
    let began = Instant::now();
    let refused = site.sender().send("hanbit", "too-early", PHONE).await.unwrap_err();
    assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::Unavailable, "HISTORY_UNAVAILABLE"));
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    let refused = site.admin().route("hanbit", "cloudmsg").await.unwrap_err();
    assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::Unavailable, "CONFIG_UNAVAILABLE"));

    // Told to end while they wait, they end well; and another start waits again.
    assert!(site.dispatchers[0].terminate().await.success(), "{}", site.dispatchers[0].log());
    assert!(site.config_services[0].terminate().await.success(), "{}", site.config_services[0].log());
    site.dispatchers[0].start();
    site.config_services[0].start();
    site.dispatchers[0].says(503, "waits for").await;
    assert_eq!(site.vendors.sendtalk().journal().sends().count(), sent_before, "nothing is sent unrecorded");

    site.postgres.as_mut().unwrap().restart().await;
    site.all_ready().await;
    delivered(&site, "too-early").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_is_wrong_is_not_waited_for() {
    let mut site = Site::lay_out(ON_POSTGRES, &[]).await;
    site.typed(&["migrate"]);
    let url = site.wires.to_history.as_ref().unwrap().url("postgres://nobody-of-that-name:geheim@");
    let mut dispatcher = site.another_dispatcher(&[("dispatcher.database_url", &format!("{url}/history"))]);
    dispatcher.start();
    let status = eventually("it ends", async || dispatcher.ended()).await;
    assert_eq!(status.code(), Some(1), "{}", dispatcher.log());
    let log = dispatcher.log();
    let complaint = log.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert!(complaint.contains("dispatcher.database_url") && !log.contains("geheim"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgresql_is_away_or_silent_sends_are_refused_at_once_and_nothing_is_sent_unrecorded() {
    // What was being committed when the server fell silent may be there when it is back: that is looked after soon.
    let mut site = Site::start(ON_POSTGRES, &SOON).await;
    delivered(&site, "before").await;
    for outage in ["silent", "killed", "cut off", "swallowed"] {
        match outage {
            "silent" => site.postgres.as_ref().unwrap().pause(),
            "killed" => site.postgres.as_mut().unwrap().kill(),
            "cut off" => site.wires.to_history.as_ref().unwrap().suffer(Fault::Cut),
            _ => site.wires.to_history.as_ref().unwrap().suffer(Fault::Silence),
        }
        let sends_before = site.vendors.sendtalk().journal().sends().count();
        for attempt in 0..6 {
            let began = Instant::now();
            let refused = site.sender().send("hanbit", &format!("{outage}-{attempt}"), PHONE).await.unwrap_err();
            assert_eq!(reason_of(&refused), "HISTORY_UNAVAILABLE", "{outage}: {refused:?}");
            assert!(began.elapsed() < AT_ONCE, "{outage}: refused only after {:?}", began.elapsed());
        }
        site.dispatchers[0].says(503, "history").await;
        assert_eq!(site.vendors.sendtalk().journal().sends().count(), sends_before, "{outage}");
        match outage {
            "silent" => site.postgres.as_ref().unwrap().resume(),
            "killed" => site.postgres.as_mut().unwrap().restart().await,
            _ => site.wires.to_history.as_ref().unwrap().suffer(Fault::None),
        }
        site.dispatchers[0].ready().await;
        for attempt in 0..6 {
            delivered(&site, &format!("{outage}-{attempt}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_lost_under_load_stops_nothing_and_wedges_nothing_when_it_is_back() {
    // A rate that Redis is asked about for every send, and that is never reached.
    let mut site = Site::start(ON_POSTGRES, &[("dispatcher.account_rate", "100000")]).await;
    let load = Load::start(&site.sender(), 8, "redis");
    load.taken_more(40).await;
    for _ in 0..2 {
        site.redis.as_mut().unwrap().kill();
        load.taken_more(80).await;
        site.redis.as_mut().unwrap().restart().await;
        load.taken_more(40).await;
    }
    site.redis.as_ref().unwrap().pause();
    load.taken_more(80).await;
    site.redis.as_ref().unwrap().resume();
    site.wires.to_redis.as_ref().unwrap().suffer(Fault::Silence);
    load.taken_more(40).await;
    site.wires.to_redis.as_ref().unwrap().suffer(Fault::None);
    load.taken_more(40).await;
    // Changes still reach the dispatcher, and a restarted one finds everything.
    let revision = site.admin().route("hanbit", "cloudmsg").await.unwrap();
    let notes = load.stop().await;
    eventually("the change is applied", async || {
        let applied = site.dispatchers[0].metric("switchboard_config_watch_revision").await?;
        #[expect(clippy::cast_precision_loss, reason = "revisions are small here")]
        (applied >= revision as f64).then_some(())
    })
    .await;
    assert_eq!(notes.refused(), 0, "no send depends on Redis");
    assert_eq!(books::audit(&site, &notes, PATIENCE).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_be_absent_from_the_start() {
    let mut site = Site::lay_out(ON_POSTGRES, &[("dispatcher.account_rate", "100000")]).await;
    site.redis.as_mut().unwrap().kill();
    site.typed(&["migrate"]);
    for node in site.nodes_mut() {
        node.start();
    }
    site.organizations().await;
    site.all_ready().await;
    delivered(&site, "without").await;
    site.redis.as_mut().unwrap().restart().await;
    kept_in_redis(&site).await;
    delivered(&site, "with").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_dispatcher_starts_from_the_mappings_kept_in_a_file() {
    let mut site = Site::start(Plan::SMALL, &[]).await;
    let kept = site.folder.path().join("mappings.sealed");
    eventually("the mappings are kept", async || kept.exists().then_some(())).await;
    settled_in(&site, async || std::fs::read(&kept).unwrap_or_default().len()).await;
    site.config_services[0].kill();
    site.dispatchers[0].kill();

    site.dispatchers[0].start();
    let said = site.dispatchers[0].says(200, "a kept snapshot").await;
    assert!(said.contains("last confirmed") && said.contains("ago"), "it says how old it is: {said}");
    let log = site.dispatchers[0].log();
    assert!(log.contains("starting from a kept configuration") && log.contains("age_seconds="), "{log}");
    assert!(site.dispatchers[0].metric("switchboard_config_snapshot_age_seconds").await.unwrap() > 0.0);
    delivered(&site, "from-the-file").await;
    no_secret_in("the file", &std::fs::read(&kept).unwrap());
    no_secret_in("the log", site.dispatchers[0].log().as_bytes());
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    // Config-service comes back: from then on it is what counts.
    site.config_services[0].start();
    site.dispatchers[0].says(200, r#""mappings":{"state":"ready"}"#).await;
    assert_eq!(site.dispatchers[0].metric("switchboard_config_snapshot_age_seconds").await, Some(0.0));
    site.admin().route("hanbit", "cloudmsg").await.unwrap();
    let message = site.sender().send_until_taken("hanbit", "after", PHONE).await;
    assert_eq!(message.provider, "cloudmsg");
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_mappings_that_are_damaged_or_sealed_under_another_key_are_refused_loudly() {
    let mut site = Site::start(Plan::SMALL, &[]).await;
    let kept = site.folder.path().join("mappings.sealed");
    eventually("the mappings are kept", async || kept.exists().then_some(())).await;
    site.config_services[0].kill();
    site.dispatchers[0].kill();
    let mut damaged = std::fs::read(&kept).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&kept, damaged).unwrap();

    site.dispatchers[0].start();
    site.dispatchers[0].says(503, "no configuration yet").await;
    let log = site.dispatchers[0].log();
    assert!(log.contains("a kept configuration is not used") && log.contains("another key, or it is damaged"), "{log}");
    let refused = site.sender().send("hanbit", "nowhere", PHONE).await.unwrap_err();
    assert_eq!(reason_of(&refused), "CONFIG_UNAVAILABLE");
    site.config_services[0].start();
    site.dispatchers[0].ready().await;
    delivered(&site, "nowhere").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_on_another_machine_starts_from_the_mappings_kept_in_redis() {
    let mut site = Site::start(ON_POSTGRES, &[]).await;
    kept_in_redis(&site).await;
    no_secret_in("redis", &site.redis.as_ref().unwrap().content());
    for node in site.config_services.iter_mut().chain(&mut site.dispatchers) {
        node.kill();
    }
    // It has nothing of the others but what an operator gives it: the tokens and the key.
    let elsewhere = tempfile::tempdir().unwrap();
    let file = |name: &str| site.folder.path().join(name).display().to_string();
    let (tokens, key, folder) = (file("tokens.json"), file("snapshot.key"), elsewhere.path().display().to_string());
    let changes =
        [("data_dir", folder.as_str()), ("auth.tokens_file", &tokens), ("dispatcher.snapshot_key_file", &key)];
    let mut dispatcher = site.another_dispatcher(&changes);
    dispatcher.start();
    dispatcher.says(200, "a kept snapshot").await;
    site.dispatchers = vec![dispatcher];
    let sender = site.sender();
    let message = sender.send_until_taken("hanbit", "elsewhere", PHONE).await;
    assert_eq!(books::deliveries(&site)[&message.message_id].len(), 1);

    // Redis goes too: what is in memory stays, and the next start has nothing to go by, until Redis is back.
    site.dispatchers[0].kill();
    site.redis.as_mut().unwrap().pause();
    site.dispatchers[0].start();
    site.dispatchers[0].says(503, "no configuration yet").await;
    site.redis.as_mut().unwrap().resume();
    site.dispatchers[0].says(200, "a kept snapshot").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_is_not_sent_by_and_the_dispatcher_is_not_ready() {
    let short =
        [("dispatcher.max_stale", "3s"), ("dispatcher.cache_ttl", "1s"), ("dispatcher.watch.reconnect_max", "200ms")];
    let mut site = Site::start(Plan::SMALL, &short).await;
    delivered(&site, "before").await;
    site.config_services[0].kill();
    site.dispatchers[0].says(503, "too long to go by").await;
    let refused = site.sender().send("hanbit", "stale", PHONE).await.unwrap_err();
    assert_eq!(reason_of(&refused), "CONFIG_UNAVAILABLE");
    site.config_services[0].start();
    site.dispatchers[0].ready().await;
    delivered(&site, "stale").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_config_service_sends_and_callbacks_go_on_from_memory() {
    let mut site = Site::start(Plan::SMALL, &[]).await;
    delivered(&site, "before").await;
    site.config_services[0].kill();
    site.dispatchers[0].says(200, "while config-service cannot be reached").await;
    delivered(&site, "without").await;
    assert!(site.gateways[0].http("/readyz").await.unwrap().1.contains("degraded"));
}

/// Waits until everything that there is is kept in Redis.
async fn kept_in_redis(site: &Site) {
    settled_in(site, async || site.redis.as_ref().unwrap().content().len()).await;
}

/// Waits until something is there and does not grow any more: what is kept follows changes after a moment.
async fn settled_in(site: &Site, look: impl AsyncFn() -> usize) {
    let empty = 600;
    let mut last = (0, Instant::now());
    eventually(&format!("what is kept is complete: {}", site.dispatchers[0].log()), async || {
        let size = look().await;
        if size != last.0 {
            last = (size, Instant::now());
        }
        (size > empty && last.1.elapsed() > Duration::from_secs(3)).then_some(())
    })
    .await;
}

fn no_secret_in(place: &str, bytes: &[u8]) {
    for secret in [
        demo::CLOUDMSG_DEFAULT.secret_key,
        demo::CLOUDMSG_DEFAULT.callback_secret,
        demo::CLOUDMSG_HANBIT.secret_key,
        demo::SENDTALK_HANBIT.api_key,
        demo::SENDTALK_HANBIT.webhook_secret,
        demo::SENDTALK_NARAE.api_key,
    ] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{place} holds {secret}");
    }
}
