//! What is peculiar to CloudMsg.

use switchboard_providers::model::{FailureCode, Fault, SendOutcome};
use switchboard_vendor_sim::{Fault as Trouble, FaultMatch, FaultRule, Operation};

use crate::{
    bench::{Bench, SENDER, one_vendor},
    fixtures::{RECIPIENT, image, jpeg, mms, now, sms},
};

fn uploads(bench: &Bench) -> usize {
    bench.sim.journal().requests.iter().filter(|request| request.operation == Operation::Upload).count()
}

async fn send_mms(bench: &Bench, reference: &str, colour: u8) -> SendOutcome {
    let images = vec![image(jpeg(8, 8, colour)), image(jpeg(8, 8, 200))];
    bench.account.send_mms(&mms(reference, RECIPIENT, SENDER, images), now()).await
}

#[tokio::test]
async fn an_image_is_uploaded_once_for_many_messages() {
    one_vendor("cloudmsg", async |bench| {
        for reference in ["m-1", "m-2", "m-3"] {
            assert!(matches!(send_mms(bench, reference, 1).await, SendOutcome::Accepted(_)));
        }
        assert_eq!(uploads(bench), 2);
        assert!(matches!(send_mms(bench, "m-4", 2).await, SendOutcome::Accepted(_)));
        assert_eq!(uploads(bench), 3, "only the new one");
        let other = bench.vendor.open(&bench.credentials).unwrap();
        let images = vec![image(jpeg(8, 8, 1))];
        assert!(matches!(
            other.send_mms(&mms("m-5", RECIPIENT, SENDER, images), now()).await,
            SendOutcome::Accepted(_)
        ));
        assert_eq!(uploads(bench), 4, "a file id belongs to the account it was uploaded by");
    })
    .await;
}

#[tokio::test]
async fn images_that_expired_are_uploaded_again_once_and_the_message_is_sent_once() {
    one_vendor("cloudmsg", async |bench| {
        assert!(matches!(send_mms(bench, "m-1", 1).await, SendOutcome::Accepted(_)));
        bench.sim.expire_files();
        assert!(matches!(send_mms(bench, "m-2", 1).await, SendOutcome::Accepted(_)));
        assert_eq!(uploads(bench), 4);
        assert_eq!(bench.look_up("m-2").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_vendor_that_says_expired_for_ever_is_asked_twice_and_no_more() {
    one_vendor("cloudmsg", async |bench| {
        let sends = FaultMatch { operation: Some(Operation::Send), ..FaultMatch::default() };
        bench.sim.add_fault(FaultRule::always(Trouble::Refuse { code: "2004".to_owned() }, sends));
        let SendOutcome::Refused(refusal) = send_mms(bench, "m-1", 1).await else { panic!("a refusal") };
        assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::ContentRejected, Fault::Message));
        assert_eq!(bench.sim.journal().sends().count(), 2);
        assert_eq!(uploads(bench), 4);
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_fails_in_whatever_way_is_a_refusal_since_no_message_exists() {
    one_vendor("cloudmsg", async |bench| {
        for trouble in [
            Trouble::ServerError { accept: false, status: 500, retry_after_s: None },
            Trouble::Html { accept: true, status: 502 },
            Trouble::TruncatedJson,
            Trouble::Reset { accept: true },
            Trouble::NotAccepted,
        ] {
            let on = FaultMatch { operation: Some(Operation::Upload), ..FaultMatch::default() };
            bench.sim.add_fault(FaultRule::once(trouble.clone(), on));
            let SendOutcome::Refused(refusal) = send_mms(bench, "m-1", 1).await else { panic!("{trouble:?}") };
            assert_eq!((refusal.fault, refusal.failure.retryable), (Fault::Vendor, true), "{trouble:?}");
        }
        assert_eq!(bench.sim.messages().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_recipient_may_be_refused_inside_a_202() {
    one_vendor("cloudmsg", async |bench| {
        let mut settings = bench.sim.settings();
        settings.refuse_inside_202 = true;
        bench.sim.set_settings(settings).unwrap();
        let outcome = bench.account.send_sms(&sms("m-1", "010-0000-9101", SENDER), now()).await;
        let SendOutcome::Refused(refusal) = outcome else { panic!("{outcome:?} is no refusal") };
        assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::InvalidRecipient, Fault::Message));
        assert_eq!(bench.sim.journal().sends().map(|send| send.status).collect::<Vec<_>>(), [Some(202)]);
    })
    .await;
}

#[tokio::test]
async fn the_same_reference_twice_makes_two_messages_and_a_look_up_tells_both() {
    one_vendor("cloudmsg", async |bench| {
        for _ in 0..2 {
            let outcome = bench.account.send_sms(&sms("m-1", RECIPIENT, SENDER), now()).await;
            assert!(matches!(outcome, SendOutcome::Accepted(_)));
        }
        let reports = bench.look_up("m-1").await;
        assert_eq!(reports.len(), 2);
        assert_ne!(reports[0].provider_message_id, reports[1].provider_message_id);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_service_is_told_from_an_unknown_message() {
    one_vendor("cloudmsg", async |bench| {
        let on = FaultMatch { operation: Some(Operation::LookUp), ..FaultMatch::default() };
        let body = r#"{"error":{"errorCode":"300","message":"no such service","details":""}}"#.to_owned();
        let content_type = "application/json".to_owned();
        bench.sim.add_fault(FaultRule::once(Trouble::Respond { accept: false, status: 404, content_type, body }, on));
        let what = switchboard_providers::model::LookUp::Reference("m-1");
        let error = bench.account.look_up(what, now()).await.unwrap_err();
        assert_eq!(error.failure.provider_code, "300");
        assert_eq!(bench.look_up("m-1").await, []);
    })
    .await;
}
