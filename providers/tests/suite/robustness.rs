//! What strangers may send: nothing of it may panic, and nothing unsigned may be believed.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::{collection::vec, prelude::*, test_runner::RngSeed};
use secrecy::SecretString;
use switchboard_providers::model::{Image, ImageError, PhoneNumber, Sender, cp949_len, normalize, render};

use crate::{
    callbacks::{SIGNERS, believes_nobody_else, believes_whoever_signed, reads_or_refuses},
    fixtures::{REGISTRY, jpeg},
};

const HEADERS: [&str; 6] = [
    "x-cm-service-id",
    "x-cm-callback-signature",
    "x-st-account",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

/// Near to what vendors send, so that it gets far.
fn nearly_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("1e999".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "[a-zA-Z0-9:+-]{0,12}".prop_map(|word| format!("\"{word}\"")),
        Just("\"2023-11-14T22:13:24+09:00\"".to_owned()),
        Just("\"COMPLETED\"".to_owned()),
        Just("\"message.status\"".to_owned()),
    ];
    let key = prop::sample::select(vec![
        "messageId",
        "clientRef",
        "status",
        "statusName",
        "statusCode",
        "completeTime",
        "failover",
        "type",
        "data",
        "message_id",
        "reference",
        "result_code",
        "occurred_at",
        "fallback",
        "mode",
    ]);
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            vec((key.clone(), inner), 0..6).prop_map(|fields| {
                let fields: Vec<_> = fields.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

/// An event with most of what one has, so that it is often read whole.
fn nearly_event() -> impl Strategy<Value = String> {
    let text = || prop_oneof![Just("null".to_owned()), "[a-zA-Z0-9:+/ -]{0,12}".prop_map(|word| format!("\"{word}\""))];
    let time = prop_oneof![Just("null".to_owned()), any::<i64>().prop_map(|number| number.to_string())];
    let status =
        prop::sample::select(vec!["COMPLETED", "PROCESSING", "READY", "delivered", "failed", "unconfirmed", "\\u0000"]);
    let code = prop::sample::select(vec!["\"0\"", "\"3005\"", "\"2003\"", "null", "7"]);
    (text(), text(), status, code, time, text()).prop_map(|(id, reference, status, code, time, extra)| {
        format!(
            r#"{{"messageId":{id},"message_id":{id},"clientRef":{reference},"reference":{reference},"status":"{status}",
                "statusName":"success","statusCode":{code},"result_code":{code},"completeTime":{time},"new":{extra}}}"#
        )
    })
}

proptest! {
    // The same cases each time; other ones are for the fuzz targets.
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(20_260_301), ..ProptestConfig::default() })]

    #[test]
    fn any_body_is_read_or_refused_and_means_the_same_however_it_is_written(
        body in prop_oneof![
            nearly_json().prop_map(String::into_bytes),
            vec(nearly_event(), 0..4).prop_map(|events| format!("[{}]", events.join(",")).into_bytes()),
            nearly_event().prop_map(|data| format!(r#"{{"type":"message.status","data":{data}}}"#).into_bytes()),
            vec(any::<u8>(), 0..200),
        ]
    ) {
        for vendor in REGISTRY.iter() {
            reads_or_refuses(vendor.webhooks(), &body);
        }
    }

    #[test]
    fn whoever_knows_the_secret_is_believed_for_five_minutes_and_about_this_body_alone(
        body in vec(any::<u8>(), 0..200),
        off in prop_oneof![-400_000_i64..400_000, -301_500_i64..-298_500, 298_500_i64..301_500],
    ) {
        for signs in &SIGNERS {
            let vendor = REGISTRY.get(signs.vendor).unwrap();
            believes_whoever_signed(vendor.webhooks(), signs, &body, at(), TimeDelta::milliseconds(off));
        }
    }

    #[test]
    fn any_headers_are_refused_without_the_secret(
        values in vec((prop::sample::select(HEADERS.to_vec()), "[ -~]{0,80}"), 0..8),
        near in "t=17000000000[0-9]{2},v1=[0-9a-f]{64}",
        body in vec(any::<u8>(), 0..64),
    ) {
        let mut given = vec![("x-cm-callback-signature", near)];
        given.extend(values);
        for signs in &SIGNERS {
            let vendor = REGISTRY.get(signs.vendor).unwrap();
            believes_nobody_else(vendor.webhooks(), signs, &given, &body, at());
            let secret = SecretString::from(signs.secret);
            let headers: HeaderMap = given
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
                .collect();
            prop_assert!(vendor.webhooks().verify(&headers, &body, &[&secret], at()).is_err());
        }
    }

    #[test]
    fn any_number_is_read_or_refused_and_never_printed_whole(typed in "\\PC{0,30}|[-+(). 0-9]{0,20}|\\+?82[- 0-9]{0,16}") {
        if let Ok(number) = PhoneNumber::parse(&typed) {
            prop_assert!(number.e164().starts_with("+82"));
            prop_assert!(number.national_digits().starts_with('0'));
            let again = PhoneNumber::parse(number.e164());
            prop_assert_eq!(again.as_ref(), Ok(&number));
            prop_assert_eq!(PhoneNumber::parse(number.national_digits()), again);
            let printed = format!("{number:?}");
            prop_assert!(!printed.contains(number.e164()));
        }
        if let Ok(sender) = Sender::parse(&typed) {
            prop_assert_eq!(Sender::parse(sender.as_str()), Ok(sender.clone()));
            prop_assert_eq!(Sender::parse(&sender.e164()), Ok(sender.clone()));
            prop_assert_eq!(Sender::parse(sender.national_digits()), Ok(sender));
        }
    }

    #[test]
    fn a_normalised_text_stays_as_it_is(text in "\\PC{0,40}|[가-힣\r\n a-z]{0,40}") {
        let normalised = normalize(&text);
        prop_assert_eq!(&normalize(&normalised), &normalised);
        prop_assert!(!normalised.contains('\r'));
        if let Ok(length) = cp949_len(&normalised) {
            prop_assert!(length >= normalised.chars().count());
        }
    }

    #[test]
    fn any_template_is_filled_or_refused(content in "[#{}a-c가]{0,20}", variables in prop::collection::btree_map("[a-c]{0,2}", "[#{}a-c]{0,4}", 0..3)) {
        if let Err(errors) = render(&content, &variables) {
            prop_assert!(!errors.is_empty());
        }
    }
}

#[test]
fn an_image_is_measured_and_what_is_none_is_refused() {
    let decode = |content_type: &str, file: Vec<u8>| Image::decode(content_type, Bytes::from(file));
    let image = decode("image/jpeg", jpeg(12, 7, 1)).ok().unwrap();
    assert_eq!((image.width(), image.height()), (12, 7));
    let error = |result: Result<Image, ImageError>| result.err().unwrap();
    assert_eq!(error(decode("image/png", jpeg(12, 7, 1))), ImageError::ContentType("image/png".to_owned()));
    assert_eq!(error(decode("image/jpeg", jpeg(1501, 10, 1))), ImageError::TooLarge { width: 1501, height: 10 });
    assert_eq!(error(decode("image/jpeg", jpeg(10, 1441, 1))), ImageError::TooLarge { width: 10, height: 1441 });
    assert_eq!(error(decode("image/jpeg", b"no image".to_vec())), ImageError::NotJpeg);
    assert_eq!(error(decode("image/jpeg", Vec::new())), ImageError::NotJpeg);
    assert_eq!(error(decode("image/jpeg", vec![0; 300 * 1024 + 1])), ImageError::TooManyBytes(300 * 1024 + 1));
    let mut broken = jpeg(64, 64, 1);
    broken.truncate(broken.len() / 3);
    assert_eq!(error(decode("image/jpeg", broken)), ImageError::NotJpeg);
    assert!(decode("image/jpeg", jpeg(1500, 1440, 1)).is_ok());
}
