//! PostgreSQL, for the suite: a server that is already running, and a database of its own for every test.

use std::{sync::Arc, thread, time::Duration};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, postgres::PgPoolOptions};
use switchboard_dispatcher::store::{
    Store, StoreError,
    postgres::{PoolSizes, PostgresStore},
};
use switchboard_runtime::{Clock as _, Ids, SystemClock};

use super::harness::{Engine, RECONCILE_AFTER};

/// A database that is dropped with this.
pub struct Postgres {
    server: String,
    name: String,
}

impl Postgres {
    /// The database's address.
    pub fn url(&self) -> String {
        let (address, _) = self.server.rsplit_once('/').unwrap();
        format!("{address}/{}", self.name)
    }

    /// Connections past the store.
    pub async fn raw(&self) -> PgPool {
        PgPoolOptions::new().max_connections(4).connect(&self.url()).await.unwrap()
    }

    /// The store by its own type, its schema up to date.
    pub async fn store(&self) -> PostgresStore {
        PostgresStore::migrate(&self.url()).await.unwrap();
        self.store_as(&self.url()).await.unwrap()
    }

    /// The store under another name, as it stands.
    pub async fn store_as(&self, url: &str) -> Result<PostgresStore, StoreError> {
        PostgresStore::open(url, PoolSizes { writers: 2, readers: 4 }, RECONCILE_AFTER).await
    }

    /// The database's address for a role that may connect and nothing else.
    pub async fn url_of_who_serves(&self) -> String {
        let role = role(&self.name);
        self.run(format!("CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")).await;
        let (_, place) = self.server.rsplit_once('@').unwrap();
        let (place, _) = place.split_once('/').unwrap();
        format!("postgres://{role}@{place}/{}", self.name)
    }

    /// Lets that role use what is there by now.
    pub async fn grant(&self) {
        let role = role(&self.name);
        self.run(format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")).await;
    }

    /// Runs a statement that ends with that role.
    pub async fn run_for_who_serves(&self, sql: &str) {
        self.run(format!("{sql} {}", role(&self.name))).await;
    }

    /// Runs statements as they stand.
    pub async fn run(&self, sql: impl Into<String>) {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

impl Engine for Postgres {
    async fn create() -> Self {
        let Ok(server) = std::env::var("SWITCHBOARD_TEST_POSTGRES_URL") else {
            panic!("SWITCHBOARD_TEST_POSTGRES_URL is not set: run `make test`, which starts PostgreSQL and Redis");
        };
        let name = format!("dispatcher_test_{}", Ids::new().next(SystemClock.now()).replace('-', ""));
        execute(&server, format!("CREATE DATABASE {name}")).await;
        Self { server, name }
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store().await)
    }

    async fn break_updates(&self) {
        self.run(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the disk is full'; END $$; \
             CREATE TRIGGER broken BEFORE UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await;
    }

    async fn mend_updates(&self) {
        self.run("DROP TRIGGER broken ON messages").await;
    }

    async fn rows(&self, table: &'static str) -> i64 {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    }
}

/// The role of who serves a database.
fn role(name: &str) -> String {
    format!("{name}_serves")
}

async fn execute(server: &str, sql: String) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

impl Drop for Postgres {
    /// On a thread with a runtime of its own: the test's may be ending.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let drop = async {
                execute(&server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
                execute(&server, format!("DROP ROLE IF EXISTS {}", role(&name))).await;
            };
            runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), drop).await }).unwrap();
        });
        assert!(dropping.join().is_ok() || thread::panicking(), "the test's database could not be dropped");
    }
}
