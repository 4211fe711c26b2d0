//! What must hold for every vendor. What can be held against a real system too is in [`crate::shared::cases`].

use std::time::Duration;

use serde_json::json;
use switchboard_providers::{
    Recovery, WebhookError, WebhookEvent,
    model::{FailureCode, Fault, LookUp, Report, ReportedStatus, SendOutcome},
};
use switchboard_vendor_sim::{Fault as Trouble, FaultRule, RetryAfterForm};

use crate::{
    bench::{Bench, Receiver, SENDER, each_vendor},
    capture::PATIENCE,
    fixtures::{RECIPIENT, alimtalk, fallback, lms, now, sms},
    shared::{
        self,
        cases::{accepted, refused},
    },
};

async fn send(bench: &Bench, reference: &str) -> SendOutcome {
    bench.account.send_sms(&sms(reference, RECIPIENT, SENDER), now()).await
}

fn delivered(reports: &[Report]) -> bool {
    reports.iter().any(|report| report.status == Some(ReportedStatus::Delivered))
}

#[tokio::test]
async fn every_kind_is_accepted_and_found_by_reference_and_by_id() {
    each_vendor(async |bench| {
        let (code, subject) = (bench.code, bench.subject());
        let found = shared::cases::every_kind_is_accepted_and_found_by_reference_and_by_id(&subject).await;
        for (channel, report) in found {
            let reports = bench.look_up_until(&subject.reference(channel), delivered).await;
            let by_id = LookUp::ProviderMessageId(&report.provider_message_id);
            assert_eq!(bench.account.look_up(by_id, now()).await.as_ref(), Ok(&reports), "{code}: the same by id");
        }
        let journal = bench.sim.journal();
        assert_eq!(journal.invalid().count(), 0, "{code}: every request is as its document wants it");
        let warnings: Vec<_> = journal.requests.iter().flat_map(|request| &request.warnings).collect();
        assert!(warnings.is_empty(), "{code}: {warnings:?}: a field that its document does not know");
        let channels: Vec<_> = bench.sim.messages().iter().map(|message| message.channel.upper()).collect();
        assert_eq!(channels, ["SMS", "LMS", "MMS", "ALIMTALK"], "{code}");
    })
    .await;
}

#[tokio::test]
async fn a_message_within_the_documented_blindness_is_found_after_it() {
    each_vendor(async |bench| {
        let mut settings = bench.sim.settings();
        settings.look_up_blind_ms = 100;
        bench.sim.set_settings(settings).unwrap();
        shared::cases::every_kind_is_accepted_and_found_by_reference_and_by_id(&bench.subject()).await;
    })
    .await;
}

#[tokio::test]
async fn what_the_recipient_reads_is_what_was_sent() {
    each_vendor(async |bench| {
        let sent = lms("m-1", RECIPIENT, SENDER);
        accepted(bench.code, bench.account.send_sms(&sent, now()).await);
        accepted(bench.code, bench.account.send_alimtalk(&alimtalk("m-2", RECIPIENT, None), now()).await);
        let messages = bench.sim.messages();
        assert_eq!(messages[0].text, sent.text, "{}", bench.code);
        assert_eq!(messages[0].subject.as_deref(), Some("출고 안내"), "{}", bench.code);
        assert_eq!(messages[1].text, alimtalk("", RECIPIENT, None).rendered, "{}", bench.code);
    })
    .await;
}

#[tokio::test]
async fn a_message_nobody_sent_is_not_found() {
    each_vendor(async |bench| shared::cases::a_message_nobody_sent_is_not_found(&bench.subject()).await).await;
}

#[tokio::test]
async fn good_credentials_are_good_and_the_check_sends_nothing() {
    each_vendor(async |bench| {
        shared::cases::good_credentials_are_good(&bench.subject()).await;
        let check = bench.account.validate_credentials(now()).await.unwrap();
        assert_eq!(check.sender_numbers.len(), 2, "{}", bench.code);
        assert_eq!(bench.sim.journal().sends().count(), 0, "{}", bench.code);
    })
    .await;
}

#[tokio::test]
async fn wrong_credentials_are_told_from_a_suspended_account_and_an_unreachable_vendor() {
    each_vendor(async |bench| {
        let code = bench.code;
        shared::cases::wrong_credentials_are_told_by_the_check_and_by_a_send(&bench.subject()).await;

        bench.sim.merge_account(bench.account_id, json!({"status": "SUSPENDED"})).unwrap();
        let failure = bench.account.validate_credentials(now()).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::CredentialsRejected, "{code}");
        assert!(failure.detail.contains("suspended"), "{code}: {}", failure.detail);
        let refusal = refused(code, send(bench, "m-2").await);
        assert_eq!(refusal.fault, Fault::Account, "{code}");

        bench.sim.add_fault(FaultRule::once(Trouble::Html { accept: false, status: 502 }, Default::default()));
        let failure = bench.account.validate_credentials(now()).await.unwrap_err();
        assert_eq!((failure.code, failure.retryable), (FailureCode::ProviderUnavailable, true), "{code}");
    })
    .await;
}

/// Cuts a send short, as the layers around a provider do.
async fn cut(bench: &Bench, reference: &str) {
    let call = send(bench, reference);
    assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err(), "{}: it hangs", bench.code);
}

#[tokio::test]
async fn a_send_that_hangs_after_it_was_accepted_is_found_by_look_up() {
    each_vendor(async |bench| {
        bench.sim.add_fault(FaultRule::next_send(Trouble::Hang { accept: true }));
        cut(bench, "m-1").await;
        let reports = bench.look_up_until("m-1", |reports| !reports.is_empty()).await;
        assert_eq!(reports.len(), 1, "{}", bench.code);
    })
    .await;
}

#[tokio::test]
async fn a_send_that_hangs_before_it_was_accepted_is_not_found() {
    each_vendor(async |bench| {
        bench.sim.add_fault(FaultRule::next_send(Trouble::Hang { accept: false }));
        cut(bench, "m-1").await;
        assert_eq!(bench.look_up("m-1").await, [], "{}", bench.code);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_proves_nothing_leaves_the_message_in_doubt() {
    let troubles = |accept| {
        [
            Trouble::ServerError { accept, status: 500, retry_after_s: None },
            Trouble::Html { accept, status: 502 },
            Trouble::Html { accept, status: 503 },
            Trouble::Html { accept, status: 504 },
            Trouble::Reset { accept },
        ]
    };
    each_vendor(async |bench| {
        let code = bench.code;
        let accepting = troubles(true).into_iter().chain([Trouble::TruncatedJson]).map(|trouble| (trouble, 1));
        let refusing = troubles(false).into_iter().map(|trouble| (trouble, 0));
        for (index, (trouble, messages)) in accepting.chain(refusing).enumerate() {
            let reference = format!("m-{index}");
            bench.sim.add_fault(FaultRule::next_send(trouble.clone()));
            match send(bench, &reference).await {
                SendOutcome::InDoubt(failure) => assert!(!failure.retryable, "{code}: {trouble:?}"),
                other => panic!("{code}: {trouble:?} proves nothing, but became {other:?}"),
            }
            assert_eq!(bench.look_up(&reference).await.len(), messages, "{code}: {trouble:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_way_out_of_doubt_makes_one_message() {
    each_vendor(async |bench| {
        bench.sim.add_fault(FaultRule::next_send(Trouble::Reset { accept: true }));
        assert!(matches!(send(bench, "m-1").await, SendOutcome::InDoubt(_)), "{}", bench.code);
        match bench.vendor.descriptor().recovery {
            Recovery::LookUpFirst { .. } => assert_eq!(bench.look_up("m-1").await.len(), 1),
            Recovery::SendAgain { .. } => {
                accepted(bench.code, send(bench, "m-1").await);
            }
        }
        assert_eq!(bench.sim.messages().len(), 1, "{}", bench.code);
    })
    .await;
}

#[tokio::test]
async fn too_fast_is_refused_with_the_wait_in_either_form() {
    each_vendor(async |bench| {
        let code = bench.code;
        for form in [RetryAfterForm::Seconds, RetryAfterForm::HttpDate, RetryAfterForm::Native] {
            bench.sim.add_fault(FaultRule::next_send(Trouble::Throttle { after_s: 30, form }));
            let refusal = refused(code, send(bench, "m-1").await);
            assert_eq!(
                (refusal.failure.code, refusal.fault),
                (FailureCode::ProviderThrottled, Fault::Vendor),
                "{code}"
            );
            assert!(refusal.failure.retryable, "{code}");
            let wait = refusal.retry_after.unwrap();
            assert!((28..=31).contains(&wait.as_secs()), "{code}: {form:?} became {wait:?}");
        }
        bench.sim.add_fault(FaultRule::next_send(Trouble::Throttle { after_s: 30, form: RetryAfterForm::Absent }));
        assert_eq!(refused(code, send(bench, "m-1").await).retry_after, None, "{code}");
    })
    .await;
}

#[tokio::test]
async fn not_accepted_is_refused_and_may_be_sent_again() {
    each_vendor(async |bench| {
        bench.sim.add_fault(FaultRule::next_send(Trouble::NotAccepted));
        let refusal = refused(bench.code, send(bench, "m-1").await);
        assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::ProviderUnavailable, Fault::Vendor));
        assert!(refusal.failure.retryable, "{}", bench.code);
        accepted(bench.code, send(bench, "m-1").await);
    })
    .await;
}

#[tokio::test]
async fn a_rejected_key_is_the_accounts_fault() {
    each_vendor(async |bench| {
        bench.sim.add_fault(FaultRule::next_send(Trouble::Unauthorized));
        let refusal = refused(bench.code, send(bench, "m-1").await);
        assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::CredentialsRejected, Fault::Account));
        assert!(!refusal.failure.provider_code.is_empty(), "{}", bench.code);
    })
    .await;
}

#[tokio::test]
async fn a_bad_number_is_the_messages_fault() {
    each_vendor(async |bench| {
        let outcome = bench.account.send_sms(&sms("m-1", "010-0000-9101", SENDER), now()).await;
        let refusal = refused(bench.code, outcome);
        assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::InvalidRecipient, Fault::Message));
        assert!(!refusal.failure.retryable, "{}", bench.code);
    })
    .await;
}

#[tokio::test]
async fn a_sender_that_is_not_registered_is_the_accounts_fault() {
    each_vendor(async |bench| {
        let outcome = bench.account.send_sms(&sms("m-1", RECIPIENT, "02-999-9999"), now()).await;
        let refusal = refused(bench.code, outcome);
        assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::SenderRejected, Fault::Account));
    })
    .await;
}

#[tokio::test]
async fn a_refusal_that_no_document_names_keeps_its_code() {
    each_vendor(async |bench| {
        bench.sim.add_fault(FaultRule::next_send(Trouble::Refuse { code: bench.unknown_refusal.to_owned() }));
        let refusal = refused(bench.code, send(bench, "m-1").await);
        assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::Unknown, Fault::Message));
        assert_eq!(refusal.failure.provider_code, bench.unknown_refusal);
    })
    .await;
}

#[tokio::test]
async fn every_delivery_code_means_the_same_at_every_vendor() {
    each_vendor(async |bench| {
        for (number, expected) in [
            ("1001", FailureCode::RecipientUnreachable),
            ("2000", FailureCode::Expired),
            ("2001", FailureCode::RecipientUnreachable),
            ("2003", FailureCode::RecipientUnreachable),
            ("2005", FailureCode::RecipientUnreachable),
            ("3001", FailureCode::InvalidRecipient),
            ("3006", FailureCode::RecipientBlocked),
            ("3011", FailureCode::RecipientUnreachable),
            ("3012", FailureCode::ContentRejected),
            ("9008", FailureCode::Unknown),
        ] {
            let to = format!("010-0000-{number}");
            accepted(bench.code, bench.account.send_sms(&sms(number, &to, SENDER), now()).await);
            let reports = bench.look_up_until(number, |reports| reports.iter().any(|it| it.failure.is_some())).await;
            let failure = reports[0].failure.clone().unwrap();
            assert_eq!((reports[0].status, failure.code), (Some(ReportedStatus::Failed), expected), "{}", bench.code);
        }
        for (number, expected) in [
            ("3016", FailureCode::TemplateRejected),
            ("3018", FailureCode::NotKakaoUser),
            ("3019", FailureCode::NotKakaoUser),
            ("3020", FailureCode::RecipientBlocked),
        ] {
            let to = format!("010-0000-{number}");
            accepted(bench.code, bench.account.send_alimtalk(&alimtalk(number, &to, None), now()).await);
            let reports = bench.look_up_until(number, |reports| reports.iter().any(|it| it.failure.is_some())).await;
            assert_eq!(reports[0].failure.as_ref().unwrap().code, expected, "{}", bench.code);
        }
    })
    .await;
}

#[tokio::test]
async fn an_unconfirmed_alimtalk_is_sent_and_no_failure() {
    each_vendor(async |bench| {
        let message = alimtalk("m-1", "010-0000-3005", None);
        accepted(bench.code, bench.account.send_alimtalk(&message, now()).await);
        let reports = bench.look_up_until("m-1", |reports| reports[0].provider_status.contains("3005")).await;
        assert_eq!((reports[0].status, &reports[0].failure), (Some(ReportedStatus::Sent), &None), "{}", bench.code);
    })
    .await;
}

#[tokio::test]
async fn a_status_word_that_no_document_names_changes_nothing_and_is_kept() {
    each_vendor(async |bench| {
        accepted(bench.code, bench.account.send_sms(&sms("m-1", "010-0000-9007", SENDER), now()).await);
        let reports = bench.look_up_until("m-1", |reports| reports[0].status.is_none()).await;
        assert!(reports[0].provider_status.to_uppercase().contains("HANDED_OVER"), "{}: {reports:?}", bench.code);
        assert_eq!(reports[0].failure, None);
    })
    .await;
}

#[tokio::test]
async fn a_fallback_is_sent_by_the_vendor_when_asked_and_never_otherwise() {
    each_vendor(async |bench| {
        let code = bench.code;
        let failed = |reports: &[Report]| reports.iter().any(|report| report.failure.is_some());
        let without = alimtalk("m-without", "010-0000-3019", None);
        accepted(code, bench.account.send_alimtalk(&without, now()).await);
        let reports = bench.look_up_until("m-without", failed).await;
        assert_eq!(reports[0].fallback, None, "{code}");
        assert_eq!(bench.sim.messages().len(), 1, "{code}: the channel's own setting is on, but we said no");

        let with = alimtalk("m-with", "010-0000-3019", Some(fallback(SENDER)));
        accepted(code, bench.account.send_alimtalk(&with, now()).await);
        let arrived = |report: &Report| {
            report.fallback.as_ref().is_some_and(|text| text.status == Some(ReportedStatus::Delivered))
        };
        let reports = bench.look_up_until("m-with", |reports| reports.iter().any(arrived)).await;
        let report = reports.iter().find(|report| arrived(report)).unwrap();
        assert_eq!(report.failure.as_ref().unwrap().code, FailureCode::NotKakaoUser, "{code}");
        assert_eq!(bench.sim.messages().len(), 3, "{code}");
        assert_eq!(bench.sim.messages()[2].text, fallback(SENDER).text, "{code}");
    })
    .await;
}

#[tokio::test]
async fn a_template_that_does_not_fit_is_the_messages_fault() {
    each_vendor(async |bench| {
        let mut unknown = alimtalk("m-1", RECIPIENT, None);
        unknown.template_code = "NO_SUCH_TEMPLATE".to_owned();
        let mut mismatch = alimtalk("m-2", RECIPIENT, None);
        mismatch.variables.remove("item");
        mismatch.rendered = "전혀 다른 본문".to_owned();
        for message in [unknown, mismatch] {
            let refusal = refused(bench.code, bench.account.send_alimtalk(&message, now()).await);
            assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::TemplateRejected, Fault::Message));
        }
    })
    .await;
}

#[tokio::test]
async fn an_alimtalk_without_any_profile_is_the_accounts_fault_and_calls_nobody() {
    each_vendor(async |bench| {
        let mut credentials = bench.credentials.clone();
        credentials.remove("channel_id");
        credentials.remove("sender_profile_key");
        let account = bench.vendor.open(&credentials).unwrap();
        let refusal = refused(bench.code, account.send_alimtalk(&alimtalk("m-1", RECIPIENT, None), now()).await);
        assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::SenderRejected, Fault::Account));
        assert_eq!(bench.sim.journal().requests.len(), 0, "{}", bench.code);
    })
    .await;
}

#[tokio::test]
async fn a_message_may_name_its_own_profile() {
    each_vendor(async |bench| {
        let mut credentials = bench.credentials.clone();
        let mut message = alimtalk("m-1", RECIPIENT, None);
        for field in ["channel_id", "sender_profile_key"] {
            if let Some(profile) = credentials.get(field) {
                message.sender_profile = profile.to_owned();
            }
            credentials.remove(field);
        }
        let account = bench.vendor.open(&credentials).unwrap();
        accepted(bench.code, account.send_alimtalk(&message, now()).await);
    })
    .await;
}

#[tokio::test]
async fn a_look_up_that_fails_says_nothing_about_the_message() {
    each_vendor(async |bench| {
        accepted(bench.code, send(bench, "m-1").await);
        let next = |trouble| FaultRule::once(trouble, Default::default());
        for trouble in [
            Trouble::ServerError { accept: false, status: 500, retry_after_s: None },
            Trouble::Html { accept: false, status: 404 },
            Trouble::Html { accept: false, status: 502 },
            Trouble::TruncatedJson,
            Trouble::Reset { accept: false },
            Trouble::Unauthorized,
        ] {
            bench.sim.add_fault(next(trouble.clone()));
            let answer = bench.account.look_up(LookUp::Reference("m-1"), now()).await;
            assert!(answer.is_err(), "{}: {trouble:?} became {answer:?}", bench.code);
        }
        bench.sim.add_fault(next(Trouble::Throttle { after_s: 30, form: RetryAfterForm::Native }));
        let error = bench.account.look_up(LookUp::Reference("m-1"), now()).await.unwrap_err();
        assert_eq!(error.failure.code, FailureCode::ProviderThrottled, "{}", bench.code);
        assert!(error.retry_after.is_some(), "{}", bench.code);
    })
    .await;
}

/// Reads callbacks until a message is delivered; every one must verify.
async fn reports_until_delivered(bench: &Bench, receiver: &Receiver) -> Vec<Report> {
    let (format, secret) = (bench.vendor.webhooks(), bench.webhook_secret());
    let mut reports = Vec::new();
    while !delivered(&reports) {
        let (headers, body) = receiver.next().await;
        assert_eq!(format.account(&headers), Ok(bench.account_id));
        assert_eq!(format.verify(&headers, &body, &[&secret], now()), Ok(vec![0]), "{}", bench.code);
        for event in format.parse(&body).unwrap() {
            match event {
                WebhookEvent::Report(report) => reports.push(*report),
                other => panic!("{}: {other:?} is no report", bench.code),
            }
        }
    }
    reports
}

#[tokio::test]
async fn a_signed_callback_is_verified_and_tells_what_a_look_up_tells() {
    each_vendor(async |bench| {
        let receiver = Receiver::start().await;
        bench.sim.set_callback_url(bench.account_id, Some(&receiver.url)).unwrap();
        let acceptance = accepted(bench.code, send(bench, "m-1").await);
        let reports = reports_until_delivered(bench, &receiver).await;
        for report in &reports {
            assert_eq!(report.provider_message_id, acceptance.provider_message_id, "{}", bench.code);
            assert_eq!(report.client_reference, "m-1", "{}", bench.code);
        }
        let looked_up = bench.look_up_until("m-1", delivered).await;
        let last = reports.iter().find(|report| report.status == Some(ReportedStatus::Delivered)).unwrap();
        assert_eq!(last.event_key, looked_up[0].event_key, "{}: one event, one key", bench.code);
    })
    .await;
}

#[tokio::test]
async fn a_callback_that_was_tampered_with_or_is_old_is_not_verified() {
    each_vendor(async |bench| {
        let receiver = Receiver::start().await;
        bench.sim.set_callback_url(bench.account_id, Some(&receiver.url)).unwrap();
        accepted(bench.code, send(bench, "m-1").await);
        let (headers, body) = receiver.next().await;
        let (format, secret) = (bench.vendor.webhooks(), bench.webhook_secret());
        let verify = |body: &[u8], at| format.verify(&headers, body, &[&secret], at);
        assert_eq!(verify(&body, now()), Ok(vec![0]), "{}", bench.code);
        let mut tampered = body.to_vec();
        tampered.push(b' ');
        for (body, at) in [
            (tampered, now()),
            (body.to_vec(), now() + chrono::TimeDelta::minutes(6)),
            (body.to_vec(), now() - chrono::TimeDelta::minutes(6)),
        ] {
            assert!(matches!(verify(&body, at), Err(WebhookError::Unverified(_))), "{}", bench.code);
        }
    })
    .await;
}

#[tokio::test]
async fn a_vendor_that_comes_back_is_used_again_on_a_new_connection() {
    each_vendor(async |bench| {
        for reference in ["m-1", "m-2", "m-3"] {
            bench.sim.add_fault(FaultRule::next_send(Trouble::Reset { accept: false }));
            assert!(matches!(send(bench, reference).await, SendOutcome::InDoubt(_)), "{}", bench.code);
            let again = tokio::time::timeout(PATIENCE, send(bench, reference)).await.unwrap();
            accepted(bench.code, again);
        }
    })
    .await;
}
