//! What a message says: validated, normalised, and complete enough to be sent again after a crash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use switchboard_providers::model::Image;

/// What a message says.
#[derive(Clone)]
pub enum Content {
    /// An SMS or LMS; the message's channel says which.
    Text(TextContent),
    /// Text and images.
    Mms(MmsContent),
    /// A template with its variables.
    Alimtalk(AlimtalkContent),
    /// Written by the system before this one, or blanked by retention: shown, never sent.
    Archived {
        /// The text, as far as it is still there.
        text: String,
    },
}

/// An SMS or LMS.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextContent {
    /// The text.
    #[serde(skip)]
    pub text: String,
    /// Subject of an LMS; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// The free opt-out number of an advertisement; `None`: it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opt_out_number: Option<String>,
}

/// Text and images.
#[derive(Clone)]
pub struct MmsContent {
    /// The text.
    pub text: TextContent,
    /// One to three. Empty once the message is final: images are kept no longer than needed.
    pub images: Vec<Image>,
}

/// A template with its variables.
#[derive(Clone, Serialize, Deserialize)]
pub struct AlimtalkContent {
    /// The rendered text.
    #[serde(skip)]
    pub rendered: String,
    /// Kakao channel or sender profile; empty: the account's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sender_profile: String,
    /// Code of the template.
    pub template_code: String,
    /// Template text with placeholders.
    pub content: String,
    /// Values of the placeholders.
    pub variables: BTreeMap<String, String>,
    /// Emphasised title; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// At most five.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<switchboard_providers::model::Button>,
    /// What is sent when it finally fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackText>,
}

/// The text in place of a failed Alimtalk.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FallbackText {
    /// Sender as it is kept.
    pub sender: String,
    /// Subject; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// The text.
    pub text: String,
    /// Whether it goes as an LMS.
    pub lms: bool,
    /// Whether the vendor that has the Alimtalk sends it by itself.
    #[serde(default)]
    pub by_vendor: bool,
}

/// Stored content that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("the stored content of a message cannot be read: {0}")]
pub struct UnreadableContent(#[from] serde_json::Error);

impl Content {
    /// The text, for the `body` column.
    pub fn body(&self) -> &str {
        match self {
            Self::Text(text) => &text.text,
            Self::Mms(mms) => &mms.text.text,
            Self::Alimtalk(alimtalk) => &alimtalk.rendered,
            Self::Archived { text } => text,
        }
    }

    /// Whether the law on advertisements binds it: each of them carries a number to opt out.
    pub fn is_advertisement(&self) -> bool {
        match self {
            Self::Text(text) | Self::Mms(MmsContent { text, .. }) => text.opt_out_number.is_some(),
            Self::Alimtalk(_) | Self::Archived { .. } => false,
        }
    }

    /// Everything but text and images, for the `content` column; empty for what is archived.
    pub fn details(&self) -> String {
        // These types hold strings and maps of strings: they always serialise.
        let json = match self {
            Self::Text(text) => serde_json::to_string(text),
            Self::Mms(mms) => serde_json::to_string(&mms.text),
            Self::Alimtalk(alimtalk) => serde_json::to_string(alimtalk),
            Self::Archived { .. } => Ok(String::new()),
        };
        json.unwrap_or_default()
    }

    /// Images, for their own table.
    pub fn images(&self) -> &[Image] {
        match self {
            Self::Mms(mms) => &mms.images,
            _ => &[],
        }
    }

    /// Puts content together from its columns.
    ///
    /// # Errors
    ///
    /// When the details are not what [`Content::details`] wrote.
    pub fn restore(
        channel: switchboard_providers::model::Channel,
        body: String,
        details: &str,
        images: Vec<Image>,
    ) -> Result<Self, UnreadableContent> {
        use switchboard_providers::model::Channel;
        if details.is_empty() {
            return Ok(Self::Archived { text: body });
        }
        Ok(match channel {
            Channel::Sms | Channel::Lms => Self::Text(TextContent { text: body, ..serde_json::from_str(details)? }),
            Channel::Mms => {
                Self::Mms(MmsContent { text: TextContent { text: body, ..serde_json::from_str(details)? }, images })
            }
            Channel::Alimtalk => Self::Alimtalk(AlimtalkContent { rendered: body, ..serde_json::from_str(details)? }),
        })
    }
}
