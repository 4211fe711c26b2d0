//! Who calls, as types: a caller of messages, and the gateway.

use switchboard_proto::dispatch::v1::{
    GetMessageRequest, ListMessagesRequest, ListMessagesResponse, Message, MessageFilter, ReportStatusRequest,
    SendAlimtalkRequest, SendMmsRequest, SendSmsRequest, StatusOutcome, StatusResult, StatusUpdate,
    delivery_status_service_client::DeliveryStatusServiceClient, message_service_client::MessageServiceClient,
};
use switchboard_runtime::{error::reason_of, grpc::client::AuthorizedChannel};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

/// A call that was refused, as a caller reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub code: Code,
    pub reason: String,
    /// Paths of the fields that are wrong, in order.
    pub fields: Vec<String>,
    /// What is said about each.
    pub descriptions: Vec<String>,
    /// Whether it says when to try again.
    pub retry: bool,
    pub sentence: String,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        Self {
            code: status.code(),
            reason: reason_of(&status).unwrap_or_default(),
            fields: violations.iter().map(|violation| violation.field.clone()).collect(),
            descriptions: violations.into_iter().map(|violation| violation.description).collect(),
            retry: details.retry_info().is_some_and(|info| info.retry_delay.is_some()),
            sentence: status.message().to_owned(),
        }
    }
}

impl Refused {
    #[track_caller]
    pub fn assert(&self, code: Code, reason: &str) {
        assert_eq!((self.code, self.reason.as_str()), (code, reason), "{self:?}");
    }
}

/// A caller of `MessageService`.
#[derive(Clone)]
pub struct Sender(MessageServiceClient<AuthorizedChannel>);

impl Sender {
    pub fn new(channel: AuthorizedChannel) -> Self {
        Self(MessageServiceClient::new(channel).max_encoding_message_size(8 << 20))
    }

    pub async fn sms(&self, request: impl tonic::IntoRequest<SendSmsRequest>) -> Result<Message, Refused> {
        Ok(self.0.clone().send_sms(request).await?.into_inner().message.unwrap())
    }

    pub async fn mms(&self, request: SendMmsRequest) -> Result<Message, Refused> {
        Ok(self.0.clone().send_mms(request).await?.into_inner().message.unwrap())
    }

    pub async fn alimtalk(&self, request: SendAlimtalkRequest) -> Result<Message, Refused> {
        Ok(self.0.clone().send_alimtalk(request).await?.into_inner().message.unwrap())
    }

    pub async fn get(&self, message_id: &str) -> Result<Message, Refused> {
        let request = GetMessageRequest { message_id: message_id.to_owned() };
        Ok(self.0.clone().get_message(request).await?.into_inner().message.unwrap())
    }

    pub async fn list(&self, request: ListMessagesRequest) -> Result<ListMessagesResponse, Refused> {
        Ok(self.0.clone().list_messages(Request::new(request)).await?.into_inner())
    }

    /// Everything that is recorded for an organisation, newest first.
    pub async fn all(&self, organization: &str) -> Vec<Message> {
        self.filtered(organization, MessageFilter::default()).await
    }

    pub async fn filtered(&self, organization: &str, filter: MessageFilter) -> Vec<Message> {
        let request = ListMessagesRequest {
            organization_id: organization.to_owned(),
            filter: Some(filter),
            page_size: 1000,
            page_token: String::new(),
            with_events: true,
        };
        self.list(request).await.unwrap().messages
    }
}

/// The webhook gateway.
#[derive(Clone)]
pub struct Gateway(DeliveryStatusServiceClient<AuthorizedChannel>);

impl Gateway {
    pub fn new(channel: AuthorizedChannel) -> Self {
        Self(DeliveryStatusServiceClient::new(channel))
    }

    pub async fn report(&self, updates: Vec<StatusUpdate>) -> Result<Vec<StatusResult>, Refused> {
        Ok(self.0.clone().report_status(ReportStatusRequest { updates }).await?.into_inner().results)
    }

    /// Reports one; what became of it.
    pub async fn tell(&self, update: StatusUpdate) -> StatusOutcome {
        self.report(vec![update]).await.unwrap()[0].outcome()
    }
}
