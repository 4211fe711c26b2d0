//! The kinds of message.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The kind of a message, as operators and price lists know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Channel {
    /// Short message: up to 90 bytes in CP949.
    Sms,
    /// Long message: up to 2000 bytes in CP949, with a subject of up to 40.
    Lms,
    /// Long message with one to three images.
    Mms,
    /// Kakao Alimtalk.
    Alimtalk,
}

impl Channel {
    /// Every channel, in the order in which people list them.
    pub const ALL: [Self; 4] = [Self::Sms, Self::Lms, Self::Mms, Self::Alimtalk];

    /// The word used in the contract and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "SMS",
            Self::Lms => "LMS",
            Self::Mms => "MMS",
            Self::Alimtalk => "ALIMTALK",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no channel is called {0:?}: use SMS, LMS, MMS or ALIMTALK")]
pub struct UnknownChannel(pub String);

impl FromStr for Channel {
    type Err = UnknownChannel;

    fn from_str(word: &str) -> Result<Self, UnknownChannel> {
        Self::ALL
            .into_iter()
            .find(|channel| channel.as_str().eq_ignore_ascii_case(word))
            .ok_or_else(|| UnknownChannel(word.to_owned()))
    }
}
