//! Callbacks over TLS.

use std::os::unix::fs::PermissionsExt as _;

use reqwest::{StatusCode, Version};
use switchboard_runtime::config::{TlsConfig, WebhookTlsConfig};

use crate::{
    vendors::{cloudmsg, delivered},
    world::{World, noon},
};

#[tokio::test]
async fn a_callback_over_tls_is_taken_and_one_in_clear_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("webhook.pem"), folder.path().join("webhook.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let webhook = WebhookTlsConfig { certificate_file: Some(certificate), key_file: Some(key) };
    let world = World::over_tls(TlsConfig { webhook, ..TlsConfig::default() }, &made.cert.pem()).await;

    let callback = cloudmsg("svc-1", "secret-of-a", noon(), &format!("[{}]", delivered("m-1", "m-1")));
    let answer = world.post(&callback).await;
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
    let in_clear = world.http.get(format!("http://{}/healthz", world.gateway)).send().await;
    assert!(in_clear.is_err_and(|error| !error.is_connect()));
}
