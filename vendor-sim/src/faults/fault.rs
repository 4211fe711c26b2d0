//! What can happen to a request.

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// How `Retry-After` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfterForm {
    /// As the vendor's document says: CloudMsg in seconds, SendTalk as an HTTP-date.
    #[default]
    Native,
    /// In seconds.
    Seconds,
    /// As an HTTP-date.
    HttpDate,
    /// Header left out.
    Absent,
}

/// What happens to a request that a rule hits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// No answer, ever; the connection stays open.
    Hang {
        /// Whether the request is carried out first.
        accept: bool,
    },
    /// The connection is reset (RST) instead of an answer.
    Reset {
        /// Whether the request is carried out first.
        accept: bool,
    },
    /// A 5xx in the vendor's own format.
    ServerError {
        /// Whether the request is carried out first.
        accept: bool,
        /// HTTP status, such as 500 or 504.
        status: u16,
        /// `Retry-After` in seconds, as a 503 may carry it; none: no such header.
        #[serde(default)]
        retry_after_s: Option<u64>,
    },
    /// A gateway's HTML page.
    Html {
        /// Whether the request is carried out first.
        accept: bool,
        /// HTTP status, such as 502 or 504.
        status: u16,
    },
    /// The request is carried out; the answer's JSON stops half way.
    TruncatedJson,
    /// 429 in the vendor's own format; nothing is accepted.
    Throttle {
        /// What `Retry-After` says, in seconds from now.
        #[serde(default)]
        after_s: u64,
        /// How it says it.
        #[serde(default)]
        form: RetryAfterForm,
    },
    /// 503 that is not ambiguous: CloudMsg's 503/500 "not accepted", SendTalk's −2021; nothing is accepted.
    NotAccepted,
    /// 401 as for a wrong key; nothing is accepted.
    Unauthorized,
    /// The vendor's own refusal with this code (`"1004"`, `"-2312"`); nothing is accepted.
    Refuse {
        /// A code of the vendor's document, or any other.
        code: String,
    },
    /// Recipients of a call are refused one by one, the others accepted.
    RefuseRecipients {
        /// These recipients, in either written form; empty: every second one, beginning with the first.
        #[serde(default)]
        to: Vec<String>,
        /// The vendor's code.
        code: String,
    },
    /// The vendor is slow.
    Delay {
        /// Milliseconds.
        ms: u64,
        /// Whether the messages are accepted before the wait or after it. After it, the client may be long gone.
        accept_first: bool,
    },
    /// The send is normal; its messages end like this.
    Outcome {
        /// How they end.
        outcome: Outcome,
    },
    /// Any answer at all.
    Respond {
        /// Whether the request is carried out first.
        accept: bool,
        /// HTTP status.
        status: u16,
        /// `content-type`.
        content_type: String,
        /// Body.
        body: String,
    },
}

impl Fault {
    /// Whether the vendor looks at the request at all.
    pub(crate) fn reaches_the_vendor(&self) -> bool {
        match self {
            Self::Hang { accept }
            | Self::Reset { accept }
            | Self::ServerError { accept, .. }
            | Self::Html { accept, .. }
            | Self::Respond { accept, .. } => *accept,
            Self::TruncatedJson | Self::RefuseRecipients { .. } | Self::Delay { .. } | Self::Outcome { .. } => true,
            Self::Throttle { .. } | Self::NotAccepted | Self::Unauthorized | Self::Refuse { .. } => false,
        }
    }

    /// Name for the journal.
    pub(crate) fn name(&self) -> String {
        let described = serde_json::to_value(self).unwrap_or_default();
        let kind = described.get("kind").and_then(serde_json::Value::as_str).unwrap_or("fault");
        match described.get("accept").and_then(serde_json::Value::as_bool) {
            Some(true) => format!("{kind} after accepting"),
            Some(false) => format!("{kind} before accepting"),
            None => kind.to_owned(),
        }
    }
}
