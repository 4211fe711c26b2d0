//! The messages that the callbacks are about.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use anyhow::Context as _;
use secrecy::SecretString;
use switchboard_proto::dispatch::v1::{GetMessageRequest, MessageStatus};
use switchboard_runtime::error::describe;
use tokio::task::JoinSet;

use crate::load::{self, Messages, Traffic};

const IN_FLIGHT: u32 = 128;
const CONNECTIONS: u32 = 4;
/// Of all messages so many are looked at afterwards.
const SAMPLE: usize = 50;

/// A message that was sent.
pub(super) struct Sent {
    pub(super) message_id: String,
    pub(super) provider_message_id: String,
    pub(super) provider_account: String,
}

/// Sends so many messages.
///
/// # Errors
/// When one of them is not accepted.
pub(super) async fn send(
    count: u32,
    organizations: Vec<String>,
    url: &str,
    token: &SecretString,
) -> anyhow::Result<Vec<Sent>> {
    let clients = load::clients(url, token, CONNECTIONS)?;
    let (traffic, next) = (Arc::new(Traffic::new(organizations, 10)), Arc::new(AtomicU32::new(0)));
    let mut tasks = JoinSet::new();
    for (sender, client) in (0..IN_FLIGHT).zip(clients.into_iter().cycle()) {
        tasks.spawn(send_some(sender, client, Arc::clone(&traffic), Arc::clone(&next), count));
    }
    let mut all = Vec::new();
    while let Some(sent) = tasks.join_next().await {
        all.extend(sent??);
    }
    Ok(all)
}

async fn send_some(
    sender: u32,
    mut client: Messages,
    traffic: Arc<Traffic>,
    next: Arc<AtomicU32>,
    count: u32,
) -> anyhow::Result<Vec<Sent>> {
    let mut sent = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(sent);
        }
        let reply = client.send_sms(traffic.request(sender, number)).await;
        let reply = reply.map_err(|status| anyhow::anyhow!("a send was refused: {}", describe(&status)))?;
        let message = reply.into_inner().message.context("a reply without a message")?;
        anyhow::ensure!(!message.provider_message_id.is_empty(), "a message was not accepted: {:?}", message.failure);
        sent.push(Sent {
            message_id: message.message_id,
            provider_message_id: message.provider_message_id,
            provider_account: message.provider_account,
        });
    }
}

/// Looks at some of the messages.
///
/// # Errors
/// When one of them is not `DELIVERED`.
pub(super) async fn check_delivered(sent: &[Sent], url: &str, token: &SecretString) -> anyhow::Result<()> {
    let mut client = load::clients(url, token, 1)?.pop().context("no client")?;
    for sent in sent.iter().step_by((sent.len() / SAMPLE).max(1)) {
        let request = GetMessageRequest { message_id: sent.message_id.clone() };
        let reply = client.get_message(request).await;
        let reply = reply.map_err(|status| anyhow::anyhow!("{}", describe(&status)))?;
        let message = reply.into_inner().message.context("a reply without a message")?;
        anyhow::ensure!(
            message.status() == MessageStatus::Delivered,
            "message {} is {} although its callback was answered 200",
            sent.message_id,
            message.status().as_str_name()
        );
    }
    Ok(())
}
