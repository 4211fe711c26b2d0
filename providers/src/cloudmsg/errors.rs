//! CloudMsg's codes as one table (interface document, Errors).
//!
//! A code is only what the document says together with its HTTP status: `500` under 503 proves that nothing was accepted,
//! under 500 it would prove nothing.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use http::StatusCode;

use crate::{
    model::{FailureCode, Fault, SendOutcome},
    verdict::Meaning,
};

/// Daily quota used up: again tomorrow.
pub(super) const DAILY_QUOTA: &str = "400";
/// An uploaded image is gone: upload it again, once.
const FILE_EXPIRED: &str = "2004";

/// HTTP status, code and meaning.
const CODES: &[(u16, &str, Meaning)] = {
    use FailureCode::{
        ContentRejected, CredentialsRejected, InsufficientBalance, InvalidRecipient, ProviderThrottled,
        ProviderTimeout, ProviderUnavailable, SenderRejected, TemplateRejected,
    };
    use Fault::{Account, Message, Vendor};
    &[
        (400, "100", Meaning::permanent(Message, ContentRejected, "CloudMsg could not read the request")),
        (400, "1001", Meaning::permanent(Message, InvalidRecipient, "CloudMsg does not take this recipient number")),
        (400, "1002", Meaning::permanent(Message, ContentRejected, "the text or subject is too long for CloudMsg")),
        (400, "1003", Meaning::permanent(Message, ContentRejected, "the text holds a character CloudMsg cannot send")),
        (400, "1004", Meaning::permanent(Account, SenderRejected, "the sender number is not registered with CloudMsg")),
        (400, "1005", Meaning::permanent(Message, TemplateRejected, "CloudMsg knows no template of this code")),
        (400, "1006", Meaning::permanent(Message, TemplateRejected, "the text does not match its approved template")),
        (400, "1007", Meaning::permanent(Message, ContentRejected, "a button is not as CloudMsg wants it")),
        (400, "1008", Meaning::permanent(Message, ContentRejected, "the text breaks the rules for advertisements")),
        (400, "2004", Meaning::permanent(Message, ContentRejected, "an uploaded image had expired at CloudMsg")),
        (400, "2005", Meaning::permanent(Message, ContentRejected, "an image is too big for CloudMsg")),
        (401, "200", Meaning::permanent(Account, CredentialsRejected, "CloudMsg rejects key, signature or clock")),
        (401, "210", Meaning::permanent(Account, CredentialsRejected, "the key has no permission for this service")),
        (403, "230", Meaning::permanent(Account, CredentialsRejected, "CloudMsg does not allow this IP address")),
        (402, "600", Meaning::permanent(Account, InsufficientBalance, "the CloudMsg account has no balance")),
        (404, "300", Meaning::permanent(Account, CredentialsRejected, "CloudMsg knows no such service")),
        (429, "410", Meaning::temporary(Vendor, ProviderThrottled, "CloudMsg asks for fewer requests")),
        (429, DAILY_QUOTA, Meaning::temporary(Account, InsufficientBalance, "the account's daily quota is used up")),
        (503, "500", Meaning::temporary(Vendor, ProviderUnavailable, "CloudMsg did not accept the request")),
        (500, "900", Meaning::in_doubt(ProviderUnavailable, "CloudMsg failed inside")),
        (504, "510", Meaning::in_doubt(ProviderTimeout, "CloudMsg ran into a timeout of its own")),
    ]
};

/// What an answer other than the documented success means, by HTTP status and error code.
///
/// A status that the document names keeps its class even where the code is new or cannot be read. Any other 4xx proves a
/// refusal only together with an error code, by which CloudMsg itself speaks; without one it may come from anywhere.
pub(super) fn meaning(status: StatusCode, code: &str) -> Meaning {
    use FailureCode::{
        CredentialsRejected, InsufficientBalance, ProviderThrottled, ProviderTimeout, ProviderUnavailable, Unknown,
    };
    use Fault::{Account, Message, Vendor};
    if let Some((.., meaning)) = CODES.iter().find(|(http, known, _)| *http == status.as_u16() && *known == code) {
        return *meaning;
    }
    match status.as_u16() {
        401 | 403 => Meaning::permanent(Account, CredentialsRejected, "CloudMsg rejects the credentials"),
        402 => Meaning::permanent(Account, InsufficientBalance, "CloudMsg asks for payment"),
        404 => Meaning::permanent(Account, CredentialsRejected, "CloudMsg does not know the address for this service"),
        429 => Meaning::temporary(Vendor, ProviderThrottled, "CloudMsg asks for fewer requests"),
        400 => Meaning::permanent(Message, Unknown, "CloudMsg refused the request for a reason no document names"),
        401..=499 if !code.is_empty() => {
            Meaning::permanent(Message, Unknown, "CloudMsg refused the request for a reason no document names")
        }
        504 => Meaning::in_doubt(ProviderTimeout, "CloudMsg's gateway ran into a timeout"),
        500..=599 => {
            Meaning::in_doubt(ProviderUnavailable, "CloudMsg failed without saying what became of the request")
        }
        _ => Meaning::in_doubt(ProviderUnavailable, "CloudMsg answered with an HTTP status that no document names"),
    }
}

/// What the refusal of a single recipient inside a 202 means; its code is one of the table, without an HTTP status.
pub(super) fn recipient(code: &str) -> Meaning {
    CODES.iter().find(|(_, known, _)| *known == code).map_or(
        Meaning::permanent(
            Fault::Message,
            FailureCode::Unknown,
            "CloudMsg refused the recipient for a reason no document names",
        ),
        |(.., meaning)| *meaning,
    )
}

/// Whether the send came too late for an uploaded image.
pub(super) fn file_expired(outcome: &SendOutcome) -> bool {
    matches!(outcome, SendOutcome::Refused(refusal) if refusal.failure.provider_code == FILE_EXPIRED)
}

/// How long to wait, where the header does not say: the daily quota is new at midnight in Korea.
pub(super) fn retry_after(
    told: Option<Duration>,
    status: StatusCode,
    code: &str,
    at: DateTime<Utc>,
) -> Option<Duration> {
    if told.is_some() || status != StatusCode::TOO_MANY_REQUESTS || code != DAILY_QUOTA {
        return told;
    }
    let korea = FixedOffset::east_opt(9 * 60 * 60)?;
    let now = at.with_timezone(&korea).naive_local();
    let midnight = now.date().and_time(chrono::NaiveTime::MIN) + TimeDelta::days(1);
    (midnight - now).to_std().ok()
}
