//! Two dispatchers on one PostgreSQL: one asks the vendors, and the other once that one is killed.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    installation::Installation,
    program::{PATIENCE, Running},
};

/// Whether the process that serves these metrics says that it leads.
async fn leads(metrics: &str) -> Option<bool> {
    let text = reqwest::get(format!("http://{metrics}/metrics")).await.ok()?.text().await.ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("switchboard_reconciliation_leader "))?;
    Some(value.trim() == "1")
}

/// Looks at both until one leads and the other does not; the place of the leader.
async fn one_leader(metrics: [&str; 2]) -> usize {
    let began = Instant::now();
    loop {
        match (leads(metrics[0]).await, leads(metrics[1]).await) {
            (Some(true), Some(false)) => return 0,
            (Some(false), Some(true)) => return 1,
            other => assert!(began.elapsed() < PATIENCE, "there is not one leader: {other:?}"),
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test]
async fn of_two_dispatchers_one_leads_and_when_it_is_killed_the_other_takes_over() {
    let database = Database::create().await;
    let mut both = [Installation::new(), Installation::new()];
    for installation in &mut both {
        installation.set("DISPATCHER__DATABASE_URL", &database.url);
    }
    assert_eq!(both[0].typed(&["migrate"]).code, Some(0));
    let mut running: Vec<Option<Running>> = both.iter().map(|one| Some(one.start("dispatcher"))).collect();
    let metrics = both.each_ref().map(|one| one.setting("DISPATCHER__METRICS_LISTEN"));
    let first = one_leader(metrics).await;
    running[first].take().unwrap().kill();
    let began = Instant::now();
    let other = 1 - first;
    while leads(metrics[other]).await != Some(true) {
        assert!(began.elapsed() < PATIENCE, "nobody took over");
        thread::sleep(Duration::from_millis(50));
    }
    // The one that was killed comes back, and waits for its turn.
    running[first] = Some(both[first].start("dispatcher"));
    assert_eq!(one_leader(metrics).await, other);
    assert_eq!(running[other].take().unwrap().terminate(), Some(0));
    let began = Instant::now();
    while leads(metrics[first]).await != Some(true) {
        assert!(began.elapsed() < PATIENCE, "nobody took over from the one that was asked to end");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A database that is dropped with this.
struct Database {
    server: String,
    name: String,
    url: String,
}

impl Database {
    async fn create() -> Self {
        let Ok(server) = std::env::var("SWITCHBOARD_TEST_POSTGRES_URL") else {
            panic!("SWITCHBOARD_TEST_POSTGRES_URL is not set: run `make test`, which starts PostgreSQL and Redis");
        };
        let name = format!("e2e_leader_{}", std::process::id());
        execute(&server, &format!("CREATE DATABASE {name}"));
        let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        Self { server, name, url }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        execute(&self.server, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

fn execute(server: &str, sql: &str) {
    let ended = std::process::Command::new("psql").args([server, "-qc", sql]).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}
