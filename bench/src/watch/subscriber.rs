//! A subscriber that reads, acknowledges and keeps nothing.

use anyhow::Context as _;
use switchboard_proto::config::v1::{
    Ack, Hello, NodeKind, WatchRequest, WatchResponse, config_watch_service_client::ConfigWatchServiceClient,
    watch_request::Request, watch_response::Response,
};
use switchboard_runtime::{error::describe, grpc::client};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::switchboard::House;

/// A part of a snapshot may be some megabytes.
const LARGEST_MESSAGE: usize = 16 << 20;

pub(super) struct Subscriber {
    stream: Streaming<WatchResponse>,
    outbox: mpsc::Sender<WatchRequest>,
}

impl Subscriber {
    /// Subscribes as a dispatcher, on a connection of its own.
    pub(super) async fn open(house: &House, node_id: &str) -> anyhow::Result<Self> {
        let channel = client::channel(&house.config_service().url, house.token("dispatcher")?)?;
        let mut client = ConfigWatchServiceClient::new(channel).max_decoding_message_size(LARGEST_MESSAGE);
        let (outbox, requests) = mpsc::channel(64);
        let hello = Hello { node_id: node_id.to_owned(), kind: NodeKind::Dispatcher.into(), ..Hello::default() };
        outbox.send(WatchRequest { request: Some(Request::Hello(hello)) }).await?;
        let opened = client.watch(ReceiverStream::new(requests)).await;
        let stream = opened.map_err(|status| anyhow::anyhow!("watch: {}", describe(&status)))?.into_inner();
        Ok(Self { stream, outbox })
    }

    /// Reads the snapshot and returns how many entries and accounts were in it.
    pub(super) async fn snapshot(&mut self) -> anyhow::Result<(usize, usize)> {
        let (mut entries, mut accounts) = (0, 0);
        loop {
            match self.next().await? {
                Response::Entries(part) => {
                    entries += part.entries.len();
                    accounts += part.entries.iter().map(|entry| entry.accounts.len()).sum::<usize>();
                }
                Response::SnapshotEnd(end) => {
                    self.ack(end.revision).await?;
                    return Ok((entries, accounts));
                }
                _ => {}
            }
        }
    }

    /// The revision of the next change.
    pub(super) async fn change(&mut self) -> anyhow::Result<i64> {
        loop {
            if let Response::Change(change) = self.next().await? {
                self.ack(change.revision).await?;
                return Ok(change.revision);
            }
        }
    }

    async fn ack(&self, revision: i64) -> anyhow::Result<()> {
        Ok(self.outbox.send(WatchRequest { request: Some(Request::Ack(Ack { revision })) }).await?)
    }

    async fn next(&mut self) -> anyhow::Result<Response> {
        let message = self.stream.message().await;
        let message = message.map_err(|status| anyhow::anyhow!("watch: {}", describe(&status)))?;
        message.context("config-service closed the stream")?.response.context("an empty message on the stream")
    }
}
