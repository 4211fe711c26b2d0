//! MMS.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use switchboard_providers::model::{Channel, Image, LMS_BYTES, cp949_len, normalize};

use super::{
    AdRules, Draft, Invalid, TextRequest, Violation, Violations, envelope, fingerprint::Digest, sender,
    text::measure_subject,
};
use crate::message::{Content, MmsContent, TextContent};

/// An image as a caller gave it.
pub struct ImageRequest {
    /// MIME type.
    pub content_type: String,
    /// The file.
    pub data: Bytes,
}

/// Images at most (both vendors' documents).
const MOST_IMAGES: usize = 3;

/// Prepares an MMS. Decodes images, which takes milliseconds: call it where that does not hold others up.
///
/// # Errors
///
/// All that is wrong with it.
pub fn mms(
    request: TextRequest,
    images: Vec<ImageRequest>,
    rules: AdRules,
    now: DateTime<Utc>,
) -> Result<Draft, Invalid> {
    let mut violations = Violations::default();
    let to = envelope(&request.envelope, &mut violations);
    let sender = sender(&request.sender, "sender", &mut violations);
    let text = measure(&request.text, &mut violations);
    let subject = measure_subject(&request.subject, "subject", &mut violations);
    let opt_out_number = match &text {
        Some(text) if request.advertisement => AdRules::check(text, &mut violations),
        _ => None,
    };
    let images = decode(images, &mut violations);
    let held_back = if request.advertisement { rules.hold_back(now, &mut violations) } else { None };
    let parts = to.zip(text).zip(subject).zip(images);
    let (((to, text), subject), images) = violations.finish(parts)?;

    let mut digest = Digest::new("mms");
    digest.text(to.e164());
    digest.text(sender.as_ref().map_or("", |sender| sender.as_str()));
    digest.text(&text);
    digest.text(&subject);
    digest.text(opt_out_number.as_deref().unwrap_or_default());
    images.iter().for_each(|image| digest.bytes(image.data()));

    Ok(Draft {
        organization_id: request.envelope.organization_id,
        request_id: request.envelope.request_id,
        fingerprint: digest.finish(),
        labels: request.envelope.labels,
        channel: Channel::Mms,
        to,
        sender,
        content: Content::Mms(MmsContent { text: TextContent { text, subject, opt_out_number }, images }),
        held_back,
    })
}

fn measure(text: &str, violations: &mut Violations) -> Option<String> {
    let text = normalize(text);
    if text.trim().is_empty() {
        violations.add(Violation::TextEmpty, "text", "is empty: give a text to send with the images");
    }
    match cp949_len(&text) {
        Ok(bytes) if bytes <= LMS_BYTES => Some(text),
        Ok(bytes) => {
            violations.add(
                Violation::TextTooLong,
                "text",
                format!("has {bytes} bytes in CP949, an MMS holds {LMS_BYTES}: shorten it"),
            );
            None
        }
        Err(error) => {
            violations.add(Violation::Unencodable, "text", error.to_string());
            None
        }
    }
}

fn decode(images: Vec<ImageRequest>, violations: &mut Violations) -> Option<Vec<Image>> {
    if images.is_empty() || images.len() > MOST_IMAGES {
        violations.add(Violation::Image, "images", format!("has {} entries: give one to {MOST_IMAGES}", images.len()));
        return None;
    }
    let mut decoded = Vec::with_capacity(images.len());
    for (index, image) in images.into_iter().enumerate() {
        match Image::decode(&image.content_type, image.data) {
            Ok(image) => decoded.push(image),
            Err(error) => violations.add(Violation::Image, format!("images[{index}]"), error.to_string()),
        }
    }
    Some(decoded)
}
