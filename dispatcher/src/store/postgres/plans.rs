//! Which way the server goes to the rows: never through a whole table, whether it is empty or full.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{AssertSqlSafe, Connection as _, Execute as _, PgConnection};
use switchboard_providers::model::Channel;
use switchboard_runtime::{Clock as _, Ids, SystemClock};

use super::{
    PostgresStore, census, claim, connect, list, load, month::Tables, read, reunite, statement::Variants, tidy, write,
};
use crate::{message::Status, store::ListQuery};

/// A database, and a connection set up as those of a pool are.
struct Database {
    server: String,
    name: String,
    connection: PgConnection,
}

impl Database {
    async fn create(planning: &'static str) -> Self {
        let server = std::env::var("SWITCHBOARD_TEST_POSTGRES_URL")
            .expect("SWITCHBOARD_TEST_POSTGRES_URL is not set: run `make test`, which starts PostgreSQL and Redis");
        let name = format!("dispatcher_test_{}", Ids::new().next(SystemClock.now()).replace('-', ""));
        let mut connection = PgConnection::connect(&server).await.unwrap();
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
        let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        PostgresStore::migrate(&url).await.unwrap();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        connect::configure(&mut connection, planning).await.unwrap();
        Self { server, name, connection }
    }

    /// Twenty organisations with a thousand messages each, spread over four months.
    async fn fill(&mut self) {
        let rows = "INSERT INTO messages (id, organization_id, type, recipient, sender, body, status, created_at) \
            SELECT 'm' || n, 'org-' || n % 20, 'SMS', '+8210' || lpad((n % 997)::text, 8, '0'), '15881234', 'text', \
            (ARRAY ['QUEUED', 'SENT', 'DELIVERED', 'FAILED'])[1 + n % 4], \
            date_trunc('month', now()) + make_interval(secs => n * 500) FROM generate_series(1, 20000) AS n; ANALYZE";
        sqlx::raw_sql(rows).execute(&mut self.connection).await.unwrap();
    }

    /// The plan of a statement that is planned once for all its arguments.
    async fn generic(&mut self, sql: &str) -> String {
        let count = (1..100).take_while(|number| sql.contains(&format!("${number}"))).count();
        let nulls = vec!["NULL"; count].join(", ");
        self.run(format!("PREPARE statement AS {sql}")).await;
        let plan = self.explain(format!("EXPLAIN EXECUTE statement ({nulls})")).await;
        self.run("DEALLOCATE statement".to_owned()).await;
        plan
    }

    async fn explain(&mut self, sql: String) -> String {
        let lines: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_all(&mut self.connection).await.unwrap();
        lines.join("\n")
    }

    async fn run(&mut self, sql: String) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await.unwrap();
    }

    async fn drop(self) {
        self.connection.close().await.unwrap();
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        let drop = AssertSqlSafe(format!("DROP DATABASE {} WITH (FORCE)", self.name));
        sqlx::raw_sql(drop).execute(&mut connection).await.unwrap();
    }
}

/// The lines of a plan that say how a table is reached, each with the next one.
fn scans(plan: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines: Vec<&str> = plan.lines().map(|line| line.trim_start_matches([' ', '-', '>'])).collect();
    let scans: Vec<_> =
        lines.windows(2).filter(|pair| pair[0].contains(" Scan ")).map(|pair| (pair[0], pair[1])).collect();
    scans.into_iter()
}

/// Every row by its key: whoever asks an index has a condition for it. Only whether any report is parked is asked without.
fn goes_by_keys(plan: &str, name: &str, state: &str) {
    for way in ["Hash Join", "Merge Join"] {
        assert!(!plan.contains(way), "{name}, {state}:\n{plan}");
    }
    let of_no_table = ["Function Scan", "CTE Scan", "Subquery Scan", "Bitmap Heap Scan"];
    let is_of_table = |scan: &str| !of_no_table.iter().any(|kind| scan.starts_with(kind));
    for (scan, condition) in scans(plan).filter(|(scan, _)| is_of_table(scan)) {
        let by_key = scan.starts_with("Bitmap Index Scan") && condition.starts_with("Index Cond: ");
        assert!(by_key || scan.starts_with("Seq Scan on parked_updates "), "{name}, {state}: {scan}:\n{plan}");
    }
}

/// Messages by their ids, in at least so many months.
fn goes_by_id(plan: &str, months: usize, name: &str, state: &str) {
    let of_messages = |scan: &str| scan.starts_with("Bitmap Index Scan on message") && !scan.contains("_images");
    let conditions: Vec<&str> = scans(plan).filter(|(scan, _)| of_messages(scan)).map(|(_, next)| next).collect();
    assert!(conditions.len() >= months, "{name}, {state}:\n{plan}");
    assert!(conditions.iter().all(|condition| condition.contains("((id = ")), "{name}, {state}:\n{plan}");
}

#[tokio::test]
async fn what_writes_finds_every_row_by_its_key_whatever_the_tables_are_said_to_hold() {
    let mut database = Database::create(connect::PLANNED_ONCE).await;
    let of_messages = [("locked", &**read::LOCKED), ("update", write::UPDATE), ("put off", claim::PUT_OFF)];
    let of_others = [("list", write::LIST), ("named", load::NAMED), ("event keys", load::EVENT_KEYS)];
    let this_month = SystemClock.now().format("%Y_%m").to_string();
    for state in ["empty", "empty and analysed", "full"] {
        for (tables, months) in [(Tables::whole(), 5), (Tables::of(&this_month), 1)] {
            let variants = Variants::over(&tables);
            for (repeated, moving) in [(false, false), (false, true), (true, false), (true, true)] {
                let name = format!("presumed, repeated: {repeated}, moving: {moving}, {}", tables.messages);
                let plan = database.generic(variants.get(repeated, moving)).await;
                goes_by_keys(&plan, &name, state);
                goes_by_id(&plan, months, &name, state);
            }
            let plan = database.generic(&read::reading(&tables.messages)).await;
            goes_by_keys(&plan, "read", state);
            goes_by_id(&plan, months, "read", state);
        }
        for (name, sql) in of_messages.into_iter().chain(of_others) {
            let plan = database.generic(sql).await;
            goes_by_keys(&plan, name, state);
            if of_messages.iter().any(|(of_messages, _)| *of_messages == name) {
                goes_by_id(&plan, 5, name, state);
            }
        }
        match state {
            "empty" => database.run("ANALYZE".to_owned()).await,
            "empty and analysed" => database.fill().await,
            _ => {}
        }
    }
    database.drop().await;
}

#[tokio::test]
async fn what_comes_in_order_goes_along_an_index_and_stops_when_it_has_enough() {
    let mut database = Database::create(connect::PLANNED_ONCE).await;
    database.run(connect::IN_ORDER.to_owned()).await;
    let statements = [
        ("due", claim::DUE),
        ("blank", tidy::BLANK),
        ("drop requests", tidy::DROP_REQUEST_IDS),
        ("drop parked", tidy::DROP_PARKED),
        ("drop from the old table", tidy::DROP_FROM_HISTORY),
        ("drop quarantined", tidy::DROP_QUARANTINED),
        ("met", reunite::MET),
        ("open", census::OPEN),
    ];
    for state in ["empty", "empty and analysed", "full"] {
        for (name, sql) in statements {
            let plan = database.generic(sql).await;
            for way in ["Seq Scan", "Hash Join", "Merge Join"] {
                assert!(!plan.contains(way), "{name}, {state}:\n{plan}");
            }
            // What is counted is put in the order of its state, however much that is.
            assert!(name == "open" || !plan.contains(">  Sort  ("), "{name}, {state}:\n{plan}");
            // The others are planned for what there is then, each time.
            if name == "due" {
                let mut along = scans(&plan).filter(|(scan, _)| scan.starts_with("Index Scan"));
                assert!(along.all(|(_, next)| next.starts_with("Index Cond: ")), "{state}:\n{plan}");
            }
        }
        match state {
            "empty" => database.run("ANALYZE".to_owned()).await,
            "empty and analysed" => database.fill().await,
            _ => {}
        }
    }
    database.drop().await;
}

#[tokio::test]
async fn a_look_up_by_id_opens_only_the_partition_of_its_time() {
    let mut database = Database::create(connect::PLANNED_ONCE).await;
    database.fill().await;
    database.run(format!("PREPARE statement AS {}", &**read::LOCKED)).await;
    let plan = database
        .explain(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE statement \
             (ARRAY ['m1', 'm2'], ARRAY [now() - interval '1 s', now()], ARRAY [now(), now() + interval '1 s'])"
                .to_owned(),
        )
        .await;
    let opened = scans(&plan)
        .filter(|(scan, _)| scan.starts_with("Bitmap Heap Scan on messages_") && !scan.contains("never executed"));
    assert_eq!(opened.count(), 1, "{plan}");
    database.drop().await;
}

#[tokio::test]
async fn every_filter_of_a_list_goes_along_an_index_in_the_order_of_the_page() {
    let mut database = Database::create(connect::PLANNED_EACH_TIME).await;
    let now: DateTime<Utc> = SystemClock.now();
    let all = || ListQuery { organization_id: "org-7".to_owned(), limit: 50, ..ListQuery::default() };
    let whole = ListQuery {
        statuses: vec![Status::Sent, Status::Queued],
        provider: Some("cloudmsg".to_owned()),
        to: Some("+821000000007".to_owned()),
        channel: Some(Channel::Sms),
        created_from: Some(now - TimeDelta::days(30)),
        created_before: Some(now + TimeDelta::days(30)),
        open_only: true,
        after: Some((now, "m7".to_owned())),
        ..all()
    };
    let queries = [
        all(),
        ListQuery { statuses: whole.statuses.clone(), ..all() },
        ListQuery { provider: whole.provider.clone(), ..all() },
        ListQuery { to: whole.to.clone(), ..all() },
        ListQuery { channel: whole.channel, ..all() },
        ListQuery { created_from: whole.created_from, ..all() },
        ListQuery { created_before: whole.created_before, ..all() },
        ListQuery { open_only: true, ..all() },
        ListQuery { after: whole.after.clone(), ..all() },
        ListQuery { to: whole.to.clone(), after: whole.after.clone(), ..all() },
        whole,
    ];
    for full in [false, true] {
        if full {
            database.fill().await;
        }
        for query in &queries {
            let mut sql = list::list_sql(query);
            let explain = AssertSqlSafe(format!("EXPLAIN {}", sql.sql().as_str()));
            let arguments = sql.build().take_arguments().unwrap().unwrap();
            let plan: Vec<String> =
                sqlx::query_scalar_with(explain, arguments).fetch_all(&mut database.connection).await.unwrap();
            let plan = plan.join("\n");
            assert!(!plan.contains("Seq Scan") && !plan.contains(">  Sort  ("), "{query:?}:\n{plan}");
            let conditions: Vec<&str> = plan.lines().filter(|line| line.contains("Index Cond: ")).collect();
            let tables = scans(&plan).filter(|(scan, _)| !scan.starts_with("Function Scan on generate_series day"));
            assert_eq!(conditions.len(), tables.count(), "{query:?}:\n{plan}");
            let of_organization = |line: &&str| {
                ["(organization_id = ", "(hashtextextended(organization_id, "].iter().any(|it| line.contains(it))
            };
            assert!(conditions.iter().all(of_organization), "{query:?}:\n{plan}");
            if query.to.is_none() {
                assert!(scans(&plan).all(|(scan, _)| scan.contains("_by_time on ")), "{query:?}:\n{plan}");
            } else {
                let days: Vec<_> = scans(&plan).filter(|(scan, _)| scan.contains("_by_day on ")).collect();
                assert!(!days.is_empty(), "{query:?}:\n{plan}");
                assert!(days.iter().all(|(_, next)| next.contains("recipient = ")), "{query:?}:\n{plan}");
            }
        }
    }
    database.drop().await;
}
