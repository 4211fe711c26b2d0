//! `POST /v1/mms`: multipart, and an LMS when there is no image.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request};
use http::header;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::account::SendTalkAccount;
use super::errors::Refusal;
use super::send::{Draft, Parsed, check_bytes, check_from, check_reference, check_to, required};
use super::sms::{Advertisement, check_advertisement};
use crate::cloudmsg::measure;
use crate::core::Received;
use crate::message::{Channel, ImageFacts};

/// One image is smaller than this, in bytes.
const IMAGE_BELOW: usize = 300 * 1024;
/// All images together are smaller than this, in bytes.
const TOGETHER_BELOW: usize = 800 * 1024;
/// Largest side in pixels.
const MAX_SIDE: u32 = 1000;

#[derive(Debug, Deserialize)]
struct Payload {
    to: Option<String>,
    from: Option<String>,
    title: Option<String>,
    text: Option<String>,
    reference: Option<String>,
    ad: Option<Advertisement>,
    #[serde(flatten)]
    unknown: BTreeMap<String, IgnoredAny>,
}

/// Reads the parts.
pub(super) async fn read(received: &Received) -> Result<Parsed, Refusal> {
    let malformed = |why: String| Refusal::new(-2018, format!("the multipart body cannot be read: {why}"));
    let mut request = Request::new(Body::from(received.body.clone()));
    if let Some(content_type) = received.headers.get(header::CONTENT_TYPE) {
        request.headers_mut().insert(header::CONTENT_TYPE, content_type.clone());
    }
    let mut multipart = Multipart::from_request(request, &()).await.map_err(|error| malformed(error.body_text()))?;
    let (mut payload, mut images, mut fingerprint) = (None, Vec::new(), String::from("/v1/mms"));
    while let Some(part) = multipart.next_field().await.map_err(|error| malformed(error.body_text()))? {
        let name = part.name().unwrap_or_default().to_owned();
        let media_type = part.content_type().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(|error| malformed(error.body_text()))?;
        match name.as_str() {
            "payload" => {
                let value: Value = serde_json::from_slice(&bytes)
                    .map_err(|error| Refusal::new(-2018, format!("payload is not JSON: {error}")))?;
                fingerprint.push_str(&format!(" {value}"));
                payload = Some(value);
            }
            "image" => {
                let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
                fingerprint.push_str(&format!(" {}", hex::encode(digest)));
                images.push((media_type, bytes.to_vec()));
            }
            other => return Err(malformed(format!("there is no part named {other}"))),
        }
    }
    let payload = payload.ok_or_else(|| Refusal::new(-2018, "the part payload is missing"))?;
    Ok(Parsed { fingerprint, payload, images })
}

/// Judges an MMS or LMS.
pub(super) fn check(account: &SendTalkAccount, parsed: Parsed, now_ms: i64) -> Result<Draft, Refusal> {
    let payload: Payload =
        serde_json::from_value(parsed.payload).map_err(|error| Refusal::new(-2018, error.to_string()))?;
    let to = required(payload.to, "to")?;
    let from = required(payload.from, "from")?;
    let text = required(payload.text, "text")?;
    check_to(&to)?;
    check_from(account, &from)?;
    check_bytes(&text, "text", 2000)?;
    check_bytes(payload.title.as_deref().unwrap_or_default(), "title", 40)?;
    check_reference(payload.reference.as_deref())?;
    check_advertisement(account, payload.ad.as_ref(), &to, &text, now_ms)?;
    let images = check_images(&parsed.images)?;
    Ok(Draft {
        channel: if images.is_empty() { Channel::Lms } else { Channel::Mms },
        to,
        from: Some(from),
        subject: payload.title,
        text,
        reference: payload.reference,
        images,
        buttons: Value::Null,
        template_code: None,
        advertisement: payload.ad.is_some(),
        fallback: None,
        unknown: payload.unknown.into_keys().collect(),
    })
}

fn check_images(images: &[(String, Vec<u8>)]) -> Result<Vec<ImageFacts>, Refusal> {
    if images.len() > 3 {
        return Err(Refusal::new(-2005, "at most 3 images"));
    }
    let together: usize = images.iter().map(|(_, file)| file.len()).sum();
    if together >= TOGETHER_BELOW {
        return Err(Refusal::new(-2005, "the images together must be smaller than 800 KB"));
    }
    images.iter().map(|(media_type, file)| check_image(media_type, file)).collect()
}

fn check_image(media_type: &str, file: &[u8]) -> Result<ImageFacts, Refusal> {
    if media_type != "image/jpeg" {
        return Err(Refusal::new(-2003, "an image part must be image/jpeg"));
    }
    if file.len() >= IMAGE_BELOW {
        return Err(Refusal::new(-2005, "an image must be smaller than 300 KB"));
    }
    let facts = measure(file).ok_or_else(|| Refusal::new(-2003, "the image is not a JPEG"))?;
    if facts.width > MAX_SIDE || facts.height > MAX_SIDE {
        return Err(Refusal::new(-2005, "an image may have at most 1000×1000 pixels"));
    }
    Ok(facts)
}
