//! Credentials forms: good ones fit, wrong ones are told field by field, and nothing of them is ever printed.

use std::collections::BTreeMap;

use regex::Regex;
use switchboard_providers::{Credentials, Registry, UnknownVendor, Use, VendorSettings, vendor::Vendor};

use crate::{
    bench::each_vendor,
    fixtures::{REGISTRY, credentials},
};

fn vendor(code: &str) -> &'static dyn Vendor {
    &**REGISTRY.get(code).unwrap()
}

fn violations(code: &str, changed: (&str, &str)) -> Vec<String> {
    let mut credentials = good(code);
    credentials.set(changed.0, changed.1);
    match vendor(code).descriptor().form.validate(&credentials) {
        Ok(()) => Vec::new(),
        Err(error) => error.0.into_iter().map(|violation| violation.key).collect(),
    }
}

fn good(code: &str) -> Credentials {
    credentials(match code {
        "cloudmsg" => &[
            ("service_id", "svc-demo"),
            ("access_key", "AK-demo-0001"),
            ("secret_key", "SK-demo-secret"),
            ("callback_secret", "cb-secret"),
            ("channel_id", "@shop"),
            ("default_sender", "02-123-4567"),
        ],
        _ => &[
            ("account_id", "acct_demo01"),
            ("api_key", "stdemo_0123456789abcdef"),
            ("webhook_secret", "whsec_c2VuZHRhbGstZGVtby1zZWNyZXQtMzItYnl0ZXMhISE="),
            ("sender_profile_key", "0123456789abcdef0123456789ABCDEF01234567"),
            ("default_sender", "1588-1234"),
        ],
    })
}

#[test]
fn every_form_can_be_drawn_in_both_languages() {
    let hangul = Regex::new(r"\p{Hangul}").unwrap();
    for vendor in REGISTRY.iter() {
        let form = vendor.descriptor().form;
        for field in form.fields {
            assert!(Regex::new(field.pattern).is_ok(), "{}", field.key);
            assert!(hangul.is_match(field.label.ko) && hangul.is_match(field.help.ko), "{}", field.key);
            assert!(!field.label.en.is_empty() && !hangul.is_match(field.help.en), "{}", field.key);
            assert!(!field.secret || field.show_last.is_none(), "{}: a secret shows nothing", field.key);
            let webhooks = field.key == form.webhook_secret_field;
            assert_eq!(field.used_for == Use::Webhooks, webhooks, "{}", field.key);
        }
        let account = form.field(form.account_field).unwrap();
        assert!(account.required && !account.secret);
        let webhook_secret = form.field(form.webhook_secret_field).unwrap();
        assert!(webhook_secret.required && webhook_secret.secret);
        assert!(!form.field(form.default_sender_field).unwrap().secret);
    }
}

#[test]
fn the_secrets_are_those_of_the_documents() {
    let secrets = |code: &str| -> Vec<_> {
        vendor(code).descriptor().form.fields.iter().filter(|field| field.secret).map(|field| field.key).collect()
    };
    assert_eq!(secrets("cloudmsg"), ["secret_key", "callback_secret"]);
    assert_eq!(secrets("sendtalk"), ["api_key", "webhook_secret", "sender_profile_key"]);
    assert_eq!(vendor("cloudmsg").descriptor().form.field("access_key").unwrap().show_last, Some(4));
}

#[test]
fn every_field_takes_what_its_document_allows_and_nothing_else() {
    let forty = "a".repeat(40);
    for (code, field, value, fits) in [
        ("cloudmsg", "service_id", "svc-ab-1", true),
        ("cloudmsg", "service_id", &format!("svc-{forty}"), true),
        ("cloudmsg", "service_id", &format!("svc-{forty}a"), false),
        ("cloudmsg", "service_id", "svc-abc", false),
        ("cloudmsg", "service_id", "svc-ABCD", false),
        ("cloudmsg", "service_id", "svc-abcd\n", false),
        ("cloudmsg", "service_id", "../svc-abcd", false),
        ("cloudmsg", "access_key", "AK-demo", false),
        ("cloudmsg", "access_key", "AK-demo1", true),
        ("cloudmsg", "access_key", "AK_demo-1", false),
        ("cloudmsg", "access_key", &"a".repeat(64), true),
        ("cloudmsg", "access_key", &"a".repeat(65), false),
        ("cloudmsg", "secret_key", "with space", false),
        ("cloudmsg", "channel_id", "@한빛몰", true),
        ("cloudmsg", "channel_id", "shop", false),
        ("sendtalk", "account_id", "acct_ab12", true),
        ("sendtalk", "account_id", "acct_ab1", false),
        ("sendtalk", "account_id", "acct_AB12", false),
        ("sendtalk", "account_id", "acct-ab12", false),
        ("sendtalk", "api_key", "0123456789abcde", false),
        ("sendtalk", "api_key", "0123456789abcd_-", true),
        ("sendtalk", "api_key", &"a".repeat(128), true),
        ("sendtalk", "api_key", &"a".repeat(129), false),
        ("sendtalk", "webhook_secret", &format!("whsec_{}", "A".repeat(31)), false),
        ("sendtalk", "webhook_secret", &format!("whsec_{}", "A".repeat(32)), true),
        ("sendtalk", "webhook_secret", &format!("whsec_{}==", "A".repeat(86)), true),
        ("sendtalk", "webhook_secret", &format!("whsec_{}", "A".repeat(88)), false),
        ("sendtalk", "webhook_secret", &"A".repeat(32), false),
        ("sendtalk", "sender_profile_key", &forty, true),
        ("sendtalk", "sender_profile_key", &"a".repeat(39), false),
        ("sendtalk", "sender_profile_key", &"g".repeat(40), false),
    ] {
        let expected: &[&str] = if fits { &[] } else { &[field] };
        assert_eq!(violations(code, (field, value)), expected, "{code} {field} {value:?}");
    }
}

#[test]
fn the_default_sender_is_anything_an_operator_types() {
    for code in ["cloudmsg", "sendtalk"] {
        for sender in
            ["02-123-4567", "0212345678", "1588-1234", "+82 10 1234 5678", "(02) 123-4567", "０２－１２３－４５６７"]
        {
            assert_eq!(violations(code, ("default_sender", sender)), [""; 0], "{sender}");
        }
        for sender in ["02-123", "ARS", "1588-CALL", "+1 212 555 0100", "-----"] {
            assert_eq!(violations(code, ("default_sender", sender)), ["default_sender"], "{sender}");
        }
    }
}

#[test]
fn every_violation_is_told_at_once_and_never_the_value() {
    let mut credentials = credentials(&[("service_id", "SVC"), ("acces_key", "AK-canary-1")]);
    credentials.set("secret_key", "canary canary");
    let error = vendor("cloudmsg").descriptor().form.validate(&credentials).unwrap_err();
    let keys: Vec<_> = error.0.iter().map(|violation| violation.key.as_str()).collect();
    assert_eq!(keys, ["service_id", "access_key", "secret_key", "callback_secret", "acces_key"]);
    let told = format!("{error} {error:?} {credentials:?}");
    assert!(!told.contains("canary"), "{told}");
    assert!(error.0[0].ko.starts_with("서비스 ID"), "{}", error.0[0].ko);
}

#[tokio::test]
async fn an_account_opens_with_what_a_dispatcher_receives_and_not_with_less() {
    each_vendor(async |bench| {
        let form = bench.vendor.descriptor().form;
        for field in form.fields {
            let mut credentials = bench.credentials.clone();
            credentials.remove(field.key);
            let opens = bench.vendor.open(&credentials).is_ok();
            assert_eq!(opens, !field.required || field.used_for == Use::Webhooks, "{}", field.key);
        }
        assert_eq!(form.account(&bench.credentials), bench.account_id);
    })
    .await;
}

fn registry(code: &str, base_url: &str) -> Result<Registry, UnknownVendor> {
    let settings = VendorSettings { base_url: base_url.to_owned(), ..VendorSettings::default() };
    Registry::new(&BTreeMap::from([(code.to_owned(), settings)]))
}

#[test]
fn settings_of_an_unknown_vendor_or_with_a_bad_address_are_refused_by_name() {
    let told = |code, base_url| registry(code, base_url).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(told("cloudmgs", "http://x").contains("known are cloudmsg, sendtalk"));
    for base_url in ["vendor", "ftp://vendor", "http://", "127.0.0.1:7011"] {
        assert!(told("sendtalk", base_url).contains("providers.sendtalk.base_url"), "{base_url}");
    }
    assert!(registry("cloudmsg", "http://127.0.0.1:7011/").is_ok());
}
