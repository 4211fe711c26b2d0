//! Tokens of an identity provider: which are taken, as whom, and what becomes of them when keys change.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use switchboard_runtime::auth::{Authenticator as _, Gatekeeper, Principal, Role};
use switchboard_runtime::config::{AuthConfig, JwtConfig};
use switchboard_runtime::http::Readiness;
use switchboard_runtime::{Lifecycle, ManualClock};
use tempfile::TempDir;

use crate::certificates::private;
use crate::issuer::{Issuer, Key, document, encode};

const BOUND: Duration = Duration::from_secs(20);

/// A token that was signed with RS256 for this test, and the key that it was signed with: ring makes no RSA keys.
const RSA_MODULUS: &str = "mkFWJpCPv_QUpr6pZcETvwG94ZZaKGaSvFREWLvo2CleVGVK3yGC0_9UmEDXR_40YaCY9ofU8ksU9cZlx-cosZQEnOppcF_\
    W4cQmlr56GqwYGtPqNlAux_vIUxTrVKobHTOi23zQT_EcMZMozVtLg32IvLcf2iv6dx1w1KFmhiD-YLEu2DlAe-rvhWuZ5Kxu8rYhQ7q2IdsFlleIUF\
    2dpRZ1zxl4cQuc5M-cobLHpJEMJ0HCxJ7yx_-rfBrlpdtVK2GXSvZo4ODLS-xosaXo7uWILiw5gPEbS2aGtaO3aR8a4I7U9ridBweyjfDeirg5-Ykmqo\
    SAOWoCDwugWVHG_Q";
const RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InJzYS0xIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0Ii\
    wiYXVkIjoic3dpdGNoYm9hcmQiLCJzdWIiOiJiaWxsaW5nIiwiZXhwIjoxNzAwMDAzNjAwLCJpYXQiOjE3MDAwMDAwMDAsInJvbGVzIjpbIlNFTkRFU\
    iJdfQ.Tte5BgCnaNovs_CONf3thfsLSE3gYaEPpkFyxdFTNFFnv9ZsRXrvMplJR1oAdrXmZ4qNA_-PqjwEJCDGKS3QkfhvCk1mumcrVIMFfthXBD7WL\
    IGbUFpUbUT_05TNpWB5YtCy59ZdQJjbrPnuEHtb6f7WXb4tPKy1pvzJNyI9MpxWc0IQNxcgAL_9tG6dGsRcm2FzOfXSYblpGfNBwWlzWm0AtZj2w_Qx\
    Jy5nm0sWCc5nDxe5hzm0PnsZTMHytsBULug8qb3iMfePDq1GVIEmhURCuO3XJZqr_vMpTD7anLZ_bQwjgnhfRkqdZA3JSBaDNj5i5jD_s08OEk9Nvcf\
    CNg";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer.test",
        "aud": "switchboard",
        "sub": "billing",
        "exp": now().timestamp() + 600,
        "iat": now().timestamp(),
        "roles": ["SENDER", "offline_access"],
    })
}

fn with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

/// A gatekeeper and all around it.
struct World {
    gatekeeper: Gatekeeper,
    clock: ManualClock,
    readiness: Readiness,
    _lifecycle: Lifecycle,
    folder: TempDir,
}

fn settings() -> JwtConfig {
    JwtConfig {
        issuer: "https://issuer.test".to_owned(),
        audience: "switchboard".to_owned(),
        refresh_interval: Duration::from_millis(20),
        refetch_interval: Duration::from_millis(20),
        ..JwtConfig::default()
    }
}

impl World {
    /// Keys from a file.
    async fn knowing(keys: &str) -> Self {
        Self::with(keys, settings()).await
    }

    async fn with(keys: &str, settings: JwtConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        std::fs::write(&path, keys).unwrap();
        Self::start(JwtConfig { jwks_file: Some(path), ..settings }, folder, Lifecycle::new()).await.unwrap()
    }

    /// Keys over HTTP.
    async fn fetching(url: &str, lifecycle: &Lifecycle, settings: JwtConfig) -> anyhow::Result<Self> {
        let jwt = JwtConfig { jwks_url: Some(url.to_owned()), ..settings };
        Self::start(jwt, tempfile::tempdir().unwrap(), lifecycle.clone()).await
    }

    async fn start(jwt: JwtConfig, folder: TempDir, lifecycle: Lifecycle) -> anyhow::Result<Self> {
        let (clock, readiness) = (ManualClock::at(now()), Readiness::new());
        let config = AuthConfig { jwt: Some(jwt), ..AuthConfig::default() };
        let gatekeeper = Gatekeeper::start(&config, &clock.shared(), &readiness, &lifecycle).await?;
        Ok(Self { gatekeeper, clock, readiness, _lifecycle: lifecycle, folder })
    }

    fn admit(&self, token: &str) -> Result<Principal, String> {
        self.gatekeeper.authenticate(token).map_err(|rejected| rejected.0.into_owned())
    }

    fn refusal(&self, token: &str) -> String {
        self.admit(token).unwrap_err()
    }

    async fn eventually(&self, what: &str, happens: impl Fn(&Self) -> bool) {
        let looking = async {
            while !happens(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(BOUND, looking).await.unwrap_or_else(|_| panic!("not in time: {what}"));
    }
}

#[tokio::test]
async fn each_algorithm_is_verified_with_its_own_kind_of_key() {
    let (ec, ed) = (Key::es256("ec-1"), Key::eddsa("ed-1"));
    let rsa = json!({"kty": "RSA", "kid": "rsa-1", "use": "sig", "n": RSA_MODULUS, "e": "AQAB"});
    let keys = json!({"keys": [ec.public(), ed.public(), rsa]}).to_string();
    let world = World::knowing(&keys).await;
    for token in [ec.sign(&claims()), ed.sign(&claims()), RSA_TOKEN.to_owned()] {
        let principal = world.admit(&token).unwrap();
        assert_eq!(&*principal.name, "jwt:billing");
        assert_eq!(principal.roles.iter().collect::<Vec<_>>(), [Role::Sender]);
        assert!(principal.organizations.is_none());
        // The second time from memory, with the same answer.
        assert_eq!(world.admit(&token), Ok(principal));
        let (message, _) = token.rsplit_once('.').unwrap();
        assert!(world.refusal(&format!("{message}.{}", encode([7; 64]))).contains("signature"));
        assert!(world.refusal(&format!("{message}.")).contains("signature"));
    }
}

#[tokio::test]
async fn an_algorithm_is_never_taken_from_the_token() {
    let (ec, ed) = (Key::es256("ec-1"), Key::eddsa("ed-1"));
    let world = World::knowing(&document(&[&ec, &ed])).await;
    // No signature at all.
    let message = format!("{}.{}", encode(r#"{"alg":"none"}"#), encode(claims().to_string()));
    assert!(world.admit(&format!("{message}.")).is_err());
    // The public key as a shared secret.
    for key in [&ec, &ed] {
        let public = key.public();
        let header = json!({"alg": "HS256", "kid": public["kid"]});
        let message = format!("{}.{}", encode(header.to_string()), encode(claims().to_string()));
        for secret in [public["x"].as_str().unwrap().to_owned(), public.to_string()] {
            let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
            let token = format!("{message}.{}", encode(ring::hmac::sign(&secret, message.as_bytes())));
            assert!(world.refusal(&token).contains("algorithm"));
        }
    }
    // Another algorithm than the key is for.
    for (alg, kid) in [("EdDSA", "ec-1"), ("RS256", "ec-1"), ("ES256", "ed-1"), ("PS256", "ec-1"), ("ES384", "ec-1")] {
        assert!(world.admit(&ec.sign_as(&json!({"alg": alg, "kid": kid}), &claims())).is_err(), "{alg} {kid}");
    }
    // A key that the token brings along.
    let own = Key::es256("own");
    let header = json!({"alg": "ES256", "kid": "ec-1", "jwk": own.public(), "jku": "https://evil.test/keys"});
    assert!(world.refusal(&own.sign_as(&header, &claims())).contains("signature"));
    // An extension that changes what the rest means.
    let header = json!({"alg": "ES256", "kid": "ec-1", "crit": ["b64"], "b64": false});
    assert!(world.refusal(&ec.sign_as(&header, &claims())).contains("crit"));
}

#[tokio::test]
async fn a_set_with_secrets_or_keys_for_other_purposes_gives_none_of_them() {
    let key = Key::es256("ec-1");
    let mut for_encryption = key.public();
    for_encryption["use"] = json!("enc");
    let secret = json!({"kty": "oct", "kid": "s", "k": encode([1; 32])});
    let odd = json!({"kty": "EC", "crv": "P-256", "alg": "HS256", "kid": "odd", "x": "AA", "y": "AA"});
    let usable = Key::eddsa("ed-1");
    let keys = json!({"keys": [secret, for_encryption, odd, {"kty": "new"}, 7, usable.public()]}).to_string();
    let world = World::knowing(&keys).await;
    assert!(world.admit(&key.sign(&claims())).is_err());
    assert!(world.admit(&usable.sign(&claims())).is_ok());
}

#[tokio::test]
async fn claims_are_wanted_of_the_right_kind_and_content() {
    let key = Key::es256("ec-1");
    let world = World::knowing(&document(&[&key])).await;
    let now = now().timestamp();
    for (changes, word) in [
        (json!({"iss": "https://other.test"}), "iss"),
        (json!({"iss": null}), "iss"),
        (json!({"aud": "others"}), "aud"),
        (json!({"aud": ["others", "more"]}), "aud"),
        (json!({"aud": null}), "aud"),
        (json!({"exp": null}), "exp"),
        (json!({"exp": "1800000000"}), "exp"),
        (json!({"exp": 1e300}), "exp"),
        (json!({"exp": now - 31}), "expired"),
        (json!({"nbf": now + 31}), "nbf"),
        (json!({"nbf": "0"}), "wrong kind"),
        (json!({"iat": now + 31}), "iat"),
        (json!({"sub": ""}), "sub"),
        (json!({"sub": null}), "sub"),
        (json!({"sub": "a\nb"}), "sub"),
        (json!({"sub": "x".repeat(257)}), "sub"),
    ] {
        let refusal = world.refusal(&key.sign(&with(&changes)));
        assert!(refusal.contains(word), "{changes}: {refusal}");
    }
    for changes in [
        json!({"aud": ["others", "switchboard"]}),
        json!({"iat": null}),
        json!({"nbf": now}),
        json!({"exp": now as f64 + 0.5}),
        json!({"exp": now - 29, "nbf": now + 29, "iat": now + 29}),
    ] {
        assert!(world.admit(&key.sign(&with(&changes))).is_ok(), "{changes}");
    }
}

#[tokio::test]
async fn a_token_that_was_good_is_refused_once_it_has_expired() {
    let key = Key::es256("ec-1");
    let world = World::knowing(&document(&[&key])).await;
    let token = key.sign(&claims());
    assert!(world.admit(&token).is_ok());
    world.clock.advance(TimeDelta::seconds(629));
    assert!(world.admit(&token).is_ok(), "within the leeway");
    world.clock.advance(TimeDelta::seconds(1));
    assert!(world.refusal(&token).contains("expired"));
}

#[tokio::test]
async fn roles_come_from_the_claim_that_is_set_and_unknown_ones_are_ignored() {
    let key = Key::es256("ec-1");
    let keys = document(&[&key]);
    let roles = async |claim: &str, changes: Value| {
        let world = World::with(&keys, JwtConfig { roles_claim: claim.to_owned(), ..settings() }).await;
        world.admit(&key.sign(&with(&changes))).unwrap().roles.to_string()
    };
    assert_eq!(roles("roles", json!({"roles": ["ADMIN", "sender"]})).await, "");
    assert_eq!(roles("roles", json!({"roles": null})).await, "");
    assert_eq!(roles("roles", json!({"roles": {"SENDER": true}})).await, "");
    assert_eq!(roles("scope", json!({"scope": "openid OPERATOR VIEWER"})).await, "VIEWER,OPERATOR");
    assert_eq!(roles("realm_access.roles", json!({"realm_access": {"roles": ["AUDITOR"]}})).await, "AUDITOR");
    assert_eq!(roles("https://x.test/roles", json!({"https://x.test/roles": ["AUDITOR"]})).await, "AUDITOR");
}

#[tokio::test]
async fn a_token_is_limited_to_the_organisations_it_names_and_to_none_if_it_names_none() {
    let key = Key::es256("ec-1");
    let settings = JwtConfig { organizations_claim: Some("orgs".to_owned()), ..settings() };
    let world = World::with(&document(&[&key]), settings).await;
    let may = |changes: Value, organization: &str| {
        world.admit(&key.sign(&with(&changes))).unwrap().authorize_organization(organization).is_ok()
    };
    assert!(may(json!({"orgs": ["hanbit", "daon"]}), "daon"));
    assert!(!may(json!({"orgs": ["hanbit", "daon"]}), "default"));
    assert!(!may(json!({}), "hanbit"), "no claim is no organisation");
    assert!(!may(json!({"orgs": 7}), "hanbit"));
    assert!(may(json!({"orgs": ["*"]}), "hanbit"));
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it_and_an_old_one_is_forgotten_with_its_tokens() {
    let (lifecycle, old, new) = (Lifecycle::new(), Key::es256("old"), Key::eddsa("new"));
    let (issuer, url) = Issuer::start(&[&old], &lifecycle).await;
    let settings = JwtConfig { refresh_interval: Duration::from_secs(3600), ..settings() };
    let world = World::fetching(&url, &lifecycle, settings).await.unwrap();
    let (signed_old, signed_new) = (old.sign(&claims()), new.sign(&claims()));
    world.eventually("the first keys", |world| world.admit(&signed_old).is_ok()).await;

    issuer.publish(&[&old, &new]);
    assert!(world.refusal(&signed_new).contains("try again"));
    world.eventually("the new key", |world| world.admit(&signed_new).is_ok()).await;
    assert!(world.admit(&signed_old).is_ok(), "both are valid meanwhile");

    issuer.publish(&[&new]);
    let next = Key::es256("next").sign(&claims());
    world
        .eventually("the old key has gone", |world| {
            // Any token of an unknown key has the keys fetched.
            world.admit(&next).is_err() && world.admit(&signed_old).is_err()
        })
        .await;
    assert!(world.admit(&signed_new).is_ok());
}

#[tokio::test]
async fn unknown_keys_do_not_have_the_keys_fetched_more_often_than_allowed() {
    let (lifecycle, key) = (Lifecycle::new(), Key::es256("ec-1"));
    let (issuer, url) = Issuer::start(&[&key], &lifecycle).await;
    let hour = Duration::from_secs(3600);
    let settings = JwtConfig { refresh_interval: hour, refetch_interval: hour, ..settings() };
    let world = World::fetching(&url, &lifecycle, settings).await.unwrap();
    world.eventually("the first keys", |world| world.admit(&key.sign(&claims())).is_ok()).await;
    for _ in 0..100 {
        let unknown = Key::es256("unknown").sign(&claims());
        assert!(world.admit(&unknown).is_err());
        tokio::task::yield_now().await;
    }
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn while_the_issuer_is_away_the_last_good_keys_stay() {
    let (lifecycle, key) = (Lifecycle::new(), Key::es256("ec-1"));
    let (issuer, url) = Issuer::start(&[&key], &lifecycle).await;
    issuer.break_down(true);
    let world = World::fetching(&url, &lifecycle, settings()).await.unwrap();
    let token = key.sign(&claims());
    world.eventually("it tries", |_| issuer.fetches() > 1).await;
    assert!(world.refusal(&token).contains("try again"));
    assert!(!world.readiness.is_ready(), "nobody could call");

    issuer.break_down(false);
    world.eventually("the issuer is back", |world| world.admit(&token).is_ok()).await;
    world.eventually("it is ready", |world| world.readiness.is_ready()).await;

    issuer.break_down(true);
    let before = issuer.fetches();
    world.eventually("it fails again", |_| issuer.fetches() > before + 1).await;
    assert!(world.admit(&key.sign(&with(&json!({"sub": "another"})))).is_ok());
    world.eventually("it says so", |world| format!("{:?}", world.readiness).contains("earlier keys")).await;
    assert!(world.readiness.is_ready());

    // An empty set is no better than none.
    issuer.publish(&[]);
    issuer.break_down(false);
    let before = issuer.fetches();
    world.eventually("it sees the empty set", |_| issuer.fetches() > before + 1).await;
    assert!(world.admit(&token).is_ok());
}

#[tokio::test]
async fn no_redirect_is_followed_for_keys() {
    let (lifecycle, key) = (Lifecycle::new(), Key::es256("ec-1"));
    let (issuer, url) = Issuer::start(&[&key], &lifecycle).await;
    let world = World::fetching(&url.replace("/keys", "/elsewhere"), &lifecycle, settings()).await.unwrap();
    world.eventually("it says so", |world| format!("{:?}", world.readiness).contains("302")).await;
    assert!(world.admit(&key.sign(&claims())).is_err());
    assert_eq!(issuer.fetches(), 0);
}

#[tokio::test]
async fn a_key_file_is_read_again_when_it_changes() {
    let (old, new) = (Key::es256("old"), Key::es256("new"));
    let world = World::knowing(&document(&[&old])).await;
    assert!(world.admit(&old.sign(&claims())).is_ok());
    std::fs::write(world.folder.path().join("keys.json"), document(&[&new])).unwrap();
    world.eventually("the new key", |world| world.admit(&new.sign(&claims())).is_ok()).await;
    assert!(world.admit(&old.sign(&claims())).is_err());
}

#[tokio::test]
async fn tokens_of_the_file_and_of_the_issuer_are_taken_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let (tokens, keys) = (folder.path().join("tokens.json"), folder.path().join("keys.json"));
    private(&tokens, r#"{"ward": {"token": "w-1", "roles": ["VIEWER"]}}"#);
    let key = Key::es256("ec-1");
    std::fs::write(&keys, document(&[&key])).unwrap();
    let jwt = JwtConfig { jwks_file: Some(keys), ..settings() };
    let config = AuthConfig { tokens_file: Some(tokens), jwt: Some(jwt), ..AuthConfig::default() };
    let clock = ManualClock::at(now()).shared();
    let gatekeeper = Gatekeeper::start(&config, &clock, &Readiness::new(), &Lifecycle::new()).await.unwrap();
    assert_eq!(&*gatekeeper.authenticate("w-1").unwrap().name, "ward");
    assert_eq!(&*gatekeeper.authenticate(&key.sign(&claims())).unwrap().name, "jwt:billing");
    for nobody in ["w-2", "", "a.b.c", "..", &"x".repeat(10_000)] {
        let rejected = gatekeeper.authenticate(nobody).unwrap_err();
        assert!(nobody.len() < 4 || !rejected.0.contains(nobody), "{rejected:?}");
    }
}

#[tokio::test]
async fn settings_that_would_let_in_anybody_are_refused_by_name() {
    let refused = async |jwt: JwtConfig| {
        let started = World::start(jwt, tempfile::tempdir().unwrap(), Lifecycle::new()).await;
        format!("{:#}", started.err().unwrap())
    };
    let url = |url: &str| JwtConfig { jwks_url: Some(url.to_owned()), ..settings() };
    assert!(refused(settings()).await.contains("auth.jwt.jwks_url or auth.jwt.jwks_file"));
    let error = refused(JwtConfig { issuer: String::new(), ..url("https://issuer.test/keys") }).await;
    assert!(error.contains("auth.jwt.issuer"), "{error}");
    let error = refused(JwtConfig { audience: String::new(), ..url("https://issuer.test/keys") }).await;
    assert!(error.contains("auth.jwt.audience"), "{error}");
    for open in ["http://issuer.test/keys", "http://10.0.0.1/keys", "ftp://issuer.test", "issuer"] {
        let error = refused(url(open)).await;
        assert!(error.contains("auth.jwt.jwks_url") && error.contains(open), "{error}");
    }
    let error = refused(JwtConfig { jwks_file: Some("/nowhere/keys.json".into()), ..settings() }).await;
    assert!(error.contains("auth.jwt.jwks_file") && error.contains("/nowhere/keys.json"), "{error}");
    let (nobody, clock) = (AuthConfig::default(), ManualClock::at(now()).shared());
    let started = Gatekeeper::start(&nobody, &clock, &Readiness::new(), &Lifecycle::new()).await;
    let error = started.unwrap_err().to_string();
    assert!(error.contains("auth.tokens_file") && error.contains("auth.jwt"), "{error}");
}
