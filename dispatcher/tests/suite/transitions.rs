//! The state machine: every order and every repetition of the same facts ends in the same state.

use proptest::{prelude::*, sample::subsequence};
use switchboard_dispatcher::message::{Applied, EventKind, Message, Report, Settlement, State, Status};
use switchboard_providers::model::{
    Failure, FailureCode,
    ReportedStatus::{self, Delivered, Failed, Queued, Sent},
};

use crate::store::build::{at, failure, message};

/// Something that is heard of a message.
#[derive(Clone, Debug)]
enum Fact {
    Settled(Settlement),
    Reported(Report),
}

fn report(status: Option<ReportedStatus>, seconds: i64) -> Fact {
    Fact::Reported(Report {
        provider_message_id: "v1".to_owned(),
        status,
        provider_status: format!("{status:?}"),
        failure: (status == Some(Failed)).then(|| failure(FailureCode::RecipientBlocked)),
        occur_time: at(seconds),
        fallback: String::new(),
    })
}

fn acceptance() -> Fact {
    Fact::Settled(Settlement::Accepted { provider_message_id: "v1".to_owned(), accept_time: Some(at(1)) })
}

fn doubt() -> Fact {
    Fact::Settled(Settlement::InDoubt(failure(FailureCode::ProviderTimeout)))
}

fn refusal() -> Fact {
    Fact::Settled(Settlement::Refused(failure(FailureCode::SenderRejected)))
}

fn hear(message: &mut Message, fact: &Fact, seconds: i64) -> Option<Applied> {
    match fact {
        Fact::Settled(settlement) => {
            message.settle(settlement.clone(), at(seconds));
            None
        }
        Fact::Reported(report) => Some(message.report(report, at(seconds))),
    }
}

fn told(facts: &[Fact]) -> Message {
    let mut message = message("m1");
    for (seconds, fact) in (100..).zip(facts) {
        hear(&mut message, fact, seconds);
    }
    message
}

/// What must not depend on the order: all but when we ourselves first learned that the vendor has it.
fn end(message: &Message) -> (Status, Option<String>, Option<i64>, Option<Failure>) {
    (
        message.state.status(),
        message.state.receipt().map(|receipt| receipt.provider_message_id.clone()),
        message.state.result_time().map(|time| time.timestamp()),
        message.failure().cloned(),
    )
}

fn rank(status: Status) -> u8 {
    match status {
        Status::Requested => 0,
        Status::InDoubt => 1,
        Status::Queued => 2,
        Status::Sent => 3,
        Status::Unresolved => 4,
        Status::Delivered | Status::Failed => 5,
    }
}

/// Everything that one message of an honest vendor can bring: whether the send was answered or not, and some of the
/// reports up to at most one result.
fn a_life() -> impl Strategy<Value = Vec<Fact>> {
    let send = prop_oneof![Just(acceptance()), Just(doubt())];
    let on_the_way = subsequence(vec![report(Some(Queued), 2), report(Some(Sent), 3), report(None, 4)], 0..=3);
    let result = prop_oneof![Just(None), Just(Some(report(Some(Delivered), 5))), Just(Some(report(Some(Failed), 5)))];
    (send, on_the_way, result).prop_map(|(send, mut facts, result)| {
        facts.insert(0, send);
        facts.extend(result);
        facts
    })
}

/// A life, and the same facts in another order, some of them several times.
fn two_tellings() -> impl Strategy<Value = (Vec<Fact>, Vec<Fact>)> {
    a_life().prop_flat_map(|life| {
        let repeats = prop::collection::vec(0..life.len(), 0..6);
        (Just(life), repeats).prop_flat_map(|(life, repeats)| {
            let mut told = life.clone();
            told.extend(repeats.into_iter().map(|index| life[index].clone()));
            (Just(life), Just(told).prop_shuffle())
        })
    })
}

/// Anything at all, contradictions included.
fn a_babble() -> impl Strategy<Value = Vec<Fact>> {
    let fact = prop_oneof![
        Just(acceptance()),
        Just(doubt()),
        Just(refusal()),
        Just(report(None, 1)),
        (prop::sample::select(vec![Queued, Sent, Delivered, Failed]), 0..50_i64)
            .prop_map(|(status, seconds)| report(Some(status), seconds)),
    ];
    prop::collection::vec(fact, 0..20)
}

proptest! {
    #[test]
    fn every_order_and_repetition_ends_in_the_same_state((life, telling) in two_tellings()) {
        prop_assert_eq!(end(&told(&life)), end(&told(&telling)));
    }

    #[test]
    fn a_message_never_goes_back(facts in a_babble()) {
        let mut message = message("m1");
        for (seconds, fact) in (100..).zip(&facts) {
            let before = rank(message.state.status());
            hear(&mut message, fact, seconds);
            prop_assert!(rank(message.state.status()) >= before, "{:?}", fact);
        }
    }

    #[test]
    fn the_first_final_result_stays_and_others_are_noted_as_conflicts(facts in a_babble()) {
        let mut message = message("m1");
        for (seconds, fact) in (100..).zip(&facts) {
            let before = (message.state.is_final(), message.state.status(), message.state.result_time(), message.failure().cloned());
            let noted = message.events.len();
            let applied = hear(&mut message, fact, seconds);
            if before.0 {
                let after = (true, message.state.status(), message.state.result_time(), message.failure().cloned());
                prop_assert_eq!(&before, &after);
                let contradicts = matches!(
                    (fact, before.1),
                    (Fact::Reported(Report { status: Some(Delivered), .. }), Status::Failed)
                        | (Fact::Reported(Report { status: Some(Failed), .. }), Status::Delivered)
                );
                prop_assert_eq!(contradicts, applied == Some(Applied::Conflict));
                prop_assert!(!contradicts || message.events[noted].kind == EventKind::Conflict);
            }
            prop_assert_eq!(message.events.len(), noted + 1, "everything that is heard is noted");
        }
    }

    #[test]
    fn an_unresolved_message_still_takes_its_late_result(status in prop::sample::select(vec![Delivered, Failed])) {
        let mut message = Message { state: State::Unresolved(None), ..message("m1") };
        prop_assert_eq!(hear(&mut message, &report(Some(Sent), 1), 100), Some(Applied::Stale));
        prop_assert_eq!(hear(&mut message, &report(Some(status), 2), 101), Some(Applied::Moved));
        prop_assert!(message.state.is_final());
    }
}

#[test]
fn every_status_word_reads_back() {
    for status in Status::ALL {
        assert_eq!(status.as_str().parse(), Ok(status));
    }
    assert!("delivered".parse::<Status>().is_err());
}

#[test]
fn a_vendor_that_repeats_itself_for_days_does_not_make_the_timeline_endless() {
    let mut message = message("m1");
    for seconds in 0..10_000 {
        hear(&mut message, &report(None, seconds), seconds);
    }
    assert_eq!(message.events.len(), 200);
    assert_eq!(hear(&mut message, &report(Some(Delivered), 1), 1), Some(Applied::Moved), "and it still moves");
    for seconds in 2..1_000 {
        assert_eq!(hear(&mut message, &report(Some(Failed), seconds), seconds), Some(Applied::Conflict));
    }
    let last: Vec<_> = message.events[200..].iter().map(|event| event.kind).collect();
    assert_eq!(
        last,
        [EventKind::Reported, EventKind::Conflict],
        "the result has its line, and so has the first to differ"
    );
}
