//! The services under the PostgreSQL roles of `deploy/postgres`: they do their job, and nothing that is not theirs.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    installation::Installation,
    program::{self, Ended},
};

/// A PostgreSQL with the roles and databases of one installation.
struct Server {
    /// `postgres://user@host:port/database` of a superuser.
    superuser: String,
    /// Before every name, so that tests do not meet.
    prefix: String,
}

/// PostgreSQL's client, wherever the package has put it.
fn psql() -> Command {
    let beside_server = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map_while(Result::ok)
        .map(|version| version.path().join("bin/psql"))
        .find(|program| program.exists());
    let mut command = Command::new(beside_server.unwrap_or_else(|| "psql".into()));
    command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "-v", "ON_ERROR_STOP=1"]);
    command
}

fn script(name: &str) -> String {
    format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/postgres/{}"), name)
}

impl Server {
    fn with_roles() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let superuser = std::env::var("SWITCHBOARD_TEST_POSTGRES_URL").unwrap_or_else(|_| {
            panic!("SWITCHBOARD_TEST_POSTGRES_URL is not set: run `make test`, which starts PostgreSQL and Redis")
        });
        let prefix = format!("roles_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let server = Self { superuser, prefix };
        // Twice: the second time changes nothing but passwords.
        for _ in 0..2 {
            server.make_roles();
        }
        server
    }

    fn make_roles(&self) {
        let mut command = psql();
        command.args(["-d", &self.superuser, "-v", &format!("prefix={}", self.prefix), "-f", &script("roles.sql")]);
        for name in ["config_owner", "config", "dispatcher_owner", "dispatcher"] {
            command.args(["-v", &format!("{name}_password=it's {name}")]);
        }
        succeed(&program::run(&mut command));
    }

    fn grant(&self, service: &str) {
        let mut command = psql();
        command.args(["-d", &self.url(service, "_owner"), "-v", &format!("role={}_{service}", self.prefix)]);
        succeed(&program::run(command.args(["-f", &script(&format!("grants-{service}.sql"))])));
    }

    /// The database of a service, for its role with this ending.
    fn url(&self, service: &str, ending: &str) -> String {
        let place = self.superuser.split_once('@').unwrap().1.split_once('/').unwrap().0;
        format!("postgres://{0}_{service}{ending}@{place}/{0}_{service}", self.prefix)
    }

    /// Runs a statement.
    fn try_as(&self, service: &str, ending: &str, sql: &str) -> Ended {
        program::run(psql().args(["-d", &self.url(service, ending), "-c", sql]))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let p = &self.prefix;
        let names = ["config", "dispatcher"];
        let databases = names.map(|name| format!("DROP DATABASE IF EXISTS {p}_{name} WITH (FORCE)"));
        let roles = names.map(|name| format!("DROP ROLE IF EXISTS {p}_{name}, {p}_{name}_owner"));
        for sql in databases.iter().chain(&roles) {
            program::run(psql().args(["-d", &self.superuser, "-c", sql]));
        }
    }
}

#[track_caller]
fn succeed(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
}

/// The file of an installation that holds an address.
fn write_url(folder: &Path, name: &str, url: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    std::fs::write(&path, url).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

#[test]
fn services_do_their_job_under_roles_that_own_nothing() {
    let server = Server::with_roles();
    let mut installation = Installation::new();
    for (service, section) in [("config", "CONFIG_SERVICE"), ("dispatcher", "DISPATCHER")] {
        let url = write_url(installation.path(), &format!("{service}-owner"), &server.url(service, "_owner"));
        installation.set(&format!("{section}__DATABASE_URL_FILE"), &url);
    }
    succeed(&installation.typed(&["keys", "generate"]));
    succeed(&installation.typed(&["migrate", "config-service"]));
    succeed(&installation.typed(&["migrate", "dispatcher"]));
    for (service, section) in [("config", "CONFIG_SERVICE"), ("dispatcher", "DISPATCHER")] {
        server.grant(service);
        let url = write_url(installation.path(), service, &server.url(service, ""));
        installation.set(&format!("{section}__DATABASE_URL_FILE"), &url);
    }

    let gateway = installation.start("webhook-gateway");
    let dispatcher = installation.start("dispatcher");
    let _vendors = installation.start_vendors();
    let config_service = installation.start("config-service");
    installation.store_default_account();
    let sent = installation.until_delivered();
    assert!(sent.stdout.contains("REPORTED"), "{}", sent.stdout);
    succeed(&installation.until_done(&["keys", "rotate"]));
    for service in [gateway, dispatcher, config_service] {
        assert_eq!(service.terminate(), Some(0));
    }

    // As the roles that serve.
    let refused = [
        ("config", "UPDATE audit_events SET actor = 'nobody'"),
        ("config", "DELETE FROM audit_events"),
        ("config", "TRUNCATE audit_events"),
        ("config", "ALTER TABLE audit_events DISABLE TRIGGER ALL"),
        ("config", "DELETE FROM organizations"),
        ("config", "CREATE TABLE mine (x int)"),
        ("config", "UPDATE _sqlx_migrations SET checksum = ''"),
        ("dispatcher", "DELETE FROM event_keys"),
        ("dispatcher", "DROP TABLE messages"),
        ("dispatcher", "CREATE TABLE mine (x int)"),
        ("dispatcher", "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    ];
    for (service, sql) in refused {
        let ended = server.try_as(service, "", sql);
        assert!(ended.code != Some(0), "{service} may {sql}");
        assert!(
            ended.stderr.contains("permission denied") || ended.stderr.contains("must be owner"),
            "{}",
            ended.stderr
        );
    }
    let elsewhere = server.url("config", "").replace("config@", "dispatcher@");
    let ended = program::run(psql().args(["-d", &elsewhere, "-c", "SELECT 1"]));
    assert!(
        ended.stderr.contains("permission denied for database"),
        "the dispatcher in the other database: {}",
        ended.stderr
    );

    // The upkeep of partitions, which belong to the owner.
    let upkeep = "SELECT history_make_room('messages', now() + interval '9 months')";
    assert_eq!(server.try_as("dispatcher", "", upkeep).stdout.trim(), "t");
    let owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(server.try_as("dispatcher", "", owners).stdout.trim(), format!("{}_dispatcher_owner", server.prefix));
    let far = "SELECT sum(dropped) FROM history_drop_expired(now() + interval '20 years')";
    assert!(server.try_as("dispatcher", "", far).stdout.trim().parse::<u32>().unwrap() > 8);
}
