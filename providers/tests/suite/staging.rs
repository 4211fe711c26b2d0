//! The staging run (`make staging`) as it will be against real systems, here against the simulators: what names them, what
//! it tells before it sends, and that it tells a failure.

use std::collections::BTreeMap;

use switchboard_providers::model::Channel;
use switchboard_vendor_sim::demo;

use crate::{
    bench::{Bench, each_vendor},
    fixtures::REGISTRY,
    shared::plan::Plan,
};

type Variables = BTreeMap<String, String>;

/// All that names one vendor's simulator, with a template that has no button.
fn variables(bench: &Bench) -> Variables {
    let vendor = bench.code.to_uppercase();
    let fields = bench.credentials.expose();
    let fields = fields.map(|(key, value)| (format!("STAGING_{vendor}_{}", key.to_uppercase()), value.to_owned()));
    let others = [
        (format!("STAGING_{vendor}_BASE_URL"), bench.url()),
        ("STAGING_RECIPIENT".to_owned(), "010-1234-5678".to_owned()),
        ("STAGING_TEMPLATE_CODE".to_owned(), demo::LOGIN_CODE.to_owned()),
        ("STAGING_TEMPLATE_CONTENT".to_owned(), demo::LOGIN_CODE_TEXT.to_owned()),
        ("STAGING_TEMPLATE_VARIABLES".to_owned(), r#"{"code":"123456"}"#.to_owned()),
    ];
    fields.chain(others).collect()
}

fn plan(variables: &Variables) -> Result<Plan, String> {
    Plan::from_variables(&|name| variables.get(name).cloned(), "staging-1")
}

fn mistake(variables: &Variables) -> String {
    plan(variables).err().expect("a mistake")
}

#[tokio::test]
async fn one_message_of_each_kind_is_sent_and_one_that_is_refused() {
    each_vendor(async |bench| {
        let held = plan(&variables(bench)).unwrap().hold().await;
        let [(code, Some(reports))] = &held[..] else { panic!("{held:?}") };
        assert_eq!(*code, bench.code);
        assert!(reports.iter().map(|(channel, _)| *channel).eq(Channel::ALL), "{reports:?}");
        assert_eq!(bench.sim.messages().len(), 4, "{code}");
        assert_eq!(bench.sim.journal().sends().count(), 5, "{code}");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_key_is_told_and_nothing_is_sent() {
    each_vendor(async |bench| {
        let mut variables = variables(bench);
        for key in ["STAGING_CLOUDMSG_SECRET_KEY", "STAGING_SENDTALK_API_KEY"] {
            variables.entry(key.to_owned()).and_modify(|value| value.push('x'));
        }
        let held = plan(&variables).unwrap().hold().await;
        assert_eq!(held, [(bench.code, None)]);
        assert_eq!(bench.sim.journal().sends().count(), 0, "{}", bench.code);
    })
    .await;
}

#[tokio::test]
async fn what_will_be_sent_is_told_without_secrets_and_whole_numbers() {
    each_vendor(async |bench| {
        let told = plan(&variables(bench)).unwrap().to_string();
        for word in [bench.code, &bench.url(), bench.account_id, "+8210****5678", "staging-1-mms", demo::LOGIN_CODE] {
            assert!(told.contains(word), "{word} is not in {told}");
        }
        assert_eq!(told.matches("not tested: STAGING_").count(), REGISTRY.iter().count() - 1, "{told}");
        let secrets = bench.vendor.descriptor().form.fields.iter().filter(|field| field.secret);
        for secret in secrets.filter_map(|field| bench.credentials.get(field.key)).chain(["12345678"]) {
            assert!(!told.contains(secret), "{}", bench.code);
        }
    })
    .await;
}

#[test]
fn without_a_vendor_the_variables_are_listed() {
    let listed = mistake(&Variables::new());
    for vendor in REGISTRY.iter() {
        let descriptor = vendor.descriptor();
        for key in descriptor.form.fields.iter().map(|field| field.key).chain(["base_url"]) {
            let name = format!("STAGING_{}_{key}", descriptor.code).to_uppercase();
            assert!(listed.contains(&name), "{name} is not in {listed}");
        }
    }
    for name in ["RECIPIENT", "TEMPLATE_CODE", "TEMPLATE_CONTENT", "TEMPLATE_VARIABLES"] {
        assert!(listed.contains(&format!("STAGING_{name}")), "{name} is not in {listed}");
    }
}

#[tokio::test]
async fn a_variable_that_is_missing_or_wrong_is_named_and_its_value_is_not_told() {
    each_vendor(async |bench| {
        let vendor = bench.code.to_uppercase();
        let account = bench.vendor.descriptor().form.account_field.to_uppercase();
        for name in [
            format!("STAGING_{vendor}_{account}"),
            format!("STAGING_{vendor}_DEFAULT_SENDER"),
            "STAGING_RECIPIENT".to_owned(),
            "STAGING_TEMPLATE_CODE".to_owned(),
            "STAGING_TEMPLATE_CONTENT".to_owned(),
            "STAGING_TEMPLATE_VARIABLES".to_owned(),
        ] {
            let mut variables = variables(bench);
            variables.insert(name.clone(), " ".to_owned());
            let told = mistake(&variables);
            assert!(told.contains(&name), "{name} is not in {told}");
        }
        for name in [
            format!("STAGING_{vendor}_{account}"),
            format!("STAGING_{vendor}_BASE_URL"),
            "STAGING_RECIPIENT".to_owned(),
            "STAGING_TEMPLATE_VARIABLES".to_owned(),
        ] {
            let mut variables = variables(bench);
            variables.insert(name.clone(), "zq-7".to_owned());
            let told = mistake(&variables);
            assert!(told.contains(&name) && !told.contains("zq-7"), "{name}: {told}");
        }
    })
    .await;
}
