//! `switchboard send`.

mod alimtalk;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use switchboard_proto::dispatch::v1::{Image, Message, Oversize, Purpose, SendMmsRequest, SendSmsRequest};
use switchboard_runtime::{
    Clock as _, Ids, SystemClock,
    error::{Reason, reason_of},
};
use tonic::Status;

use super::messages::{follow, summary};
use crate::{
    client::{As, Connector, Messages, refused, request},
    output,
    settings::pair,
};

/// What to send.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Sends a text; one longer than 90 bytes goes as an LMS
    #[command(
        after_help = "Example:\n  switchboard send sms --org hanbit --to 010-1234-5678 --text '안녕하세요' --watch"
    )]
    Sms {
        #[command(flatten)]
        to: To,
        #[command(flatten)]
        text: Text,
        /// Refuses a text longer than an SMS instead of sending it as an LMS
        #[arg(long)]
        reject_oversize: bool,
    },
    /// Sends one to three JPEG images with a text
    #[command(
        after_help = "Example:\n  switchboard send mms --org hanbit --to 010-1234-5678 --text '신상품' --image a.jpg"
    )]
    Mms {
        #[command(flatten)]
        to: To,
        #[command(flatten)]
        text: Text,
        /// A JPEG file; up to three
        #[arg(long = "image", value_name = "FILE", required = true)]
        images: Vec<PathBuf>,
    },
    /// Sends a Kakao Alimtalk from an approved template
    #[command(after_help = alimtalk::EXAMPLE)]
    Alimtalk {
        #[command(flatten)]
        to: To,
        #[command(flatten)]
        alimtalk: alimtalk::Template,
    },
}

/// For whom, to whom.
#[derive(Args, Debug)]
pub struct To {
    /// The organisation to send for; its mapping chooses the vendor
    #[arg(long = "org", value_name = "ORGANISATION")]
    organization: String,
    /// Recipient, in any form
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// Sending again with the same id sends nothing twice [default: a new one]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// A label of your own; may be given more than once
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// Follows the message until its result is there
    #[arg(long)]
    watch: bool,
}

/// The text and what it is for.
#[derive(Args, Debug)]
pub struct Text {
    /// The text
    #[arg(long)]
    text: String,
    /// Subject of an LMS or MMS
    #[arg(long, default_value = "", hide_default_value = true)]
    subject: String,
    /// Sender number [default: the one of the vendor account]
    #[arg(long, value_name = "NUMBER", default_value = "", hide_default_value = true)]
    sender: String,
    /// It is an advertisement: it starts with (광고), has a free opt-out number, and is not sent at night
    #[arg(long)]
    advertisement: bool,
}

impl Text {
    fn purpose(&self) -> Purpose {
        if self.advertisement { Purpose::Advertisement } else { Purpose::Transactional }
    }
}

impl To {
    /// The id that was typed, or a new one: then a reply that is lost does not mean a message that is lost track of.
    fn request_id(&self) -> String {
        self.request_id.clone().unwrap_or_else(|| Ids::new().next(SystemClock.now()))
    }
}

/// Does it.
///
/// # Errors
/// What the service refuses, or that it cannot be reached; also a message that has failed.
pub async fn run(action: Action, connector: &Connector) -> anyhow::Result<()> {
    let mut messages = connector.messages(As::Sender)?;
    let (Action::Sms { to, .. } | Action::Mms { to, .. } | Action::Alimtalk { to, .. }) = &action;
    let request_id = to.request_id();
    let unanswered = |status| unanswered(status, &request_id);
    match action {
        Action::Sms { to, text, reject_oversize } => {
            let oversize = if reject_oversize { Oversize::Reject } else { Oversize::UpgradeToLms };
            let call = request(SendSmsRequest {
                organization_id: to.organization.clone(),
                request_id: request_id.clone(),
                to: to.to.clone(),
                purpose: text.purpose().into(),
                sender: text.sender,
                text: text.text,
                subject: text.subject,
                oversize: oversize.into(),
                labels: to.labels.iter().cloned().collect(),
            });
            let sent = messages.send_sms(call).await.map_err(unanswered)?.into_inner().message;
            told(connector, messages, sent, to.watch).await
        }
        Action::Mms { to, text, images } => {
            let call = request(SendMmsRequest {
                organization_id: to.organization.clone(),
                request_id: request_id.clone(),
                to: to.to.clone(),
                purpose: text.purpose().into(),
                sender: text.sender,
                text: text.text,
                subject: text.subject,
                oversize: Oversize::Unspecified.into(),
                labels: to.labels.iter().cloned().collect(),
                images: images.iter().map(read).collect::<anyhow::Result<_>>()?,
            });
            let sent = messages.send_mms(call).await.map_err(unanswered)?.into_inner().message;
            told(connector, messages, sent, to.watch).await
        }
        Action::Alimtalk { to, alimtalk } => {
            let call = request(alimtalk.request(&to, request_id.clone())?);
            let sent = messages.send_alimtalk(call).await.map_err(unanswered)?.into_inner().message;
            told(connector, messages, sent, to.watch).await
        }
    }
}

/// Why there is no answer. Unless it says that no message was made, there may be one: only with the same id it is safe to
/// send again.
fn unanswered(status: Status, request_id: &str) -> anyhow::Error {
    let is_refusal = reason_of(&status).is_some_and(|reason| reason != Reason::HistoryUnavailable.as_str());
    let why = refused(status);
    if is_refusal {
        return why;
    }
    anyhow::anyhow!(
        "{why}; it may have been sent all the same: repeat it with --request-id {request_id}, which sends nothing twice"
    )
}

fn read(path: &PathBuf) -> anyhow::Result<Image> {
    let data = std::fs::read(path).with_context(|| format!("the image {} cannot be read", path.display()))?;
    Ok(Image { content_type: "image/jpeg".to_owned(), data: data.into() })
}

async fn told(connector: &Connector, messages: Messages, sent: Option<Message>, watch: bool) -> anyhow::Result<()> {
    let message = sent.context("the dispatcher answered without a message")?;
    if connector.is_json() && !watch {
        return output::json("switchboard.dispatch.v1.Message", &message);
    }
    if watch {
        return follow(connector, messages, message.message_id).await;
    }
    summary(&message)?;
    Ok(())
}
