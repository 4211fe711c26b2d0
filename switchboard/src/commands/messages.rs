//! `switchboard messages`.

mod list;
mod show;

use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use switchboard_proto::dispatch::v1::{GetMessageRequest, Message, MessageStatus};

pub(crate) use show::{Timeline, status_word, summary};

use crate::{
    client::{As, Connector, Messages, refused, request},
    output,
};

/// How often a message that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What to do with the history.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Shows one message with its whole timeline, and what happens next
    Get {
        /// Its id
        message_id: String,
    },
    /// Lists an organisation's messages, newest first
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Follows a message until its result is there
    Watch {
        /// Its id
        message_id: String,
    },
    /// Lists messages that have been open too long, and what is done about them
    Stuck(list::Stuck),
}

/// Does it.
///
/// # Errors
/// What the service refuses, or that it cannot be reached.
pub async fn run(action: Action, connector: &Connector) -> anyhow::Result<()> {
    let mut messages = connector.messages(As::Sender)?;
    match action {
        Action::Get { message_id } => {
            let message = get(&mut messages, message_id).await?;
            if connector.is_json() {
                return output::json("switchboard.dispatch.v1.Message", &message);
            }
            Ok(show::whole(&message)?)
        }
        Action::List(list) => list::list(connector, messages, list).await,
        Action::Watch { message_id } => follow(connector, messages, message_id).await,
        Action::Stuck(stuck) => list::stuck(connector, messages, stuck).await,
    }
}

/// One message with its timeline.
pub(crate) async fn get(messages: &mut Messages, message_id: String) -> anyhow::Result<Message> {
    let response = messages.get_message(request(GetMessageRequest { message_id })).await.map_err(refused)?;
    response.into_inner().message.context("the dispatcher answered without a message")
}

/// Shows a message's timeline as it grows, until its result is there or Ctrl-C.
pub(crate) async fn follow(connector: &Connector, mut messages: Messages, message_id: String) -> anyhow::Result<()> {
    let mut message = get(&mut messages, message_id).await?;
    let mut timeline = Timeline::default();
    if !connector.is_json() {
        summary(&message)?;
        output::line(Timeline::HEADER)?;
    }
    loop {
        for row in timeline.news(&message) {
            if !connector.is_json() {
                output::line(row)?;
            }
        }
        if is_final(message.status()) {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        message = get(&mut messages, message.message_id).await?;
    }
    if connector.is_json() {
        return output::json("switchboard.dispatch.v1.Message", &message);
    }
    summary(&message)?;
    Ok(())
}

pub(crate) fn is_final(status: MessageStatus) -> bool {
    matches!(status, MessageStatus::Delivered | MessageStatus::Failed)
}
