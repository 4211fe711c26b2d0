use std::collections::BTreeSet;

use futures::future::join_all;
use switchboard_config_service::{
    organizations::{Filter, Listing, Order, OrganizationName, SortKey, fold},
    store::StoreError,
};

use crate::store::harness::Engine;

pub async fn an_id_is_taken_once_however_many_want_it(engine: &Engine) {
    let other = engine.replica().await;
    let stores = [engine.store.as_ref(), other.as_ref()];
    let wanted = (0..16).map(|number| engine.found(stores[number % 2], "acme", "Acme"));
    let results = join_all(wanted).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let refused = |result: &Result<i64, StoreError>| matches!(result, Err(StoreError::OrganizationExists { .. }));
    assert_eq!(results.iter().filter(|result| refused(result)).count(), 15);
}

pub async fn of_many_renames_of_one_version_one_wins_and_the_others_learn_the_version(engine: &Engine) {
    engine.organization("acme", "Acme").await;
    let other = engine.replica().await;
    let stores = [engine.store.as_ref(), other.as_ref()];
    let renames = (0..16).map(|number| engine.rename(stores[number % 2], "acme", "Another", 1));
    let results = join_all(renames).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let lost = |result: &Result<i64, StoreError>| matches!(result, Err(StoreError::VersionConflict { current: 2 }));
    assert_eq!(results.iter().filter(|result| lost(result)).count(), 15);
    let missing = engine.rename(engine.store.as_ref(), "nowhere", "Another", 1).await;
    assert!(matches!(missing, Err(StoreError::OrganizationNotFound { .. })));
}

fn listing(filter: Filter, order: Order) -> Listing {
    Listing { filter, order, after: None, limit: 3 }
}

pub async fn every_order_pages_through_everything_once_while_others_are_added(engine: &Engine) {
    for (id, name) in [("d", "나"), ("a", "다"), ("c", "나"), ("b", "가"), ("e", "Abc"), ("f", "나"), ("g", "abc")]
    {
        engine.organization(id, name).await;
    }
    let expected = [
        (SortKey::Id, "a b c d default e f g"),
        // By code point: upper case, lower case, Hangul.
        (SortKey::Name, "e default g b c d f a"),
        (SortKey::CreatedAt, "default d a c b e f g"),
    ];
    for (key, ascending) in expected {
        for descending in [false, true] {
            let mut expected: Vec<_> = ascending.split(' ').map(str::to_owned).collect();
            if descending {
                expected.reverse();
            }
            let order = Order { key, descending };
            let (mut seen, mut listing) = (Vec::new(), listing(Filter::default(), order));
            loop {
                let page = engine.store.list(&listing).await.unwrap();
                assert_eq!(page.total, 8, "{order:?}");
                seen.extend(page.organizations.iter().map(|organization| organization.organization_id.clone()));
                listing.after = page.organizations.last().map(|last| order.cursor(last));
                if !page.more {
                    break;
                }
            }
            assert_eq!(seen, expected, "{order:?}");
        }
    }
    // One that comes before the place where a reader stands does not make him see another twice.
    let order = Order { key: SortKey::Id, descending: false };
    let first = engine.store.list(&listing(Filter::default(), order)).await.unwrap();
    engine.organization("aa", "Earlier").await;
    let after = first.organizations.last().map(|last| order.cursor(last));
    let second = engine.store.list(&Listing { after, ..listing(Filter::default(), order) }).await.unwrap();
    let ids: Vec<_> = second.organizations.iter().map(|one| one.organization_id.as_str()).collect();
    assert_eq!((ids, second.total), (vec!["d", "default", "e"], 9));
}

pub async fn filters_and_totals_agree_with_what_is_there(engine: &Engine) {
    for (id, name) in [("seoul", "서울 의원"), ("busan", "부산 Clinic"), ("under_score", "x")] {
        // An id that the API would refuse is not made here either.
        if !id.contains('_') {
            engine.organization(id, name).await;
        }
    }
    let mut config = engine.sealed("seoul", "cloudmsg", 1, "s");
    config.activate = true;
    engine.store.add_config(&config, engine.change("CreateProviderConfig", "seoul")).await.unwrap();
    let order = Order { key: SortKey::Id, descending: false };
    let query = |query: &str| Filter { query: fold(query), ..Filter::default() };
    let within = |ids: &[&str]| Filter {
        within: Some(ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>()),
        ..Filter::default()
    };
    for (filter, expected) in [
        (query("의원"), "seoul"),
        (query("CLINIC"), "busan"),
        (query("_"), ""),
        (query("%"), ""),
        (query("an\n"), "busan"),
        (query("busan\n부산"), ""),
        (Filter { provider: "cloudmsg".to_owned(), ..Filter::default() }, "seoul"),
        (Filter { provider: "sendtalk".to_owned(), ..Filter::default() }, ""),
        (Filter { unmapped: true, ..Filter::default() }, "busan default"),
        (Filter { unmapped: true, ..query("busan") }, "busan"),
        (within(&["seoul", "nowhere"]), "seoul"),
        (within(&[]), ""),
    ] {
        let page = engine.store.list(&listing(filter.clone(), order)).await.unwrap();
        let found: Vec<_> = page.organizations.iter().map(|one| one.organization_id.as_str()).collect();
        assert_eq!(found.join(" "), expected, "{filter:?}");
        assert_eq!(usize::try_from(page.total).unwrap(), found.len(), "{filter:?}");
    }
    engine.rename(engine.store.as_ref(), "busan", "대구", 1).await.unwrap();
    let page = engine.store.list(&listing(query("부산"), order)).await.unwrap();
    assert_eq!(page.total, 0, "a name that was changed is not found any more");
}

pub async fn a_dry_run_tells_what_would_be_and_leaves_nothing(engine: &Engine) {
    engine.organization("acme", "Acme").await;
    let before = (engine.store.position().await.unwrap(), engine.store.audit_head().await.unwrap());
    let mut change = engine.change("UpdateOrganization", "acme");
    change.dry_run = true;
    let name = OrganizationName::parse("Another").unwrap();
    let would_be = engine.store.rename("acme", &name, 1, change).await.unwrap();
    assert_eq!((would_be.value.name.as_str(), would_be.value.version, would_be.revision), ("Another", 2, 0));
    let organization = engine.store.organization("acme").await.unwrap().unwrap();
    assert_eq!((organization.name.as_str(), organization.version), ("Acme", 1));
    assert_eq!((engine.store.position().await.unwrap(), engine.store.audit_head().await.unwrap()), before);
}
