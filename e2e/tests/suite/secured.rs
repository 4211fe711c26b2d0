//! The services as processes that speak mutual TLS, for a caller with a JWT, traced and with JSON logs.

use std::{
    fs::File,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::Span,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::json;
use switchboard_vendor_sim::demo::CLOUDMSG_DEFAULT;
use tonic::{Request, Response, Status, async_trait};

use crate::{
    installation::Installation,
    program::{PATIENCE, Running},
};

/// In the message that is sent, and nowhere else.
const TEXT: &str = "kanarienvogel";
const NUMBER: &str = "010-7531-8642";

/// Nothing of this may be in a log or a trace, at any level.
fn never_logged(jwt: &str) -> Vec<(&'static str, String)> {
    let (_, signature) = jwt.rsplit_once('.').unwrap();
    vec![
        ("a text", TEXT.to_owned()),
        ("a recipient", "1075318642".to_owned()),
        ("a recipient as it was typed", NUMBER.to_owned()),
        ("a caller's JWT", signature.to_owned()),
        ("a service's token", "dispatcher-0123456789abcdef".to_owned()),
        ("the gateway's token", "webhook-gateway-0123456789abcdef".to_owned()),
        ("an operator's token", "superadmin-0123456789abcdef".to_owned()),
        ("a vendor key", CLOUDMSG_DEFAULT.secret_key.to_owned()),
        ("a webhook secret", CLOUDMSG_DEFAULT.callback_secret.to_owned()),
    ]
}

fn private(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Writes an authority, and one certificate that serves both ways.
fn certify(folder: &Path) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    std::fs::write(folder.join("ca.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let signed = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("tls.pem"), signed.pem()).unwrap();
    private(&folder.join("tls.key"), &key.serialize_pem());
}

/// Writes the issuer's public keys; returns a token that it has signed.
fn issue(folder: &Path) -> String {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    let public = json!({"kty": "EC", "crv": "P-256", "kid": "k-1", "x": BASE64.encode(x), "y": BASE64.encode(y)});
    std::fs::write(folder.join("jwks.json"), json!({"keys": [public]}).to_string()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the processes under test have the machine's clock")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let header = json!({"alg": "ES256", "kid": "k-1"});
    let claims = json!({
        "iss": "https://issuer.test",
        "aud": "switchboard",
        "sub": "billing",
        "exp": now + 3600,
        "roles": ["SENDER"],
        "organizations": ["default"],
    });
    let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let signature = key.sign(&random, message.as_bytes()).unwrap();
    format!("{message}.{}", BASE64.encode(signature))
}

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, Span)>>>);

#[async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let name = attributes.into_iter().find(|attribute| attribute.key == "service.name");
            let Some(Value::StringValue(service)) = name.and_then(|name| name.value?.value) else { continue };
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().unwrap().extend(spans.map(|span| (service.clone(), span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Listens on a thread of its own for as long as the test runs.
    fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let service = TraceServiceServer::new(collector.clone());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(tonic::transport::Server::builder().add_service(service).serve(address)).unwrap();
        });
        (collector, format!("http://{address}"))
    }

    /// The spans of the trace, by service and name, once all of these are there.
    fn until(&self, trace: &str, wanted: &[(&str, &str)]) -> Vec<(String, Span)> {
        let began = Instant::now();
        loop {
            let spans: Vec<_> =
                self.0.lock().unwrap().iter().filter(|(_, span)| hex(&span.trace_id) == trace).cloned().collect();
            let has = |wanted: &(&str, &str)| spans.iter().any(|(service, span)| (&**service, &*span.name) == *wanted);
            if wanted.iter().all(has) {
                return spans;
            }
            assert!(began.elapsed() < PATIENCE, "not all of {wanted:?} in {trace}: {spans:#?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn secured(collector: &str) -> Installation {
    let mut installation = Installation::new();
    for (key, of) in [
        ("DISPATCHER__CONFIG_SERVICE_URL", "CONFIG_SERVICE__LISTEN"),
        ("WEBHOOK_GATEWAY__CONFIG_SERVICE_URL", "CONFIG_SERVICE__LISTEN"),
        ("WEBHOOK_GATEWAY__DISPATCHER_URL", "DISPATCHER__LISTEN"),
    ] {
        let url = format!("https://{}", installation.setting(of));
        installation.set(key, &url);
    }
    let folder = installation.path().to_owned();
    let file = |name: &str| folder.join(name).display().to_string();
    let settings = [
        ("TLS__CERTIFICATE_FILE", file("tls.pem")),
        ("TLS__KEY_FILE", file("tls.key")),
        ("TLS__CLIENT_CA_FILE", file("ca.pem")),
        ("TLS__CA_FILE", file("ca.pem")),
        ("AUTH__JWT__ISSUER", "https://issuer.test".to_owned()),
        ("AUTH__JWT__AUDIENCE", "switchboard".to_owned()),
        ("AUTH__JWT__JWKS_FILE", file("jwks.json")),
        ("AUTH__JWT__ORGANIZATIONS_CLAIM", "organizations".to_owned()),
        ("TELEMETRY__OTLP_ENDPOINT", collector.to_owned()),
    ];
    for (key, value) in settings {
        installation.set(key, &value);
    }
    installation
}

/// Starts it with everything that it has to say in a file.
fn start(installation: &Installation, service: &str) -> (Running, PathBuf) {
    let log = installation.path().join(format!("{service}.log"));
    let mut command = installation.command(&[service]);
    command.env("SWITCHBOARD_LOG__FORMAT", "json").env("SWITCHBOARD_LOG__FILTER", "trace");
    command.stderr(File::create(&log).unwrap());
    (Running::start(&mut command), log)
}

#[test]
fn a_jwt_sends_over_mutual_tls_in_one_trace_and_no_log_says_what() {
    let (collector, endpoint) = Collector::start();
    let installation = secured(&endpoint);
    certify(installation.path());
    let jwt = issue(installation.path());
    assert_eq!(installation.typed(&["keys", "generate"]).code, Some(0));

    let mut services = ["config-service", "dispatcher", "webhook-gateway"].map(|service| start(&installation, service));
    let _vendors = installation.start_vendors();
    installation.store_default_account();

    let send = |organization| {
        let arguments =
            ["send", "sms", "--org", organization, "--to", NUMBER, "--text", TEXT, "--watch", "--output", "json"];
        let mut command = installation.command(&arguments);
        command.env("SWITCHBOARD_TOKEN", &jwt);
        command
    };
    let began = Instant::now();
    let sent = loop {
        let sent = crate::program::run(&mut send("default"));
        if sent.code == Some(0) {
            break sent;
        }
        assert!(began.elapsed() < PATIENCE, "{}", sent.stderr);
    };
    assert!(sent.stdout.contains("DELIVERED"), "{}", sent.stdout);
    // What is refused is told to the caller alone.
    for (to, text) in [("010-7531-8642-000", TEXT.to_owned()), (NUMBER, format!("{TEXT} \u{1f426}"))] {
        let mut refused = installation.command(&["send", "sms", "--org", "default", "--to", to, "--text", &text]);
        assert_eq!(crate::program::run(refused.env("SWITCHBOARD_TOKEN", &jwt)).code, Some(1), "{to} {text}");
    }
    let foreign = crate::program::run(&mut send("hanbit"));
    assert!(foreign.code == Some(1) && foreign.stderr.contains("may not act for"), "{}", foreign.stderr);
    let mut uncertified = send("default");
    uncertified.env_remove("SWITCHBOARD_TLS__CERTIFICATE_FILE").env_remove("SWITCHBOARD_TLS__KEY_FILE");
    uncertified.env_remove("SWITCHBOARD_TLS__CLIENT_CA_FILE");
    uncertified.env("SWITCHBOARD_DISPATCHER_URL", format!("https://{}", installation.setting("DISPATCHER__LISTEN")));
    assert_eq!(crate::program::run(&mut uncertified).code, Some(1));

    let answer: serde_json::Value =
        serde_json::from_str(&sent.stdout).unwrap_or_else(|error| panic!("{error}: {}", sent.stdout));
    let trace = answer["message_id"].as_str().unwrap().replace('-', "");
    let spans = collector.until(
        &trace,
        &[
            ("switchboard-dispatcher", "send"),
            ("switchboard-dispatcher", "record"),
            ("switchboard-dispatcher", "vendor call"),
            ("switchboard-webhook-gateway", "callback"),
            ("switchboard-dispatcher", "report status"),
        ],
    );
    assert!(services.iter_mut().all(|(service, _)| service.is_running()));
    let mut told = vec![("the traces".to_owned(), format!("{spans:?}"))];
    for (service, log) in services {
        assert_eq!(service.terminate(), Some(0));
        told.push((log.display().to_string(), std::fs::read_to_string(log).unwrap()));
    }
    for (place, text) in &told {
        for (what, secret) in never_logged(&jwt) {
            let line = text.lines().find(|line| line.contains(&secret));
            assert_eq!(line, None, "{what} is in {place}");
        }
    }
    for (place, text) in &told[1..] {
        assert!(text.lines().count() > 100, "{place} is nearly empty");
        for line in text.lines() {
            assert!(
                serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line.is_object()),
                "{place}: {line}"
            );
        }
    }
}
