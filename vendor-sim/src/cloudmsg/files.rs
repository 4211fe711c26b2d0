//! Images, uploaded before the send (interface document, "Images").

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::CloudMsg;
use super::account::CloudMsgAccount;
use super::errors::Refusal;
use crate::core::{Answer, locked};
use crate::message::ImageFacts;

/// Largest image in bytes.
const MAX_BYTES: usize = 300 * 1024;
/// Largest image in pixels.
const MAX_SIZE: (u32, u32) = (1500, 1440);
/// Six days.
const KEPT_MS: i64 = 6 * 24 * 3600 * 1000;

#[derive(Debug)]
struct Kept {
    service_id: String,
    facts: ImageFacts,
    expires_at: i64,
}

/// Uploaded images by id.
#[derive(Debug, Default)]
pub(super) struct Files(HashMap<String, Kept>);

impl Files {
    pub(super) fn expire_all(&mut self) {
        for kept in self.0.values_mut() {
            kept.expires_at = 0;
        }
    }

    /// The image behind an id, for its own service and while it is kept.
    pub(super) fn get(&self, service_id: &str, file_id: &str, now_ms: i64) -> Option<ImageFacts> {
        let kept = self.0.get(file_id)?;
        (kept.service_id == service_id && kept.expires_at > now_ms).then(|| kept.facts.clone())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Upload {
    file_name: String,
    file_body: String,
}

/// `POST …/files`.
pub(super) fn upload(vendor: &Arc<CloudMsg>, account: &CloudMsgAccount, body: &[u8]) -> Result<Answer, Refusal> {
    let upload: Upload = serde_json::from_slice(body).map_err(|error| Refusal::new("100", error.to_string()))?;
    let name = upload.file_name.to_ascii_lowercase();
    let length = upload.file_name.chars().count();
    if length > 40 || !(name.ends_with(".jpg") || name.ends_with(".jpeg")) {
        return Err(Refusal::new("100", "fileName: at most 40 characters, ending in .jpg or .jpeg"));
    }
    let file = STANDARD.decode(&upload.file_body).map_err(|_| Refusal::new("100", "fileBody: not Base64"))?;
    if file.len() > MAX_BYTES {
        return Err(Refusal::new("2005", "fileBody: more than 300 KB"));
    }
    let facts = measure(&file).ok_or_else(|| Refusal::new("100", "fileBody: not a JPEG image"))?;
    if facts.width > MAX_SIZE.0 || facts.height > MAX_SIZE.1 {
        return Err(Refusal::new("2005", "fileBody: more than 1500×1440 pixels"));
    }
    let now = vendor.core.clock.now_ms();
    let file_id = vendor.core.ids.next("f-");
    let kept = Kept { service_id: account.service_id.clone(), facts, expires_at: now + KEPT_MS };
    locked(&vendor.files).0.insert(file_id.clone(), kept);
    let answer = json!({ "fileId": file_id, "createTime": now, "expireTime": now + KEPT_MS });
    Ok(Answer::json(StatusCode::OK, &answer))
}

/// Size and dimensions of a JPEG, or `None` when it is none.
pub(crate) fn measure(file: &[u8]) -> Option<ImageFacts> {
    let reader = image::ImageReader::with_format(Cursor::new(file), image::ImageFormat::Jpeg);
    let (width, height) = reader.into_dimensions().ok()?;
    let digest = ring::digest::digest(&ring::digest::SHA256, file);
    Some(ImageFacts { bytes: file.len(), width, height, sha256: hex::encode(digest) })
}
