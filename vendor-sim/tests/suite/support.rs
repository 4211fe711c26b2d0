//! A running simulator, a client that signs, and a place where callbacks arrive.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Client, Response};
use ring::hmac;
use serde_json::{Value, json};
use switchboard_vendor_sim::demo::{CLOUDMSG_DEFAULT, DemoCloudMsg, DemoSendTalk, SENDTALK_NARAE};
use switchboard_vendor_sim::{Config, VendorSim};
use tokio_util::task::TaskTracker;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct Vendors {
    pub sim: VendorSim,
    pub http: Client,
}

impl Vendors {
    pub async fn start() -> Self {
        let sim = VendorSim::start(Config::on_free_ports()).await.unwrap();
        Self { sim, http: client() }
    }

    /// A signed request to CloudMsg as the default account.
    pub async fn cloudmsg(&self, method: Method, target: &str, body: Option<&Value>) -> Response {
        self.cloudmsg_as(&CLOUDMSG_DEFAULT, method, target, body).await.unwrap()
    }

    pub async fn cloudmsg_as(
        &self,
        account: &DemoCloudMsg,
        method: Method,
        target: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<Response> {
        let timestamp = now_ms().to_string();
        let text = format!("{method} {target}\n{timestamp}\n{}", account.access_key);
        let mut request = self
            .http
            .request(method, format!("{}{target}", self.sim.cloudmsg_url()))
            .header("x-cm-timestamp", timestamp)
            .header("x-cm-access-key", account.access_key)
            .header("x-cm-signature", STANDARD.encode(hmac_sha256(account.secret_key.as_bytes(), text.as_bytes())));
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await
    }

    /// A send by the default account of CloudMsg.
    pub async fn cloudmsg_send(&self, body: &Value) -> (StatusCode, Value) {
        let answer = self.cloudmsg(Method::POST, "/v2/services/svc-default/messages", Some(body)).await;
        (answer.status(), answer.json().await.unwrap())
    }

    /// A look-up by the default account of CloudMsg.
    pub async fn cloudmsg_get(&self, rest: &str) -> (StatusCode, Vec<u8>) {
        let answer = self.cloudmsg(Method::GET, &format!("/v2/services/svc-default{rest}"), None).await;
        (answer.status(), answer.bytes().await.unwrap().to_vec())
    }

    /// A JSON send to SendTalk, under an idempotency key.
    pub async fn sendtalk_send(&self, path: &str, key: Option<&str>, body: &Value) -> Value {
        self.sendtalk_try(path, key, body).await.unwrap().json().await.unwrap()
    }

    pub async fn sendtalk_try(&self, path: &str, key: Option<&str>, body: &Value) -> reqwest::Result<Response> {
        let mut request = self.sendtalk(&SENDTALK_NARAE, Method::POST, path).json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        request.send().await
    }

    pub async fn sendtalk_get(&self, target: &str) -> Value {
        let answer = self.sendtalk(&SENDTALK_NARAE, Method::GET, target).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    pub fn sendtalk(&self, account: &DemoSendTalk, method: Method, target: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{target}", self.sim.sendtalk_url())).bearer_auth(account.api_key)
    }
}

pub fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE).build().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "signatures are checked against the machine's clock")]
pub fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

pub fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// An SMS for CloudMsg.
pub fn sms(to: &str, reference: &str) -> Value {
    json!({
        "type": "SMS", "from": CLOUDMSG_DEFAULT.default_sender, "content": "안녕하세요",
        "messages": [{ "to": to, "clientRef": reference }],
    })
}

/// An SMS for SendTalk.
pub fn st_sms(to: &str, reference: &str) -> Value {
    json!({ "to": to, "from": SENDTALK_NARAE.default_sender, "text": "안녕하세요", "reference": reference })
}

/// A JPEG of this size.
pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let pixels = image::RgbImage::from_pixel(width, height, image::Rgb([200, 120, 40]));
    pixels.write_to(&mut file, image::ImageFormat::Jpeg).unwrap();
    file.into_inner()
}

/// Polls until `look` finds something.
pub async fn eventually<T, F, Fut>(what: &str, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let polling = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, polling).await.unwrap_or_else(|_| panic!("never happened: {what}"))
}

/// A callback as it arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Arrived {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// Where callbacks arrive, with a status to answer that a test can change.
#[derive(Clone)]
pub struct Sink {
    pub url: String,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    status: Arc<AtomicU16>,
}

impl Sink {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        let sink = Self { url, arrived: Arc::default(), status: Arc::new(AtomicU16::new(200)) };
        let app = axum::Router::new().fallback(Self::receive).with_state(sink.clone());
        TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
        sink
    }

    async fn receive(State(sink): State<Self>, headers: HeaderMap, body: Bytes) -> StatusCode {
        sink.arrived.lock().unwrap().push(Arrived { headers, body: body.to_vec() });
        StatusCode::from_u16(sink.status.load(Ordering::SeqCst)).unwrap()
    }

    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    /// Waits for an event, alone or in an array.
    pub async fn wait_for_event(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || async {
            self.arrived().iter().map(Arrived::json).find_map(|body| match body {
                Value::Array(events) => events.into_iter().find(&wanted),
                event => Some(event).filter(&wanted),
            })
        })
        .await
    }

    /// Waits for at least this many callbacks.
    pub async fn wait_for(&self, count: usize) -> Vec<Arrived> {
        eventually(&format!("{count} callbacks"), || async {
            let arrived = self.arrived();
            (arrived.len() >= count).then_some(arrived)
        })
        .await
    }
}
