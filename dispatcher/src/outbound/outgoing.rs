//! A message as the vendors' clients take it.

use switchboard_providers::model::{
    Advertisement, Alimtalk, Channel, Fallback, Mms, PhoneNumber, PhoneNumberError, Purpose, Sender, Sms, TextKind,
};

use crate::message::{AlimtalkContent, Content, FallbackText, Message, MmsContent, TextContent};

/// A message as the vendors' clients take it.
pub enum Outgoing {
    /// SMS or LMS.
    Sms(Sms),
    /// MMS.
    Mms(Mms),
    /// Alimtalk.
    Alimtalk(Alimtalk),
}

impl Outgoing {
    /// What it goes out as.
    pub fn channel(&self) -> Channel {
        match self {
            Self::Sms(Sms { kind: TextKind::Sms, .. }) => Channel::Sms,
            Self::Sms(Sms { kind: TextKind::Lms, .. }) => Channel::Lms,
            Self::Mms(_) => Channel::Mms,
            Self::Alimtalk(_) => Channel::Alimtalk,
        }
    }
}

/// A message that cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSendable {
    /// Its text is archived or was blanked.
    #[error("its content is not kept any more")]
    Archived,
    /// A stored number that is none.
    #[error("a stored phone number {0}")]
    PhoneNumber(#[from] PhoneNumberError),
}

impl TryFrom<&Message> for Outgoing {
    type Error = NotSendable;

    fn try_from(message: &Message) -> Result<Self, NotSendable> {
        let to = PhoneNumber::from_storage(&message.to)?;
        let reference = message.id.clone();
        Ok(match &message.content {
            Content::Text(text) => {
                let kind = if message.channel == Channel::Sms { TextKind::Sms } else { TextKind::Lms };
                let sender = Sender::from_storage(&message.sender)?;
                Self::Sms(Sms {
                    reference,
                    to,
                    sender,
                    text: text.text.clone(),
                    subject: text.subject.clone(),
                    kind,
                    purpose: purpose(text),
                })
            }
            Content::Mms(MmsContent { text, images }) => Self::Mms(Mms {
                reference,
                to,
                sender: Sender::from_storage(&message.sender)?,
                text: text.text.clone(),
                subject: text.subject.clone(),
                images: images.clone(),
                purpose: purpose(text),
            }),
            Content::Alimtalk(content) => Self::Alimtalk(alimtalk(reference, to, content)?),
            Content::Archived { .. } => return Err(NotSendable::Archived),
        })
    }
}

fn purpose(text: &TextContent) -> Purpose {
    match &text.opt_out_number {
        Some(number) => Purpose::Advertisement(Advertisement { opt_out_number: number.clone() }),
        None => Purpose::Transactional,
    }
}

fn alimtalk(reference: String, to: PhoneNumber, content: &AlimtalkContent) -> Result<Alimtalk, NotSendable> {
    Ok(Alimtalk {
        reference,
        to,
        sender_profile: content.sender_profile.clone(),
        template_code: content.template_code.clone(),
        content: content.content.clone(),
        rendered: content.rendered.clone(),
        variables: content.variables.clone(),
        title: content.title.clone(),
        buttons: content.buttons.clone(),
        fallback: content.fallback.as_ref().map(fallback).transpose()?,
    })
}

fn fallback(text: &FallbackText) -> Result<Fallback, NotSendable> {
    Ok(Fallback {
        sender: Sender::from_storage(&text.sender)?,
        subject: text.subject.clone(),
        text: text.text.clone(),
        kind: if text.lms { TextKind::Lms } else { TextKind::Sms },
    })
}
