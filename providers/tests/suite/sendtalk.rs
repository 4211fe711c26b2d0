//! What is peculiar to SendTalk.

use chrono::TimeDelta;
use switchboard_providers::{
    ResultsPage, ResultsSpan,
    model::{FailureCode, Fault, Image, SendOutcome},
};
use switchboard_vendor_sim::{Fault as Trouble, FaultRule, Settings};

use crate::{
    bench::{Bench, SENDER, one_vendor},
    capture::PATIENCE,
    fixtures::{RECIPIENT, alimtalk, image, jpeg, lms, mms, now, sms},
};

fn id(outcome: SendOutcome) -> String {
    match outcome {
        SendOutcome::Accepted(acceptance) => acceptance.provider_message_id,
        other => panic!("{other:?} is no acceptance"),
    }
}

#[tokio::test]
async fn every_kind_sent_again_is_the_same_message() {
    one_vendor("sendtalk", async |bench| {
        let account = &bench.account;
        let images = || vec![image(jpeg(8, 8, 1)), image(jpeg(8, 8, 2))];
        let (sms, lms) = (sms("m-1", RECIPIENT, SENDER), lms("m-2", RECIPIENT, SENDER));
        let (mms, alimtalk) = (mms("m-3", RECIPIENT, SENDER, images()), alimtalk("m-4", RECIPIENT, None));
        assert_eq!(id(account.send_sms(&sms, now()).await), id(account.send_sms(&sms, now()).await));
        assert_eq!(id(account.send_sms(&lms, now()).await), id(account.send_sms(&lms, now()).await));
        assert_eq!(id(account.send_mms(&mms, now()).await), id(account.send_mms(&mms, now()).await));
        assert_eq!(
            id(account.send_alimtalk(&alimtalk, now()).await),
            id(account.send_alimtalk(&alimtalk, now()).await)
        );
        assert_eq!(bench.sim.messages().len(), 4);
        let mut bodies: Vec<_> = bench.sim.journal().sends().map(|send| send.body.clone()).collect();
        bodies.dedup();
        assert_eq!(bodies.len(), 4, "the same bytes, so that nobody takes them for another body");
    })
    .await;
}

#[tokio::test]
async fn a_key_reused_with_another_body_is_in_doubt_and_never_simply_failed() {
    one_vendor("sendtalk", async |bench| {
        bench.sim.add_fault(FaultRule::next_send(Trouble::Reset { accept: true }));
        let mut message = sms("m-1", RECIPIENT, SENDER);
        assert!(matches!(bench.account.send_sms(&message, now()).await, SendOutcome::InDoubt(_)));
        message.text.push('!');
        match bench.account.send_sms(&message, now()).await {
            SendOutcome::InDoubt(failure) => assert_eq!(failure.provider_code, "-1010"),
            other => panic!("{other:?}: the first body was accepted"),
        }
        assert_eq!(bench.look_up("m-1").await.len(), 1);
    })
    .await;
}

async fn refused_mms(bench: &Bench, images: Vec<Image>) -> String {
    match bench.account.send_mms(&mms("m-1", RECIPIENT, SENDER, images), now()).await {
        SendOutcome::Refused(refusal) => {
            assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::ContentRejected, Fault::Message));
            refusal.failure.detail
        }
        other => panic!("{other:?} is no refusal"),
    }
}

/// A JPEG of a size in bytes: decoders stop at its end mark.
fn padded(bytes: usize) -> Image {
    let mut file = jpeg(8, 8, 7);
    file.resize(bytes, 0);
    image(file)
}

#[tokio::test]
async fn images_beyond_its_tighter_limits_are_refused_without_a_call_and_the_limit_is_named() {
    one_vendor("sendtalk", async |bench| {
        let detail = refused_mms(bench, vec![padded(1000), padded(300 * 1024)]).await;
        assert!(detail.contains("image 2") && detail.contains("300 KB") && detail.contains("organisation"), "{detail}");
        let detail = refused_mms(bench, vec![image(jpeg(1001, 10, 1))]).await;
        assert!(detail.contains("1000×1000") && detail.contains("1001×10"), "{detail}");
        let detail = refused_mms(bench, vec![padded(280 * 1024), padded(280 * 1024), padded(240 * 1024)]).await;
        assert!(detail.contains("800 KB"), "{detail}");
        assert_eq!(bench.sim.journal().requests.len(), 0);
    })
    .await;
}

#[tokio::test]
async fn images_at_its_limits_are_taken() {
    one_vendor("sendtalk", async |bench| {
        let images = vec![padded(300 * 1024 - 1), padded(300 * 1024 - 1), padded(200 * 1024 + 1)];
        id(bench.account.send_mms(&mms("m-1", RECIPIENT, SENDER, images), now()).await);
        id(bench.account.send_mms(&mms("m-2", RECIPIENT, SENDER, vec![image(jpeg(1000, 1000, 3))]), now()).await);
    })
    .await;
}

#[tokio::test]
async fn a_wrong_profile_key_is_found_by_the_check() {
    one_vendor("sendtalk", async |bench| {
        let mut credentials = bench.credentials.clone();
        credentials.set("sender_profile_key", "0".repeat(40));
        let account = bench.vendor.open(&credentials).unwrap();
        let failure = account.validate_credentials(now()).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::CredentialsRejected);
        assert!(failure.detail.contains("sender_profile_key"), "{}", failure.detail);
        credentials.remove("sender_profile_key");
        assert!(bench.vendor.open(&credentials).unwrap().validate_credentials(now()).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_look_up_by_reference_is_read_as_a_list_and_as_an_item() {
    one_vendor("sendtalk", async |bench| {
        id(bench.account.send_sms(&sms("m-1", RECIPIENT, SENDER), now()).await);
        let mut settings = bench.sim.settings();
        settings.reference_look_up_as_item = true;
        assert_eq!(bench.look_up("m-1").await.len(), 1);
        bench.sim.set_settings(settings).unwrap();
        assert_eq!(bench.look_up("m-1").await.len(), 1);
        assert_eq!(bench.look_up("m-2").await, []);
    })
    .await;
}

#[tokio::test]
async fn an_advertisement_carries_its_opt_out_number() {
    use switchboard_providers::model::{Advertisement, Purpose};
    one_vendor("sendtalk", async |bench| {
        let mut message = sms("m-1", RECIPIENT, SENDER);
        message.text = "(광고) 한빛몰 할인\n무료수신거부 0801234567".to_owned();
        message.purpose = Purpose::Advertisement(Advertisement { opt_out_number: "0801234567".to_owned() });
        let outcome = bench.account.send_sms(&message, now()).await;
        let body = bench.sim.journal().sends().next().unwrap().body.clone().unwrap();
        assert!(body.contains(r#""ad":{"opt_out_number":"+82801234567"}"#), "{outcome:?}");
    })
    .await;
}

#[tokio::test]
async fn the_results_feed_tells_of_many_messages_by_few_calls_and_runs_behind() {
    one_vendor("sendtalk", async |bench| {
        let feed = bench.vendor.descriptor().results_feed.unwrap();
        for number in 0..5 {
            id(bench.account.send_sms(&sms(&format!("m-{number}"), RECIPIENT, SENDER), now()).await);
        }
        eventually(|| bench.sim.messages().iter().all(|message| message.completed_at.is_some())).await;
        let (from, until) =
            (now() - TimeDelta::hours(1), now() - TimeDelta::hours(1) + TimeDelta::from_std(feed.window).unwrap());
        let page =
            async |cursor: &str| bench.account.results(ResultsSpan { from, until, cursor }, now()).await.unwrap();
        assert_eq!(page("").await, ResultsPage::default(), "two minutes behind");
        bench.sim.set_settings(Settings { results_lag_ms: 0, results_page: 2, ..bench.sim.settings() }).unwrap();
        bench.sim.clear_journal();
        let (mut references, mut keys, mut cursor) = (Vec::new(), Vec::new(), String::new());
        loop {
            let ResultsPage { reports, unreadable, next_cursor } = page(&cursor).await;
            assert_eq!(unreadable, 0);
            keys.extend(reports.iter().map(|report| report.event_key.clone()));
            references.extend(reports.into_iter().map(|report| report.client_reference));
            cursor = next_cursor;
            if cursor.is_empty() {
                break;
            }
        }
        references.sort();
        assert_eq!(references, ["m-0", "m-1", "m-2", "m-3", "m-4"]);
        assert_eq!(bench.sim.journal().requests.len(), 3, "two to a page");
        for reference in references {
            let told = bench.look_up(&reference).await.remove(0);
            assert!(keys.contains(&told.event_key), "the same event, whichever way it is heard of");
        }
        let too_long = ResultsSpan { from, until: until + TimeDelta::seconds(1), cursor: "" };
        assert!(bench.account.results(too_long, now()).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_vendor_without_a_feed_says_so() {
    one_vendor("cloudmsg", async |bench| {
        assert_eq!(bench.vendor.descriptor().results_feed, None);
        let span = ResultsSpan { from: now(), until: now(), cursor: "" };
        assert!(bench.account.results(span, now()).await.is_err());
    })
    .await;
}

async fn eventually(mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}
