//! An event that cannot be read, from the vendor's callback to the operator's table, across a restart of everything.

use reqwest::StatusCode;
use switchboard_vendor_sim::demo::CLOUDMSG_DEFAULT;

use crate::{
    callback::{http, signed},
    installation::Installation,
    program::PATIENCE,
};

#[tokio::test]
async fn an_unreadable_event_is_seen_by_operators_and_stays_until_it_can_be_read() {
    let installation = Installation::new();
    assert_eq!(installation.typed(&["keys", "generate"]).code, Some(0));
    let vendors = installation.start("vendor-sim");
    let config_service = installation.start("config-service");
    let dispatcher = installation.start("dispatcher");
    let gateway = installation.start("webhook-gateway");
    installation.store_default_account();

    let url = format!("http://{}/webhook/cloudmsg", installation.gateway());
    let (http, began) = (http(), std::time::Instant::now());
    let body = r#"[{"messageId":"m-1","to":"01012345678"}]"#;
    loop {
        let request = signed(&http, &url, CLOUDMSG_DEFAULT.service_id, CLOUDMSG_DEFAULT.callback_secret, body);
        // The gateway and the dispatcher may still be starting.
        if request.send().await.is_ok_and(|response| response.status() == StatusCode::OK) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "the callback was never taken");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!((dispatcher.terminate(), gateway.terminate()), (Some(0), Some(0)));
    let dispatcher = installation.start("dispatcher");

    let table = installation.until_done(&["webhooks", "quarantined"]).stdout;
    assert!(table.contains("missing field `status`") && table.contains(CLOUDMSG_DEFAULT.service_id), "{table}");
    let json = installation.typed(&["webhooks", "quarantined", "--output", "json"]).stdout;
    let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(answer["events"].as_array().map(Vec::len), Some(1));
    assert!(!json.contains("01012345678"), "an operator sees no recipient: {json}");
    let replay = installation.typed(&["webhooks", "replay", "--all"]);
    assert_eq!(replay.code, Some(1), "it still cannot be read");
    assert!(replay.stdout.contains("UNREADABLE") && replay.stderr.contains("1 of 1"), "{replay:?}");
    assert_eq!(installation.typed(&["webhooks", "replay"]).code, Some(2), "which, or all of them");
    let none = installation.typed(&["webhooks", "quarantined", "--provider", "sendtalk"]).stdout;
    assert!(none.contains("nothing is quarantined"), "{none}");
    drop((vendors, config_service, dispatcher));
}
