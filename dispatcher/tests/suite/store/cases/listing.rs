//! Pages of messages.

use switchboard_dispatcher::{
    message::{Message, Status},
    store::{ListQuery, Store},
};
use switchboard_providers::model::{Channel, FailureCode, ReportedStatus::Delivered};

use crate::store::{
    build::{accepted, at, commit, failure, message, record, report_for, reported, route, settle},
    harness::Engine,
};

fn of_acme() -> ListQuery {
    ListQuery { organization_id: "acme".to_owned(), limit: 100, ..ListQuery::default() }
}

async fn ids(store: &dyn Store, query: &ListQuery) -> Vec<String> {
    store.list(query).await.unwrap().into_iter().map(|message| message.id).collect()
}

fn made_at(id: &str, seconds: i64) -> Message {
    Message { create_time: at(seconds), ..message(id) }
}

/// Five messages that differ in everything a list can be filtered by.
async fn five(engine: &impl Engine) -> std::sync::Arc<dyn Store> {
    let store = engine.open().await;
    let by_sendtalk = route("sendtalk", "acct_acme", "acme");
    let refused = switchboard_dispatcher::message::Settlement::Refused(failure(FailureCode::SenderRejected));
    let writes = vec![
        record(made_at("a", 1)),
        record(Message { channel: Channel::Lms, ..made_at("b", 2) }),
        record(Message { route: by_sendtalk, ..made_at("c", 3) }),
        record(Message { to: "+821099998888".to_owned(), ..made_at("d", 4) }),
        record(made_at("e", 5)),
        record(Message { organization_id: "other".to_owned(), ..made_at("x", 6) }),
        accepted("b", "v-b", 10),
        settle("d", refused, 10),
        accepted("e", "v-e", 10),
        reported(report_for("e", "v-e", Delivered, 11)),
    ];
    store.commit(writes).await.unwrap();
    store
}

pub async fn only_the_organisations_own_messages_are_listed_newest_first(engine: impl Engine) {
    let store = five(&engine).await;
    assert_eq!(ids(&*store, &of_acme()).await, ["e", "d", "c", "b", "a"]);
    assert_eq!(ids(&*store, &ListQuery { limit: 2, ..of_acme() }).await, ["e", "d"]);
    let nobody = ListQuery { organization_id: "nobody".to_owned(), ..of_acme() };
    assert!(ids(&*store, &nobody).await.is_empty());
}

pub async fn every_filter_narrows_the_list(engine: impl Engine) {
    let store = five(&engine).await;
    let cases: [(&str, ListQuery, &[&str]); 9] = [
        ("one status", ListQuery { statuses: vec![Status::Delivered], ..of_acme() }, &["e"]),
        ("two statuses", ListQuery { statuses: vec![Status::Queued, Status::Failed], ..of_acme() }, &["d", "b"]),
        ("vendor", ListQuery { provider: Some("sendtalk".to_owned()), ..of_acme() }, &["c"]),
        ("recipient", ListQuery { to: Some("+821099998888".to_owned()), ..of_acme() }, &["d"]),
        ("kind", ListQuery { channel: Some(Channel::Lms), ..of_acme() }, &["b"]),
        ("from, inclusive", ListQuery { created_from: Some(at(4)), ..of_acme() }, &["e", "d"]),
        ("before, exclusive", ListQuery { created_before: Some(at(2)), ..of_acme() }, &["a"]),
        ("open only", ListQuery { open_only: true, ..of_acme() }, &["c", "b", "a"]),
        ("after a position", ListQuery { after: Some((at(3), "c".to_owned())), ..of_acme() }, &["b", "a"]),
    ];
    for (name, query, expected) in cases {
        assert_eq!(ids(&*store, &query).await, expected, "{name}");
    }
}

pub async fn filters_combine(engine: impl Engine) {
    let store = five(&engine).await;
    let query = ListQuery {
        statuses: vec![Status::Requested, Status::Queued],
        provider: Some("cloudmsg".to_owned()),
        to: Some("+821012345678".to_owned()),
        channel: Some(Channel::Sms),
        created_from: Some(at(0)),
        created_before: Some(at(5)),
        open_only: true,
        ..of_acme()
    };
    assert_eq!(ids(&*store, &query).await, ["a"]);
}

pub async fn pages_stay_in_step_while_messages_are_recorded(engine: impl Engine) {
    let store = engine.open().await;
    let first: Vec<_> = (0..25).map(|n| record(made_at(&format!("m{n:03}"), n))).collect();
    store.commit(first).await.unwrap();
    let mut seen = Vec::new();
    let mut query = ListQuery { limit: 7, ..of_acme() };
    for round in 100.. {
        let page = store.list(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.after = Some((last.create_time, last.id.clone()));
        seen.extend(page.into_iter().map(|message| message.id));
        commit(&*store, record(made_at(&format!("m{round:03}"), round))).await;
    }
    let expected: Vec<_> = (0..25).rev().map(|n| format!("m{n:03}")).collect();
    assert_eq!(seen, expected, "no message twice, none left out");
}

pub async fn messages_of_one_instant_are_paged_without_loss(engine: impl Engine) {
    let store = engine.open().await;
    store.commit((0..20).map(|n| record(message(&format!("m{n:02}")))).collect()).await.unwrap();
    let mut seen = Vec::new();
    let mut query = ListQuery { limit: 3, ..of_acme() };
    while let [.., last] = &store.list(&query).await.unwrap()[..] {
        seen.extend(ids(&*store, &query).await);
        query.after = Some((last.create_time, last.id.clone()));
    }
    let expected: Vec<_> = (0..20).rev().map(|n| format!("m{n:02}")).collect();
    assert_eq!(seen, expected);
}

pub async fn the_messages_of_a_recipient_are_paged_over_days_and_years(engine: impl Engine) {
    const DAY: i64 = 86_400;
    let store = engine.open().await;
    // At the ends of days, several in an instant, with days and more than a year between them.
    let times =
        [0, DAY - 1, DAY, DAY, DAY, DAY + 1, 3 * DAY - 1, 3 * DAY, 40 * DAY, 400 * DAY, 400 * DAY, 401 * DAY - 1];
    let own = (100..).zip(times).map(|(number, time)| made_at(&format!("own-{number}"), time));
    let others = (100..)
        .zip(times)
        .map(|(number, time)| Message { to: "+821099998888".to_owned(), ..made_at(&format!("other-{number}"), time) });
    store.commit(own.chain(others).map(record).collect()).await.unwrap();
    let mut query = ListQuery { to: Some(message("any").to), limit: 2, ..of_acme() };
    let mut seen = Vec::new();
    while let [.., last] = &store.list(&query).await.unwrap()[..] {
        seen.extend(ids(&*store, &query).await);
        query.after = Some((last.create_time, last.id.clone()));
    }
    let expected: Vec<_> = (0..times.len()).rev().map(|number| format!("own-{}", number + 100)).collect();
    assert_eq!(seen, expected);
    let middle = ListQuery {
        created_from: Some(at(DAY)),
        created_before: Some(at(3 * DAY)),
        after: None,
        limit: 100,
        ..query.clone()
    };
    assert_eq!(ids(&*store, &middle).await, ["own-106", "own-105", "own-104", "own-103", "own-102"]);
    let nobody = ListQuery { to: Some("+821000000000".to_owned()), after: None, ..query };
    assert!(ids(&*store, &nobody).await.is_empty());
}
