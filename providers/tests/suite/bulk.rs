//! CloudMsg's calls for many: each text is its own message, whatever becomes of the others.

use std::{collections::HashSet, time::Duration};

use switchboard_providers::{
    BulkTexts,
    model::{Advertisement, CallOutcome, FailureCode, Fault, Purpose, SendOutcome, Sms},
};
use switchboard_vendor_sim::{Fault as Trouble, FaultRule, demo};

use crate::{
    bench::{Bench, SENDER, one_vendor},
    fixtures::{RECIPIENT, lms, now, sms},
};

/// So many texts, each with words of its own.
fn texts(count: usize) -> Vec<Sms> {
    let text =
        |number| Sms { text: format!("인증번호 {number}"), ..sms(&format!("m-{number}"), RECIPIENT, SENDER) };
    (0..count).map(text).collect()
}

fn bulk(bench: &Bench) -> &dyn BulkTexts {
    bench.account.bulk().expect("it takes several texts in one call")
}

async fn send(bench: &Bench, texts: &[Sms]) -> CallOutcome {
    bulk(bench).send_texts(&texts.iter().collect::<Vec<_>>(), now()).await
}

/// What became of each, by a call that answered for each.
async fn send_each(bench: &Bench, texts: &[Sms]) -> Vec<SendOutcome> {
    match send(bench, texts).await {
        CallOutcome::Each(outcomes) => outcomes,
        CallOutcome::All(outcome) => panic!("one answer for all: {outcome:?}"),
    }
}

/// What a call came to that had one answer for all.
async fn send_all(bench: &Bench, texts: &[Sms]) -> SendOutcome {
    match send(bench, texts).await {
        CallOutcome::All(outcome) => outcome,
        CallOutcome::Each(outcomes) => panic!("an answer for each: {outcomes:?}"),
    }
}

/// How many recipients each call had.
fn calls(bench: &Bench) -> Vec<usize> {
    let recipients = |body: &str| body.matches("\"clientRef\"").count();
    bench.sim.journal().sends().map(|call| recipients(call.body.as_deref().unwrap())).collect()
}

fn accepted(outcome: &SendOutcome) -> bool {
    matches!(outcome, SendOutcome::Accepted(_))
}

#[tokio::test]
async fn each_text_of_a_call_is_its_own_message_with_its_own_words_and_receipt() {
    one_vendor("cloudmsg", async |bench| {
        let texts = texts(100);
        assert_eq!(bulk(bench).most(), texts.len());
        let outcomes = send_each(bench, &texts).await;
        assert_eq!(calls(bench), [100]);
        let journal = bench.sim.journal();
        assert_eq!((journal.invalid().count(), journal.requests[0].warnings.len()), (0, 0));
        let mut ids = HashSet::new();
        for (text, outcome) in texts.iter().zip(outcomes) {
            let SendOutcome::Accepted(acceptance) = outcome else { panic!("{}: {outcome:?}", text.reference) };
            let [report] = &bench.look_up(&text.reference).await[..] else { panic!("{}: one message", text.reference) };
            assert_eq!(report.provider_message_id, acceptance.provider_message_id, "its own receipt");
            ids.insert(acceptance.provider_message_id);
            let messages = bench.sim.messages_by_reference(bench.account_id, &text.reference);
            assert_eq!(messages[0].text, text.text, "its own words");
        }
        assert_eq!(ids.len(), 100);
    })
    .await;
}

#[tokio::test]
async fn what_a_call_says_once_for_all_must_be_the_same_for_all() {
    one_vendor("cloudmsg", async |bench| {
        let opt_out_number = "0801234567".to_owned();
        let advertisement =
            Sms { purpose: Purpose::Advertisement(Advertisement { opt_out_number }), ..sms("m-3", RECIPIENT, SENDER) };
        let long = |subject: &str| Sms { subject: subject.to_owned(), ..lms("m-4", RECIPIENT, SENDER) };
        let elsewhere = sms("m-2", RECIPIENT, demo::CLOUDMSG_HANBIT.other_sender);
        let different = [sms("m-1", RECIPIENT, SENDER), elsewhere, advertisement, long("출고 안내"), long("다른 제목")];
        for (here, one) in different.iter().enumerate() {
            for (there, other) in different.iter().enumerate() {
                assert_eq!(bulk(bench).can_share(one, other), here == there, "{here} and {there}");
            }
        }
        let same = Sms { text: "다른 글".to_owned(), ..sms("m-6", "010-2222-3333", SENDER) };
        assert!(bulk(bench).can_share(&different[0], &same), "recipient and text are each message's own");
    })
    .await;
}

#[tokio::test]
async fn one_recipient_is_refused_and_the_others_are_accepted() {
    one_vendor("cloudmsg", async |bench| {
        let mut texts = texts(3);
        texts[1] = sms("m-1", "010-0000-9101", SENDER);
        let outcomes = send_each(bench, &texts).await;
        assert!(accepted(&outcomes[0]) && accepted(&outcomes[2]), "{outcomes:?}");
        let SendOutcome::Refused(refusal) = &outcomes[1] else { panic!("{:?}", outcomes[1]) };
        assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::InvalidRecipient, Fault::Message));
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_refused_is_refused_for_all_and_nothing_was_taken() {
    one_vendor("cloudmsg", async |bench| {
        let cases = [
            (Trouble::Refuse { code: "1003".to_owned() }, Fault::Message, None),
            (Trouble::Refuse { code: "600".to_owned() }, Fault::Account, None),
            (Trouble::NotAccepted, Fault::Vendor, None),
            (Trouble::Throttle { after_s: 7, form: Default::default() }, Fault::Vendor, Some(Duration::from_secs(7))),
        ];
        for (trouble, fault, wait) in cases {
            bench.sim.add_fault(FaultRule::next_send(trouble));
            let outcome = send_all(bench, &texts(3)).await;
            let SendOutcome::Refused(refusal) = outcome else { panic!("{outcome:?}") };
            assert_eq!((refusal.fault, refusal.retry_after), (fault, wait));
        }
        assert_eq!(calls(bench), [3; 4], "nothing is sent again by itself");
        assert_eq!(bench.sim.messages().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_leaves_all_in_doubt_and_each_is_found() {
    one_vendor("cloudmsg", async |bench| {
        bench.sim.add_fault(FaultRule::next_send(Trouble::Reset { accept: true }));
        let texts = texts(3);
        let outcome = send_all(bench, &texts).await;
        assert!(matches!(outcome, SendOutcome::InDoubt(_)), "{outcome:?}");
        assert_eq!(calls(bench), [3], "nothing is sent again by itself");
        for text in &texts {
            assert_eq!(bench.look_up(&text.reference).await.len(), 1, "{}", text.reference);
        }
    })
    .await;
}

#[tokio::test]
async fn a_receipt_that_names_somebody_not_at_all_or_twice_proves_nothing_about_him() {
    one_vendor("cloudmsg", async |bench| {
        let item = |reference: &str| {
            format!(
                r#"{{"messageId":"v-{reference}","clientRef":"{reference}","requestStatusCode":"A000","requestStatusName":"success"}}"#
            )
        };
        let items = ["m-0", "m-1", "m-1", "m-9"].map(item).join(",");
        let body = format!(r#"{{"requestId":"R","requestTime":1700000000123,"messages":[{items}]}}"#);
        let content_type = "application/json".to_owned();
        let answer = Trouble::Respond { accept: true, status: 202, content_type, body };
        bench.sim.add_fault(FaultRule::next_send(answer));
        let outcomes = send_each(bench, &texts(3)).await;
        assert!(matches!(&outcomes[0], SendOutcome::Accepted(receipt) if receipt.provider_message_id == "v-m-0"));
        assert!(matches!(&outcomes[1..], [SendOutcome::InDoubt(_), SendOutcome::InDoubt(_)]), "{outcomes:?}");
    })
    .await;
}
