use switchboard_config_service::{store::NodeReport, watch::NodeKind};

use crate::store::harness::Engine;

pub async fn a_replica_replaces_what_it_told_and_hears_of_the_others(engine: &Engine) {
    let report = |node_id: &str, applied| NodeReport {
        node_id: node_id.to_owned(),
        kind: NodeKind::Dispatcher,
        applied,
        nack_reason: "자리 없음".to_owned(),
        last_seen: engine.now(),
    };
    let told = [report("d1", 3), NodeReport { kind: NodeKind::WebhookGateway, ..report("g1", 4) }];
    let at = engine.now();
    engine.store.report_nodes("one", &told, at).await.unwrap();
    assert_eq!(engine.store.nodes_elsewhere("two", at).await.unwrap(), told);
    assert_eq!(engine.store.nodes_elsewhere("one", at).await.unwrap(), []);
    assert_eq!(engine.store.nodes_elsewhere("two", engine.now()).await.unwrap(), [], "told too long ago");
    let told = [report("d1", 9)];
    engine.store.report_nodes("one", &told, engine.now()).await.unwrap();
    assert_eq!(engine.store.nodes_elsewhere("two", at).await.unwrap(), told);
    engine.store.report_nodes("one", &[], engine.now()).await.unwrap();
    assert_eq!(engine.store.nodes_elsewhere("two", at).await.unwrap(), []);
}
