//! A vendor of the registry in front of its simulator.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Bytes, extract::State, routing::post};
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use switchboard_providers::{
    Credentials, MessageProvider,
    model::{LookUp, Report},
    vendor::Vendor,
};
use switchboard_vendor_sim::{Config, VendorHandle, VendorSim, demo};
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    task::JoinSet,
};

use crate::{
    capture::PATIENCE,
    fixtures::{RECIPIENT, REGISTRY, credentials, now, shipping_notice, vendor},
    shared::cases::Subject,
};

/// What the cases need to know about a vendor's simulator.
struct Line {
    code: &'static str,
    url: fn(&VendorSim) -> String,
    handle: fn(&VendorSim) -> VendorHandle,
    /// Account and credentials, in the words of the vendor's form.
    account: fn() -> (&'static str, Credentials),
    /// A refusal that no document names, in the vendor's form.
    unknown_refusal: &'static str,
}

/// A third vendor is one more line.
const LINES: [Line; 2] = [
    Line {
        code: "cloudmsg",
        url: VendorSim::cloudmsg_url,
        handle: |sim| (*sim.cloudmsg()).clone(),
        account: || {
            let account = demo::CLOUDMSG_HANBIT;
            let pairs = [
                ("service_id", account.service_id),
                ("access_key", account.access_key),
                ("secret_key", account.secret_key),
                ("callback_secret", account.callback_secret),
                ("channel_id", account.channel_id),
                ("default_sender", account.default_sender),
            ];
            (account.service_id, credentials(&pairs))
        },
        unknown_refusal: "7777",
    },
    Line {
        code: "sendtalk",
        url: VendorSim::sendtalk_url,
        handle: |sim| (*sim.sendtalk()).clone(),
        account: || {
            let account = demo::SENDTALK_HANBIT;
            let pairs = [
                ("account_id", account.account_id),
                ("api_key", account.api_key),
                ("webhook_secret", account.webhook_secret),
                ("sender_profile_key", account.sender_profile_key),
                ("default_sender", account.default_sender),
            ];
            (account.account_id, credentials(&pairs))
        },
        unknown_refusal: "-7777",
    },
];

/// A registered sender of every simulated account.
pub const SENDER: &str = "1600-5678";

/// One vendor, its simulator, and an account that works.
pub struct Bench {
    pub code: &'static str,
    pub vendor: Arc<dyn Vendor>,
    pub account: Arc<dyn MessageProvider>,
    pub account_id: &'static str,
    pub credentials: Credentials,
    pub sim: VendorHandle,
    pub unknown_refusal: &'static str,
    at: fn(&VendorSim) -> String,
    running: VendorSim,
}

/// Holds a case against every vendor.
pub async fn each_vendor(case: impl AsyncFn(&Bench)) {
    for line in &LINES {
        let bench = Bench::start(line).await;
        case(&bench).await;
        bench.running.shutdown().await;
    }
}

/// Holds a case against one vendor.
pub async fn one_vendor(code: &str, case: impl AsyncFn(&Bench)) {
    let bench = Bench::start(LINES.iter().find(|line| line.code == code).unwrap()).await;
    case(&bench).await;
    bench.running.shutdown().await;
}

impl Bench {
    async fn start(line: &Line) -> Self {
        let running = VendorSim::start(Config::on_free_ports()).await.unwrap();
        let vendor = vendor(line.code, &(line.url)(&running));
        let (account_id, credentials) = (line.account)();
        Self {
            code: line.code,
            account: vendor.open(&credentials).unwrap(),
            vendor,
            account_id,
            credentials,
            sim: (line.handle)(&running),
            unknown_refusal: line.unknown_refusal,
            at: line.url,
            running,
        }
    }

    /// The account as the shared cases want it.
    pub fn subject(&self) -> Subject {
        Subject {
            vendor: Arc::clone(&self.vendor),
            account: Arc::clone(&self.account),
            credentials: self.credentials.clone(),
            recipient: RECIPIENT.to_owned(),
            sender: SENDER.to_owned(),
            template: shipping_notice(),
            run: "m".to_owned(),
        }
    }

    /// The address of its simulator.
    pub fn url(&self) -> String {
        (self.at)(&self.running)
    }

    /// The secret that verifies this account's callbacks.
    pub fn webhook_secret(&self) -> SecretString {
        let field = self.vendor.descriptor().form.webhook_secret_field;
        SecretString::from(self.credentials.get(field).unwrap())
    }

    pub async fn look_up(&self, reference: &str) -> Vec<Report> {
        self.account.look_up(LookUp::Reference(reference), now()).await.unwrap()
    }

    /// Looks a message up until it is as it should be.
    pub async fn look_up_until(&self, reference: &str, settled: impl Fn(&[Report]) -> bool) -> Vec<Report> {
        let mut reports = Vec::new();
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                reports = self.look_up(reference).await;
                if settled(&reports) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(found.await.is_ok(), "{}: {reports:?} never became what was expected", self.code);
        reports
    }
}

#[test]
fn every_vendor_of_the_registry_has_its_line() {
    let registered: Vec<_> = REGISTRY.iter().map(|vendor| vendor.descriptor().code).collect();
    assert_eq!(registered, LINES.map(|line| line.code));
}

/// Where callbacks arrive: everything is answered 200 and kept as it came.
pub struct Receiver {
    pub url: String,
    arrived: Mutex<mpsc::UnboundedReceiver<(HeaderMap, Bytes)>>,
    _server: JoinSet<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        let (arrive, arrived) = mpsc::unbounded_channel();
        let keep =
            async |State(arrive): State<mpsc::UnboundedSender<(HeaderMap, Bytes)>>, headers: HeaderMap, body: Bytes| {
                let _ = arrive.send((headers, body));
                StatusCode::OK
            };
        let router = Router::new().route("/webhook", post(keep)).with_state(arrive);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, arrived: Mutex::new(arrived), _server: server }
    }

    /// The next callback.
    pub async fn next(&self) -> (HeaderMap, Bytes) {
        let mut arrived = self.arrived.lock().await;
        tokio::time::timeout(PATIENCE, arrived.recv()).await.expect("no callback arrives").unwrap()
    }
}
