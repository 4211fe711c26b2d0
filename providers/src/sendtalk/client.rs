//! Calls to SendTalk: made, and their answers judged (interface document, Send).

use chrono::{DateTime, Utc};
use http::{HeaderValue, StatusCode, header::AUTHORIZATION, header::CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Url};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    errors, form,
    multipart::{Multipart, Part},
    wire::{Envelope, MmsPayload, Receipt, time},
};
use crate::{
    credentials::Credentials,
    foreign,
    http::{Answer, Http},
    model::{Acceptance, FailureCode, Image, SendOutcome},
    verdict::{Finding, Meaning},
};

/// An answer that is not what its status promises proves nothing.
pub(super) const UNREADABLE: Meaning =
    Meaning::in_doubt(FailureCode::ProviderUnavailable, "SendTalk's answer cannot be read");

/// One account with SendTalk.
pub(super) struct Account {
    pub(super) http: Http,
    pub(super) account_id: String,
    /// `Bearer …`, marked as sensitive.
    authorization: HeaderValue,
    /// Empty: none.
    pub(super) sender_profile_key: String,
}

impl Account {
    /// From credentials that fit the form.
    pub(super) fn new(http: Http, credentials: &Credentials) -> Self {
        let value = |key| credentials.get(key).unwrap_or_default();
        // The form allows no character that a header does not.
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", value(form::API_KEY)))
            .unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
        authorization.set_sensitive(true);
        Self {
            http,
            account_id: value(form::ACCOUNT_ID).to_owned(),
            authorization,
            sender_profile_key: value(form::SENDER_PROFILE_KEY).to_owned(),
        }
    }

    /// An authorised request, still without a body.
    pub(super) fn authorized(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url).header(AUTHORIZATION, self.authorization.clone())
    }

    /// Sends JSON to `/v1/<kind>`.
    pub(super) async fn send(
        &self,
        kind: &str,
        body: &impl Serialize,
        reference: &str,
        at: DateTime<Utc>,
    ) -> SendOutcome {
        self.deliver(self.authorized(Method::POST, self.http.url(&["v1", kind])).json(body), reference, at).await
    }

    /// Sends an MMS, or without images an LMS.
    pub(super) async fn send_mms(
        &self,
        payload: &MmsPayload<'_>,
        images: &[Image],
        reference: &str,
        at: DateTime<Utc>,
    ) -> SendOutcome {
        // Plain fields serialise always; were it ever otherwise, SendTalk would miss them and say so.
        let payload = serde_json::to_vec(payload).unwrap_or_default();
        let json = Part { name: "payload", file_name: String::new(), content_type: "application/json", data: &payload };
        let images = images.iter().enumerate().map(|(index, image)| Part {
            name: "image",
            file_name: format!("image{}.jpg", index + 1),
            content_type: "image/jpeg",
            data: image.data(),
        });
        let Multipart { content_type, body } = Multipart::new(&std::iter::once(json).chain(images).collect::<Vec<_>>());
        let request = self.authorized(Method::POST, self.http.url(&["v1", "mms"]));
        self.deliver(request.header(CONTENT_TYPE, content_type).body(body), reference, at).await
    }

    /// The same key and the same bytes at every repetition: that is what makes one safe.
    async fn deliver(&self, request: RequestBuilder, reference: &str, at: DateTime<Utc>) -> SendOutcome {
        let answer = match self.http.call(request.header("idempotency-key", reference), at).await {
            Ok(answer) => answer,
            Err(lost) => return lost.into(),
        };
        if let (Some(wait), true) = (answer.retry_after, answer.status.is_server_error()) {
            // In doubt, so there is no outcome that could carry it on.
            tracing::info!(reference, wait_s = wait.as_secs(), "sendtalk asks to wait after a server error");
        }
        outcome(&answer, reference)
    }

    /// Gets the data at an address.
    pub(super) async fn get(&self, url: Url, at: DateTime<Utc>) -> Result<Answer, crate::http::Lost> {
        self.http.call(self.authorized(Method::GET, url), at).await
    }
}

/// What an answer says about our send. A receipt that is not ours proves nothing; a replayed one is as good as the first.
pub(super) fn outcome(answer: &Answer, reference: &str) -> SendOutcome {
    let receipt = match data::<Receipt>(answer) {
        Ok(receipt) => receipt,
        Err(finding) => return finding.into_outcome(),
    };
    let is_ours = receipt.reference.as_deref().is_none_or(|given| given == reference);
    match foreign::id("message_id", receipt.message_id) {
        Ok(id) if is_ours && !id.is_empty() => SendOutcome::Accepted(Acceptance {
            provider_message_id: id,
            accept_time: receipt.accepted_at.as_deref().and_then(time),
        }),
        _ => UNREADABLE.found().into_outcome(),
    }
}

/// The data of an answer whose verdict is good, or what the answer means instead.
///
/// # Errors
///
/// Everything else, first of all a verdict that is not ok.
pub(super) fn data<T: DeserializeOwned>(answer: &Answer) -> Result<T, Finding> {
    let envelope = answer.json::<Envelope<Box<RawValue>>>();
    let code = envelope.as_ref().filter(|envelope| !envelope.result.ok).map(|envelope| envelope.result.code);
    let found = |meaning| Finding {
        meaning,
        provider_code: code.map(|code| code.to_string()).unwrap_or_default(),
        retry_after: answer.retry_after,
    };
    if answer.status != StatusCode::OK {
        return Err(found(errors::meaning(answer.status, code)));
    }
    let Some(envelope) = envelope else { return Err(found(UNREADABLE)) };
    match (envelope.result.ok, envelope.result.code) {
        (true, 0) => {
            envelope.data.and_then(|data| serde_json::from_str(data.get()).ok()).ok_or_else(|| found(UNREADABLE))
        }
        (false, code) if code != 0 => Err(found(errors::verdict(code))),
        _ => Err(found(UNREADABLE)),
    }
}
