//! One engine with one store of its own.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};
use switchboard_config_service::{
    audit::Draft,
    organizations::{OrganizationId, OrganizationName},
    provider_configs::{ProviderConfig, SealedConfig},
    sealing::{Binding, ConfigSecrets, KeyRing, Keys},
    store::{self, Change, Establishment, Store, StoreError, Target},
};
use switchboard_runtime::{Clock as _, Ids, SystemClock};
use tempfile::TempDir;

/// What is different about an engine, for those few statements that go past the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

pub struct Engine {
    pub kind: Kind,
    pub store: Arc<dyn Store>,
    pub keys: Keys,
    folder: TempDir,
    url: String,
    database: Option<Database>,
    now: AtomicU64,
}

const POSTGRES: &str = "SWITCHBOARD_TEST_POSTGRES_URL";

fn server() -> String {
    std::env::var(POSTGRES)
        .unwrap_or_else(|_| panic!("{POSTGRES} is not set: run `make test`, which starts PostgreSQL and Redis"))
}

impl Engine {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("config.db").display());
        Self::over(Kind::Sqlite, folder, url, None).await
    }

    pub async fn postgres() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::create().await;
        let url = database.url.clone();
        Self::over(Kind::Postgres, folder, url, Some(database)).await
    }

    async fn over(kind: Kind, folder: TempDir, url: String, database: Option<Database>) -> Self {
        let key_file = folder.path().join("keys.json");
        KeyRing::generate(&key_file, DateTime::UNIX_EPOCH).unwrap();
        let keys = Keys::load(&key_file).unwrap();
        let target = Target::parse(Some(&url), folder.path()).unwrap();
        store::migrate(&target).await.unwrap();
        let store = store::open(&target).await.unwrap();
        let engine = Self { kind, store, keys, folder, url, database, now: AtomicU64::new(0) };
        engine.store.establish(&engine.establishment("epoch-1")).await.unwrap();
        engine
    }

    pub fn target(&self) -> Target {
        Target::parse(Some(&self.url), self.folder.path()).unwrap()
    }

    /// A place on the same engine where nothing has been made.
    pub async fn empty(&self) -> (Target, Option<Database>) {
        let (url, database) = match self.kind {
            Kind::Sqlite => (format!("sqlite://{}", self.folder.path().join("empty.db").display()), None),
            Kind::Postgres => {
                let database = Database::create().await;
                (database.url.clone(), Some(database))
            }
        };
        (Target::parse(Some(&url), self.folder.path()).unwrap(), database)
    }

    /// The same store as another replica has it.
    pub async fn replica(&self) -> Arc<dyn Store> {
        store::open(&self.target()).await.unwrap()
    }

    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    /// Runs statements past the store.
    pub async fn raw(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.kind {
            Kind::Sqlite => {
                let mut connection = SqliteConnection::connect(&self.url).await?;
                connection.execute(sqlx::raw_sql(sql)).await.map(|_| ())
            }
            Kind::Postgres => {
                let mut connection = PgConnection::connect(&self.url).await?;
                connection.execute(sqlx::raw_sql(sql)).await.map(|_| ())
            }
        }
    }

    /// The next microsecond: no two events of a test have the same time.
    pub fn now(&self) -> DateTime<Utc> {
        let micros = self.now.fetch_add(1, Ordering::Relaxed);
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        start + TimeDelta::microseconds(i64::try_from(micros).unwrap())
    }

    pub fn draft(&self, action: &str, organization_id: &str) -> Draft {
        Draft {
            at: self.now(),
            actor: "operator".to_owned(),
            roles: vec!["OPERATOR".to_owned()],
            action: action.to_owned(),
            organization_id: organization_id.to_owned(),
            provider: String::new(),
            outcome: "OK".to_owned(),
            changes: Vec::new(),
            forced: false,
            request_id: String::new(),
            peer: "127.0.0.1:1".to_owned(),
        }
    }

    pub fn change(&self, action: &str, organization_id: &str) -> Change {
        Change { event: self.draft(action, organization_id), dry_run: false }
    }

    pub fn establishment(&self, epoch: &str) -> Establishment {
        Establishment {
            epoch: epoch.to_owned(),
            key_ring: self.keys.ring().fingerprint(),
            event: self.draft("EstablishStore", ""),
        }
    }

    pub async fn organization(&self, id: &str, name: &str) {
        self.found(self.store.as_ref(), id, name).await.unwrap();
    }

    pub async fn found(&self, store: &dyn Store, id: &str, name: &str) -> Result<i64, StoreError> {
        let change = self.change("CreateOrganization", id);
        let (id, name) = (OrganizationId::parse(id).unwrap(), OrganizationName::parse(name).unwrap());
        store.found(&id, &name, change).await.map(|committed| committed.revision)
    }

    pub async fn rename(&self, store: &dyn Store, id: &str, name: &str, version: i64) -> Result<i64, StoreError> {
        let change = self.change("UpdateOrganization", id);
        let name = OrganizationName::parse(name).unwrap();
        store.rename(id, &name, version, change).await.map(|committed| committed.revision)
    }

    /// A config with one secret, sealed.
    pub fn sealed(&self, organization_id: &str, provider: &str, version: i64, secret: &str) -> SealedConfig {
        let binding = Binding { organization_id, provider, version };
        let secrets = ConfigSecrets { credentials: [("secret", secret)].into_iter().collect(), replaced: Vec::new() };
        SealedConfig {
            organization_id: organization_id.to_owned(),
            provider: provider.to_owned(),
            account: format!("account-{version}"),
            fields: Vec::new(),
            version,
            sealed: self.keys.seal(&binding, &secrets).unwrap(),
            activate: false,
        }
    }

    pub async fn add(&self, organization_id: &str, provider: &str, secret: &str) -> ProviderConfig {
        let change = self.change("CreateProviderConfig", organization_id);
        let config = self.sealed(organization_id, provider, 1, secret);
        self.store.add_config(&config, change).await.unwrap().value
    }

    /// The secret of a stored config, with the key ring as it is in its file.
    pub async fn secret(&self, organization_id: &str, provider: &str) -> String {
        let stored = self.store.config(organization_id, provider).await.unwrap().unwrap();
        let keys = Keys::load(&self.key_file()).unwrap();
        let secrets = keys.open(&stored.binding(), &stored.sealed).unwrap();
        secrets.credentials.get("secret").unwrap().to_owned()
    }

    /// Drops what was made for this case.
    pub async fn remove(self) {
        if let Some(database) = self.database {
            database.remove().await;
        }
    }
}

/// A database of its own on the test server.
pub struct Database {
    pub url: String,
    name: String,
}

impl Database {
    pub async fn create() -> Self {
        let name = format!("config_{}", Ids::new().next(SystemClock.now()).replace('-', ""));
        let server = server();
        execute_on_server(&server, &format!("CREATE DATABASE {name}")).await;
        let (place, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{place}/{name}"), name }
    }

    /// The address for a role that may connect and nothing else.
    pub async fn url_of_who_serves(&self) -> String {
        let role = self.role();
        let sql = format!("CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
        execute_on_server(&self.url, &sql).await;
        let (_, place) = self.url.rsplit_once('@').unwrap();
        format!("postgres://{role}@{place}")
    }

    /// Lets that role use what is there by now.
    pub async fn grant(&self) {
        let sql = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}", self.role());
        execute_on_server(&self.url, &sql).await;
    }

    fn role(&self) -> String {
        format!("{}_serves", self.name)
    }

    pub async fn remove(self) {
        execute_on_server(&server(), &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
        execute_on_server(&server(), &format!("DROP ROLE IF EXISTS {}", self.role())).await;
    }
}

async fn execute_on_server(server: &str, sql: &str) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await.unwrap();
}
