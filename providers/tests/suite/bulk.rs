//! CloudMsg's calls for many: texts that are ready at the same time share one, and nothing else.

use std::{collections::HashSet, time::Duration};

use futures::future::join_all;
use switchboard_providers::model::{FailureCode, Fault, Purpose, SendOutcome, Sms};
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

/// Sends them at the same time.
async fn send(bench: &Bench, texts: &[Sms]) -> Vec<SendOutcome> {
    join_all(texts.iter().map(|text| bench.account.send_sms(text, now()))).await
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
async fn texts_that_are_ready_together_go_in_one_call_and_each_is_its_own_message() {
    one_vendor("cloudmsg", async |bench| {
        let texts = texts(5);
        let outcomes = send(bench, &texts).await;
        assert_eq!(calls(bench), [5]);
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
        assert_eq!(ids.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn what_a_call_says_once_for_all_is_the_same_for_all_or_they_go_apart() {
    one_vendor("cloudmsg", async |bench| {
        let advertisement = Purpose::Advertisement(switchboard_providers::model::Advertisement {
            opt_out_number: "0801234567".to_owned(),
        });
        let long =
            |reference: &str, subject: &str| Sms { subject: subject.to_owned(), ..lms(reference, RECIPIENT, SENDER) };
        let different = [
            sms("m-1", RECIPIENT, SENDER),
            sms("m-2", RECIPIENT, demo::CLOUDMSG_HANBIT.other_sender),
            Sms {
                text: "(광고) 세일 무료거부 0801234567".to_owned(),
                purpose: advertisement,
                ..sms("m-3", RECIPIENT, SENDER)
            },
            long("m-4", "출고 안내"),
            long("m-5", "다른 제목"),
        ];
        let outcomes = send(bench, &different).await;
        assert!(outcomes.iter().all(accepted), "{outcomes:?}");
        assert_eq!(calls(bench), [1; 5]);
        assert_eq!(bench.sim.journal().invalid().count(), 0);
    })
    .await;
}

#[tokio::test]
async fn one_recipient_is_refused_and_the_others_are_accepted() {
    one_vendor("cloudmsg", async |bench| {
        let mut texts = texts(3);
        texts[1] = sms("m-1", "010-0000-9101", SENDER);
        let outcomes = send(bench, &texts).await;
        assert!(accepted(&outcomes[0]) && accepted(&outcomes[2]), "{outcomes:?}");
        let SendOutcome::Refused(refusal) = &outcomes[1] else { panic!("{:?}", outcomes[1]) };
        assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::InvalidRecipient, Fault::Message));
        assert_eq!(calls(bench), [3]);
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_refused_by_the_fault_of_one_is_repeated_for_each_alone() {
    one_vendor("cloudmsg", async |bench| {
        bench.sim.add_fault(FaultRule::next_send(Trouble::Refuse { code: "1003".to_owned() }));
        let outcomes = send(bench, &texts(3)).await;
        assert!(outcomes.iter().all(accepted), "{outcomes:?}");
        assert_eq!(calls(bench), [3, 1, 1, 1]);
        assert_eq!(bench.sim.messages().len(), 3, "none twice");
    })
    .await;
}

#[tokio::test]
async fn an_account_without_balance_for_all_sends_what_it_can() {
    one_vendor("cloudmsg", async |bench| {
        bench.sim.merge_account(bench.account_id, serde_json::json!({"balance": 2})).unwrap();
        let outcomes = send(bench, &texts(3)).await;
        assert_eq!(outcomes.iter().filter(|outcome| accepted(outcome)).count(), 2, "{outcomes:?}");
        let refusals = outcomes.iter().filter_map(|outcome| match outcome {
            SendOutcome::Refused(refusal) => Some((refusal.failure.code, refusal.fault)),
            _ => None,
        });
        assert_eq!(refusals.collect::<Vec<_>>(), [(FailureCode::InsufficientBalance, Fault::Account)]);
    })
    .await;
}

#[tokio::test]
async fn what_the_vendor_does_not_take_by_its_own_fault_is_refused_for_all_in_one_call() {
    one_vendor("cloudmsg", async |bench| {
        let troubles = [Trouble::NotAccepted, Trouble::Throttle { after_s: 7, form: Default::default() }];
        for (trouble, wait) in troubles.into_iter().zip([None, Some(Duration::from_secs(7))]) {
            bench.sim.clear_journal();
            bench.sim.add_fault(FaultRule::next_send(trouble));
            for outcome in send(bench, &texts(3)).await {
                let SendOutcome::Refused(refusal) = outcome else { panic!("{outcome:?}") };
                assert_eq!((refusal.fault, refusal.failure.retryable), (Fault::Vendor, true));
                assert_eq!(refusal.retry_after, wait);
            }
            assert_eq!(calls(bench), [3]);
        }
        assert_eq!(bench.sim.messages().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_leaves_all_in_doubt_and_each_is_found() {
    one_vendor("cloudmsg", async |bench| {
        bench.sim.add_fault(FaultRule::next_send(Trouble::Reset { accept: true }));
        let texts = texts(3);
        let outcomes = send(bench, &texts).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, SendOutcome::InDoubt(_))), "{outcomes:?}");
        assert_eq!(calls(bench), [3], "nothing is sent again by itself");
        for text in &texts {
            assert_eq!(bench.look_up(&text.reference).await.len(), 1, "{}", text.reference);
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_those_who_went_along_in_doubt() {
    one_vendor("cloudmsg", async |bench| {
        bench.sim.add_fault(FaultRule::next_send(Trouble::Hang { accept: true }));
        let texts = texts(2);
        let first = tokio::time::timeout(Duration::from_millis(300), bench.account.send_sms(&texts[0], now()));
        let (first, along) = futures::join!(first, bench.account.send_sms(&texts[1], now()));
        assert!(first.is_err(), "it hangs");
        assert!(matches!(&along, SendOutcome::InDoubt(failure) if !failure.retryable), "{along:?}");
        assert_eq!(calls(bench), [2]);
        let outcomes = send(bench, &texts).await;
        assert!(outcomes.iter().all(accepted), "the next call is made as ever: {outcomes:?}");
    })
    .await;
}

#[tokio::test]
async fn whoever_gives_up_before_the_call_leaves_the_others_to_go_by_themselves() {
    one_vendor("cloudmsg", async |bench| {
        let texts = texts(2);
        let mut first = Box::pin(bench.account.send_sms(&texts[0], now()));
        assert!(futures::poll!(&mut first).is_pending(), "it lets others come along");
        let mut along = Box::pin(bench.account.send_sms(&texts[1], now()));
        assert!(futures::poll!(&mut along).is_pending());
        drop(first);
        assert!(accepted(&along.await));
        assert_eq!(calls(bench), [1]);
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
        let outcomes = send(bench, &texts(3)).await;
        assert!(matches!(&outcomes[0], SendOutcome::Accepted(receipt) if receipt.provider_message_id == "v-m-0"));
        assert!(matches!(&outcomes[1..], [SendOutcome::InDoubt(_), SendOutcome::InDoubt(_)]), "{outcomes:?}");
    })
    .await;
}

#[tokio::test]
async fn no_call_has_more_than_a_hundred_recipients() {
    one_vendor("cloudmsg", async |bench| {
        let outcomes = send(bench, &texts(150)).await;
        assert!(outcomes.iter().all(accepted));
        let mut calls = calls(bench);
        calls.sort_unstable();
        assert_eq!(calls, [50, 100]);
    })
    .await;
}

#[tokio::test]
async fn a_text_that_is_refused_alone_is_not_sent_again() {
    one_vendor("cloudmsg", async |bench| {
        bench.sim.add_fault(FaultRule::next_send(Trouble::Refuse { code: "1003".to_owned() }));
        let outcomes = send(bench, &texts(1)).await;
        assert!(matches!(&outcomes[..], [SendOutcome::Refused(_)]), "{outcomes:?}");
        assert_eq!(calls(bench), [1]);
    })
    .await;
}
