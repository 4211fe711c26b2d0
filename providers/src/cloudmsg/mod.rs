//! CloudMsg. What it can do, and what is peculiar about it: `docs.md`.

mod bulk;
mod client;
mod errors;
mod form;
mod images;
mod webhook;
mod wire;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use http::StatusCode;
use reqwest::Method;

use self::{
    client::{Account, UNREADABLE, judge},
    wire::{Item, LookUpAnswer, SendRequest, ServiceAnswer},
};
use crate::{
    credentials::{Credentials, CredentialsError, Localized, Use},
    http::{ClientError, Http, Lost},
    model::{Alimtalk, Channel, Failure, FailureCode, Fault, LookUp, LookUpError, Mms, Report, SendOutcome, Sms},
    registry::VendorSettings,
    vendor::{AccountCheck, BulkTexts, Descriptor, MessageProvider, Recovery, Vendor},
    verdict::refused,
    webhook::WebhookFormat,
};

static DESCRIPTOR: Descriptor = Descriptor {
    code: "cloudmsg",
    name: Localized { ko: "CloudMsg", en: "CloudMsg" },
    channels: &Channel::ALL,
    form: form::FORM,
    // No de-duplication: the same reference twice makes two messages.
    recovery: Recovery::LookUpFirst { blind_for: Duration::from_secs(2) },
    sends_fallback: true,
    results_feed: None,
};

/// The vendor.
pub(crate) struct CloudMsg {
    http: Http,
}

impl CloudMsg {
    /// From its settings; opens no connection.
    pub(crate) fn new(settings: &VendorSettings) -> Result<Self, ClientError> {
        Ok(Self { http: Http::new(settings)? })
    }
}

impl Vendor for CloudMsg {
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
        self.send(&SendRequest::texts(&[sms]), &sms.reference, at).await
    }

    /// A file id that has expired before its time is uploaded again, once.
    async fn send_mms(&self, mms: &Mms, at: DateTime<Utc>) -> SendOutcome {
        let first = self.try_mms(mms, at).await;
        if !errors::file_expired(&first) {
            return first;
        }
        self.forget(&mms.images);
        let second = self.try_mms(mms, at).await;
        if errors::file_expired(&second) {
            self.forget(&mms.images);
        }
        second
    }

    async fn send_alimtalk(&self, alimtalk: &Alimtalk, at: DateTime<Utc>) -> SendOutcome {
        let channel = [&alimtalk.sender_profile, &self.channel_id].into_iter().find(|channel| !channel.is_empty());
        let Some(channel) = channel else {
            return refused(
                Fault::Account,
                FailureCode::SenderRejected,
                "the CloudMsg account has no Kakao channel: set channel_id in its credentials",
            );
        };
        self.send(&SendRequest::alimtalk(alimtalk, channel), &alimtalk.reference, at).await
    }

    fn bulk(&self) -> Option<&dyn BulkTexts> {
        Some(self)
    }

    async fn validate_credentials(&self, at: DateTime<Utc>) -> Result<AccountCheck, Failure> {
        let request = self.signed(Method::GET, self.url(&[]), at);
        let answer = self.http.call(request, at).await.map_err(Lost::into_failure)?;
        if answer.status != StatusCode::OK {
            return Err(judge(&answer, at).into_failure());
        }
        let service: ServiceAnswer = answer.json().ok_or_else(|| UNREADABLE.found().into_failure())?;
        let failure = |code, detail| Err(Failure::new(code, crate::foreign::word(&service.status), detail, false));
        match service.status.as_str() {
            "ACTIVE" if service.service_id == self.service_id => {
                Ok(AccountCheck { account: service.service_id, sender_numbers: service.sender_numbers })
            }
            "ACTIVE" => failure(FailureCode::Unknown, "CloudMsg answered about another service"),
            "SUSPENDED" => failure(FailureCode::CredentialsRejected, "CloudMsg has suspended this service"),
            _ => failure(FailureCode::Unknown, "CloudMsg names a state of this service that no document names"),
        }
    }

    /// Only an empty 404 means "not known"; a 404 with something in it is about the service, or from somebody else.
    async fn look_up(&self, what: LookUp<'_>, at: DateTime<Utc>) -> Result<Vec<Report>, LookUpError> {
        let url = match what {
            LookUp::ProviderMessageId(id) => self.url(&["messages", id]),
            LookUp::Reference(reference) => {
                let mut url = self.url(&["messages"]);
                url.query_pairs_mut().append_pair("clientRef", reference);
                url
            }
        };
        let answer = self.http.call(self.signed(Method::GET, url, at), at).await.map_err(Lost::into_look_up_error)?;
        match answer.status {
            StatusCode::NOT_FOUND if answer.is_empty() => return Ok(Vec::new()),
            StatusCode::OK => {}
            _ => return Err(judge(&answer, at).into_look_up_error()),
        }
        let unreadable = || UNREADABLE.found().into_look_up_error();
        let items = match answer.json().ok_or_else(unreadable)? {
            LookUpAnswer::List { messages } => messages,
            LookUpAnswer::One(item) => vec![*item],
        };
        let reports = items.into_iter().map(Item::into_report).collect::<Result<Vec<_>, _>>();
        let ours = |report: &Report| match what {
            LookUp::ProviderMessageId(id) => report.provider_message_id == id,
            LookUp::Reference(reference) => report.client_reference == reference,
        };
        reports.ok().filter(|reports| reports.iter().all(ours)).ok_or_else(unreadable)
    }
}

impl Account {
    async fn try_mms(&self, mms: &Mms, at: DateTime<Utc>) -> SendOutcome {
        match self.file_ids(&mms.images, at).await {
            Ok(file_ids) => self.send(&SendRequest::mms(mms, &file_ids), &mms.reference, at).await,
            Err(refusal) => SendOutcome::Refused(refusal),
        }
    }
}
