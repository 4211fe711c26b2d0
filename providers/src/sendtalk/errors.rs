//! SendTalk's codes as one table (interface document, Send).

use http::StatusCode;

use crate::{
    model::{FailureCode, Fault},
    verdict::Meaning,
};

/// Not found, which is an answer to a look-up.
pub(super) const NOT_FOUND: &str = "-4104";

/// Code and meaning.
const CODES: &[(i64, Meaning)] = {
    use FailureCode::{
        ContentRejected, CredentialsRejected, InsufficientBalance, InvalidRecipient, ProviderThrottled,
        ProviderUnavailable, RecipientBlocked, SenderRejected, TemplateRejected, Unknown,
    };
    use Fault::{Account, Message, Vendor};
    &[
        (-1001, Meaning::permanent(Account, CredentialsRejected, "SendTalk rejects the API key")),
        (-1002, Meaning::permanent(Account, CredentialsRejected, "SendTalk does not allow this IP address")),
        (-1008, Meaning::permanent(Account, CredentialsRejected, "SendTalk has suspended the account")),
        (-2017, Meaning::permanent(Account, CredentialsRejected, "SendTalk rejects the sender profile key")),
        // Our bug, but no proof: the key is taken because a body under it came before, and that one may be on its way.
        (-1010, Meaning::in_doubt(Unknown, "SendTalk had this reference before with another content")),
        (-1011, Meaning::in_doubt(ProviderUnavailable, "SendTalk is still at work on this reference")),
        (-9999, Meaning::in_doubt(ProviderUnavailable, "SendTalk failed inside")),
        (-2021, Meaning::temporary(Vendor, ProviderUnavailable, "SendTalk's queue is full")),
        (-1429, Meaning::temporary(Vendor, ProviderThrottled, "SendTalk asks for fewer requests")),
        (-2018, Meaning::permanent(Message, ContentRejected, "SendTalk misses a field of the request")),
        (-2019, Meaning::permanent(Message, InvalidRecipient, "SendTalk does not take this recipient number")),
        (-2015, Meaning::permanent(Message, ContentRejected, "the text or title is too long for SendTalk")),
        (-2023, Meaning::permanent(Message, ContentRejected, "the text holds a character SendTalk cannot send")),
        (-2005, Meaning::permanent(Message, ContentRejected, "an image is too big for SendTalk")),
        (-2003, Meaning::permanent(Message, ContentRejected, "SendTalk does not read an image as JPEG")),
        (-2312, Meaning::permanent(Account, SenderRejected, "the sender number is not registered with SendTalk")),
        (-2313, Meaning::permanent(Account, SenderRejected, "SendTalk has blocked the sender number")),
        (-3003, Meaning::permanent(Message, TemplateRejected, "SendTalk knows no template of this code")),
        (-3004, Meaning::permanent(Message, TemplateRejected, "a variable of the template is missing or one too many")),
        (-3005, Meaning::permanent(Message, TemplateRejected, "the template is not approved")),
        (-3006, Meaning::permanent(Message, TemplateRejected, "a button's link does not match the template")),
        (-3010, Meaning::permanent(Message, TemplateRejected, "the message does not match its template")),
        (-6001, Meaning::permanent(Message, RecipientBlocked, "the recipient has opted out")),
        (-6003, Meaning::permanent(Message, ContentRejected, "the text breaks the rules for advertisements")),
        (-6010, Meaning::temporary(Message, ContentRejected, "SendTalk takes no advertisements at night")),
        (-1030, Meaning::permanent(Account, InsufficientBalance, "the SendTalk account has no balance")),
        (-2052, Meaning::permanent(Account, InsufficientBalance, "the account's monthly limit is used up")),
    ]
};

/// What a verdict means that came with `ok: false`. One that no document names still says that it is not ok.
pub(super) fn verdict(code: i64) -> Meaning {
    CODES.iter().find(|(known, _)| *known == code).map_or(
        Meaning::permanent(
            Fault::Message,
            FailureCode::Unknown,
            "SendTalk refused the request for a reason no document names",
        ),
        |(_, meaning)| *meaning,
    )
}

/// What an answer other than 200 means, by HTTP status and, where one could be read, the verdict in its body.
///
/// A 5xx proves nothing on a send, whatever its body says. A status that the document does not use proves something
/// only together with a verdict: without one it comes from somebody in between.
pub(super) fn meaning(status: StatusCode, code: Option<i64>) -> Meaning {
    use FailureCode::{ContentRejected, CredentialsRejected, ProviderThrottled, ProviderTimeout, ProviderUnavailable};
    match (status.as_u16(), code) {
        (429, _) => Meaning::temporary(Fault::Vendor, ProviderThrottled, "SendTalk asks for fewer requests"),
        (400..=499, Some(code)) if CODES.iter().any(|(known, _)| *known == code) => verdict(code),
        (401 | 403, _) => Meaning::permanent(Fault::Account, CredentialsRejected, "SendTalk rejects the credentials"),
        (413, _) => Meaning::permanent(Fault::Message, ContentRejected, "the message is too big for SendTalk"),
        (415, _) => Meaning::permanent(Fault::Message, ContentRejected, "SendTalk does not take this kind of content"),
        (400..=499, Some(code)) => verdict(code),
        (504, _) => Meaning::in_doubt(ProviderTimeout, "SendTalk's gateway ran into a timeout"),
        (500..=599, _) => {
            Meaning::in_doubt(ProviderUnavailable, "SendTalk failed without saying what became of the request")
        }
        _ => Meaning::in_doubt(ProviderUnavailable, "SendTalk answered with an HTTP status that no document names"),
    }
}
