//! A canary secret is put through every path and then searched for everywhere.

use std::{
    collections::HashMap,
    fmt::Debug,
    io,
    path::Path,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    string::string_regex,
    test_runner::TestRunner,
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection};
use switchboard_config_service::{
    Config, migrate,
    provider_configs::ChangedCredentials,
    rotate_keys,
    sealing::{ConfigSecrets, KeyRing, Keys, ReplacedSecret},
    watch::Signer,
};
use switchboard_proto::config::v1::{
    Change, CreateProviderConfigRequest, DeleteProviderConfigRequest, ListAuditEventsRequest,
    ListProviderConfigsRequest, OrganizationEntry, ProviderAccount, Routing, SnapshotEntries, TestConnectionRequest,
    UpdateProviderConfigRequest, UpdateRoutingRequest, WebhookSecret, watch_response::Response as Said,
};
use switchboard_providers::{Credentials, credentials::FormField};
use switchboard_runtime::{Lifecycle, telemetry};
use switchboard_vendor_sim::{Fault, FaultMatch, FaultRule, Operation};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::{Response, Status};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, layer::SubscriberExt as _};

use crate::{
    api::{steps, subscriber::Subscriber},
    store::harness::Database,
    support::{SOON, Service, cloudmsg, config, folder, process, redis, registry, vendors},
};

/// In every secret of these tests. Nothing else in this program or its dependencies is called so.
const CANARY: &str = "kanarienvogel";

fn secret(path: &str) -> String {
    format!("{CANARY}-{path}-0123456789")
}

/// Everything that was logged by this thread, down to the last detail.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// What was seen where.
#[derive(Default)]
struct Findings(Vec<(String, Vec<u8>)>);

impl Findings {
    fn add(&mut self, place: &str, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.to_owned(), bytes.into()));
    }

    fn reply<T: Debug>(&mut self, place: &str, reply: &Result<Response<T>, Status>) {
        self.add(place, format!("{reply:?}"));
    }

    /// No place holds the canary, in clear or in a usual encoding.
    fn hold_no_canary(&self) {
        let forms = [CANARY.to_owned(), hex::encode(CANARY), STANDARD.encode(&CANARY[..12])];
        for (place, bytes) in &self.0 {
            assert!(!bytes.is_empty(), "nothing was seen in {place}");
            for form in &forms {
                let found = bytes.windows(form.len()).position(|window| window == form.as_bytes());
                if let Some(at) = found {
                    let around = &bytes[at.saturating_sub(200)..(at + 60).min(bytes.len())];
                    panic!("a secret is in {place}: …{}…", String::from_utf8_lossy(around));
                }
            }
        }
    }
}

fn canaries(path: &str) -> HashMap<String, String> {
    let mut credentials = cloudmsg();
    credentials.insert("secret_key".to_owned(), secret(path));
    credentials.insert("callback_secret".to_owned(), secret(&format!("{path}-callback")));
    credentials
}

/// Every path that a secret can take into the service.
async fn every_path(service: &Service, findings: &mut Findings) {
    steps::organization(service, "acme", "Acme").await;
    let (mut operator, mut superadmin) = (service.admin("operator"), service.admin("superadmin"));

    // The vendor refuses it, and repeats it in what it says.
    let body = format!(r#"{{"error":{{"errorCode":"200","message":"bad key {}","details":""}}}}"#, secret("echo"));
    let fault = Fault::Respond { accept: false, status: 401, content_type: "application/json".to_owned(), body };
    let on = FaultMatch { operation: Some(Operation::Check), ..FaultMatch::default() };
    let rule = FaultRule { fault, on, times: Some(2), skip: 0, probability: None, seed: 0 };
    service.vendors().cloudmsg().add_fault(rule);
    let create = |path: &str| steps::create("acme", "cloudmsg", canaries(path));
    findings.reply("a failed create", &operator.create_provider_config(create("echo")).await);
    let test = |path: &str, use_stored| TestConnectionRequest {
        organization_id: "acme".to_owned(),
        provider: "cloudmsg".to_owned(),
        credentials: canaries(path),
        use_stored,
    };
    findings.reply("a failed test", &operator.test_connection(test("echo", false)).await);

    // It does not fit the form; the caller may not; the organisation is somebody else's; it is a dry run.
    let mut shapeless = canaries("shape");
    shapeless.insert("secret_key".to_owned(), format!("{} with spaces", secret("shape")));
    shapeless.insert("default_sender".to_owned(), secret("sender"));
    let shapeless = steps::create("acme", "cloudmsg", shapeless);
    findings.reply("a create of the wrong shape", &operator.create_provider_config(shapeless).await);
    findings.reply("a denied create", &service.admin("viewer").create_provider_config(create("denied")).await);
    let foreign = steps::create("elsewhere", "cloudmsg", canaries("foreign"));
    let mut limited = service.admin("operator-of-acme");
    findings.reply("a create for somebody else", &limited.create_provider_config(foreign).await);
    let forced = |path: &str| CreateProviderConfigRequest { skip_connection_test: true, ..create(path) };
    let dry = CreateProviderConfigRequest { validate_only: true, ..forced("dry") };
    findings.reply("a dry run", &superadmin.create_provider_config(dry).await);

    // It is stored, tested, replaced, in conflict, routed to, delivered, rotated and deleted.
    findings.reply("a create", &superadmin.create_provider_config(forced("stored")).await);
    findings.reply("a create that exists", &superadmin.create_provider_config(forced("again")).await);
    findings.reply("a test of stored credentials", &operator.test_connection(test("partly", true)).await);
    let update = |version, path: &str| UpdateProviderConfigRequest {
        organization_id: "acme".to_owned(),
        provider: "cloudmsg".to_owned(),
        credentials: canaries(path),
        version,
        skip_connection_test: true,
        activate: true,
        ..Default::default()
    };
    findings.reply("a conflict", &superadmin.update_provider_config(update(7, "conflict")).await);
    findings.reply("an update", &superadmin.update_provider_config(update(1, "updated")).await);
    let snapshot = Subscriber::dispatcher(service, "d1").await.snapshot().await;
    let received = &snapshot.entries["acme"].accounts[0].credentials["secret_key"];
    assert_eq!(*received, secret("updated"), "a dispatcher receives it, and nobody else");
    let list = ListProviderConfigsRequest { organization_id: "acme".to_owned() };
    findings.reply("the list", &operator.list_provider_configs(list).await);
    let route = UpdateRoutingRequest {
        organization_id: "acme".to_owned(),
        routing: Some(Routing { version: 1, ..Default::default() }),
        ..Default::default()
    };
    findings.reply("routing", &operator.update_routing(route).await);
}

async fn delete_and_audit(service: &Service, findings: &mut Findings) {
    let delete = DeleteProviderConfigRequest {
        organization_id: "acme".to_owned(),
        provider: "cloudmsg".to_owned(),
        version: 2,
        confirm_organization_name: "Acme".to_owned(),
        ..Default::default()
    };
    findings.reply("a delete", &service.admin("operator").delete_provider_config(delete).await);
    let events = ListAuditEventsRequest { page_size: 1_000, ..Default::default() };
    findings.reply("the audit trail", &service.admin("auditor").list_audit_events(events).await);
}

fn files(folder: &Path, findings: &mut Findings) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let bytes = match std::fs::read(&path) {
            // Listed a moment before: the embedded engine takes its log away when its last connection is closed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            bytes => bytes.unwrap(),
        };
        if !bytes.is_empty() {
            findings.add(&path.display().to_string(), bytes);
        }
    }
}

/// Whatever a backup of the server would hold: every row of every table as text.
async fn dump(url: &str, findings: &mut Findings) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    for table in connection.fetch_all(tables).await.unwrap() {
        let table: String = table.get(0);
        let rows = AssertSqlSafe(format!("SELECT coalesce(string_agg(t::text, ' '), '-') FROM {table} t"));
        let rows: String = sqlx::query_scalar(rows).fetch_one(&mut connection).await.unwrap();
        findings.add(&format!("table {table}"), rows.clone());
        // Binary columns are shown in hexadecimal.
        let bytes: Vec<u8> = rows.split("\\x").skip(1).flat_map(leading_hex).collect();
        if !bytes.is_empty() {
            findings.add(&format!("bytes of table {table}"), bytes);
        }
    }
}

/// The backup that an operator of PostgreSQL makes.
fn pg_dump(url: &str, findings: &mut Findings) {
    let programs = std::fs::read_dir("/usr/lib/postgresql").map(|versions| {
        let mut programs: Vec<_> = versions.map(|version| version.unwrap().path().join("bin/pg_dump")).collect();
        programs.retain(|program| program.exists());
        programs.sort();
        programs
    });
    let program = programs.ok().and_then(|mut programs| programs.pop()).unwrap_or_else(|| "pg_dump".into());
    let dumped = std::process::Command::new(&program).arg(url).output();
    let dumped = dumped.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    let text = String::from_utf8(dumped.stdout).unwrap();
    let bytes: Vec<u8> = text.split("\\\\x").skip(1).flat_map(leading_hex).collect();
    assert!(text.contains("COPY public.provider_configs") && !bytes.is_empty());
    findings.add("pg_dump", text);
    findings.add("bytes of pg_dump", bytes);
}

/// Everything that is said to Redis, by anybody.
struct Monitor {
    heard: Arc<Mutex<Vec<u8>>>,
    listening: tokio::task::JoinHandle<()>,
}

impl Monitor {
    async fn start() -> Self {
        let address = redis().rsplit_once("//").unwrap().1.split('/').next().unwrap().to_owned();
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(b"MONITOR\r\n").await.unwrap();
        let mut accepted = [0; 5];
        connection.read_exact(&mut accepted).await.unwrap();
        assert_eq!(&accepted, b"+OK\r\n");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        let listening = tokio::spawn(async move {
            let mut buffer = [0; 4_096];
            while let Ok(length @ 1..) = connection.read(&mut buffer).await {
                hearing.lock().unwrap().extend(&buffer[..length]);
            }
        });
        Self { heard, listening }
    }

    /// What has been said, once `what` has.
    async fn until(self, what: &str) -> Vec<u8> {
        let deadline = tokio::time::Instant::now() + SOON;
        let said = || String::from_utf8_lossy(&self.heard.lock().unwrap()).contains(what);
        while !said() {
            assert!(tokio::time::Instant::now() < deadline, "{what} is never said to Redis");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        self.listening.abort();
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

fn leading_hex(text: &str) -> Vec<u8> {
    let digits: String = text.chars().take_while(char::is_ascii_hexdigit).collect();
    hex::decode(&digits[..digits.len() / 2 * 2]).unwrap()
}

// One thread, so that everything that happens is logged to where this test listens.
#[tokio::test(flavor = "current_thread")]
async fn a_canary_put_through_every_path_is_found_nowhere() {
    let log = Log::default();
    let layer = tracing_subscriber::fmt::layer().with_writer(log.clone()).with_ansi(false);
    let everything = tracing_subscriber::registry().with(EnvFilter::new("trace")).with(layer);
    // With one subscriber alone, an event that another thread meets first counts as wanted by nobody for good.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    let listening = tracing::subscriber::set_default(everything);
    let mut findings = Findings::default();
    for engine in ["SQLite", "PostgreSQL"] {
        let folder = folder();
        let database = if engine == "SQLite" { None } else { Some(Database::create().await) };
        let config = || Config { database_url: database.as_ref().map(|one| one.url.clone()), ..config() };
        migrate(&config(), folder.path()).await.unwrap();
        let monitor = Monitor::start().await;
        let vendors = vendors().await;
        let registry = registry(&vendors.cloudmsg_url(), &vendors.sendtalk_url());
        let mut service = Service::start_beside(config(), registry, Arc::clone(&folder), Some(redis())).await;
        service.vendors = Some(vendors);
        every_path(&service, &mut findings).await;
        let lifecycle = Lifecycle::new();
        rotate_keys(&config(), &process(folder.path(), &lifecycle), "somebody").await.unwrap();
        files(folder.path(), &mut findings);
        match &database {
            None => {
                let file = folder.path().join("config.db");
                let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
                let backup = format!("VACUUM INTO '{}'", folder.path().join("backup.db").display());
                connection.execute(sqlx::raw_sql(AssertSqlSafe(backup))).await.unwrap();
            }
            Some(database) => {
                dump(&database.url, &mut findings).await;
                pg_dump(&database.url, &mut findings);
            }
        }
        let scope = Keys::load(&folder.path().join("keys.json")).unwrap().ring().fingerprint();
        findings.add("Redis", monitor.until(&format!("switchboard:config:{scope}:committed")).await);
        delete_and_audit(&service, &mut findings).await;
        service.stop().await;
        files(folder.path(), &mut findings);
        if let Some(database) = database {
            dump(&database.url, &mut findings).await;
            database.remove().await;
        }
    }
    drop(listening);
    findings.add("the log", log.0.lock().unwrap().clone());
    findings.add("the metrics", telemetry::metrics().unwrap().render());
    findings.hold_no_canary();
    let logged = String::from_utf8_lossy(&findings.0[findings.0.len() - 2].1).into_owned();
    for what in ["call refused", "watch begins", "TRACE"] {
        assert!(logged.contains(what), "the log was listened to: {what}");
    }
}

/// Whatever holds a secret, as a panic or a careless log line would show it.
#[test]
fn nothing_that_holds_a_secret_prints_it() {
    let map = || HashMap::from([("secret_key".to_owned(), secret("held"))]);
    let credentials = || -> Credentials { map().into_iter().collect() };
    let replaced = || ReplacedSecret {
        account: "svc-1".to_owned(),
        secret: secret("replaced").into(),
        expires_at: chrono::DateTime::UNIX_EPOCH,
    };
    let secrets = ConfigSecrets { credentials: credentials(), replaced: vec![replaced()] };
    let webhook_secret = WebhookSecret { secret: secret("webhook"), expire_time: None };
    let account = ProviderAccount {
        credentials: map(),
        webhook_secrets: vec![webhook_secret.clone()],
        ..ProviderAccount::default()
    };
    let entry = OrganizationEntry { accounts: vec![account.clone()], ..OrganizationEntry::default() };
    let change = Change { entry: Some(entry.clone()), ..Change::default() };
    let said = Said::Entries(SnapshotEntries { entries: vec![entry] });
    let mut create = CreateProviderConfigRequest { credentials: map(), ..Default::default() };
    create.connection_test_token = "a proof".to_owned();
    let update = UpdateProviderConfigRequest { credentials: map(), ..Default::default() };
    let test = TestConnectionRequest { credentials: map(), ..Default::default() };
    let changed = ChangedCredentials { given: credentials(), test_token: String::new(), activate: false };
    let signer = Signer { account: String::new(), secret: secret("signer").into(), expires_at: None };
    let holders: [&dyn Debug; 13] = [
        &credentials(),
        &replaced(),
        &secrets,
        &webhook_secret,
        &account,
        &change,
        &said,
        &create,
        &update,
        &test,
        &changed,
        &signer,
        &KeyRing::fresh(chrono::DateTime::UNIX_EPOCH).unwrap(),
    ];
    let mut findings = Findings::default();
    for holder in holders {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| panic!("{holder:?} {holder:#?}")));
        let message = *panicked.unwrap_err().downcast::<String>().unwrap();
        findings.add(&message.clone(), message);
    }
    findings.hold_no_canary();
}

/// A field of the contract that is new and may hold a secret is looked at here, so that its message learns to keep quiet.
#[test]
fn the_messages_that_hold_secrets_are_known() {
    let pool = prost_reflect::DescriptorPool::decode(switchboard_proto::FILE_DESCRIPTOR_SET).unwrap();
    let ours = |message: &prost_reflect::MessageDescriptor| message.full_name().starts_with("switchboard.");
    let messages = pool.all_messages().filter(|message| ours(message) && !message.is_map_entry());
    let mut holders = std::collections::BTreeSet::new();
    for message in messages {
        for field in message.fields() {
            let text =
                matches!(field.kind(), prost_reflect::Kind::String | prost_reflect::Kind::Bytes) || field.is_map();
            let telling =
                ["secret", "credential", "password", "token", "key"].iter().any(|word| field.name().contains(word));
            if text && telling {
                holders.insert(format!("{}.{}", message.name(), field.name()));
            }
        }
    }
    let harmless = [
        "CredentialField.key",
        "FormField.key",
        "StatusUpdate.event_key",
        "ListAuditEventsRequest.page_token",
        "ListAuditEventsResponse.next_page_token",
        "ListMessagesRequest.page_token",
        "ListMessagesResponse.next_page_token",
        "ListQuarantinedEventsRequest.page_token",
        "ListQuarantinedEventsResponse.next_page_token",
        "ListOrganizationsRequest.page_token",
        "ListOrganizationsResponse.next_page_token",
        // A proof that opens nothing: it is bound to credentials that its holder must have.
        "CreateProviderConfigRequest.connection_test_token",
        "UpdateProviderConfigRequest.connection_test_token",
        "TestConnectionResponse.connection_test_token",
    ];
    holders.retain(|field| !harmless.contains(&field.as_str()));
    let expected = [
        "CreateProviderConfigRequest.credentials",
        "ProviderAccount.credentials",
        "TestConnectionRequest.credentials",
        "UpdateProviderConfigRequest.credentials",
        "WebhookSecret.secret",
    ];
    assert_eq!(holders.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

/// A value that fits the field, of its own kind and long enough to be found by no accident.
fn made_up(field: &FormField) -> String {
    if field.key == "default_sender" {
        return "15881234".to_owned();
    }
    let strategy = string_regex(field.pattern).unwrap();
    let mut runner = TestRunner::deterministic();
    let mut values = std::iter::from_fn(|| Some(strategy.new_tree(&mut runner).unwrap().current()));
    let ascii = |value: &String| value.is_ascii() && value.len() >= 12;
    values.by_ref().take(10_000).find(ascii).unwrap_or_else(|| panic!("no long value fits {}", field.key))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_form_calls_secret_is_sealed_without_anybody_having_listed_it() {
    let folder = folder();
    let service = Service::start_with(config(), Arc::clone(&folder)).await;
    steps::organization(&service, "acme", "Acme").await;
    let registry = registry("http://127.0.0.1:9", "http://127.0.0.1:9");
    let mut secrets = Vec::new();
    for vendor in registry.iter() {
        let descriptor = vendor.descriptor();
        let credentials: HashMap<String, String> =
            descriptor.form.fields.iter().map(|field| (field.key.to_owned(), made_up(field))).collect();
        let hidden = descriptor.form.fields.iter().filter(|field| field.secret || field.show_last.is_some());
        secrets.extend(hidden.map(|field| (descriptor.code, field.key, credentials[field.key].clone())));
        let create = CreateProviderConfigRequest {
            skip_connection_test: true,
            ..steps::create("acme", descriptor.code, credentials)
        };
        let saved = service.admin("superadmin").create_provider_config(create).await.unwrap().into_inner();
        let printed = format!("{saved:?}");
        for (_, key, value) in &secrets {
            assert!(!printed.contains(value.as_str()), "{key} is shown");
        }
    }
    assert!(secrets.len() >= 5, "both vendors have secrets");
    let mut seen = Findings::default();
    files(folder.path(), &mut seen);
    service.stop().await;
    files(folder.path(), &mut seen);
    assert!(seen.0.iter().any(|(place, _)| place.ends_with("config.db-wal")));
    for (provider, key, value) in secrets {
        for (place, bytes) in &seen.0 {
            let found = bytes.windows(value.len()).any(|window| window == value.as_bytes());
            assert!(!found, "{key} of {provider} is in clear in {place}");
        }
    }
}
