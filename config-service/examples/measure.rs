//! temporary
#![allow(clippy::all, missing_docs)]
use chrono::Utc;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use std::{sync::Arc, time::Instant};
use switchboard_config_service::{
    audit::Draft,
    organizations::*,
    sealing::*,
    store::{self, *},
    watch::Opener,
};

fn draft() -> Draft {
    Draft {
        at: Utc::now(),
        actor: "x".into(),
        roles: vec![],
        action: "x".into(),
        organization_id: "".into(),
        provider: "".into(),
        outcome: "OK".into(),
        changes: vec![],
        forced: false,
        request_id: "".into(),
        peer: "".into(),
    }
}

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let kf = dir.path().join("keys.json");
    KeyRing::generate(&kf, Utc::now()).unwrap();
    let keys = Keys::load(&kf).unwrap();
    let n: usize = 100_000;
    for url in std::env::args().skip(1) {
        let url = if url == "sqlite" { format!("sqlite://{}/config.db", dir.path().display()) } else { url };
        let sqlite = url.starts_with("sqlite");
        let target = Target::parse(Some(&url), dir.path()).unwrap();
        store::migrate(&target).await.unwrap();
        let st = store::open(&target).await.unwrap();
        st.establish(&Establishment { epoch: "e".into(), key_ring: keys.ring().fingerprint(), event: draft() })
            .await
            .unwrap();
        let t = Instant::now();
        {
            let mut sql = vec!["BEGIN".to_owned()];
            for i in 0..n {
                let id = format!("org-{i:06}");
                let name = format!("서울 {}번 의원 Clinic {i}", i * 7919 % n);
                let (time, blob) = if sqlite {
                    ("1700000000000000".to_owned(), |b: &[u8]| format!("x'{}'", hex::encode(b)))
                } else {
                    ("now()".to_owned(), (|b: &[u8]| format!("'\\x{}'", hex::encode(b))) as fn(&[u8]) -> String)
                };
                sql.push(format!("INSERT INTO organizations (organization_id,name,search,version,provider,revision,create_time,update_time) VALUES ('{id}','{name}','{id}\n{}',1,'{}',1,{time},{time})", fold(&name), if i % 2 == 0 { "cloudmsg" } else { "" }));
                let secrets = ConfigSecrets {
                    credentials: [
                        ("service_id", "svc-abcdef"),
                        ("access_key", "AK-12345678"),
                        ("secret_key", "SK-0123456789abcdef0123456789abcdef"),
                        ("callback_secret", "CB-0123456789abcdef0123456789"),
                        ("default_sender", "15881234"),
                    ]
                    .into_iter()
                    .collect(),
                    replaced: vec![],
                };
                let s =
                    keys.seal(&Binding { organization_id: &id, provider: "cloudmsg", version: 1 }, &secrets).unwrap();
                sql.push(format!("INSERT INTO provider_configs VALUES ('{id}','cloudmsg','svc-abcdef','{{\"secret_key\":{{\"set_at\":1}},\"service_id\":{{\"shown\":\"svc-abcdef\",\"set_at\":1}}}}',1,{},{},1,{time},{time})", blob(&s.data), blob(&s.wrapped_key)));
            }
            sql.push(format!("UPDATE meta SET organization_count = organization_count + {n}"));
            sql.push("COMMIT".into());
            sql.push("ANALYZE".into());
            let sql = sql.join(";");
            if sqlite {
                let mut c = sqlx::SqliteConnection::connect(&url).await.unwrap();
                c.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
            } else {
                let mut c = sqlx::PgConnection::connect(&url).await.unwrap();
                c.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
            }
        }
        println!("{} filled {:?}", target.place(), t.elapsed());
        let f = |q: &str| Filter { query: fold(q), ..Filter::default() };
        for (what, filter, key) in [
            ("all by id", Filter::default(), SortKey::Id),
            ("all by name", Filter::default(), SortKey::Name),
            ("all by time", Filter::default(), SortKey::CreatedAt),
            ("query common 의원", f("의원"), SortKey::Id),
            ("query one", f("org-099999"), SortKey::Id),
            ("query none", f("zzzz"), SortKey::Name),
            ("provider", Filter { provider: "cloudmsg".into(), ..Filter::default() }, SortKey::Id),
            ("unmapped by name", Filter { unmapped: true, ..Filter::default() }, SortKey::Name),
        ] {
            let l = Listing { filter, order: Order { key, descending: false }, after: None, limit: 50 };
            let mut best = std::time::Duration::MAX;
            let mut total = 0;
            for _ in 0..7 {
                let t = Instant::now();
                total = st.list(&l).await.unwrap().total;
                best = best.min(t.elapsed());
            }
            println!("  list {what}: {best:?} total {total}");
        }
        let reg = switchboard_providers::Registry::new(&Default::default()).unwrap();
        let opener = Opener::new(keys.clone(), reg);
        for _ in 0..2 {
            let t = Instant::now();
            let mut s = st.snapshot(SnapshotScope::All).await.unwrap();
            let mut c = 0;
            let mut opening = std::time::Duration::ZERO;
            loop {
                let p = s.next(256).await.unwrap();
                if p.is_empty() {
                    break;
                }
                c += p.len();
                let t = Instant::now();
                for e in p {
                    std::hint::black_box(opener.open(e));
                }
                opening += t.elapsed();
            }
            println!("  snapshot {c} entries {:?} of which opening {opening:?}", t.elapsed());
        }
        let _ = Arc::clone(&st);
    }
}
