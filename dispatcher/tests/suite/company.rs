//! Texts that are ready in the same moment share a call, and nothing else: not each other's refusals, and to the breaker
//! a call is one call, however many it carried.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::future::join_all;
use switchboard_dispatcher::{
    Config,
    outbound::{Admitted, Lane, Lanes, Limits, Outgoing, Rate, Unlimited},
};
use switchboard_providers::{
    Credentials, Registry, VendorSettings,
    model::{FailureCode, Fault as Blame, PhoneNumber, Purpose, SendOutcome, Sender, Sms, TextKind},
};
use switchboard_runtime::{Clock as _, SystemClock};
use switchboard_vendor_sim::{
    Config as SimConfig, Fault, FaultRule, VendorHandle, VendorSim,
    demo::{CLOUDMSG_HANBIT, SENDTALK_HANBIT},
};

use crate::support::eventually;

/// A vendor's simulator with lanes to its account.
struct Way {
    sim: VendorSim,
    registry: Registry,
    lanes: Lanes,
    code: &'static str,
}

impl Way {
    async fn to(code: &'static str, change: impl FnOnce(&mut Limits)) -> Self {
        Self::with_rate(code, Unlimited, change).await
    }

    async fn with_rate(code: &'static str, rate: impl Rate + 'static, change: impl FnOnce(&mut Limits)) -> Self {
        let config = Config::default();
        let mut limits = Limits {
            concurrency: 256,
            texts_per_call: config.texts_per_call,
            queue: 256,
            queue_wait: Duration::from_secs(10),
            send_timeout: Duration::from_secs(10),
            breaker: (&config.breaker).into(),
        };
        change(&mut limits);
        let sim = VendorSim::start(SimConfig::on_free_ports()).await.unwrap();
        let at = |base_url| VendorSettings { base_url, ..VendorSettings::default() };
        let places = [("cloudmsg".to_owned(), at(sim.cloudmsg_url())), ("sendtalk".to_owned(), at(sim.sendtalk_url()))];
        let registry = Registry::new(&BTreeMap::from(places)).unwrap();
        Self { sim, registry, lanes: Lanes::new(limits, Arc::new(rate)), code }
    }

    async fn to_cloudmsg() -> Self {
        Self::to("cloudmsg", |_| ()).await
    }

    /// The account's lane, with a client of its own.
    fn lane(&self) -> Lane {
        let credentials: Credentials = match self.code {
            "cloudmsg" => [
                ("service_id", CLOUDMSG_HANBIT.service_id),
                ("access_key", CLOUDMSG_HANBIT.access_key),
                ("secret_key", CLOUDMSG_HANBIT.secret_key),
                ("callback_secret", CLOUDMSG_HANBIT.callback_secret),
            ]
            .into_iter()
            .collect(),
            _ => [
                ("account_id", SENDTALK_HANBIT.account_id),
                ("api_key", SENDTALK_HANBIT.api_key),
                ("webhook_secret", SENDTALK_HANBIT.webhook_secret),
            ]
            .into_iter()
            .collect(),
        };
        let provider = self.registry.get(self.code).unwrap().open(&credentials).unwrap();
        self.lanes.lane(self.code, "theirs", provider)
    }

    fn vendor(&self) -> VendorHandle {
        match self.code {
            "cloudmsg" => (*self.sim.cloudmsg()).clone(),
            _ => (*self.sim.sendtalk()).clone(),
        }
    }

    fn next_call(&self, fault: Fault) {
        self.vendor().add_fault(FaultRule::next_send(fault));
    }

    /// How many texts each call carried, the fullest first.
    fn calls(&self) -> Vec<usize> {
        // What a vendor that takes one message a call calls our reference does not matter.
        let texts = |body: &str| body.matches("\"clientRef\"").count().max(1);
        let mut calls: Vec<_> =
            self.vendor().journal().sends().map(|call| texts(call.body.as_deref().unwrap())).collect();
        calls.sort_unstable_by(|one, other| other.cmp(one));
        calls
    }

    fn breaker(&self) -> &'static str {
        let usage = self.lanes.usage();
        usage[self.code].breakers.iter().find(|(_, count)| **count == 1).map(|(state, _)| *state).unwrap()
    }

    /// Fails when a message is there twice, or one that the vendor found fault with.
    fn assert_each_once(&self, count: usize) {
        let mut references: Vec<_> = self.vendor().messages().into_iter().map(|message| message.reference).collect();
        references.sort_unstable();
        references.dedup();
        assert_eq!((references.len(), self.vendor().messages().len()), (count, count));
        assert_eq!(self.vendor().journal().invalid().count(), 0);
    }
}

/// A text to a number of its own, in words of its own.
fn text(number: usize) -> Arc<Outgoing> {
    text_from(number, CLOUDMSG_HANBIT.default_sender)
}

fn text_from(number: usize, sender: &str) -> Arc<Outgoing> {
    Arc::new(Outgoing::Sms(Sms {
        reference: format!("m-{number}"),
        to: PhoneNumber::from_storage(&format!("+82102{number:07}")).unwrap(),
        sender: Sender::parse(sender).unwrap(),
        text: format!("인증번호 {number}"),
        subject: String::new(),
        kind: TextKind::Sms,
        purpose: Purpose::Transactional,
    }))
}

async fn admitted(lane: &Lane) -> Admitted {
    lane.admit(None).await.unwrap()
}

/// Sends texts that are all ready in the same moment.
async fn send(lane: &Lane, texts: impl IntoIterator<Item = Arc<Outgoing>>) -> Vec<SendOutcome> {
    let texts: Vec<_> = texts.into_iter().collect();
    let places = join_all(texts.iter().map(|_| admitted(lane))).await;
    join_all(places.into_iter().zip(texts).map(|(place, text)| place.send(text, SystemClock.now()))).await
}

fn accepted(outcome: &SendOutcome) -> bool {
    matches!(outcome, SendOutcome::Accepted(_))
}

fn in_doubt(outcome: &SendOutcome) -> bool {
    matches!(outcome, SendOutcome::InDoubt(_))
}

#[tokio::test]
async fn texts_that_are_ready_together_share_calls_that_are_no_larger_than_allowed() {
    let way = Way::to("cloudmsg", |limits| limits.texts_per_call = 4).await;
    let outcomes = send(&way.lane(), (0..10).map(text)).await;
    assert!(outcomes.iter().all(accepted), "{outcomes:?}");
    assert_eq!(way.calls(), [4, 4, 2]);
    way.assert_each_once(10);
}

#[tokio::test]
async fn no_setting_makes_a_call_larger_than_the_vendor_takes() {
    let way = Way::to("cloudmsg", |limits| limits.texts_per_call = usize::MAX).await;
    let outcomes = send(&way.lane(), (0..150).map(text)).await;
    assert!(outcomes.iter().all(accepted), "{outcomes:?}");
    assert_eq!(way.calls(), [100, 50]);
    way.assert_each_once(150);
}

#[tokio::test]
async fn each_goes_alone_where_that_is_wanted_or_the_vendor_takes_no_more() {
    for (code, texts_per_call) in [("cloudmsg", 1), ("cloudmsg", 0), ("sendtalk", 32)] {
        let way = Way::to(code, |limits| limits.texts_per_call = texts_per_call).await;
        let outcomes = send(&way.lane(), (0..5).map(text)).await;
        assert!(outcomes.iter().all(accepted), "{code}: {outcomes:?}");
        assert_eq!(way.calls(), [1; 5], "{code}");
    }
}

#[tokio::test]
async fn what_one_call_cannot_say_or_sign_for_all_goes_apart() {
    let way = Way::to_cloudmsg().await;
    let (lane, renewed) = (way.lane(), way.lane());
    let other_sender = text_from(1, CLOUDMSG_HANBIT.other_sender);
    let sends = [(&lane, text(0)), (&lane, other_sender), (&renewed, text(2))];
    let places = join_all(sends.iter().map(|(lane, _)| admitted(lane))).await;
    let sends = places.into_iter().zip(sends).map(|(place, (_, text))| place.send(text, SystemClock.now()));
    let outcomes = join_all(sends).await;
    assert!(outcomes.iter().all(accepted), "{outcomes:?}");
    assert_eq!(way.calls(), [1; 3]);
}

/// A breaker that opens when the least of calls have been made and one of them has failed.
fn nervous(limits: &mut Limits) {
    limits.breaker.failure_rate = 0.01;
    limits.breaker.window = Duration::from_millis(200);
    assert_eq!(limits.breaker.least_calls, 20);
}

/// A lane whose breaker has seen one call, long enough ago to judge.
async fn used(way: &Way) -> Lane {
    let lane = way.lane();
    way.next_call(Fault::Delay { ms: 300, accept_first: true });
    assert!(send(&lane, [text(0)]).await.iter().all(accepted));
    way.vendor().clear_messages();
    way.vendor().clear_journal();
    lane
}

#[tokio::test]
async fn a_lost_answer_leaves_all_in_doubt_and_is_one_failure_to_the_breaker() {
    for lost in [Fault::Reset { accept: true }, Fault::ServerError { accept: true, status: 500, retry_after_s: None }] {
        let way = Way::to("cloudmsg", nervous).await;
        let lane = used(&way).await;
        way.next_call(lost);
        let outcomes = send(&lane, (0..32).map(text)).await;
        assert!(outcomes.iter().all(in_doubt), "{outcomes:?}");
        assert_eq!(way.calls(), [32], "nothing is sent again");
        way.assert_each_once(32);
        assert_eq!(way.breaker(), "closed", "one failed call opens nothing");
        let outcomes = send(&lane, (32..64).map(text)).await;
        assert!(outcomes.iter().all(accepted), "{outcomes:?}");
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_one_failure_to_the_breaker() {
    let way = Way::to("cloudmsg", |limits| {
        nervous(limits);
        limits.send_timeout = Duration::from_millis(500);
    })
    .await;
    let lane = used(&way).await;
    way.next_call(Fault::Hang { accept: true });
    let outcomes = send(&lane, (0..32).map(text)).await;
    let late = |outcome: &SendOutcome| matches!(outcome, SendOutcome::InDoubt(failure) if failure.code == FailureCode::ProviderTimeout);
    assert!(outcomes.iter().all(late), "{outcomes:?}");
    assert_eq!((way.calls(), way.breaker()), (vec![32], "closed"));
    way.assert_each_once(32);
}

#[tokio::test]
async fn as_many_calls_that_fail_open_the_breaker() {
    let way = Way::to("cloudmsg", |limits| {
        nervous(limits);
        limits.texts_per_call = 1;
    })
    .await;
    let lane = used(&way).await;
    way.vendor().add_fault(FaultRule { times: None, ..FaultRule::next_send(Fault::Reset { accept: true }) });
    send(&lane, (0..32).map(text)).await;
    assert_eq!(way.breaker(), "open");
}

#[tokio::test]
async fn calls_that_fail_one_after_the_other_open_the_breaker_and_then_nothing_is_called() {
    let way = Way::to("cloudmsg", |limits| {
        limits.breaker.least_calls = 3;
        limits.breaker.window = Duration::from_secs(1);
    })
    .await;
    let lane = way.lane();
    way.vendor().add_fault(FaultRule { times: None, ..FaultRule::next_send(Fault::NotAccepted) });
    eventually("the breaker opens", async || {
        let outcomes = send(&lane, (0..4).map(text)).await;
        assert!(outcomes.iter().all(|outcome| !accepted(outcome)));
        (way.breaker() == "open").then_some(())
    })
    .await;
    assert!(way.calls().len() >= 3, "{:?}", way.calls());
    way.vendor().clear_journal();
    let outcomes = send(&lane, (0..4).map(text)).await;
    let spared = |outcome: &SendOutcome| {
        matches!(outcome, SendOutcome::Refused(refusal)
            if refusal.fault == Blame::Vendor && refusal.failure.code == FailureCode::ProviderUnavailable)
    };
    assert!(outcomes.iter().all(spared), "{outcomes:?}");
    assert_eq!(way.calls(), [0; 0]);
}

#[tokio::test]
async fn a_vendor_that_is_only_tried_gets_one_text_a_call() {
    let way = Way::to("cloudmsg", |limits| {
        limits.breaker.least_calls = 1;
        limits.breaker.window = Duration::from_secs(1);
        limits.breaker.pause = Duration::from_secs(1);
        limits.breaker.recovery = Duration::from_secs(3600);
    })
    .await;
    let lane = way.lane();
    way.vendor().add_fault(FaultRule { times: None, ..FaultRule::next_send(Fault::NotAccepted) });
    eventually("the breaker opens", async || {
        send(&lane, [text(0)]).await;
        (way.breaker() == "open").then_some(())
    })
    .await;
    way.vendor().clear_faults();
    way.vendor().clear_journal();
    eventually("it is tried", async || send(&lane, (0..4).map(text)).await.iter().any(accepted).then_some(())).await;
    // Those for whom there was no place yet hold up nobody.
    let outcomes = send(&lane, (4..20).map(text)).await;
    assert!(outcomes.iter().any(accepted) && !outcomes.iter().all(accepted), "{outcomes:?}");
    assert!(way.calls().iter().all(|texts| *texts == 1), "{:?}", way.calls());
}

#[tokio::test]
async fn a_recipient_who_is_refused_is_refused_alone() {
    let way = Way::to_cloudmsg().await;
    way.next_call(Fault::RefuseRecipients { to: vec!["010-2000-0001".to_owned()], code: "1001".to_owned() });
    let outcomes = send(&way.lane(), (0..3).map(text)).await;
    assert!(accepted(&outcomes[0]) && accepted(&outcomes[2]), "{outcomes:?}");
    let SendOutcome::Refused(refusal) = &outcomes[1] else { panic!("{outcomes:?}") };
    assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::InvalidRecipient, Blame::Message));
    assert_eq!(way.calls(), [3]);
}

#[tokio::test]
async fn a_call_that_is_refused_by_the_fault_of_one_is_made_again_for_each_alone() {
    let way = Way::to_cloudmsg().await;
    way.next_call(Fault::Refuse { code: "1003".to_owned() });
    let outcomes = send(&way.lane(), (0..3).map(text)).await;
    assert!(outcomes.iter().all(accepted), "{outcomes:?}");
    assert_eq!(way.calls(), [3, 1, 1, 1]);
    way.assert_each_once(3);
}

#[tokio::test]
async fn a_second_call_that_takes_too_long_is_in_doubt() {
    let way = Way::to("cloudmsg", |limits| limits.send_timeout = Duration::from_millis(500)).await;
    way.next_call(Fault::Refuse { code: "1003".to_owned() });
    way.vendor().add_fault(FaultRule { times: None, ..FaultRule::next_send(Fault::Hang { accept: true }) });
    let outcomes = send(&way.lane(), (0..3).map(text)).await;
    assert!(outcomes.iter().all(in_doubt), "{outcomes:?}");
    assert_eq!(way.calls(), [3, 1, 1, 1]);
    way.assert_each_once(3);
}

/// So many turns, and then none any more.
struct Turns(AtomicUsize);

#[async_trait]
impl Rate for Turns {
    async fn turn(&self, _: &str) {
        if self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[tokio::test]
async fn a_second_call_for_which_there_is_no_turn_in_time_is_not_made() {
    let way = Way::with_rate("cloudmsg", Turns(AtomicUsize::new(4)), |limits| {
        limits.send_timeout = Duration::from_millis(500);
    })
    .await;
    way.next_call(Fault::Refuse { code: "1003".to_owned() });
    let outcomes = send(&way.lane(), (0..3).map(text)).await;
    assert_eq!(outcomes.iter().filter(|outcome| accepted(outcome)).count(), 1, "{outcomes:?}");
    let put_off = |outcome: &&SendOutcome| matches!(outcome, SendOutcome::Refused(refusal) if refusal.fault == Blame::Vendor && refusal.failure.retryable);
    assert_eq!(outcomes.iter().filter(put_off).count(), 2, "{outcomes:?}");
    assert_eq!(way.calls(), [3, 1]);
}

#[tokio::test]
async fn a_text_that_is_refused_alone_is_not_sent_again() {
    let way = Way::to_cloudmsg().await;
    way.next_call(Fault::Refuse { code: "1003".to_owned() });
    let outcomes = send(&way.lane(), [text(0)]).await;
    assert!(matches!(&outcomes[..], [SendOutcome::Refused(_)]), "{outcomes:?}");
    assert_eq!(way.calls(), [1]);
}

#[tokio::test]
async fn an_account_without_balance_for_all_sends_what_it_can() {
    let way = Way::to_cloudmsg().await;
    way.vendor().merge_account(CLOUDMSG_HANBIT.service_id, serde_json::json!({"balance": 2})).unwrap();
    let outcomes = send(&way.lane(), (0..3).map(text)).await;
    assert_eq!(outcomes.iter().filter(|outcome| accepted(outcome)).count(), 2, "{outcomes:?}");
    let refusals = outcomes.iter().filter_map(|outcome| match outcome {
        SendOutcome::Refused(refusal) => Some((refusal.failure.code, refusal.fault)),
        _ => None,
    });
    assert_eq!(refusals.collect::<Vec<_>>(), [(FailureCode::InsufficientBalance, Blame::Account)]);
    assert_eq!(way.vendor().messages().len(), 2);
}

#[tokio::test]
async fn a_pause_that_the_vendor_asks_for_is_one_for_all() {
    let way = Way::to_cloudmsg().await;
    let lane = way.lane();
    way.next_call(Fault::Throttle { after_s: 60, form: Default::default() });
    for outcome in send(&lane, (0..3).map(text)).await {
        let SendOutcome::Refused(refusal) = outcome else { panic!("{outcome:?}") };
        assert_eq!((refusal.fault, refusal.retry_after), (Blame::Vendor, Some(Duration::from_secs(60))));
    }
    let outcomes = send(&lane, (0..3).map(text)).await;
    assert!(!outcomes.iter().any(accepted), "{outcomes:?}");
    assert_eq!(way.calls(), [3], "the vendor is left alone");
}

#[tokio::test]
async fn whoever_went_along_with_a_call_that_was_given_up_is_in_doubt() {
    let way = Way::to_cloudmsg().await;
    let lane = way.lane();
    way.next_call(Fault::Hang { accept: true });
    let (first, second) = (admitted(&lane).await, admitted(&lane).await);
    let mut first = Box::pin(first.send(text(0), SystemClock.now()));
    assert!(futures::poll!(&mut first).is_pending(), "it lets others come along");
    let mut second = Box::pin(second.send(text(1), SystemClock.now()));
    assert!(futures::poll!(&mut second).is_pending());
    let called = eventually("the call has arrived", async || (!way.vendor().messages().is_empty()).then_some(()));
    tokio::select! {
        _ = &mut first => panic!("it hangs"),
        () = called => drop(first),
    }
    assert!(in_doubt(&second.await));
    assert_eq!(way.calls(), [2]);
    let outcomes = send(&lane, (2..4).map(text)).await;
    assert!(outcomes.iter().all(accepted), "the next call is made as ever: {outcomes:?}");
}

#[tokio::test]
async fn whoever_gives_up_before_the_call_leaves_the_others_to_go_by_themselves() {
    let way = Way::to_cloudmsg().await;
    let lane = way.lane();
    let (first, second) = (admitted(&lane).await, admitted(&lane).await);
    let mut first = Box::pin(first.send(text(0), SystemClock.now()));
    assert!(futures::poll!(&mut first).is_pending(), "it lets others come along");
    let mut second = Box::pin(second.send(text(1), SystemClock.now()));
    assert!(futures::poll!(&mut second).is_pending());
    drop(first);
    assert!(accepted(&second.await));
    assert_eq!(way.calls(), [1]);
}
