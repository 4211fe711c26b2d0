//! What must hold for every account that works, simulated or real.

use std::{sync::Arc, time::Duration};

use switchboard_providers::{
    Credentials, FormField, MessageProvider, Recovery, Use,
    model::{Acceptance, Channel, FailureCode, Fault, LookUp, Refusal, Report, SendOutcome, Sender},
    vendor::Vendor,
};
use tokio::time::Instant;

use super::messages::{Template, image, jpeg, lms, mms, now, sms};

/// How long to wait between two look-ups of a message that is not found yet.
const BETWEEN_LOOK_UPS: Duration = Duration::from_millis(250);

/// An account that works, and what may be sent through it.
pub struct Subject {
    pub vendor: Arc<dyn Vendor>,
    pub account: Arc<dyn MessageProvider>,
    pub credentials: Credentials,
    pub recipient: String,
    /// Registered with the account.
    pub sender: String,
    /// Approved for the account.
    pub template: Template,
    /// Begins every reference, so that two runs never share one.
    pub run: String,
}

impl Subject {
    fn code(&self) -> &'static str {
        self.vendor.descriptor().code
    }

    /// Our reference of its message of one kind.
    pub fn reference(&self, channel: Channel) -> String {
        format!("{}-{}", self.run, channel.as_str().to_lowercase())
    }

    /// The reference of the message that must be refused.
    pub fn wrong_reference(&self) -> String {
        format!("{}-wrong", self.run)
    }

    async fn send(&self, channel: Channel) -> SendOutcome {
        let (account, to, sender) = (&self.account, &self.recipient, &self.sender);
        let reference = self.reference(channel);
        match channel {
            Channel::Sms => account.send_sms(&sms(&reference, to, sender), now()).await,
            Channel::Lms => account.send_sms(&lms(&reference, to, sender), now()).await,
            Channel::Mms => {
                let images = vec![image(jpeg(320, 240, 1)), image(jpeg(240, 320, 2))];
                account.send_mms(&mms(&reference, to, sender, images), now()).await
            }
            Channel::Alimtalk => account.send_alimtalk(&self.template.alimtalk(&reference, to), now()).await,
        }
    }

    /// The one message of a look-up, which may begin to find it only when the blindness that the vendor's document names
    /// is over.
    async fn find(&self, what: LookUp<'_>) -> Report {
        let (Recovery::LookUpFirst { blind_for } | Recovery::SendAgain { blind_for, .. }) =
            self.vendor.descriptor().recovery;
        let sees_by = Instant::now() + blind_for;
        loop {
            let seeing = Instant::now() >= sees_by;
            let mut reports = match self.account.look_up(what, now()).await {
                Ok(reports) => reports,
                Err(error) => panic!("{}: {what:?} cannot be looked up: {error:?}", self.code()),
            };
            match (reports.pop(), reports.is_empty()) {
                (Some(report), true) => return report,
                (Some(_), false) => panic!("{}: {what:?} finds more than the one message sent", self.code()),
                (None, _) => assert!(!seeing, "{}: {what:?} finds nothing {blind_for:?} after the send", self.code()),
            }
            tokio::time::sleep(BETWEEN_LOOK_UPS).await;
        }
    }

    /// The same credentials but for one character of the secret that sends: of the right form, and wrong.
    fn wrong_credentials(&self) -> Credentials {
        let fields = self.vendor.descriptor().form.fields;
        let sends = |field: &&FormField| field.used_for == Use::Sending && field.secret && field.required;
        let key = fields.iter().find(sends).unwrap().key;
        let value = self.credentials.get(key).unwrap();
        let middle = value.chars().count() / 2;
        let changed = value.chars().enumerate().map(|(index, character)| match character {
            character if index != middle => character,
            'A' => 'B',
            _ => 'A',
        });
        let mut wrong = self.credentials.clone();
        wrong.set(key, changed.collect::<String>());
        wrong
    }
}

pub fn accepted(code: &str, outcome: SendOutcome) -> Acceptance {
    match outcome {
        SendOutcome::Accepted(acceptance) => acceptance,
        other => panic!("{code}: {other:?} is no acceptance"),
    }
}

pub fn refused(code: &str, outcome: SendOutcome) -> Refusal {
    match outcome {
        SendOutcome::Refused(refusal) => refusal,
        other => panic!("{code}: {other:?} is no refusal"),
    }
}

/// Sends one message of each kind. Returns what a look-up by reference says about each.
pub async fn every_kind_is_accepted_and_found_by_reference_and_by_id(subject: &Subject) -> Vec<(Channel, Report)> {
    let code = subject.code();
    let mut found = Vec::new();
    for &channel in subject.vendor.descriptor().channels {
        let acceptance = accepted(code, subject.send(channel).await);
        assert!(acceptance.accept_time.is_some(), "{code} says when it accepted the {channel}");
        let reference = subject.reference(channel);
        let by_reference = subject.find(LookUp::Reference(&reference)).await;
        let by_id = subject.find(LookUp::ProviderMessageId(&acceptance.provider_message_id)).await;
        for report in [&by_reference, &by_id] {
            assert_eq!(report.provider_message_id, acceptance.provider_message_id, "{code} {channel}");
            assert_eq!(report.client_reference, reference, "{code} {channel}");
            assert!(report.status.is_some(), "{code} {channel}: {:?} is in no document", report.provider_status);
        }
        found.push((channel, by_reference));
    }
    found
}

pub async fn a_message_nobody_sent_is_not_found(subject: &Subject) {
    for what in [LookUp::Reference("nobody-sent-this"), LookUp::ProviderMessageId("nobody-sent-this")] {
        assert_eq!(subject.account.look_up(what, now()).await, Ok(Vec::new()), "{}: {what:?}", subject.code());
    }
}

pub async fn good_credentials_are_good(subject: &Subject) {
    let check = match subject.account.validate_credentials(now()).await {
        Ok(check) => check,
        Err(failure) => panic!("{}: the credentials are not good: {failure:?}", subject.code()),
    };
    assert_eq!(check.account, subject.vendor.descriptor().form.account(&subject.credentials));
    let sender = Sender::parse(&subject.sender);
    let registered = check.sender_numbers.iter().any(|number| Sender::parse(number) == sender);
    assert!(registered, "{}: {:?} is not among the senders of the account", subject.code(), sender.unwrap());
}

/// Sends one SMS that must be refused.
pub async fn wrong_credentials_are_told_by_the_check_and_by_a_send(subject: &Subject) {
    let code = subject.code();
    let wrong = subject.vendor.open(&subject.wrong_credentials()).unwrap();
    let failure = wrong.validate_credentials(now()).await.unwrap_err();
    assert_eq!((failure.code, failure.retryable), (FailureCode::CredentialsRejected, false), "{code}");
    let message = sms(&subject.wrong_reference(), &subject.recipient, &subject.sender);
    let refusal = refused(code, wrong.send_sms(&message, now()).await);
    assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::CredentialsRejected, Fault::Account), "{code}");
}
