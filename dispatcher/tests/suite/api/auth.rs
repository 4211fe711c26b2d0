//! Who is let in, and how much they see.

use switchboard_proto::dispatch::v1::{
    GetMessageRequest, ListMessagesRequest, ListQuarantinedEventsRequest, ListRefusedUpdatesRequest,
    QuarantineEventsRequest, ReplayQuarantinedEventsRequest, ReportStatusRequest, SendAlimtalkRequest, SendMmsRequest,
    SendSmsRequest, delivery_status_service_client::DeliveryStatusServiceClient,
    message_service_client::MessageServiceClient, webhook_admin_service_client::WebhookAdminServiceClient,
};
use switchboard_runtime::grpc::client::AuthorizedChannel;
use tonic::{Code, transport::Endpoint};

use super::harness::{Refused, Sender, World, sms};

#[tokio::test]
async fn without_a_token_nobody_is_let_in() {
    let world = World::start().await;
    let channel = Endpoint::from_shared(world.url()).unwrap().connect().await.unwrap();
    let status = MessageServiceClient::new(channel).send_sms(sms("hanbit", "글")).await.unwrap_err();
    Refused::from(status).assert(Code::Unauthenticated, "TOKEN_MISSING");
}

#[tokio::test]
async fn a_token_that_nobody_has_is_refused() {
    let world = World::start().await;
    let stranger = Sender::new(world.channel_with("sender-token-0123456789abcdee"));
    stranger.sms(sms("hanbit", "글")).await.unwrap_err().assert(Code::Unauthenticated, "TOKEN_INVALID");
    assert!(world.sender().all("hanbit").await.is_empty());
}

/// Calls every RPC with an empty request; `None`: it was let in.
async fn calls(channel: AuthorizedChannel) -> Vec<(&'static str, Option<Refused>)> {
    let mut messages = MessageServiceClient::new(channel.clone());
    let mut status = DeliveryStatusServiceClient::new(channel.clone());
    let mut webhooks = WebhookAdminServiceClient::new(channel);
    let refusal = |result: Result<(), tonic::Status>| {
        result.err().map(Refused::from).filter(|refused| refused.reason == "ROLE_REQUIRED")
    };
    vec![
        ("SendSms", refusal(messages.send_sms(SendSmsRequest::default()).await.map(drop))),
        ("SendMms", refusal(messages.send_mms(SendMmsRequest::default()).await.map(drop))),
        ("SendAlimtalk", refusal(messages.send_alimtalk(SendAlimtalkRequest::default()).await.map(drop))),
        ("GetMessage", refusal(messages.get_message(GetMessageRequest::default()).await.map(drop))),
        ("ListMessages", refusal(messages.list_messages(ListMessagesRequest::default()).await.map(drop))),
        ("ReportStatus", refusal(status.report_status(ReportStatusRequest::default()).await.map(drop))),
        ("QuarantineEvents", refusal(status.quarantine_events(QuarantineEventsRequest::default()).await.map(drop))),
        (
            "ListQuarantinedEvents",
            refusal(webhooks.list_quarantined_events(ListQuarantinedEventsRequest::default()).await.map(drop)),
        ),
        (
            "ReplayQuarantinedEvents",
            refusal(webhooks.replay_quarantined_events(ReplayQuarantinedEventsRequest::default()).await.map(drop)),
        ),
        (
            "ListRefusedUpdates",
            refusal(webhooks.list_refused_updates(ListRefusedUpdatesRequest::default()).await.map(drop)),
        ),
    ]
}

#[tokio::test]
async fn each_role_is_let_in_where_the_contract_says_and_refused_before_its_request_is_read() {
    let world = World::start().await;
    let sends: &[&str] = &["SendSms", "SendMms", "SendAlimtalk", "GetMessage", "ListMessages", "ListQuarantinedEvents"];
    let reads: &[&str] = &["GetMessage", "ListMessages", "ListQuarantinedEvents"];
    let operates: &[&str] = &["GetMessage", "ListMessages", "ListQuarantinedEvents", "ReplayQuarantinedEvents"];
    let oversees: &[&str] =
        &["GetMessage", "ListMessages", "ListQuarantinedEvents", "ReplayQuarantinedEvents", "ListRefusedUpdates"];
    let expected: [(&str, &[&str]); 7] = [
        ("sender", sends),
        ("viewer", reads),
        ("operator", operates),
        ("superadmin", oversees),
        ("auditor", &["ListRefusedUpdates"]),
        ("dispatcher", &[]),
        ("webhook-gateway", &["ReportStatus", "QuarantineEvents"]),
    ];
    for (name, allowed) in expected {
        for (rpc, refusal) in calls(world.channel(name)).await {
            assert_eq!(refusal.is_none(), allowed.contains(&rpc), "{name} and {rpc}: {refusal:?}");
            // An empty request is wrong for nearly every RPC: who may not call is not told so.
            assert!(refusal.is_none_or(|refused| refused.code == Code::PermissionDenied && refused.fields.is_empty()));
        }
    }
}

#[tokio::test]
async fn a_token_for_one_organisation_reaches_no_other() {
    let world = World::start().await;
    let limited = world.caller("sender-of-hanbit");
    let own = limited.sms(sms("hanbit", "글")).await.unwrap();
    let other = world.sender().sms(sms("narae", "글")).await.unwrap();
    limited.sms(sms("narae", "글")).await.unwrap_err().assert(Code::PermissionDenied, "ROLE_REQUIRED");
    assert!(limited.get(&own.message_id).await.is_ok());
    let hidden = limited.get(&other.message_id).await.unwrap_err();
    hidden.assert(Code::NotFound, "MESSAGE_NOT_FOUND");
    assert_eq!(hidden, limited.get("no-such-message").await.unwrap_err(), "it cannot be told from one that is not");
    let list = ListMessagesRequest { organization_id: "narae".to_owned(), ..ListMessagesRequest::default() };
    limited.list(list).await.unwrap_err().assert(Code::PermissionDenied, "ROLE_REQUIRED");
    assert_eq!(limited.all("hanbit").await.len(), 1);
    // An organisation that is not its own is refused whatever else is wrong.
    let wrong = SendSmsRequest { to: "abc".to_owned(), ..sms("narae", "") };
    limited.sms(wrong).await.unwrap_err().assert(Code::PermissionDenied, "ROLE_REQUIRED");
}

#[tokio::test]
async fn recipients_are_masked_for_those_who_only_look_on() {
    let world = World::start().await;
    let sent = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    for (name, seen) in [
        ("viewer", "+8210****5678"),
        ("operator", "+8210****5678"),
        ("superadmin", "+821012345678"),
        ("sender", "+821012345678"),
    ] {
        let caller = world.caller(name);
        assert_eq!(caller.get(&sent.message_id).await.unwrap().to, seen, "{name}");
        assert_eq!(caller.all("hanbit").await[0].to, seen, "{name}");
    }
}
