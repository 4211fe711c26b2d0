//! Every state that is not final has a deadline, and an owner that acts on it.

use chrono::TimeDelta;
use futures::future::join;
use switchboard_dispatcher::{
    message::{Content, EventKind, Message, MmsContent, Settlement, Status, TextContent},
    store::{Store, Write},
};
use switchboard_providers::model::{
    Channel, FailureCode,
    ReportedStatus::{Delivered, Sent},
};

use crate::store::{
    build::{accepted, at, commit, failure, image, kinds, message, record, report_for, settle, stored, tell, word},
    harness::{Engine, RECONCILE_AFTER},
};

/// Claims what is due; the ids.
async fn due(store: &dyn Store, seconds: i64) -> Vec<String> {
    store.claim_due(at(seconds), 100).await.unwrap().into_iter().map(|message| message.id).collect()
}

fn doubt(id: &str, seconds: i64) -> Write {
    settle(id, Settlement::InDoubt(failure(FailureCode::ProviderTimeout)), seconds)
}

fn resend(id: &str, claim: u32, seconds: i64) -> Write {
    Write::Resend { message_id: id.to_owned(), claim, at: at(seconds) }
}

pub async fn every_open_message_has_a_time_at_which_it_is_looked_after(engine: impl Engine) {
    let store = engine.open().await;
    let moves = [None, Some(accepted("queued", "v1", 0)), Some(doubt("doubt", 0)), Some(accepted("sent", "v2", 0))];
    for (id, step) in ["requested", "queued", "doubt", "sent"].into_iter().zip(moves) {
        commit(&*store, record(message(id))).await;
        if let Some(step) = step {
            commit(&*store, step).await;
        }
    }
    tell(&*store, report_for("sent", "v2", Sent, -1)).await;
    assert!(due(&*store, 29).await.is_empty());
    let mut all = due(&*store, 30).await;
    all.sort();
    assert_eq!(all, ["doubt", "queued", "requested", "sent"]);
}

pub async fn a_final_message_is_never_due(engine: impl Engine) {
    let store = engine.open().await;
    let refused = Settlement::Refused(failure(FailureCode::InvalidRecipient));
    let writes = vec![record(message("m1")), accepted("m1", "v1", 1), record(message("m2")), settle("m2", refused, 1)];
    store.commit(writes).await.unwrap();
    tell(&*store, report_for("m1", "v1", Delivered, 2)).await;
    assert!(due(&*store, 1_000_000_000).await.is_empty());
    // A late report is noted, and does not make it due again.
    tell(&*store, report_for("m1", "v1", Sent, 3)).await;
    assert!(due(&*store, 1_000_000_000).await.is_empty());
}

pub async fn a_move_puts_the_time_off(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    commit(&*store, accepted("m1", "v1", 20)).await;
    assert_eq!(stored(&*store, "m1").await.due_time, Some(at(20) + RECONCILE_AFTER));
    assert!(due(&*store, 49).await.is_empty());
    assert_eq!(due(&*store, 50).await, ["m1"]);
}

pub async fn the_longest_due_come_first_and_no_more_than_asked_for(engine: impl Engine) {
    let store = engine.open().await;
    for (id, seconds) in [("b", 20), ("a", 30), ("c", 10)] {
        commit(&*store, record(Message { create_time: at(seconds), ..message(id) })).await;
    }
    let two = store.claim_due(at(60), 2).await.unwrap();
    let ids: Vec<_> = two.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids, ["c", "b"]);
    assert_eq!(due(&*store, 60).await, ["a"], "the rest is for the next one");
}

pub async fn a_claim_puts_the_message_off_further_each_time(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    let mut now = at(30);
    let mut last_wait = TimeDelta::zero();
    for claim in 1..=5 {
        let claimed = store.claim_due(now, 100).await.unwrap();
        assert_eq!(claimed.len(), 1, "claim {claim}");
        assert_eq!(claimed[0].checks, claim);
        let due = claimed[0].due_time.unwrap();
        assert!(due - now > last_wait, "it waits longer than after the claim before");
        assert_eq!(stored(&*store, "m1").await.due_time, Some(due));
        assert!(store.claim_due(due - TimeDelta::microseconds(1), 100).await.unwrap().is_empty());
        (last_wait, now) = (due - now, due);
    }
    commit(&*store, accepted("m1", "v1", 10_000)).await;
    let moved = stored(&*store, "m1").await;
    assert_eq!((moved.checks, moved.due_time), (0, Some(at(10_000) + RECONCILE_AFTER)), "a move starts anew");
}

pub async fn two_claimants_never_get_the_same_claim(engine: impl Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    one.commit((0..40).map(|n| record(message(&format!("m{n:02}")))).collect()).await.unwrap();
    let mut claimed = Vec::new();
    for _ in 0..4 {
        let (left, right) = join(one.claim_due(at(30), 10), other.claim_due(at(30), 10)).await;
        claimed.extend(left.unwrap().into_iter().chain(right.unwrap()).map(|message| message.id));
    }
    claimed.sort();
    let everyone: Vec<_> = (0..40).map(|n| format!("m{n:02}")).collect();
    assert_eq!(claimed, everyone, "each once");
}

pub async fn a_claimed_mms_leaves_its_images_in_their_place(engine: impl Engine) {
    let store = engine.open().await;
    let text = TextContent { text: "사진".to_owned(), subject: String::new(), opt_out_number: None };
    let content = Content::Mms(MmsContent { text, images: vec![image(1), image(2)] });
    commit(&*store, record(Message { channel: Channel::Mms, content, ..message("m1") })).await;
    let claimed = store.claim_due(at(30), 1).await.unwrap();
    assert!(claimed[0].content.images().is_empty(), "most are only asked about, and many are claimed at once");
    assert!(stored(&*store, "m1").await.content.images() == [image(1), image(2)]);
}

pub async fn only_the_holder_of_the_last_claim_may_send_again_and_only_once(engine: impl Engine) {
    let store = engine.open().await;
    store.commit(vec![record(message("m1")), doubt("m1", 0)]).await.unwrap();
    let first = store.claim_due(at(40), 1).await.unwrap().remove(0);
    let second = store.claim_due(at(1000), 1).await.unwrap().remove(0);
    assert_eq!(word(&commit(&*store, resend("m1", first.checks, 1001)).await), "claim lost");
    let both = vec![resend("m1", second.checks, 1001), resend("m1", second.checks, 1001)];
    let words: Vec<_> = store.commit(both).await.unwrap().iter().map(word).collect();
    assert_eq!(words, ["settled", "claim lost"]);
    let message = stored(&*store, "m1").await;
    assert_eq!((message.state.status(), kinds(&message).last()), (Status::Requested, Some(&EventKind::Resent)));
    // In doubt once more: it is never sent a third time.
    commit(&*store, doubt("m1", 1002)).await;
    let third = store.claim_due(at(5000), 1).await.unwrap().remove(0);
    assert_eq!(word(&commit(&*store, resend("m1", third.checks, 5001)).await), "claim lost");
}

pub async fn what_has_moved_since_the_claim_is_not_sent_again(engine: impl Engine) {
    let store = engine.open().await;
    for id in ["accepted", "reported"] {
        store.commit(vec![record(message(id)), doubt(id, 0)]).await.unwrap();
    }
    let claims = store.claim_due(at(40), 10).await.unwrap();
    commit(&*store, accepted("accepted", "v1", 41)).await;
    tell(&*store, report_for("reported", "v2", Delivered, 41)).await;
    for claim in claims {
        let written = commit(&*store, resend(&claim.id, claim.checks, 42)).await;
        assert_eq!(word(&written), "claim lost", "{}", claim.id);
    }
}
