//! Calls to CloudMsg: signed, made, and their answers judged (interface document, Credentials, Send, Errors).

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use http::StatusCode;
use reqwest::{Method, RequestBuilder, Url};
use ring::hmac;

use super::{
    errors, form,
    images::{self, Hash, Images},
    wire::{ErrorAnswer, RecipientAnswer, SendAnswer, SendRequest, UploadAnswer, UploadRequest, time},
};
use crate::{
    credentials::Credentials,
    foreign,
    http::{Answer, Http, Lost},
    model::{Acceptance, FailureCode, Image, Refusal, SendOutcome},
    verdict::{Finding, Meaning},
};

/// An answer that is not what its status promises proves nothing.
pub(super) const UNREADABLE: Meaning =
    Meaning::in_doubt(FailureCode::ProviderUnavailable, "CloudMsg's answer cannot be read");

/// `requestStatusCode` of a recipient that was accepted.
const RECIPIENT_ACCEPTED: &str = "A000";

/// One account with CloudMsg.
pub(super) struct Account {
    pub(super) http: Http,
    pub(super) service_id: String,
    /// Where messages are sent to: written once, since every send needs it.
    messages: Url,
    access_key: String,
    key: hmac::Key,
    /// Empty: none.
    pub(super) channel_id: String,
    images: Images,
}

impl Account {
    /// From credentials that fit the form.
    pub(super) fn new(http: Http, credentials: &Credentials) -> Self {
        let value = |key| credentials.get(key).unwrap_or_default();
        let service_id = value(form::SERVICE_ID).to_owned();
        Self {
            messages: address(&http, &service_id, &["messages"]),
            http,
            service_id,
            access_key: value(form::ACCESS_KEY).to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, value(form::SECRET_KEY).as_bytes()),
            channel_id: value(form::CHANNEL_ID).to_owned(),
            images: Images::default(),
        }
    }

    /// An address of this service.
    pub(super) fn url(&self, path: &[&str]) -> Url {
        address(&self.http, &self.service_id, path)
    }

    /// A signed request, still without a body.
    pub(super) fn signed(&self, method: Method, url: Url, at: DateTime<Utc>) -> RequestBuilder {
        let timestamp = at.timestamp_millis().to_string();
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let signature = sign(&self.key, method.as_str(), &target, &timestamp, &self.access_key);
        self.http
            .request(method, url)
            .header("x-cm-timestamp", timestamp)
            .header("x-cm-access-key", &self.access_key)
            .header("x-cm-signature", signature)
    }

    /// Sends a request whose one recipient has `reference`.
    pub(super) async fn send(&self, body: &SendRequest<'_>, reference: &str, at: DateTime<Utc>) -> SendOutcome {
        match self.post(body, at).await {
            Ok(answer) if answer.status == StatusCode::ACCEPTED => receipt(&answer, reference),
            Ok(answer) => judge(&answer, at).into_outcome(),
            Err(lost) => lost.into(),
        }
    }

    /// Posts a send.
    pub(super) async fn post(&self, body: &SendRequest<'_>, at: DateTime<Utc>) -> Result<Answer, Lost> {
        self.http.call(self.signed(Method::POST, self.messages.clone(), at).json(body), at).await
    }

    /// The file ids of a message's images, uploading those that CloudMsg does not have.
    ///
    /// # Errors
    ///
    /// A refusal, whatever went wrong: without its images no message exists.
    pub(super) async fn file_ids(&self, images: &[Image], at: DateTime<Utc>) -> Result<Vec<String>, Refusal> {
        let mut ids = Vec::with_capacity(images.len());
        for image in images {
            let hash = images::hash(image);
            ids.push(match self.images.get(&hash, at) {
                Some(id) => id,
                None => self.upload(image, hash, at).await?,
            });
        }
        Ok(ids)
    }

    /// Forgets the file ids of images that CloudMsg no longer has.
    pub(super) fn forget(&self, images: &[Image]) {
        for image in images {
            self.images.forget(&images::hash(image));
        }
    }

    async fn upload(&self, image: &Image, hash: Hash, at: DateTime<Utc>) -> Result<String, Refusal> {
        let body = UploadRequest {
            file_name: format!("{}.jpg", hex::encode(&hash[..16])),
            file_body: BASE64_STANDARD.encode(image.data()),
        };
        let request = self.signed(Method::POST, self.url(&["files"]), at).json(&body);
        let answer = self.http.call(request, at).await.map_err(Lost::into_refusal)?;
        if answer.status != StatusCode::OK {
            return Err(judge(&answer, at).into_refusal());
        }
        let file: UploadAnswer = answer.json().ok_or_else(|| UNREADABLE.found().into_refusal())?;
        let expires = file.expire_time.and_then(DateTime::from_timestamp_millis);
        self.images.put(hash, file.file_id.clone(), expires, at);
        Ok(file.file_id)
    }
}

/// An address of a service.
fn address(http: &Http, service_id: &str, path: &[&str]) -> Url {
    http.url(&[&["v2", "services", service_id], path].concat())
}

/// Base64(HMAC-SHA256(secret key, `METHOD` SP `path?query` LF `timestamp` LF `accessKey`)); the body is not signed.
pub(super) fn sign(key: &hmac::Key, method: &str, target: &str, timestamp: &str, access_key: &str) -> String {
    let mut context = hmac::Context::with_key(key);
    for part in [method, " ", target, "\n", timestamp, "\n", access_key] {
        context.update(part.as_bytes());
    }
    BASE64_STANDARD.encode(context.sign())
}

/// What a 202 says about our one recipient, whom it need not name.
pub(super) fn receipt(answer: &Answer, reference: &str) -> SendOutcome {
    let Some(SendAnswer { request_time, messages }) = answer.json() else { return UNREADABLE.found().into_outcome() };
    let ours = |given: &Option<String>| given.as_deref().is_none_or(|given| given == reference);
    match messages.into_iter().next().filter(|recipient| ours(&recipient.client_ref)) {
        Some(recipient) => recipient.outcome(request_time, answer.retry_after),
        None => UNREADABLE.found().into_outcome(),
    }
}

impl RecipientAnswer {
    /// A call that was accepted may still have refused the recipient; a receipt that contradicts itself proves nothing.
    pub(super) fn outcome(self, request_time: Option<i64>, retry_after: Option<Duration>) -> SendOutcome {
        let in_doubt = || UNREADABLE.found().into_outcome();
        let accepted = self.request_status_code == RECIPIENT_ACCEPTED;
        match (self.request_status_name.as_deref(), accepted) {
            (Some("success") | None, true) => match self.message_id.map(|id| foreign::id("messageId", id)) {
                Some(Ok(id)) if !id.is_empty() => SendOutcome::Accepted(Acceptance {
                    provider_message_id: id,
                    accept_time: request_time.and_then(time),
                }),
                _ => in_doubt(),
            },
            (Some("fail"), false) => Finding {
                meaning: errors::recipient(&self.request_status_code),
                provider_code: foreign::word(&self.request_status_code),
                retry_after,
            }
            .into_outcome(),
            _ => in_doubt(),
        }
    }
}

/// What an answer means that is not the documented success.
pub(super) fn judge(answer: &Answer, at: DateTime<Utc>) -> Finding {
    let code = answer.json::<ErrorAnswer>().map(|answer| answer.error.error_code).unwrap_or_default();
    Finding {
        meaning: errors::meaning(answer.status, &code),
        provider_code: foreign::word(&code),
        retry_after: errors::retry_after(answer.retry_after, answer.status, &code, at),
    }
}
