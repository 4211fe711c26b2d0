//! SendTalk's JSON and what it means in our words (interface document, Send, Look-up, status table).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    carrier,
    foreign::{id, is_meant, word},
    model::{
        Alimtalk, Button, Failure, FailureCode, Fallback, FallbackReport, Mms, Purpose, Report, ReportedStatus, Sender,
        Sms, TextKind,
    },
};

/// `POST /v1/sms`.
#[derive(Serialize)]
pub(super) struct SmsRequest<'a> {
    to: &'a str,
    from: String,
    text: &'a str,
    reference: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ad: Option<Ad>,
}

/// The `payload` part of `POST /v1/mms`, which without images is an LMS.
#[derive(Serialize)]
pub(super) struct MmsPayload<'a> {
    to: &'a str,
    from: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
    text: &'a str,
    reference: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ad: Option<Ad>,
}

#[derive(Serialize)]
struct Ad {
    opt_out_number: String,
}

/// `POST /v1/alimtalk`. The title belongs to the registered template.
#[derive(Serialize)]
pub(super) struct AlimtalkRequest<'a> {
    sender_profile_key: &'a str,
    template_code: &'a str,
    to: &'a str,
    /// Names without `#{}`.
    variables: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    buttons: Vec<ButtonLinks<'a>>,
    reference: &'a str,
    /// Never left out: what SendTalk would do then, no document says.
    fallback: FallbackPart<'a>,
}

/// The links of the registered button at `order`.
#[derive(Serialize)]
struct ButtonLinks<'a> {
    order: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    mobile_url: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pc_url: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    ios_scheme: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    android_scheme: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
enum FallbackPart<'a> {
    None,
    Sms {
        from: String,
        text: &'a str,
    },
    Lms {
        from: String,
        #[serde(skip_serializing_if = "str::is_empty")]
        title: &'a str,
        text: &'a str,
    },
}

impl<'a> From<&'a Sms> for SmsRequest<'a> {
    fn from(sms: &'a Sms) -> Self {
        Self {
            to: sms.to.e164(),
            from: sms.sender.e164(),
            text: &sms.text,
            reference: &sms.reference,
            ad: ad(&sms.purpose),
        }
    }
}

impl<'a> MmsPayload<'a> {
    pub(super) fn lms(lms: &'a Sms) -> Self {
        Self {
            to: lms.to.e164(),
            from: lms.sender.e164(),
            title: &lms.subject,
            text: &lms.text,
            reference: &lms.reference,
            ad: ad(&lms.purpose),
        }
    }

    pub(super) fn mms(mms: &'a Mms) -> Self {
        Self {
            to: mms.to.e164(),
            from: mms.sender.e164(),
            title: &mms.subject,
            text: &mms.text,
            reference: &mms.reference,
            ad: ad(&mms.purpose),
        }
    }
}

impl<'a> AlimtalkRequest<'a> {
    pub(super) fn new(alimtalk: &'a Alimtalk, sender_profile_key: &'a str) -> Self {
        let buttons = alimtalk.buttons.iter().enumerate();
        Self {
            sender_profile_key,
            template_code: &alimtalk.template_code,
            to: alimtalk.to.e164(),
            variables: &alimtalk.variables,
            buttons: buttons.filter_map(|(index, button)| ButtonLinks::new(index + 1, button)).collect(),
            reference: &alimtalk.reference,
            fallback: alimtalk.fallback.as_ref().map_or(FallbackPart::None, FallbackPart::from),
        }
    }
}

impl<'a> ButtonLinks<'a> {
    /// A button without links has nothing to fill in.
    fn new(order: usize, button: &'a Button) -> Option<Self> {
        let Button { mobile_url, pc_url, ios_scheme, android_scheme, .. } = button;
        let links = [mobile_url, pc_url, ios_scheme, android_scheme];
        links.iter().any(|link| !link.is_empty()).then_some(Self {
            order,
            mobile_url,
            pc_url,
            ios_scheme,
            android_scheme,
        })
    }
}

impl<'a> From<&'a Fallback> for FallbackPart<'a> {
    fn from(fallback: &'a Fallback) -> Self {
        let (from, text) = (fallback.sender.e164(), fallback.text.as_str());
        match fallback.kind {
            TextKind::Sms => Self::Sms { from, text },
            TextKind::Lms => Self::Lms { from, title: &fallback.subject, text },
        }
    }
}

/// The opt-out number goes in E.164 as every number does; one that is none goes as it is, for SendTalk to refuse.
fn ad(purpose: &Purpose) -> Option<Ad> {
    match purpose {
        Purpose::Transactional => None,
        Purpose::Advertisement(ad) => Some(Ad {
            opt_out_number: Sender::parse(&ad.opt_out_number)
                .map_or_else(|_| ad.opt_out_number.clone(), |number| number.e164()),
        }),
    }
}

/// Every answer.
#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub(super) struct Envelope<T> {
    pub(super) result: Verdict,
    #[serde(default = "Option::default")]
    pub(super) data: Option<T>,
}

/// The verdict; its `message` is not read, since it may repeat a number or a text.
#[derive(Deserialize)]
pub(super) struct Verdict {
    pub(super) ok: bool,
    pub(super) code: i64,
}

/// `data` of a send.
#[derive(Deserialize)]
pub(super) struct Receipt {
    pub(super) message_id: String,
    #[serde(default)]
    pub(super) reference: Option<String>,
    #[serde(default)]
    pub(super) accepted_at: Option<String>,
}

/// `data` of the account check.
#[derive(Deserialize)]
pub(super) struct AccountAnswer {
    pub(super) account_id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) sender_numbers: Vec<String>,
    #[serde(default)]
    pub(super) sender_profiles: Vec<Profile>,
}

/// A Kakao sender profile of the account.
#[derive(Deserialize)]
pub(super) struct Profile {
    pub(super) key_last4: String,
}

/// `data` of a look-up: one item, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum LookUpAnswer {
    List { items: Vec<Item> },
    One(Box<Item>),
}

/// `data` of a page of the results feed.
#[derive(Deserialize)]
pub(super) struct FeedAnswer {
    pub(super) items: Vec<Box<RawValue>>,
    #[serde(default)]
    pub(super) next_cursor: Option<String>,
}

/// A message in a look-up, or `data` of a callback: they share every field that says something.
#[derive(Deserialize)]
pub(super) struct Item {
    message_id: String,
    #[serde(default)]
    reference: Option<String>,
    status: String,
    #[serde(default)]
    result_code: Option<String>,
    #[serde(default)]
    accepted_at: Option<String>,
    #[serde(default)]
    occurred_at: Option<String>,
    #[serde(default)]
    fallback: Option<FallbackItem>,
}

#[derive(Deserialize)]
struct FallbackItem {
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    message_id: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    result_code: Option<String>,
}

impl Item {
    /// The report that this is.
    ///
    /// The key of the event holds `occurred_at`, which callbacks and look-ups share, as it came, and the state of the
    /// fallback, which moves on after the Alimtalk's own end.
    ///
    /// # Errors
    ///
    /// An id that is none.
    pub(super) fn into_report(self) -> Result<Report, String> {
        if self.message_id.is_empty() {
            return Err("message_id is empty".to_owned());
        }
        let provider_message_id = id("message_id", self.message_id)?;
        let client_reference = id("reference", self.reference.unwrap_or_default())?;
        let code = self.result_code.as_deref();
        let (status, failure) = status(&self.status, code);
        let provider_status = words(&self.status, code);
        let occurred = self.occurred_at.as_deref().and_then(instant);
        let at = occurred.map_or_else(|| "-".to_owned(), |time| time.timestamp_millis().to_string());
        let mut event_key = format!("sendtalk:{provider_message_id}:{provider_status}:{at}");
        let fallback = match self.fallback {
            Some(fallback) => fallback.into_report()?,
            None => None,
        };
        let fallback = fallback.map(|(fallback, words)| {
            event_key = format!("{event_key}+{}:{words}", fallback.provider_message_id);
            fallback
        });
        let accepted = self.accepted_at.as_deref().filter(|_| status == Some(ReportedStatus::Queued)).and_then(time);
        Ok(Report {
            provider_message_id,
            client_reference,
            status,
            provider_status,
            failure,
            occur_time: occurred.filter(is_meant).or(accepted),
            event_key,
            fallback,
        })
    }
}

impl FallbackItem {
    /// The report and the words that it came in; `None` while SendTalk sends nothing.
    fn into_report(self) -> Result<Option<(FallbackReport, String)>, String> {
        let Some(word) = self.status.filter(|_| self.mode.as_deref() != Some("none")) else { return Ok(None) };
        let provider_message_id = id("fallback.message_id", self.message_id.unwrap_or_default())?;
        let code = self.result_code.as_deref();
        let (status, failure) = status(&word, code);
        Ok(Some((FallbackReport { provider_message_id, status, failure }, words(&word, code))))
    }
}

/// Status word and code as one (interface document, status table). A word that no document names is `None`.
fn status(status: &str, code: Option<&str>) -> (Option<ReportedStatus>, Option<Failure>) {
    let code = word(code.unwrap_or_default());
    let failed = |failure| (Some(ReportedStatus::Failed), Some(failure));
    let unexplained = |detail| failed(Failure::new(FailureCode::Unknown, code.as_str(), detail, false));
    match status {
        "queued" | "scheduled" => (Some(ReportedStatus::Queued), None),
        "sent" | "unconfirmed" => (Some(ReportedStatus::Sent), None),
        "failed" if code == carrier::UNCONFIRMED => (Some(ReportedStatus::Sent), None),
        "delivered" => (Some(ReportedStatus::Delivered), None),
        "failed" => failed(carrier::failure(&code)),
        "expired" => failed(Failure { provider_code: code, ..carrier::failure(carrier::EXPIRED) }),
        "canceled" => unexplained("the message was cancelled at SendTalk"),
        "duplicated" => unexplained("SendTalk dropped the message as a duplicate"),
        _ => (None, None),
    }
}

/// `failed/3019`, as it came.
fn words(status: &str, code: Option<&str>) -> String {
    [Some(status), code].into_iter().flatten().filter(|part| !part.is_empty()).map(word).collect::<Vec<_>>().join("/")
}

/// RFC 3339 with offset; `None`: no time that SendTalk may mean.
pub(super) fn time(text: &str) -> Option<DateTime<Utc>> {
    instant(text).filter(is_meant)
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}
