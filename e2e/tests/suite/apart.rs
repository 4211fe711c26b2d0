//! The services as processes of their own, started in the wrong order, and one of them killed.

use crate::installation::{Installation, SEND};

#[test]
fn services_find_each_other_in_any_order_and_sends_go_on_without_config_service() {
    let installation = Installation::new();
    assert_eq!(installation.typed(&["keys", "generate"]).code, Some(0));
    assert_eq!(installation.typed(&["migrate"]).code, Some(0));
    assert_eq!(installation.typed(&["migrate"]).code, Some(0), "migrating twice is safe");

    let gateway = installation.start("webhook-gateway");
    let dispatcher = installation.start("dispatcher");
    let _vendors = installation.start_vendors();
    let config_service = installation.start("config-service");

    installation.store_default_account();
    let sent = installation.until_delivered();
    assert!(sent.stdout.contains("DELIVERED") && sent.stdout.contains("REPORTED"), "{}", sent.stdout);

    config_service.kill();
    let sent = installation.typed(&SEND);
    assert!(sent.stdout.contains("DELIVERED"), "without config-service: {}\n{}", sent.stdout, sent.stderr);

    let config_service = installation.start("config-service");
    installation.until_done(&["org", "create", "late", "--name", "늦은상사"]);
    for service in [gateway, dispatcher, config_service] {
        assert_eq!(service.terminate(), Some(0));
    }
}
