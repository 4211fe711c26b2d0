//! `SendSms` of the contract and nothing else, served as our own servers are.

use switchboard_proto::{
    common::v1::Channel,
    dispatch::v1::{
        GetMessageRequest, GetMessageResponse, ListMessagesRequest, ListMessagesResponse, Message, MessageStatus,
        SendAlimtalkRequest, SendAlimtalkResponse, SendMmsRequest, SendMmsResponse, SendSmsRequest, SendSmsResponse,
        message_service_server::{MessageService, MessageServiceServer},
    },
};
use switchboard_runtime::{Clock as _, Ids, SystemClock, wire::to_timestamp};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::{host::READY, output};

/// As our own servers have them.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
const CONCURRENT_STREAMS: u32 = 4_096;

/// What a reference program does for a send.
pub(super) trait Carrier: Send + Sync + 'static {
    /// Sends a message under an id of ours, and returns the vendor's id.
    fn carry(&self, message_id: &str, request: &SendSmsRequest) -> impl Future<Output = anyhow::Result<String>> + Send;
}

/// Sends nothing.
pub(super) struct Echo;

impl Carrier for Echo {
    async fn carry(&self, message_id: &str, _: &SendSmsRequest) -> anyhow::Result<String> {
        Ok(format!("m-{message_id}"))
    }
}

/// Serves on a free port, says so, and goes on until the process is killed.
pub(super) async fn serve(carrier: impl Carrier) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    output::line(format_args!("{READY}{}", listener.local_addr()?))?;
    let service = MessageServiceServer::new(OnlySms { carrier, ids: Ids::new() });
    let server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(CONCURRENT_STREAMS)
        .add_service(service)
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
    Ok(server.await?)
}

struct OnlySms<C> {
    carrier: C,
    ids: Ids,
}

#[tonic::async_trait]
impl<C: Carrier> MessageService for OnlySms<C> {
    async fn send_sms(&self, request: Request<SendSmsRequest>) -> Result<Response<SendSmsResponse>, Status> {
        let request = request.into_inner();
        let now = SystemClock.now();
        let message_id = self.ids.next(now);
        let sent = self.carrier.carry(&message_id, &request).await;
        let provider_message_id = sent.map_err(|error| Status::unavailable(format!("{error:#}")))?;
        let message = Message {
            message_id,
            organization_id: request.organization_id,
            request_id: request.request_id,
            channel: Channel::Sms.into(),
            provider: "cloudmsg".to_owned(),
            status: MessageStatus::Queued.into(),
            provider_message_id,
            to: request.to,
            sender: request.sender,
            create_time: Some(to_timestamp(now)),
            ..Message::default()
        };
        Ok(Response::new(SendSmsResponse { message: Some(message) }))
    }

    async fn send_mms(&self, _: Request<SendMmsRequest>) -> Result<Response<SendMmsResponse>, Status> {
        Err(only_sms())
    }

    async fn send_alimtalk(&self, _: Request<SendAlimtalkRequest>) -> Result<Response<SendAlimtalkResponse>, Status> {
        Err(only_sms())
    }

    async fn get_message(&self, _: Request<GetMessageRequest>) -> Result<Response<GetMessageResponse>, Status> {
        Err(only_sms())
    }

    async fn list_messages(&self, _: Request<ListMessagesRequest>) -> Result<Response<ListMessagesResponse>, Status> {
        Err(only_sms())
    }
}

fn only_sms() -> Status {
    Status::unimplemented("a reference program sends SMS and nothing else")
}
