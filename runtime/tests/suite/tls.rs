//! TLS over real sockets: who is let in, who is believed, and what a new certificate changes.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use switchboard_runtime::clock::SystemClock;
use switchboard_runtime::config::{TlsConfig, WebhookTlsConfig};
use switchboard_runtime::error::describe;
use switchboard_runtime::grpc::{GrpcServer, client};
use switchboard_runtime::http::Readiness;
use switchboard_runtime::tls::Tls;
use switchboard_runtime::{Lifecycle, telemetry};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tonic::Status;
use tonic::service::Routes;

use crate::certificates::{Authority, private};
use crate::echo::{self, Echo, SAY};

/// How often the tests' servers look at their files.
const LOOK: Duration = Duration::from_millis(10);
const BOUND: Duration = Duration::from_secs(20);

struct House {
    folder: TempDir,
    authority: Authority,
}

impl House {
    fn new() -> Self {
        let house = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new("house") };
        house.authority.write(&house.path("ca.pem"));
        house.authority.issue(&["127.0.0.1", "localhost"], &house.path("server.pem"), &house.path("server.key"));
        house.authority.issue(&["gateway"], &house.path("client.pem"), &house.path("client.key"));
        house
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A server with a certificate.
    fn server(&self) -> TlsConfig {
        TlsConfig {
            certificate_file: Some(self.path("server.pem")),
            key_file: Some(self.path("server.key")),
            reload_interval: LOOK,
            ..TlsConfig::default()
        }
    }

    /// A server that wants certificates of the house.
    fn mutual(&self) -> TlsConfig {
        TlsConfig { client_ca_file: Some(self.path("ca.pem")), ..self.server() }
    }

    /// A client that believes the house.
    fn stranger(&self) -> TlsConfig {
        TlsConfig { ca_file: Some(self.path("ca.pem")), ..TlsConfig::default() }
    }

    /// The same with a certificate.
    fn member(&self) -> TlsConfig {
        TlsConfig {
            client_certificate_file: Some(self.path("client.pem")),
            client_key_file: Some(self.path("client.key")),
            ..self.stranger()
        }
    }
}

async fn serve(config: &TlsConfig, echo: Echo, lifecycle: &Lifecycle) -> SocketAddr {
    let tls = Tls::start(config, &SystemClock::shared(), lifecycle).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = GrpcServer::new("echo").with_auth(echo::auth()).with_tls(tls.server.or(tls.webhook));
    lifecycle.spawn("echo", server.serve(listener, Routes::new(echo), Readiness::new(), lifecycle.clone()));
    address
}

async fn say_to(url: &str, config: &TlsConfig, text: &str) -> Result<String, Status> {
    let tls = Tls::once(config).unwrap();
    let channel = client::channel_over(url, SecretString::from("sender-token"), &tls.client).unwrap();
    echo::call(channel, SAY, text, None).await
}

async fn say(address: SocketAddr, config: &TlsConfig) -> Result<String, Status> {
    say_to(&format!("https://{address}"), config, "hello").await
}

async fn eventually(mut happens: impl AsyncFnMut() -> bool) {
    tokio::time::timeout(BOUND, async {
        while !happens().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("it does not happen"));
}

fn metric(name: &str) -> Option<f64> {
    let rendered = telemetry::metrics().unwrap().render();
    let line = rendered.lines().find(|line| line.starts_with(name))?.to_owned();
    line.rsplit_once(' ')?.1.parse().ok()
}

#[tokio::test]
async fn a_server_with_a_certificate_is_called_over_tls_and_knows_the_callers_address() {
    let house = House::new();
    let address = serve(&house.server(), Echo::default(), &Lifecycle::new()).await;
    assert_eq!(say(address, &house.stranger()).await.unwrap(), "sender from 127.0.0.1");
    let by_name = say_to(&format!("https://localhost:{}", address.port()), &house.stranger(), "hello").await;
    assert_eq!(by_name.unwrap(), "sender from 127.0.0.1");
}

#[tokio::test]
async fn a_tls_port_takes_nothing_in_clear() {
    let house = House::new();
    let address = serve(&house.server(), Echo::default(), &Lifecycle::new()).await;
    say_to(&format!("http://{address}"), &TlsConfig::default(), "hello").await.unwrap_err();
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Whatever comes before the end is a TLS alert (21), never HTTP.
    let ended = tokio::time::timeout(BOUND, socket.read_to_end(&mut answer)).await.unwrap();
    assert!(ended.is_err() || answer.first().is_none_or(|kind| *kind == 21), "{answer:?}");
}

#[tokio::test]
async fn a_server_of_another_authority_or_another_name_is_not_believed() {
    let house = House::new();
    let address = serve(&house.server(), Echo::default(), &Lifecycle::new()).await;
    let other = house.path("other-ca.pem");
    Authority::new("other").write(&other);
    let mistrust = TlsConfig { ca_file: Some(other), ..TlsConfig::default() };
    let error = say(address, &mistrust).await.unwrap_err();
    assert!(describe(&error).contains("UnknownIssuer"), "{}", describe(&error));
    house.authority.issue(&["elsewhere"], &house.path("server.pem"), &house.path("server.key"));
    let misnamed = serve(&house.server(), Echo::default(), &Lifecycle::new()).await;
    let error = say(misnamed, &house.stranger()).await.unwrap_err();
    assert!(describe(&error).contains("not valid for name"), "{}", describe(&error));
}

#[tokio::test]
async fn with_mutual_tls_only_certificates_of_the_authority_are_let_in() {
    let house = House::new();
    let address = serve(&house.mutual(), Echo::default(), &Lifecycle::new()).await;
    assert_eq!(say(address, &house.member()).await.unwrap(), "sender from 127.0.0.1");
    say(address, &house.stranger()).await.expect_err("no certificate");
    let (certificate, key) = (house.path("foreign.pem"), house.path("foreign.key"));
    Authority::new("foreign").issue(&["gateway"], &certificate, &key);
    let foreign =
        TlsConfig { client_certificate_file: Some(certificate), client_key_file: Some(key), ..house.stranger() };
    say(address, &foreign).await.expect_err("a certificate of somebody else");
}

#[tokio::test]
async fn one_certificate_serves_both_ways_unless_another_is_named() {
    let house = House::new();
    let config = TlsConfig { ca_file: Some(house.path("ca.pem")), ..house.mutual() };
    let address = serve(&config, Echo::default(), &Lifecycle::new()).await;
    assert!(say(address, &config).await.is_ok());
}

#[tokio::test]
async fn a_renewed_certificate_is_used_while_calls_in_flight_go_on() {
    let house = House::new();
    let (lifecycle, echo) = (Lifecycle::new(), Echo::default());
    let address = serve(&house.server(), echo.clone(), &lifecycle).await;
    let (url, old) = (format!("https://{address}"), house.stranger());
    let in_flight = tokio::task::JoinSet::from_iter([async move { say_to(&url, &old, "wait").await }]);
    echo.arrived.notified().await;

    // Another authority, so that who believes only it is let in by the new certificate alone.
    let next = Authority::new("next");
    let trusts_next = TlsConfig { ca_file: Some(next.write(&house.path("next-ca.pem"))), ..TlsConfig::default() };
    say(address, &trusts_next).await.expect_err("not renewed yet");
    next.issue(&["127.0.0.1"], &house.path("server.pem"), &house.path("server.key"));
    eventually(async || say(address, &trusts_next).await.is_ok()).await;
    say(address, &house.stranger()).await.expect_err("the old certificate is gone");

    echo.release.notify_one();
    let answers = in_flight.join_all().await;
    assert_eq!(answers.into_iter().next().unwrap().unwrap(), "sender from 127.0.0.1");
}

#[tokio::test]
async fn an_authority_that_is_taken_off_the_list_lets_nobody_new_in() {
    let house = House::new();
    let address = serve(&house.mutual(), Echo::default(), &Lifecycle::new()).await;
    assert!(say(address, &house.member()).await.is_ok());
    let authority = TlsConfig { client_ca_file: Some(house.path("clients.pem")), ..house.server() };
    std::fs::copy(house.path("ca.pem"), house.path("clients.pem")).unwrap();
    let address = serve(&authority, Echo::default(), &Lifecycle::new()).await;
    assert!(say(address, &house.member()).await.is_ok());
    Authority::new("next").write(&house.path("clients.pem"));
    eventually(async || say(address, &house.member()).await.is_err()).await;
}

#[tokio::test]
async fn a_client_shows_its_renewed_certificate_on_its_next_connection() {
    let house = House::new();
    let next = Authority::new("next");
    next.write(&house.path("next-ca.pem"));
    let wants_next = TlsConfig { client_ca_file: Some(house.path("next-ca.pem")), ..house.server() };
    let address = serve(&wants_next, Echo::default(), &Lifecycle::new()).await;
    let lifecycle = Lifecycle::new();
    let member = TlsConfig { reload_interval: LOOK, ..house.member() };
    let tls = Tls::start(&member, &SystemClock::shared(), &lifecycle).unwrap();
    let url = format!("https://{address}");
    let channel = client::channel_over(&url, SecretString::from("sender-token"), &tls.client).unwrap();
    echo::call(channel.clone(), SAY, "hello", None).await.expect_err("the old certificate");
    next.issue(&["gateway"], &house.path("client.pem"), &house.path("client.key"));
    eventually(async || echo::call(channel.clone(), SAY, "hello", None).await.is_ok()).await;
}

#[tokio::test]
async fn a_new_file_that_cannot_be_used_changes_nothing_and_is_told() {
    let house = House::new();
    // The only test with a certificate of this name, which the metrics of the process tell apart.
    let webhook =
        WebhookTlsConfig { certificate_file: Some(house.path("server.pem")), key_file: Some(house.path("server.key")) };
    let public = TlsConfig { webhook, reload_interval: LOOK, ..TlsConfig::default() };
    let lifecycle = Lifecycle::new();
    let address = serve(&public, Echo::default(), &lifecycle).await;
    assert!(say(address, &house.stranger()).await.is_ok());
    let expiry = "switchboard_tls_certificate_expiry_timestamp_seconds{certificate=\"webhook\"}";
    assert!(metric(expiry).unwrap() > 1_700_000_000.0);
    let failed = "switchboard_tls_reload_failed{certificate=\"webhook\"}";
    for nonsense in ["", "not a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(house.path("server.pem"), nonsense).unwrap();
        eventually(async || metric(failed) == Some(1.0)).await;
        assert!(say(address, &house.stranger()).await.is_ok(), "{nonsense:?}");
        house.authority.issue(&["127.0.0.1"], &house.path("server.pem"), &house.path("server.key"));
        eventually(async || metric(failed) == Some(0.0)).await;
    }
    std::fs::remove_file(house.path("server.key")).unwrap();
    eventually(async || metric(failed) == Some(1.0)).await;
    assert!(say(address, &house.stranger()).await.is_ok());
    lifecycle.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_handshake_that_does_not_come_holds_up_nobody() {
    let house = House::new();
    let address = serve(&house.server(), Echo::default(), &Lifecycle::new()).await;
    let _silent = TcpStream::connect(address).await.unwrap();
    let _more = TcpStream::connect(address).await.unwrap();
    assert!(say(address, &house.stranger()).await.is_ok());
}

#[test]
fn settings_that_do_not_fit_together_or_files_that_are_no_certificates_are_named() {
    let house = House::new();
    let refused = |config: TlsConfig| Tls::once(&config).unwrap_err().to_string();
    let names = |error: &str, words: &[&str]| {
        for word in words {
            assert!(error.contains(word), "{word:?} is not in {error:?}");
        }
    };
    names(&refused(TlsConfig { key_file: None, ..house.server() }), &["tls.certificate_file", "tls.key_file", "both"]);
    names(
        &refused(TlsConfig { client_ca_file: Some(house.path("ca.pem")), ..TlsConfig::default() }),
        &["tls.client_ca_file", "tls.certificate_file"],
    );
    names(
        &refused(TlsConfig { ca_file: Some("/nowhere/ca.pem".into()), ..TlsConfig::default() }),
        &["tls.ca_file", "/nowhere/ca.pem", "cannot be read"],
    );
    let empty = house.path("empty.pem");
    std::fs::write(&empty, "").unwrap();
    names(
        &refused(TlsConfig { ca_file: Some(empty.clone()), ..TlsConfig::default() }),
        &["tls.ca_file", "empty.pem", "no certificate"],
    );
    names(&refused(TlsConfig { certificate_file: Some(empty), ..house.server() }), &["no certificate"]);
    names(
        &refused(TlsConfig { key_file: Some(house.path("client.key")), ..house.server() }),
        &["tls.key_file", "client.key", "server.pem", "tls.certificate_file"],
    );
    let exposed = house.path("exposed.key");
    std::fs::copy(house.path("server.key"), &exposed).unwrap();
    chmod(&exposed, 0o644);
    names(&refused(TlsConfig { key_file: Some(exposed.clone()), ..house.server() }), &["tls.key_file", "mode 644"]);
    chmod(&exposed, 0o640);
    assert!(Tls::once(&TlsConfig { key_file: Some(exposed), ..house.server() }).is_ok(), "its group may read a key");
    let nonsense = house.path("nonsense.key");
    private(&nonsense, "s3cr3t");
    let error = refused(TlsConfig { key_file: Some(nonsense), ..house.server() });
    names(&error, &["tls.key_file", "nonsense.key", "PEM"]);
    assert!(!error.contains("s3cr3t"), "{error}");
}

fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
