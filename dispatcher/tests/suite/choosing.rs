//! Which account carries a message, as the mapping alone decides it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use switchboard_dispatcher::{
    Config,
    outbound::{Lanes, Limits, Unlimited},
    resolver::{Account, Canary, Entry, Unroutable},
};
use switchboard_providers::{
    Credentials, Descriptor, Registry,
    model::Channel::{self, Alimtalk, Lms, Mms, Sms},
};
use switchboard_vendor_sim::demo::{CLOUDMSG_HANBIT, SENDTALK_HANBIT};

const RECIPIENT: &str = "+821012345678";

fn credentials(pairs: &[(&str, &str)]) -> Credentials {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// An account with a vendor that carries only these kinds.
fn account(registry: &Registry, code: &str, channels: &'static [Channel]) -> (String, Arc<Account>) {
    let vendor = registry.get(code).unwrap();
    let credentials = match code {
        "cloudmsg" => credentials(&[
            ("service_id", CLOUDMSG_HANBIT.service_id),
            ("access_key", CLOUDMSG_HANBIT.access_key),
            ("secret_key", CLOUDMSG_HANBIT.secret_key),
            ("callback_secret", CLOUDMSG_HANBIT.callback_secret),
        ]),
        _ => credentials(&[
            ("account_id", SENDTALK_HANBIT.account_id),
            ("api_key", SENDTALK_HANBIT.api_key),
            ("webhook_secret", SENDTALK_HANBIT.webhook_secret),
        ]),
    };
    let limits = Limits {
        concurrency: 1,
        texts_per_call: 1,
        queue: 0,
        queue_wait: Duration::ZERO,
        send_timeout: Duration::ZERO,
        breaker: (&Config::default().breaker).into(),
    };
    let lanes = Lanes::new(limits, Arc::new(Unlimited));
    let descriptor: &'static Descriptor = Box::leak(Box::new(Descriptor { channels, ..*vendor.descriptor() }));
    let account = Account {
        organization_id: "acme".to_owned(),
        vendor: descriptor,
        provider_account: "theirs".to_owned(),
        version: 1,
        default_sender: None,
        lane: lanes.lane(descriptor.code, "theirs", vendor.open(&credentials).unwrap()),
    };
    (code.to_owned(), Arc::new(account))
}

/// CloudMsg carries texts alone here; SendTalk carries everything.
fn entry() -> Entry {
    let registry = Registry::new(&BTreeMap::new()).unwrap();
    Entry {
        organization_id: "acme".to_owned(),
        revision: 7,
        primary: Some("cloudmsg".to_owned()),
        channel_overrides: BTreeMap::new(),
        failover: Vec::new(),
        canary: None,
        accounts: BTreeMap::from([
            account(&registry, "cloudmsg", &[Sms, Lms]),
            account(&registry, "sendtalk", &Channel::ALL),
        ]),
    }
}

fn trial(percent: u8) -> Entry {
    Entry { canary: Some(Canary { provider: "sendtalk".to_owned(), percent }), ..entry() }
}

fn chosen(entry: &Entry, channel: Channel, to: &str) -> &'static str {
    entry.choose(channel, to).map(|choice| choice.account.vendor.code).unwrap()
}

fn recipients() -> impl Iterator<Item = String> {
    (0..1000).map(|number| format!("+8210{:08}", 20_000_000 + number * 7919))
}

fn in_trial(entry: &Entry) -> BTreeSet<String> {
    recipients().filter(|to| chosen(entry, Sms, to) == "sendtalk").collect()
}

#[tokio::test]
async fn a_kind_that_the_vendor_does_not_carry_is_unsupported() {
    let unsupported = entry().choose(Alimtalk, RECIPIENT).err();
    let provider = "cloudmsg".to_owned();
    assert_eq!(unsupported, Some(Unroutable::ChannelUnsupported { provider, channel: Alimtalk }));
    assert_eq!(chosen(&entry(), Lms, RECIPIENT), "cloudmsg");
}

#[tokio::test]
async fn an_override_brings_it_to_one_that_does() {
    let overrides = BTreeMap::from([(Alimtalk, "sendtalk".to_owned())]);
    let entry = Entry { channel_overrides: overrides, ..entry() };
    assert_eq!((chosen(&entry, Alimtalk, RECIPIENT), chosen(&entry, Sms, RECIPIENT)), ("sendtalk", "cloudmsg"));
    assert!(entry.choose(Mms, RECIPIENT).is_err(), "each kind by itself");
}

#[tokio::test]
async fn only_vendors_that_carry_the_kind_stand_by() {
    let failover = ["cloudmsg", "nobody", "sendtalk"].map(str::to_owned).to_vec();
    let by_sendtalk = Entry { primary: Some("sendtalk".to_owned()), failover, ..entry() };
    let standing_by = |channel| {
        let choice = by_sendtalk.choose(channel, RECIPIENT).unwrap();
        choice.backups.iter().map(|account| account.vendor.code).collect::<Vec<_>>()
    };
    assert_eq!(standing_by(Sms), ["cloudmsg"], "nor the vendor itself, nor one without an account");
    assert!(standing_by(Alimtalk).is_empty());
}

#[tokio::test]
async fn a_trial_takes_its_share_of_the_recipients() {
    for percent in [1, 10, 50, 90] {
        let share = in_trial(&trial(percent)).len();
        let expected = usize::from(percent) * 10;
        assert!(share.abs_diff(expected) <= 50, "{share} of 1000 recipients for {percent} percent");
    }
    assert_eq!(in_trial(&trial(100)).len(), 1000);
}

#[tokio::test]
async fn a_recipient_stays_on_its_side_while_the_trial_grows() {
    let (small, large) = (in_trial(&trial(10)), in_trial(&trial(30)));
    assert_eq!(in_trial(&trial(10)), small, "the same at every look");
    assert!(small.is_subset(&large));
    let later = Entry { revision: 8, ..trial(10) };
    assert_eq!(in_trial(&later), small, "and under every revision");
}

#[tokio::test]
async fn a_trial_of_a_vendor_that_does_not_carry_the_kind_changes_nothing() {
    let canary = Some(Canary { provider: "cloudmsg".to_owned(), percent: 100 });
    let entry = Entry { primary: Some("sendtalk".to_owned()), canary, ..entry() };
    assert_eq!((chosen(&entry, Alimtalk, RECIPIENT), chosen(&entry, Sms, RECIPIENT)), ("sendtalk", "cloudmsg"));
}
