//! SendTalk. What it can do, and what is peculiar about it: `docs.md`.

mod client;
mod errors;
mod form;
mod multipart;
mod webhook;
mod wire;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use http::StatusCode;
use serde_json::value::RawValue;

use self::{
    client::{Account, UNREADABLE, data},
    wire::{AccountAnswer, AlimtalkRequest, FeedAnswer, Item, LookUpAnswer, MmsPayload, SmsRequest},
};
use crate::{
    credentials::{Credentials, CredentialsError, Localized, Use},
    foreign::word,
    http::{ClientError, Http, Lost},
    model::{
        Alimtalk, Channel, Failure, FailureCode, Fault, Image, LookUp, LookUpError, Mms, Report, SendOutcome, Sms,
        TextKind,
    },
    registry::VendorSettings,
    vendor::{AccountCheck, Descriptor, MessageProvider, Recovery, ResultsFeed, ResultsPage, ResultsSpan, Vendor},
    verdict::refused,
    webhook::WebhookFormat,
};

/// An image must be smaller than this, in bytes.
const IMAGE_BYTES: usize = 300 * 1024;
/// All images of a message together must be smaller than this, in bytes.
const IMAGES_BYTES: usize = 800 * 1024;
/// Longest side of an image, in pixels.
const IMAGE_SIDE: u32 = 1000;

static DESCRIPTOR: Descriptor = Descriptor {
    code: "sendtalk",
    name: Localized { ko: "SendTalk", en: "SendTalk" },
    channels: &Channel::ALL,
    form: form::FORM,
    recovery: Recovery::SendAgain { blind_for: Duration::from_secs(5), window: Duration::from_secs(24 * 60 * 60) },
    sends_fallback: true,
    results_feed: Some(ResultsFeed { behind: Duration::from_secs(2 * 60), window: Duration::from_secs(24 * 60 * 60) }),
};

/// The vendor.
pub(crate) struct SendTalk {
    http: Http,
}

impl SendTalk {
    /// From its settings; opens no connection.
    pub(crate) fn new(settings: &VendorSettings) -> Result<Self, ClientError> {
        Ok(Self { http: Http::new(settings)? })
    }
}

impl Vendor for SendTalk {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn open(&self, credentials: &Credentials) -> Result<Arc<dyn MessageProvider>, CredentialsError> {
        form::FORM.validate_for(Use::Sending, credentials)?;
        Ok(Arc::new(Account::new(self.http.clone(), credentials)))
    }

    fn webhooks(&self) -> &dyn WebhookFormat {
        &webhook::Callbacks
    }
}

#[async_trait]
impl MessageProvider for Account {
    async fn send_sms(&self, sms: &Sms, at: DateTime<Utc>) -> SendOutcome {
        match sms.kind {
            TextKind::Sms => self.send("sms", &SmsRequest::from(sms), &sms.reference, at).await,
            TextKind::Lms => self.send_mms(&MmsPayload::lms(sms), &[], &sms.reference, at).await,
        }
    }

    async fn send_mms(&self, mms: &Mms, at: DateTime<Utc>) -> SendOutcome {
        match excess(&mms.images) {
            Some(detail) => refused(Fault::Message, FailureCode::ContentRejected, detail),
            None => Self::send_mms(self, &MmsPayload::mms(mms), &mms.images, &mms.reference, at).await,
        }
    }

    async fn send_alimtalk(&self, alimtalk: &Alimtalk, at: DateTime<Utc>) -> SendOutcome {
        let key = [&alimtalk.sender_profile, &self.sender_profile_key].into_iter().find(|key| !key.is_empty());
        let Some(key) = key else {
            return refused(
                Fault::Account,
                FailureCode::SenderRejected,
                "the SendTalk account has no Kakao sender profile: set sender_profile_key in its credentials",
            );
        };
        self.send("alimtalk", &AlimtalkRequest::new(alimtalk, key), &alimtalk.reference, at).await
    }

    /// The profile key is wrong or right on its own, so it is compared with the account's profiles.
    async fn validate_credentials(&self, at: DateTime<Utc>) -> Result<AccountCheck, Failure> {
        let answer = self.get(self.http.url(&["v1", "account"]), at).await.map_err(Lost::into_failure)?;
        let account: AccountAnswer = data(&answer).map_err(|finding| finding.into_failure())?;
        let failure = |code, provider_code: &str, detail| Err(Failure::new(code, provider_code, detail, false));
        if account.account_id != self.account_id {
            return failure(FailureCode::CredentialsRejected, "", "the API key belongs to another SendTalk account");
        }
        if account.status.eq_ignore_ascii_case("suspended") {
            let status = word(&account.status);
            return failure(FailureCode::CredentialsRejected, &status, "SendTalk has suspended the account");
        }
        let ours = self.sender_profile_key.get(36..);
        let known = |last: &str| account.sender_profiles.iter().any(|p| p.key_last4.eq_ignore_ascii_case(last));
        if ours.is_some_and(|last| !known(last)) {
            return failure(
                FailureCode::CredentialsRejected,
                "",
                "sender_profile_key is not the key of any sender profile of this SendTalk account",
            );
        }
        Ok(AccountCheck { account: account.account_id, sender_numbers: account.sender_numbers })
    }

    async fn look_up(&self, what: LookUp<'_>, at: DateTime<Utc>) -> Result<Vec<Report>, LookUpError> {
        let mut url = self.http.url(&["v1", "messages"]);
        match what {
            LookUp::ProviderMessageId(id) => url = self.http.url(&["v1", "messages", id]),
            LookUp::Reference(reference) => {
                url.query_pairs_mut().append_pair("reference", reference);
            }
        }
        let answer = self.get(url, at).await.map_err(Lost::into_look_up_error)?;
        let items = match data(&answer) {
            Ok(LookUpAnswer::List { items }) => items,
            Ok(LookUpAnswer::One(item)) => vec![*item],
            Err(finding) if answer.status == StatusCode::OK && finding.provider_code == errors::NOT_FOUND => {
                return Ok(Vec::new());
            }
            Err(finding) => return Err(finding.into_look_up_error()),
        };
        let reports = items.into_iter().map(Item::into_report).collect::<Result<Vec<_>, _>>();
        let ours = |report: &Report| match what {
            LookUp::ProviderMessageId(id) => report.provider_message_id == id,
            LookUp::Reference(reference) => report.client_reference == reference,
        };
        let unreadable = || UNREADABLE.found().into_look_up_error();
        reports.ok().filter(|reports| reports.iter().all(ours)).ok_or_else(unreadable)
    }

    async fn results(&self, span: ResultsSpan<'_>, at: DateTime<Utc>) -> Result<ResultsPage, LookUpError> {
        let mut url = self.http.url(&["v1", "results"]);
        // UTC as `Z`: the sign of an offset would have to be escaped.
        let instant = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        url.query_pairs_mut()
            .append_pair("updated_from", &instant(span.from))
            .append_pair("updated_to", &instant(span.until));
        if !span.cursor.is_empty() {
            url.query_pairs_mut().append_pair("cursor", span.cursor);
        }
        let answer = self.get(url, at).await.map_err(Lost::into_look_up_error)?;
        let page: FeedAnswer = data(&answer).map_err(|finding| finding.into_look_up_error())?;
        let items = page.items.len();
        // One that cannot be read does not hold up the others.
        let read = |item: Box<RawValue>| serde_json::from_str::<Item>(item.get()).ok()?.into_report().ok();
        let reports: Vec<Report> = page.items.into_iter().filter_map(read).collect();
        let unreadable = items - reports.len();
        Ok(ResultsPage { reports, unreadable, next_cursor: page.next_cursor.unwrap_or_default() })
    }
}

/// What about the images is beyond SendTalk's limits, which are tighter than everybody's (interface document, Send).
fn excess(images: &[Image]) -> Option<String> {
    let limit = "SendTalk, the vendor of this organisation, takes";
    for (number, image) in (1..).zip(images) {
        let bytes = image.data().len();
        if bytes >= IMAGE_BYTES {
            return Some(format!(
                "{limit} images of less than {IMAGE_BYTES} bytes (300 KB): image {number} has {bytes}"
            ));
        }
        let (width, height) = (image.width(), image.height());
        if width.max(height) > IMAGE_SIDE {
            return Some(format!(
                "{limit} images of up to {IMAGE_SIDE}×{IMAGE_SIDE}: image {number} is {width}×{height}"
            ));
        }
    }
    let bytes: usize = images.iter().map(|image| image.data().len()).sum();
    (bytes >= IMAGES_BYTES)
        .then(|| format!("{limit} less than {IMAGES_BYTES} bytes (800 KB) of images together: these have {bytes}"))
}
