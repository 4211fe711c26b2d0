//! Events that could not be read: kept by the gateway's word, seen by operators, replayed after a fix. And what becomes of
//! a tenant who speaks for another's messages.

use switchboard_proto::dispatch::v1::{
    ListQuarantinedEventsRequest, ListRefusedUpdatesRequest, MessageStatus, QuarantineEventsRequest, QuarantinedEvent,
    RefusedUpdate, ReplayOutcome, ReplayQuarantinedEventsRequest, ReplayResult, StatusOutcome, StatusUpdate,
    UnreadableEvent, delivery_status_service_client::DeliveryStatusServiceClient,
    webhook_admin_service_client::WebhookAdminServiceClient,
};
use switchboard_vendor_sim::demo::CLOUDMSG_HANBIT;
use tonic::Code;

use super::harness::{Refused, World, report, sms};

const ACCOUNT: &str = CLOUDMSG_HANBIT.service_id;

impl World {
    async fn quarantine(&self, events: Vec<UnreadableEvent>) -> Result<i32, Refused> {
        let mut client = DeliveryStatusServiceClient::new(self.channel("webhook-gateway"));
        Ok(client.quarantine_events(QuarantineEventsRequest { events }).await?.into_inner().added_count)
    }

    async fn quarantined(&self, caller: &str) -> Vec<QuarantinedEvent> {
        let mut client = WebhookAdminServiceClient::new(self.channel(caller));
        let all = ListQuarantinedEventsRequest::default();
        client.list_quarantined_events(all).await.unwrap().into_inner().events
    }

    async fn replay(&self, caller: &str, ids: &[&str]) -> Result<Vec<ReplayResult>, Refused> {
        let mut client = WebhookAdminServiceClient::new(self.channel(caller));
        let quarantine_ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let response = client.replay_quarantined_events(ReplayQuarantinedEventsRequest { quarantine_ids }).await?;
        Ok(response.into_inner().results)
    }

    async fn refused(&self) -> Vec<RefusedUpdate> {
        let mut client = WebhookAdminServiceClient::new(self.channel("auditor"));
        client.list_refused_updates(ListRefusedUpdatesRequest::default()).await.unwrap().into_inner().refused_updates
    }
}

fn unreadable(raw: &str) -> UnreadableEvent {
    UnreadableEvent {
        provider: "cloudmsg".to_owned(),
        provider_account: ACCOUNT.to_owned(),
        organization_ids: vec!["hanbit".to_owned()],
        reason: "missing field `status`".to_owned(),
        raw: raw.as_bytes().to_vec(),
    }
}

/// An event as CloudMsg writes it, which an older parser could not read.
fn delivered(message_id: &str, reference: &str) -> String {
    format!(
        r#"{{"eventId":"e","messageId":"{message_id}","clientRef":"{reference}","type":"SMS","status":"COMPLETED",
            "statusName":"success","statusCode":"0","completeTime":1700000005000,"eventTime":1700000005100}}"#
    )
}

#[tokio::test]
async fn a_quarantined_event_is_replayed_through_the_parser_once_it_can_be_read() {
    let world = World::start().await;
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    let event = delivered(&message.provider_message_id, &message.message_id);
    assert_eq!(world.quarantine(vec![unreadable(&event), unreadable(r#"{"messageId":7}"#)]).await, Ok(2));
    assert_eq!(world.quarantine(vec![unreadable(&event)]).await, Ok(0), "the vendor has come again");

    let kept = world.quarantined("superadmin").await;
    assert_eq!((kept.len(), kept[0].seen_count, kept[1].seen_count), (2, 2, 1));
    assert_eq!(kept[0].raw, event);
    let ids: Vec<&str> = kept.iter().map(|event| event.quarantine_id.as_str()).collect();
    let results = world.replay("operator", &[ids[0], ids[1], "nobody"]).await.unwrap();
    let outcomes: Vec<_> = results.iter().map(ReplayResult::outcome).collect();
    assert_eq!(outcomes, [ReplayOutcome::Reported, ReplayOutcome::Unreadable, ReplayOutcome::Missing]);
    let result = results[0].result.as_ref().unwrap();
    assert_eq!((result.outcome(), result.status()), (StatusOutcome::Applied, MessageStatus::Delivered));
    assert!(results[1].reason.contains("wrong type"), "{}", results[1].reason);

    let whole = world.sender().get(&message.message_id).await.unwrap();
    assert_eq!(whole.status(), MessageStatus::Delivered);
    assert_eq!(world.quarantined("superadmin").await.len(), 1, "what cannot be read stays");
    assert_eq!(world.replay("operator", &[ids[0]]).await.unwrap()[0].outcome(), ReplayOutcome::Missing);
}

#[tokio::test]
async fn a_replay_speaks_only_for_whose_secret_had_signed_the_event() {
    let world = World::start().await;
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    let event = delivered(&message.provider_message_id, &message.message_id);
    let signed_by_another = UnreadableEvent {
        provider_account: "svc-default".to_owned(),
        organization_ids: vec!["default".to_owned()],
        ..unreadable(&event)
    };
    world.quarantine(vec![signed_by_another]).await.unwrap();
    let kept = world.quarantined("superadmin").await;
    let results = world.replay("operator", &[&kept[0].quarantine_id]).await.unwrap();
    assert_eq!(results[0].result.as_ref().unwrap().outcome(), StatusOutcome::Stale);
    let whole = world.sender().get(&message.message_id).await.unwrap();
    assert_eq!((whole.status(), whole.events.len()), (MessageStatus::Queued, 2));
    assert_eq!(world.refused().await.len(), 1);
}

#[tokio::test]
async fn a_replay_that_was_cut_short_is_no_second_application() {
    let world = World::start().await;
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    let event = delivered(&message.provider_message_id, &message.message_id);
    for expected in [StatusOutcome::Applied, StatusOutcome::Duplicate] {
        // As if the event had not left the quarantine the first time.
        world.quarantine(vec![unreadable(&event)]).await.unwrap();
        let kept = world.quarantined("superadmin").await;
        let results = world.replay("operator", &[&kept[0].quarantine_id]).await.unwrap();
        assert_eq!(results[0].result.as_ref().unwrap().outcome(), expected);
    }
    assert_eq!(world.sender().get(&message.message_id).await.unwrap().events.len(), 3);
}

#[tokio::test]
async fn quarantined_events_are_shown_as_the_callers_role_allows() {
    let world = World::start().await;
    world.quarantine(vec![unreadable(r#"{"messageId":7,"to":"01012345678"}"#)]).await.unwrap();
    let others = UnreadableEvent { organization_ids: vec!["narae".to_owned()], ..unreadable(r#"{"messageId":8}"#) };
    world.quarantine(vec![others]).await.unwrap();
    for caller in ["viewer", "operator"] {
        let kept = world.quarantined(caller).await;
        assert_eq!(kept.len(), 2);
        assert!(!kept[0].raw.contains("0101234") && kept[0].raw.contains("messageId"), "{caller}: {}", kept[0].raw);
    }
    assert!(world.quarantined("superadmin").await[0].raw.contains("01012345678"));
    let limited = world.quarantined("sender-of-hanbit").await;
    assert_eq!((limited.len(), limited[0].organization_ids.as_slice()), (1, &["hanbit".to_owned()][..]));
    let kept = world.quarantined("viewer").await;
    let refused = world.replay("viewer", &[&kept[0].quarantine_id]).await.unwrap_err();
    refused.assert(Code::PermissionDenied, "ROLE_REQUIRED");
    let mut client = WebhookAdminServiceClient::new(world.channel("sender-of-hanbit"));
    let request = ListQuarantinedEventsRequest { organization_id: "narae".to_owned(), ..Default::default() };
    let refused = Refused::from(client.list_quarantined_events(request).await.unwrap_err());
    refused.assert(Code::PermissionDenied, "ROLE_REQUIRED");
}

#[tokio::test]
async fn the_quarantine_is_paged_and_bounded() {
    let world = World::start().await;
    let many = |from: usize| (from..from + 500).map(|number| unreadable(&format!(r#"{{"messageId":{number}}}"#)));
    assert_eq!(world.quarantine(many(0).collect()).await, Ok(500));
    assert_eq!(world.quarantine(many(500).collect()).await, Ok(500));
    let refused = world.quarantine(vec![unreadable("{}")]).await.unwrap_err();
    refused.assert(Code::ResourceExhausted, "OVERLOADED");
    assert!(refused.retry);
    let mut client = WebhookAdminServiceClient::new(world.channel("viewer"));
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListQuarantinedEventsRequest { page_size: 300, page_token, ..Default::default() };
        let page = client.list_quarantined_events(request).await.unwrap().into_inner();
        seen.extend(page.events.into_iter().map(|event| event.quarantine_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(seen.len() == 1000 && seen.is_sorted(), "each once, oldest first");
    let none = world.replay("operator", &[]).await.unwrap_err();
    assert_eq!((none.code, none.fields.as_slice()), (Code::InvalidArgument, &["quarantine_ids".to_owned()][..]));
}

#[tokio::test]
async fn a_page_of_large_events_is_cut_where_an_answer_ends() {
    let world = World::start().await;
    let large = |number: usize| unreadable(&format!(r#"{{"messageId":{number},"pad":"{}"}}"#, "x".repeat(600 << 10)));
    for number in 0..3 {
        assert_eq!(world.quarantine(vec![large(number)]).await, Ok(1));
    }
    let mut client = WebhookAdminServiceClient::new(world.channel("superadmin"));
    let (mut pages, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListQuarantinedEventsRequest { page_token, ..Default::default() };
        let page = client.list_quarantined_events(request).await.unwrap().into_inner();
        pages.push(page.events.len());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, [1, 1, 1]);
}

#[tokio::test]
async fn an_unreadable_event_without_an_owner_is_refused_with_its_place() {
    let world = World::start().await;
    let wrong = [
        (UnreadableEvent { provider: String::new(), ..unreadable("{}") }, "events[1].provider"),
        (UnreadableEvent { provider_account: String::new(), ..unreadable("{}") }, "events[1].provider_account"),
        (UnreadableEvent { organization_ids: Vec::new(), ..unreadable("{}") }, "events[1].organization_ids"),
        (UnreadableEvent { raw: vec![b' '; (1 << 20) + 1], ..unreadable("{}") }, "events[1].raw"),
    ];
    for (event, field) in wrong {
        let refused = world.quarantine(vec![unreadable("{}"), event]).await.unwrap_err();
        refused.assert(Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(refused.fields, [field]);
    }
    assert!(world.quarantined("viewer").await.is_empty());
}

#[tokio::test]
async fn a_forged_update_is_refused_and_noted_for_the_auditor() {
    let mut world = World::start().await;
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    let forged = StatusUpdate {
        client_reference: message.message_id.clone(),
        organization_ids: vec!["narae".to_owned()],
        ..report("cloudmsg", "svc-narae", &message.provider_message_id, MessageStatus::Failed)
    };
    assert_eq!(world.gateway().tell(forged.clone()).await, StatusOutcome::Stale);
    assert_eq!(world.gateway().tell(forged).await, StatusOutcome::Stale);
    world.restart().await;
    let refused = world.refused().await;
    assert_eq!(refused.len(), 1);
    let noted = &refused[0];
    assert_eq!(
        (noted.provider_account.as_str(), noted.organization_ids.as_slice()),
        ("svc-narae", &["narae".to_owned()][..])
    );
    assert_eq!((noted.target_organization_id.as_str(), noted.seen_count), ("hanbit", 2));
    assert_eq!(noted.message_id, message.message_id);
    assert_eq!(world.sender().get(&message.message_id).await.unwrap().status(), MessageStatus::Queued);
}
