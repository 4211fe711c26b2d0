//! `MessageService`.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use switchboard_proto::dispatch::v1::{
    GetMessageRequest, GetMessageResponse, ListMessagesRequest, ListMessagesResponse, SendAlimtalkRequest,
    SendAlimtalkResponse, SendMmsRequest, SendMmsResponse, SendSmsRequest, SendSmsResponse,
    message_service_server::MessageService,
};
use switchboard_runtime::{
    SharedClock,
    auth::{Principal, Role},
    paging::{PageToken, page_size},
    trace,
};
use tokio::{sync::Semaphore, time::Instant};
use tonic::{Request, Response, Status, async_trait, metadata::MetadataMap};

use super::{convert, error};
use crate::{
    history::History,
    message::Message,
    prepare::{self, AdRules, Draft, Invalid},
    send::{Call, Sends},
};

/// `MessageService`.
#[derive(Clone)]
pub struct Messages {
    sends: Sends,
    history: History,
    rules: AdRules,
    result_horizon: Duration,
    clock: SharedClock,
    /// Places for decoding images, each of which takes some megabytes while it lasts.
    decoders: Arc<Semaphore>,
}

/// Where a page ends.
#[derive(Serialize, Deserialize)]
struct Cursor {
    #[serde(with = "chrono::serde::ts_microseconds")]
    time: DateTime<Utc>,
    id: String,
}

impl Messages {
    /// Puts the parts together. `result_horizon` is how long a result may take.
    pub fn new(sends: Sends, history: History, rules: AdRules, result_horizon: Duration, clock: SharedClock) -> Self {
        let decoders = Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, NonZeroUsize::get)));
        Self { sends, history, rules, result_horizon, clock, decoders }
    }

    fn view(&self, visibility: convert::Visibility) -> convert::View {
        convert::View { visibility, result_horizon: self.result_horizon }
    }

    /// Sends what was prepared, or answers a repeat.
    async fn send(&self, draft: Result<Draft, Invalid>, call: Call) -> Result<Arc<Message>, Status> {
        self.sends.send(draft.map_err(error::invalid)?, call).await.map_err(error::send)
    }
}

#[async_trait]
impl MessageService for Messages {
    async fn send_sms(&self, request: Request<SendSmsRequest>) -> Result<Response<SendSmsResponse>, Status> {
        let call = call(request.metadata());
        let principal = Principal::of(&request)?;
        let request = request.into_inner();
        principal.authorize_organization(&request.organization_id)?;
        let draft = prepare::sms(convert::sms_request(request), self.rules, self.clock.now());
        let message = self.send(draft, call).await?;
        Ok(Response::new(SendSmsResponse {
            message: Some(convert::message_without_events(&message, self.view(convert::Visibility::Whole))),
        }))
    }

    async fn send_mms(&self, request: Request<SendMmsRequest>) -> Result<Response<SendMmsResponse>, Status> {
        let call = call(request.metadata());
        let principal = Principal::of(&request)?;
        let request = request.into_inner();
        principal.authorize_organization(&request.organization_id)?;
        let (text, images) = convert::mms_request(request);
        let (rules, now) = (self.rules, self.clock.now());
        // Images are decoded whole; that must not hold up other sends, nor take all memory.
        let undecoded = || Status::internal("an image could not be decoded");
        let place = Arc::clone(&self.decoders).acquire_owned().await.map_err(|_| undecoded())?;
        let decoding = tokio::task::spawn_blocking(move || {
            let _place = place;
            prepare::mms(text, images, rules, now)
        });
        let draft = decoding.await.map_err(|_| undecoded())?;
        let message = self.send(draft, call).await?;
        Ok(Response::new(SendMmsResponse {
            message: Some(convert::message_without_events(&message, self.view(convert::Visibility::Whole))),
        }))
    }

    async fn send_alimtalk(
        &self,
        request: Request<SendAlimtalkRequest>,
    ) -> Result<Response<SendAlimtalkResponse>, Status> {
        let call = call(request.metadata());
        let principal = Principal::of(&request)?;
        let request = request.into_inner();
        principal.authorize_organization(&request.organization_id)?;
        let draft = prepare::alimtalk(convert::alimtalk_request(request));
        let message = self.send(draft, call).await?;
        Ok(Response::new(SendAlimtalkResponse {
            message: Some(convert::message_without_events(&message, self.view(convert::Visibility::Whole))),
        }))
    }

    async fn get_message(&self, request: Request<GetMessageRequest>) -> Result<Response<GetMessageResponse>, Status> {
        let principal = Principal::of(&request)?;
        let message_id = request.into_inner().message_id;
        if message_id.is_empty() {
            return Err(error::field("message_id", "is empty: name the message"));
        }
        let message = self.history.message(&message_id).await.map_err(|e| error::history(&e))?;
        // A caller that is limited to some organisations must not learn that others have such a message.
        let message = message.filter(|message| principal.may_act_for(&message.organization_id));
        let message = message.ok_or_else(error::message_not_found)?;
        Ok(Response::new(GetMessageResponse {
            message: Some(convert::message(&message, self.view(visibility(&principal)))),
        }))
    }

    async fn list_messages(
        &self,
        request: Request<ListMessagesRequest>,
    ) -> Result<Response<ListMessagesResponse>, Status> {
        let principal = Principal::of(&request)?;
        let request = request.into_inner();
        principal.authorize_organization(&request.organization_id)?;
        if request.organization_id.is_empty() {
            return Err(error::field("organization_id", "is empty: name the organisation whose messages are wanted"));
        }
        let filter = request.filter.unwrap_or_default();
        let scope = scope(&request.organization_id, &filter);
        let size = page_size(request.page_size, 50, 1000)?;
        let mut query = convert::list_query(request.organization_id, filter, self.clock.now())?;
        query.after = PageToken::decode::<Cursor>(&scope, &request.page_token)?.map(|cursor| (cursor.time, cursor.id));
        query.limit = size + 1;
        let mut messages = self.history.list(&query).await.map_err(|e| error::history(&e))?;
        let more = messages.len() > size as usize;
        messages.truncate(size as usize);
        let next_page_token = match messages.last() {
            Some(last) if more => PageToken::encode(&scope, &Cursor { time: last.create_time, id: last.id.clone() })?,
            _ => String::new(),
        };
        let view = self.view(visibility(&principal));
        let show = if request.with_events { convert::message } else { convert::message_without_events };
        Ok(Response::new(ListMessagesResponse {
            messages: messages.iter().map(|message| show(message, view)).collect(),
            next_page_token,
        }))
    }
}

/// Senders see what they sent and superadmins everything; others see recipients masked.
pub(super) fn visibility(principal: &Principal) -> convert::Visibility {
    if principal.has_any(&[Role::Superadmin, Role::Sender]) {
        convert::Visibility::Whole
    } else {
        convert::Visibility::Masked
    }
}

/// What a page token belongs to.
fn scope(organization_id: &str, filter: &switchboard_proto::dispatch::v1::MessageFilter) -> String {
    // Debug of a generated message names every field and its value: two filters read alike only if they are.
    let text = format!("{organization_id}\0{filter:?}");
    format!("messages:{}", hex::encode(digest(&SHA256, text.as_bytes())))
}

fn call(metadata: &MetadataMap) -> Call {
    Call { deadline: deadline(metadata), caller: trace::caller(metadata) }
}

/// When the caller stops waiting: the `grpc-timeout` header (gRPC over HTTP/2, Requests).
fn deadline(metadata: &MetadataMap) -> Option<Instant> {
    let value = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok()?;
    let timeout = match unit {
        "H" => Duration::from_secs(amount.checked_mul(3600)?),
        "M" => Duration::from_secs(amount.checked_mul(60)?),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    };
    Instant::now().checked_add(timeout)
}
