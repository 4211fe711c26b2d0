//! CloudMsg's JSON and what it means in our words (interface document, Send, Look-up, Status).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    carrier,
    foreign::{id, is_meant, word},
    model::{
        Alimtalk, Button, ButtonType, Channel, Failure, Fallback, FallbackReport, Mms, PhoneNumber, Purpose, Report,
        ReportedStatus, Sms, TextKind,
    },
};

/// `POST …/messages`: texts with one recipient or more, everything else with one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendRequest<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    from: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    content: &'a str,
    messages: Vec<Recipient<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileId<'a>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    alimtalk: Option<AlimtalkPart<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recipient<'a> {
    to: &'a str,
    client_ref: &'a str,
    /// Its own text; `None`: that of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

impl<'a> Recipient<'a> {
    fn new(to: &'a PhoneNumber, reference: &'a str) -> Self {
        Self { to: to.national_digits(), client_ref: reference, content: None }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FileId<'a> {
    file_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlimtalkPart<'a> {
    channel_id: &'a str,
    template_code: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    buttons: Vec<ButtonPart<'a>>,
    /// Never left out: the channel's own setting would decide then, and both it and we might send the text.
    use_sms_failover: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    failover_config: Option<FailoverConfig<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ButtonPart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    link_mobile: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    link_pc: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    scheme_ios: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    scheme_android: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailoverConfig<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    from: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    content: &'a str,
}

impl<'a> SendRequest<'a> {
    /// Texts that share all but recipient and text.
    pub(super) fn texts(texts: &[&'a Sms]) -> Self {
        let first = texts[0];
        let messages = texts.iter().map(|sms| Recipient {
            content: Some(sms.text.as_str()).filter(|text| *text != first.text),
            ..Recipient::new(&sms.to, &sms.reference)
        });
        Self {
            kind: Channel::from(first.kind).as_str(),
            content_type: Some(content_type(&first.purpose)),
            from: first.sender.national_digits(),
            subject: subject(first.kind, &first.subject),
            content: &first.text,
            messages: messages.collect(),
            files: Vec::new(),
            alimtalk: None,
        }
    }

    pub(super) fn mms(mms: &'a Mms, file_ids: &'a [String]) -> Self {
        Self {
            kind: Channel::Mms.as_str(),
            content_type: Some(content_type(&mms.purpose)),
            from: mms.sender.national_digits(),
            subject: &mms.subject,
            content: &mms.text,
            messages: vec![Recipient::new(&mms.to, &mms.reference)],
            files: file_ids.iter().map(|file_id| FileId { file_id }).collect(),
            alimtalk: None,
        }
    }

    pub(super) fn alimtalk(alimtalk: &'a Alimtalk, channel_id: &'a str) -> Self {
        Self {
            kind: Channel::Alimtalk.as_str(),
            content_type: None,
            from: "",
            subject: "",
            content: &alimtalk.rendered,
            messages: vec![Recipient::new(&alimtalk.to, &alimtalk.reference)],
            files: Vec::new(),
            alimtalk: Some(AlimtalkPart {
                channel_id,
                template_code: &alimtalk.template_code,
                title: &alimtalk.title,
                buttons: alimtalk.buttons.iter().map(ButtonPart::from).collect(),
                use_sms_failover: alimtalk.fallback.is_some(),
                failover_config: alimtalk.fallback.as_ref().map(FailoverConfig::from),
            }),
        }
    }
}

impl<'a> From<&'a Button> for ButtonPart<'a> {
    fn from(button: &'a Button) -> Self {
        Self {
            kind: match button.kind {
                ButtonType::WebLink => "WL",
                ButtonType::AppLink => "AL",
                ButtonType::DeliveryTracking => "DS",
                ButtonType::BotKeyword => "BK",
                ButtonType::MessageDelivery => "MD",
                ButtonType::ChannelAdd => "AC",
            },
            name: &button.name,
            link_mobile: &button.mobile_url,
            link_pc: &button.pc_url,
            scheme_ios: &button.ios_scheme,
            scheme_android: &button.android_scheme,
        }
    }
}

impl<'a> From<&'a Fallback> for FailoverConfig<'a> {
    fn from(fallback: &'a Fallback) -> Self {
        Self {
            kind: Channel::from(fallback.kind).as_str(),
            from: fallback.sender.national_digits(),
            subject: subject(fallback.kind, &fallback.subject),
            content: &fallback.text,
        }
    }
}

fn content_type(purpose: &Purpose) -> &'static str {
    match purpose {
        Purpose::Transactional => "COMM",
        Purpose::Advertisement(_) => "AD",
    }
}

/// An SMS has no subject.
fn subject(kind: TextKind, subject: &str) -> &str {
    match kind {
        TextKind::Sms => "",
        TextKind::Lms => subject,
    }
}

/// `POST …/files`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadRequest {
    /// At most 40 characters, ending in `.jpg`.
    pub(super) file_name: String,
    /// Base64.
    pub(super) file_body: String,
}

/// The answer to an upload.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadAnswer {
    pub(super) file_id: String,
    pub(super) expire_time: Option<i64>,
}

/// The 202 of a send.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendAnswer {
    pub(super) request_time: Option<i64>,
    pub(super) messages: Vec<RecipientAnswer>,
}

/// What became of one recipient.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecipientAnswer {
    #[serde(default)]
    pub(super) message_id: Option<String>,
    #[serde(default)]
    pub(super) client_ref: Option<String>,
    pub(super) request_status_code: String,
    #[serde(default)]
    pub(super) request_status_name: Option<String>,
}

/// `{"error": {…}}`; its `message` and `details` are not read, since they may repeat a number or a text.
#[derive(Deserialize)]
pub(super) struct ErrorAnswer {
    pub(super) error: ErrorPart,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorPart {
    pub(super) error_code: String,
}

/// `GET /v2/services/{serviceId}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceAnswer {
    pub(super) service_id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) sender_numbers: Vec<String>,
}

/// A look-up: one item, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum LookUpAnswer {
    List { messages: Vec<Item> },
    One(Box<Item>),
}

/// A message in a look-up, or an event in a callback: they share every field that says something.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    message_id: String,
    #[serde(default)]
    client_ref: Option<String>,
    status: String,
    #[serde(default)]
    status_name: Option<String>,
    #[serde(default)]
    status_code: Option<String>,
    #[serde(default)]
    request_time: Option<i64>,
    #[serde(default)]
    complete_time: Option<i64>,
    #[serde(default)]
    event_time: Option<i64>,
    #[serde(default)]
    failover: Option<Failover>,
}

/// The text that CloudMsg sent in place of an Alimtalk.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failover {
    #[serde(default)]
    message_id: Option<String>,
    status: String,
    #[serde(default)]
    status_name: Option<String>,
    #[serde(default)]
    status_code: Option<String>,
}

impl Item {
    /// The report that this is.
    ///
    /// The key of the event holds `completeTime`, which callbacks and look-ups share, as it came; `eventTime` and
    /// `requestTime` each exist in only one of them. It is null until the end, and a message is in each state before the
    /// end only once. The state of the failover is part of the key, as it moves on after the Alimtalk's own end.
    ///
    /// # Errors
    ///
    /// An id that is none.
    pub(super) fn into_report(self) -> Result<Report, String> {
        if self.message_id.is_empty() {
            return Err("messageId is empty".to_owned());
        }
        let provider_message_id = id("messageId", self.message_id)?;
        let client_reference = id("clientRef", self.client_ref.unwrap_or_default())?;
        let (name, code) = (self.status_name.as_deref(), self.status_code.as_deref());
        let (status, failure) = status(&self.status, name, code);
        let provider_status = words(&self.status, name, code);
        let completed = self.complete_time.and_then(DateTime::from_timestamp_millis);
        let mut event_key = format!("cloudmsg:{provider_message_id}:{provider_status}:{}", millis(completed));
        let fallback = match self.failover {
            Some(failover) => {
                let (fallback, words) = failover.into_report()?;
                event_key = format!("{event_key}+{}:{words}", fallback.provider_message_id);
                Some(fallback)
            }
            None => None,
        };
        let accepted = self.request_time.filter(|_| status == Some(ReportedStatus::Queued));
        let told = self.event_time.or(accepted).and_then(time);
        let occur_time = completed.filter(is_meant).or(told);
        Ok(Report {
            provider_message_id,
            client_reference,
            status,
            provider_status,
            failure,
            occur_time,
            event_key,
            fallback,
        })
    }
}

impl Failover {
    /// The report, and the words that it came in.
    fn into_report(self) -> Result<(FallbackReport, String), String> {
        let provider_message_id = id("failover.messageId", self.message_id.unwrap_or_default())?;
        let (name, code) = (self.status_name.as_deref(), self.status_code.as_deref());
        let (status, failure) = status(&self.status, name, code);
        let words = words(&self.status, name, code);
        Ok((FallbackReport { provider_message_id, status, failure }, words))
    }
}

/// Status word, name and code as one (interface document, Status). A combination that no document names is `None`.
fn status(word: &str, name: Option<&str>, code: Option<&str>) -> (Option<ReportedStatus>, Option<Failure>) {
    let status = match (word, name, code) {
        (_, _, Some(carrier::UNCONFIRMED)) => ReportedStatus::Sent,
        ("READY", ..) => ReportedStatus::Queued,
        ("PROCESSING", ..) => ReportedStatus::Sent,
        ("COMPLETED", Some("success"), None | Some("" | "0" | "0000")) => ReportedStatus::Delivered,
        ("COMPLETED", Some("fail"), code) => {
            let code = crate::foreign::word(code.unwrap_or_default());
            return (Some(ReportedStatus::Failed), Some(carrier::failure(&code)));
        }
        _ => return (None, None),
    };
    (Some(status), None)
}

/// `COMPLETED/success/0`, as it came.
fn words(status: &str, name: Option<&str>, code: Option<&str>) -> String {
    let parts = [Some(status), name, code];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).map(word).collect::<Vec<_>>().join("/")
}

/// Milliseconds since 1970; `None`: no time that CloudMsg may mean.
pub(super) fn time(millis: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis).filter(is_meant)
}

fn millis(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.timestamp_millis().to_string())
}
