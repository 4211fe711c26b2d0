//! An identity provider: signs tokens and publishes its keys.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use switchboard_runtime::Lifecycle;
use switchboard_runtime::accept::Door;
use tokio::net::TcpListener;

/// A key that tokens are signed with.
pub(crate) struct Key {
    id: &'static str,
    pair: Pair,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Key {
    pub(crate) fn es256(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { id, pair: Pair::Es256(pair) }
    }

    pub(crate) fn eddsa(id: &'static str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { id, pair: Pair::EdDsa(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap()) }
    }

    /// The public half, as the issuer publishes it.
    pub(crate) fn public(&self) -> Value {
        match &self.pair {
            Pair::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id, "x": encode(x), "y": encode(y)})
            }
            Pair::EdDsa(pair) => {
                let x = encode(pair.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": self.id, "x": x})
            }
        }
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match &self.pair {
            Pair::Es256(_) => "ES256",
            Pair::EdDsa(_) => "EdDSA",
        }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({"alg": self.algorithm(), "kid": self.id, "typ": "JWT"}), claims)
    }

    /// The same with a header that may lie.
    pub(crate) fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = match &self.pair {
            Pair::Es256(pair) => pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", encode(signature))
    }
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64.encode(bytes)
}

pub(crate) fn document(keys: &[&Key]) -> String {
    json!({"keys": keys.iter().map(|key| key.public()).collect::<Vec<_>>()}).to_string()
}

/// Publishes keys over HTTP, and counts who asks.
#[derive(Clone, Default)]
pub(crate) struct Issuer {
    document: Arc<Mutex<String>>,
    broken: Arc<AtomicBool>,
    fetches: Arc<AtomicUsize>,
}

impl Issuer {
    pub(crate) async fn start(keys: &[&Key], lifecycle: &Lifecycle) -> (Self, String) {
        let issuer = Self::default();
        issuer.publish(keys);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/keys", get(Self::answer))
            .route("/elsewhere", get(|| async { (StatusCode::FOUND, [("location", "/keys")]) }))
            .with_state(issuer.clone());
        let door = Door::new("issuer", listener, None);
        let serving = switchboard_runtime::http::serve(door, router, lifecycle.draining());
        lifecycle.spawn("issuer", async move {
            serving.await;
            Ok(())
        });
        (issuer, format!("http://{address}/keys"))
    }

    pub(crate) fn publish(&self, keys: &[&Key]) {
        *self.document.lock().unwrap() = document(keys);
    }

    pub(crate) fn break_down(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    async fn answer(State(issuer): State<Self>) -> (StatusCode, String) {
        issuer.fetches.fetch_add(1, Ordering::SeqCst);
        if issuer.broken.load(Ordering::SeqCst) {
            return (StatusCode::BAD_GATEWAY, String::new());
        }
        (StatusCode::OK, issuer.document.lock().unwrap().clone())
    }
}
