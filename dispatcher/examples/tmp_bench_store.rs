#![allow(clippy::all, missing_docs)]
use std::time::{Duration, Instant};
use switchboard_dispatcher::{
    message::*,
    store::{postgres::*, *},
};
use switchboard_providers::model::*;
use switchboard_runtime::{Clock, Ids, SystemClock};
fn cpu(db: &str) -> f64 {
    // seconds of server backends
    let out = std::process::Command::new("sh").arg("-c").arg(format!("ps -ww -eo pid,args | grep 'postgres: .*{db} \\|walwriter\\|checkpointer\\|background writer\\|autovacuum' | grep -v grep | awk '{{print $1}}'")).output().unwrap();
    let mut t = 0.0;
    for pid in String::from_utf8_lossy(&out.stdout).split_whitespace() {
        if let Ok(s) = std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
            t += f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap();
        }
    }
    t / 100.0
}
fn own() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
#[tokio::main]
async fn main() {
    let url = std::env::args().nth(1).unwrap();
    let size: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let n: usize = std::env::args().nth(3).unwrap().parse().unwrap();
    let reports = std::env::args().nth(4).is_some();
    let db = url.rsplit('/').next().unwrap().to_owned();
    let store = PostgresStore::open(&url, PoolSizes { writers: 2, readers: 2 }, Duration::from_secs(30)).await.unwrap();
    let ids = Ids::new();
    let clock = SystemClock;
    let make = |i: usize| {
        let now = clock.now();
        let id = ids.next(now);
        let m = Message {
            id: id.clone(),
            organization_id: format!("org-{}", i % 997),
            request_id: format!("req-{id}"),
            channel: Channel::Sms,
            to: format!("+8210{:08}", (i * 7919) % 100000000),
            sender: "15881234".into(),
            content: Content::Text(TextContent {
                text: "안녕하세요. 주문하신 상품이 오늘 도착할 예정입니다. 감사합니다.".into(),
                subject: String::new(),
                opt_out_number: None,
            }),
            labels: Default::default(),
            route: Route {
                provider: "cloudmsg".into(),
                provider_account: "svc-0001".into(),
                account_organization_id: "default".into(),
                config_revision: 41,
                provider_config_version: 3,
            },
            state: State::Requested,
            events: vec![Event {
                kind: EventKind::Recorded,
                status: Status::Requested,
                occur_time: now,
                record_time: now,
                provider: "cloudmsg".into(),
                detail: String::new(),
                failure: None,
            }],
            fallback_message_id: String::new(),
            create_time: now,
            due_time: None,
            checks: 0,
        };
        (id, Write::Record(Box::new(NewMessage { message: m, fingerprint: [7; 32] })))
    };
    {
        use sqlx::Connection;
        let mut c = sqlx::PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql("SET jit=off; SET enable_seqscan=off; SET enable_hashjoin=off; SET enable_mergejoin=off; CREATE TABLE IF NOT EXISTS floor_t (id text primary key, org text, rcpt text, body text, status text, created_at timestamptz, pm text)").execute(&mut c).await.unwrap();
        for pass in 0..2 {
            let rounds = if pass == 0 { 20 } else { n };
            let (s0, o0, t0) = (cpu(&db), own(), Instant::now());
            let mut prev: Vec<String> = vec![];
            for _ in 0..rounds {
                let now = clock.now();
                let new: Vec<String> = (0..size).map(|_| ids.next(now)).collect();
                sqlx::query("WITH n AS (INSERT INTO floor_t SELECT a,b,c,d,'REQUESTED',e,'' FROM unnest($1::text[],$2::text[],$3::text[],$4::text[],$5::timestamptz[]) u(a,b,c,d,e)) UPDATE floor_t SET status='QUEUED', pm=p FROM unnest($6::text[],$7::text[]) v(i,p) WHERE id=i")
              .bind(&new).bind(vec!["org-1";size]).bind(vec!["+821012345678";size]).bind(vec!["안녕하세요. 주문하신 상품이 오늘 도착할 예정입니다. 감사합니다.";size]).bind(vec![now;size]).bind(&prev).bind(&prev).execute(&mut c).await.unwrap();
                prev = new;
            }
            let k = (rounds * size) as f64;
            let dt = t0.elapsed().as_secs_f64();
            println!(
                "floor    batch {size}: {:.0}/s, {:.2} ms a round, server {:.1} us, own {:.1} us each",
                k / dt,
                dt * 1e3 / rounds as f64,
                (cpu(&db) - s0) * 1e6 / k,
                (own() - o0) * 1e6 / k
            );
        }
    }
    let mut counter = 0usize;
    let mut run = async |rounds: usize, what: &str| {
        let (s0, o0, t0) = (cpu(&db), own(), Instant::now());
        let mut prev: Vec<String> = vec![];
        let mut prev2: Vec<String> = vec![];
        for _ in 0..rounds {
            let mut writes = vec![];
            let mut new = vec![];
            for _ in 0..size {
                counter += 1;
                let (id, w) = make(counter);
                new.push(id);
                writes.push(w);
            }
            let at = clock.now();
            if what != "record" {
                for id in &prev {
                    writes.push(Write::Settle {
                        message_id: id.clone(),
                        settlement: Settlement::Accepted {
                            provider_message_id: format!("pm{}", &id[9..]),
                            accept_time: Some(at),
                        },
                        at,
                    });
                }
            }
            if what == "all" {
                let up: Vec<Write> = prev2
                    .iter()
                    .map(|id| {
                        Write::Report(Box::new(StatusUpdate {
                            provider: "cloudmsg".into(),
                            provider_account: "svc-0001".into(),
                            organization_ids: vec![],
                            client_reference: id.clone(),
                            event_key: format!("cloudmsg:{id}:DELIVERED"),
                            report: Report {
                                provider_message_id: format!("pm{}", &id[9..]),
                                status: Some(ReportedStatus::Delivered),
                                provider_status: "D".into(),
                                failure: None,
                                occur_time: at,
                                fallback: String::new(),
                            },
                            at,
                        }))
                    })
                    .collect();
                if !up.is_empty() {
                    store.commit(up).await.unwrap();
                }
            }
            store.commit(writes).await.unwrap();
            prev2 = prev;
            prev = new;
        }
        let k = (rounds * size) as f64;
        let dt = t0.elapsed().as_secs_f64();
        println!(
            "{what:8} batch {size}: {:.0}/s, {:.2} ms a round, server {:.1} us, own {:.1} us each",
            k / dt,
            dt * 1e3 / rounds as f64,
            (cpu(&db) - s0) * 1e6 / k,
            (own() - o0) * 1e6 / k
        );
    };
    run(20, "warm").await;
    run(n, "record").await;
    run(n, "send").await;
    if reports {
        run(n, "all").await;
    }
}
