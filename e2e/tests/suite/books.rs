//! What must always hold, checked against the vendors' own records.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::PoisonError,
    time::Duration,
};

use futures::StreamExt as _;
use switchboard_proto::dispatch::v1::{Message, MessageStatus};
use switchboard_vendor_sim::State;
use tokio::time::Instant;

use crate::{
    load::{Notes, is_final},
    site::{Caller, Site},
};

/// Questions to the history at once.
const AT_ONCE: usize = 16;

/// Waits until nothing is open any more, and says what does not hold that must.
pub(crate) async fn audit(site: &Site, notes: &Notes, patience: Duration) -> Vec<String> {
    let (sent, caller) = (notes.all(), site.sender());
    let mut wrong = Vec::new();

    // What callers were told, and what reached a vendor, is in the history, and settles.
    let told = sent.iter().filter_map(|sent| sent.answer.as_ref()).map(|message| message.message_id.clone());
    let delivered = deliveries(site);
    let ids: HashSet<String> = told.chain(delivered.keys().cloned()).collect();
    let history = settled(&caller, ids, patience).await;
    // Meanwhile some have been sent once more, by reconciliation.
    let delivered = deliveries(site);
    for (id, message) in &history {
        match message {
            None => wrong.push(format!("{id} was acknowledged, or is at a vendor, and is not in the history")),
            Some(message) if !is_final(message.status()) => {
                wrong.push(format!("{id} does not settle: {}", timeline(message)));
            }
            Some(_) => {}
        }
    }

    // A message reaches a vendor at most once, and so does a request.
    let mut by_request: HashMap<(String, String), Vec<&String>> = HashMap::new();
    for (id, copies) in &delivered {
        let message = history.get(id).and_then(Option::as_ref);
        if copies.len() > 1 {
            wrong.push(format!(
                "{id} is {} times at vendors: {}",
                copies.len(),
                message.map(timeline).unwrap_or_default()
            ));
        }
        match message {
            Some(message) => {
                let request = (message.organization_id.clone(), message.request_id.clone());
                by_request.entry(request).or_default().push(id);
            }
            None if !history.contains_key(id) => {
                wrong.push(format!("{id} came to a vendor after everything had settled"));
            }
            None => {}
        }
    }
    for ((organization, request), ids) in by_request.iter().filter(|(_, ids)| ids.len() > 1) {
        wrong.push(format!("the request {request} of {organization} reached vendors as {ids:?}"));
    }

    // Each caller has the message of its own request.
    for sent in &sent {
        let Some(answer) = &sent.answer else { continue };
        if answer.request_id != sent.request_id || answer.organization_id != sent.organization {
            wrong.push(format!("{} was answered with the message of {}", sent.request_id, answer.request_id));
        }
    }

    // What the history says at last is what the vendor says, and what was final before is what it was.
    for (id, message) in history.iter().filter_map(|(id, message)| Some((id, message.as_ref()?))) {
        let states: Vec<&State> = delivered.get(id).into_iter().flatten().collect();
        let fits = match message.status() {
            MessageStatus::Delivered => states.iter().any(|state| **state == State::Delivered),
            MessageStatus::Failed => !states.iter().any(|state| **state == State::Delivered),
            _ => true,
        };
        if !fits {
            wrong.push(format!("{id} is {:?} at its vendor, and the history says: {}", states, timeline(message)));
        }
    }
    let finals = notes.finals.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for (id, before) in finals {
        let now = history.get(&id).and_then(Option::as_ref);
        if now.map(Message::status) != Some(before) {
            wrong
                .push(format!("{id} was {before:?}, and the history says: {}", now.map_or_else(String::new, timeline)));
        }
    }
    wrong
}

/// Results that a vendor has called back with, and was answered 200 for, and that the history does not know.
pub(crate) async fn lost_results(site: &Site) -> Vec<String> {
    let sender = site.sender();
    let journals = [site.vendors.cloudmsg().journal(), site.vendors.sendtalk().journal()];
    let answered = journals.iter().flat_map(|journal| &journal.callbacks).filter(|attempt| attempt.status == Some(200));
    let results: HashSet<String> = answered.flat_map(|attempt| results_in(&attempt.body)).collect();
    assert!(!results.is_empty(), "no callback was answered");
    let mut lost = Vec::new();
    for id in results {
        match sender.message(&id).await {
            Some(message) if is_final(message.status()) => {}
            Some(message) => lost.push(format!("{id} has its result, and the history says: {}", timeline(&message))),
            None => lost.push(format!("{id} has its result, and is not in the history")),
        }
    }
    lost
}

/// Our references of the messages whose result a callback brings.
fn results_in(body: &str) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let cloudmsg = body.as_array().into_iter().flatten().filter(|event| event["status"] == "COMPLETED");
    let sendtalk =
        [&body["data"]].into_iter().filter(|data| data["status"] == "delivered" || data["status"] == "failed");
    let references = cloudmsg.map(|event| &event["clientRef"]).chain(sendtalk.map(|data| &data["reference"]));
    references.filter_map(|reference| reference.as_str().map(str::to_owned)).collect()
}

/// Every message that came to a vendor under a reference of ours, and how it stands there.
pub(crate) fn deliveries(site: &Site) -> BTreeMap<String, Vec<State>> {
    let mut found: BTreeMap<String, Vec<State>> = BTreeMap::new();
    for message in site.vendors.cloudmsg().messages().into_iter().chain(site.vendors.sendtalk().messages()) {
        if let Some(reference) = message.reference {
            found.entry(reference).or_default().push(message.state);
        }
    }
    found
}

/// The messages as they are in the end, or after all patience.
async fn settled(caller: &Caller, ids: HashSet<String>, patience: Duration) -> BTreeMap<String, Option<Message>> {
    let (began, mut open, mut found) = (Instant::now(), ids, BTreeMap::new());
    while !open.is_empty() && began.elapsed() < patience {
        let answers = futures::stream::iter(open.iter().cloned());
        let answers = answers.map(|id| async move { (caller.message(&id).await, id) }).buffer_unordered(AT_ONCE);
        let answers: Vec<_> = answers.collect().await;
        for (message, id) in answers {
            if message.as_ref().is_none_or(|message| is_final(message.status())) {
                open.remove(&id);
            }
            found.insert(id, message);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    found
}

/// A message's life in one line.
pub(crate) fn timeline(message: &Message) -> String {
    let events = message.events.iter().map(|event| {
        let at = event.record_time.map(|at| format!("{}.{:03}", at.seconds % 1000, at.nanos / 1_000_000));
        format!("{} {} {:?} {}", at.unwrap_or_default(), event.kind, event.status(), event.detail)
    });
    let events: Vec<_> = events.collect();
    format!("{} {} via {}: {}", message.request_id, message.organization_id, message.provider, events.join("; "))
}
