//! A dispatcher is killed at every step of a send: between record, call, store and reply.

use switchboard_proto::dispatch::v1::{Message, MessageStatus};
use switchboard_vendor_sim::{Fault as VendorFault, FaultRule, VendorHandle};

use crate::{
    books,
    site::{Fault, Plan, Site, eventually},
};

const ON_POSTGRES: Plan = Plan { postgres: true, ..Plan::SMALL };
/// What reconciliation waits for, made short.
const SOON: [(&str, &str); 4] = [
    ("dispatcher.reconcile_after", "1s"),
    ("dispatcher.send_timeout", "2s"),
    ("dispatcher.retry_for", "0s"),
    ("dispatcher.absence_margin", "1s"),
];
/// The organisations, each with the vendor that carries its messages.
const WAYS: [(&str, &str); 2] = [("gaon", "cloudmsg"), ("narae", "sendtalk")];
const PHONE: &str = "010-1234-5678";

fn vendor(site: &Site, code: &str) -> VendorHandle {
    if code == "cloudmsg" { (*site.vendors.cloudmsg()).clone() } else { (*site.vendors.sendtalk()).clone() }
}

/// Begins a send that nobody will hear the end of.
fn begin(site: &Site, organization: &'static str, request_id: &'static str) -> tokio::task::JoinHandle<()> {
    let sender = site.sender();
    crate::spawn(async move {
        let _ = sender.send(organization, request_id, PHONE).await;
    })
}

/// Kills the dispatcher and starts another in its place.
async fn crash(site: &mut Site) {
    site.dispatchers[0].kill();
    site.dispatchers[0].start();
    site.dispatchers[0].ready().await;
}

/// The message of a request, once it has its final status; the request itself is repeated to find it.
async fn settled(site: &Site, organization: &str, request_id: &str) -> Message {
    let sender = site.sender();
    let message = sender.send_until_taken(organization, request_id, PHONE).await;
    eventually(&format!("{request_id} settles"), async || {
        let now = sender.message(&message.message_id).await?;
        matches!(now.status(), MessageStatus::Delivered | MessageStatus::Failed).then_some(now)
    })
    .await
}

fn has(message: &Message, kind: &str) -> bool {
    message.events.iter().any(|event| event.kind == kind)
}

fn expect_one_delivery(site: &Site, message: &Message) {
    assert_eq!(message.status(), MessageStatus::Delivered, "{}", books::timeline(message));
    assert_eq!(books::deliveries(site)[&message.message_id].len(), 1, "{}", books::timeline(message));
    assert_eq!(books::deliveries(site).len(), 1, "no other message was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_the_vendor_that_has_the_message_holds_its_answer() {
    for (organization, code) in WAYS {
        let mut site = Site::start(Plan::SMALL, &SOON).await;
        vendor(&site, code).set_settings(silent(&site, code)).unwrap();
        vendor(&site, code).add_fault(FaultRule::next_send(VendorFault::Hang { accept: true }));
        let caller = begin(&site, organization, "held");
        eventually("the vendor has it", async || (!books::deliveries(&site).is_empty()).then_some(())).await;
        crash(&mut site).await;
        let message = settled(&site, organization, "held").await;
        assert!(has(&message, "IN_DOUBT") && !has(&message, "RESENT"), "{}", books::timeline(&message));
        expect_one_delivery(&site, &message);
        caller.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_the_vendor_that_does_not_have_the_message_holds_its_answer() {
    for (organization, code) in WAYS {
        let mut site = Site::start(Plan::SMALL, &SOON).await;
        vendor(&site, code).add_fault(FaultRule::next_send(VendorFault::Hang { accept: false }));
        let caller = begin(&site, organization, "lost");
        let called = async || vendor(&site, code).journal().sends().next().is_some().then_some(());
        eventually("the vendor is called", called).await;
        crash(&mut site).await;
        let message = settled(&site, organization, "lost").await;
        assert!(has(&message, "IN_DOUBT") && has(&message, "RESENT"), "{}", books::timeline(&message));
        expect_one_delivery(&site, &message);
        caller.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_vendors_answer_and_its_record() {
    for (organization, code) in WAYS {
        let mut site = Site::start(ON_POSTGRES, &SOON).await;
        vendor(&site, code).set_settings(silent(&site, code)).unwrap();
        vendor(&site, code).add_fault(FaultRule::next_send(VendorFault::Delay { ms: 700, accept_first: true }));
        let caller = begin(&site, organization, "unwritten");
        eventually("the vendor has it", async || (!books::deliveries(&site).is_empty()).then_some(())).await;
        // From now on nothing can be written, and then the answer comes.
        site.wires.to_history.as_ref().unwrap().suffer(Fault::Silence);
        let answered = async || vendor(&site, code).journal().sends().any(|send| send.status.is_some()).then_some(());
        eventually("the vendor has answered", answered).await;
        site.dispatchers[0].kill();
        site.wires.to_history.as_ref().unwrap().suffer(Fault::None);
        site.dispatchers[0].start();
        site.dispatchers[0].ready().await;
        let message = settled(&site, organization, "unwritten").await;
        assert!(!has(&message, "RESENT"), "{}", books::timeline(&message));
        expect_one_delivery(&site, &message);
        caller.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_the_record_is_being_committed() {
    for (organization, _) in WAYS {
        let mut site = Site::start(ON_POSTGRES, &SOON).await;
        site.wires.to_history.as_ref().unwrap().suffer(Fault::Silence);
        let refused = site.sender().send(organization, "uncommitted", PHONE).await.unwrap_err();
        assert_eq!(crate::site::reason_of(&refused), "HISTORY_UNAVAILABLE");
        site.dispatchers[0].kill();
        site.wires.to_history.as_ref().unwrap().suffer(Fault::None);
        site.dispatchers[0].start();
        site.dispatchers[0].ready().await;
        // Its caller does what it was told: it comes again.
        let message = settled(&site, organization, "uncommitted").await;
        expect_one_delivery(&site, &message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_record_of_the_answer_and_the_reply() {
    for (organization, _) in WAYS {
        let mut site = Site::start(Plan::SMALL, &SOON).await;
        let first = site.sender().send(organization, "unheard", PHONE).await.unwrap();
        // The reply is as good as lost: all that the caller can do is to repeat its request, of another process.
        crash(&mut site).await;
        let message = settled(&site, organization, "unheard").await;
        assert_eq!(message.message_id, first.message_id);
        expect_one_delivery(&site, &message);
    }
}

/// Without callbacks, only a look-up can tell what became of a message.
fn silent(site: &Site, code: &str) -> switchboard_vendor_sim::Settings {
    switchboard_vendor_sim::Settings { callbacks: false, ..vendor(site, code).settings() }
}
