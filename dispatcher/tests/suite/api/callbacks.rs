//! What the webhook gateway reports.

use std::time::Duration;

use switchboard_proto::dispatch::v1::{Failure, Message, MessageStatus, StatusOutcome, StatusUpdate};
use switchboard_vendor_sim::{Fault, demo::CLOUDMSG_HANBIT};
use tonic::Code;

use super::harness::{Seen as _, World, report, sms};

const ACCOUNT: &str = CLOUDMSG_HANBIT.service_id;

fn of(message: &Message, status: MessageStatus) -> StatusUpdate {
    report("cloudmsg", ACCOUNT, &message.message_id, status)
}

#[tokio::test]
async fn reports_move_the_message_and_say_what_became_of_them() {
    let world = World::start().await;
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    let updates = vec![
        of(&message, MessageStatus::Sent),
        of(&message, MessageStatus::Sent),
        of(&message, MessageStatus::Delivered),
        of(&message, MessageStatus::Queued),
    ];
    let results = world.gateway().report(updates).await.unwrap();
    let outcomes: Vec<_> = results.iter().map(|result| (result.outcome(), result.status())).collect();
    assert_eq!(
        outcomes,
        [
            (StatusOutcome::Applied, MessageStatus::Sent),
            (StatusOutcome::Duplicate, MessageStatus::Sent),
            (StatusOutcome::Applied, MessageStatus::Delivered),
            (StatusOutcome::Stale, MessageStatus::Delivered),
        ],
        "one each, in their order"
    );
    assert!(results.iter().all(|result| result.message_id == message.message_id));
    let whole = world.sender().get(&message.message_id).await.unwrap();
    assert_eq!(whole.status(), MessageStatus::Delivered);
    let timeline: Vec<_> = whole.events.iter().map(|event| (event.sequence, event.kind.as_str())).collect();
    assert_eq!(timeline, [(1, "RECORDED"), (2, "ACCEPTED"), (3, "REPORTED"), (4, "REPORTED"), (5, "STALE")]);
    assert_eq!((whole.next_step.as_str(), whole.result_time.is_some()), ("", true));
}

#[tokio::test]
async fn a_failure_is_told_with_its_reason() {
    let world = World::start().await;
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    let failure = Failure {
        code: "RECIPIENT_UNREACHABLE".to_owned(),
        provider_code: "2003".to_owned(),
        detail: "the phone is switched off".to_owned(),
        retryable: true,
    };
    let update = StatusUpdate { failure: Some(failure.clone()), ..of(&message, MessageStatus::Failed) };
    assert_eq!(world.gateway().tell(update).await, StatusOutcome::Applied);
    let whole = world.sender().get(&message.message_id).await.unwrap();
    assert_eq!((whole.status(), whole.failure), (MessageStatus::Failed, Some(failure)));
    assert_eq!(world.gateway().tell(of(&message, MessageStatus::Delivered)).await, StatusOutcome::Stale);
    let whole = world.sender().get(&message.message_id).await.unwrap();
    assert_eq!((whole.status(), whole.events.last().unwrap().kind.as_str()), (MessageStatus::Failed, "CONFLICT"));
}

#[tokio::test]
async fn a_callback_before_the_answer_is_not_lost_nor_overwritten_by_it() {
    let world = World::start().await;
    for by_our_reference in [true, false] {
        world.vendors.cloudmsg().clear_messages();
        world.vendors.cloudmsg().next_send(Fault::Delay { ms: 1000, accept_first: true });
        let sender = world.sender();
        let (message, early) = tokio::join!(sender.sms(sms("hanbit", "글")), async {
            let seen = world.vendors.cloudmsg().has_message().await;
            let update = StatusUpdate {
                provider_message_id: seen.message_id.clone(),
                client_reference: seen.reference.filter(|_| by_our_reference).unwrap_or_default(),
                ..report("cloudmsg", ACCOUNT, &seen.message_id, MessageStatus::Delivered)
            };
            world.gateway().tell(update).await
        });
        let message = message.unwrap();
        let expected = if by_our_reference { StatusOutcome::Applied } else { StatusOutcome::Parked };
        assert_eq!((early, message.status()), (expected, MessageStatus::Delivered));
        let whole = world.sender().get(&message.message_id).await.unwrap();
        assert_eq!(whole.status(), MessageStatus::Delivered);
        assert_eq!(whole.events.len(), 3, "recorded, accepted, reported, in whatever order: {:?}", whole.events);
        assert!(whole.accept_time.is_some());
    }
}

#[tokio::test]
async fn nobody_speaks_for_the_messages_of_another_account() {
    let world = World::start().await;
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    let forged = StatusUpdate { provider_account: "svc-default".to_owned(), ..of(&message, MessageStatus::Delivered) };
    let shared =
        StatusUpdate { organization_ids: vec!["somebody-else".to_owned()], ..of(&message, MessageStatus::Delivered) };
    for update in [forged, shared] {
        let result = world.gateway().report(vec![update]).await.unwrap().remove(0);
        assert_eq!((result.outcome(), result.message_id.as_str()), (StatusOutcome::Stale, ""), "nothing is told");
        assert_eq!(result.status(), MessageStatus::Unspecified);
    }
    let whole = world.sender().get(&message.message_id).await.unwrap();
    assert_eq!((whole.status(), whole.events.len()), (MessageStatus::Queued, 2));
    let honest = StatusUpdate { organization_ids: vec!["hanbit".to_owned()], ..of(&message, MessageStatus::Delivered) };
    assert_eq!(world.gateway().tell(honest).await, StatusOutcome::Applied);
}

#[tokio::test]
async fn an_unknown_word_is_kept_and_changes_nothing() {
    let world = World::start().await;
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    let update = StatusUpdate { provider_status: "HANDED_OVER".to_owned(), ..of(&message, MessageStatus::Unspecified) };
    assert_eq!(world.gateway().tell(update).await, StatusOutcome::Applied);
    let whole = world.sender().get(&message.message_id).await.unwrap();
    let note = whole.events.last().unwrap();
    assert_eq!((whole.status(), note.kind.as_str()), (MessageStatus::Queued, "UNKNOWN_STATUS"));
    assert_eq!(note.detail, "HANDED_OVER");
}

#[tokio::test]
async fn a_wrong_update_is_refused_with_its_place() {
    let world = World::start().await;
    let good = || report("cloudmsg", ACCOUNT, "m-1", MessageStatus::Sent);
    let wrong = [
        (StatusUpdate { provider: String::new(), ..good() }, "updates[1].provider"),
        (StatusUpdate { provider_account: String::new(), ..good() }, "updates[1].provider_account"),
        (StatusUpdate { event_key: String::new(), ..good() }, "updates[1].event_key"),
        (StatusUpdate { client_reference: String::new(), ..good() }, "updates[1].provider_message_id"),
        (StatusUpdate { status: MessageStatus::InDoubt.into(), ..good() }, "updates[1].status"),
        (
            StatusUpdate { occur_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }), ..good() },
            "updates[1].occur_time",
        ),
    ];
    for (update, field) in wrong {
        let refused = world.gateway().report(vec![good(), update]).await.unwrap_err();
        refused.assert(Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(refused.fields, [field]);
    }
    let many = vec![good(); 1001];
    world.gateway().report(many).await.unwrap_err().assert(Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(world.gateway().tell(good()).await, StatusOutcome::Parked, "of the refused, nothing was kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_repeated_and_reordered_reports_ends_as_it_must() {
    let world = World::configured(|config| config.queue_wait = Duration::from_secs(10)).await;
    let mut messages = Vec::new();
    for _ in 0..20 {
        messages.push(world.sender().sms(sms("hanbit", "글")).await.unwrap());
    }
    // The last word first, and everything three times, by several at once.
    let floods = (0..3).map(|turn| {
        let gateway = world.gateway();
        let mut updates: Vec<_> = [MessageStatus::Delivered, MessageStatus::Sent, MessageStatus::Queued]
            .into_iter()
            .flat_map(|status| messages.iter().map(move |message| of(message, status)))
            .collect();
        updates.rotate_left(turn * 7);
        async move { gateway.report(updates).await.unwrap() }
    });
    let results: Vec<_> = futures::future::join_all(floods).await.into_iter().flatten().collect();
    let duplicates = results.iter().filter(|result| result.outcome() == StatusOutcome::Duplicate).count();
    assert_eq!((results.len(), duplicates), (180, 120), "each event is applied once");
    for message in world.sender().all("hanbit").await {
        assert_eq!(message.status(), MessageStatus::Delivered);
    }
}
