//! Delivery codes of the carriers and of Kakao, which every vendor passes on unchanged.
//!
//! Both vendors' documents list the same codes; what only one of them lists means the same where the other sends it.
//! They are not the vendors' own error codes, some of which have the same digits.

use crate::model::{Failure, FailureCode};

/// "Unconfirmed" (Kakao): may still arrive within three days, so it is no failure and starts no fallback.
pub(crate) const UNCONFIRMED: &str = "3005";

/// The carrier gave up.
pub(crate) const EXPIRED: &str = "2000";

/// Code, neutral code, whether the same message sent anew could arrive, and the sentence for a person.
const CODES: &[(&str, FailureCode, bool, &str)] = {
    use FailureCode::{
        ContentRejected, Expired, InvalidRecipient, NotKakaoUser, RecipientBlocked, RecipientUnreachable,
        TemplateRejected,
    };
    &[
        ("1001", RecipientUnreachable, true, "the recipient's line was busy"),
        (EXPIRED, Expired, true, "the carrier gave up after the validity period"),
        ("2001", RecipientUnreachable, true, "the carrier's network had trouble"),
        ("2003", RecipientUnreachable, true, "the recipient's phone is off"),
        ("2005", RecipientUnreachable, true, "the recipient's phone has no coverage"),
        ("3001", InvalidRecipient, false, "the carrier knows no such subscriber"),
        ("3006", RecipientBlocked, false, "the recipient refuses messages from this sender"),
        ("3011", RecipientUnreachable, true, "the carrier's server had trouble"),
        ("3012", ContentRejected, false, "the carrier took the message for spam"),
        ("3016", TemplateRejected, false, "Kakao found that the message does not match its template"),
        ("3018", NotKakaoUser, false, "the recipient cannot receive Alimtalk"),
        ("3019", NotKakaoUser, false, "the recipient does not use Kakao"),
        ("3020", RecipientBlocked, false, "the recipient has blocked the Kakao channel"),
    ]
};

/// Why a message was not delivered. A code that no document names is kept as it came.
pub(crate) fn failure(code: &str) -> Failure {
    match CODES.iter().find(|(known, ..)| *known == code) {
        Some(&(_, meaning, retryable, detail)) => Failure::new(meaning, code, detail, retryable),
        None if code.is_empty() => {
            Failure::new(FailureCode::Unknown, "", "the message failed and no reason was given", false)
        }
        None => Failure::new(FailureCode::Unknown, code, "the message failed for a reason no document names", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_delivery_code_of_the_documents_has_its_meaning() {
        use FailureCode::*;
        for (code, meaning, retryable) in [
            ("1001", RecipientUnreachable, true),
            ("2001", RecipientUnreachable, true),
            ("3011", RecipientUnreachable, true),
            ("2003", RecipientUnreachable, true),
            ("2005", RecipientUnreachable, true),
            ("3001", InvalidRecipient, false),
            ("3006", RecipientBlocked, false),
            ("3012", ContentRejected, false),
            (EXPIRED, Expired, true),
            ("3016", TemplateRejected, false),
            ("3018", NotKakaoUser, false),
            ("3019", NotKakaoUser, false),
            ("3020", RecipientBlocked, false),
            ("9999", Unknown, false),
            ("", Unknown, false),
        ] {
            let failure = failure(code);
            assert_eq!(
                (failure.code, failure.retryable, failure.provider_code.as_str()),
                (meaning, retryable, code),
                "{code}"
            );
        }
    }
}
