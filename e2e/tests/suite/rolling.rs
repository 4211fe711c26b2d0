//! Every process of an installation is replaced, one after the other, under load.

use crate::{
    books,
    load::Load,
    site::{PATIENCE, Plan, Site},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_loses_and_doubles_nothing() {
    // Nobody asks the vendors: what settles a message is its callback alone, so a lost one shows.
    let mut site = Site::start(Plan::REPLICATED, &[("dispatcher.reconcile_after", "1h")]).await;
    let load = Load::start(&site.sender(), 6, "rolling");
    load.taken_more(30).await;
    for turn in 0..6 {
        let nodes = match turn % 3 {
            0 => &mut site.dispatchers,
            1 => &mut site.config_services,
            _ => &mut site.gateways,
        };
        let node = &mut nodes[turn / 3];
        assert!(node.terminate().await.success(), "{}", node.log());
        load.taken_more(20).await;
        node.start();
        node.ready().await;
        load.taken_more(20).await;
        // An operator works on meanwhile.
        let provider = ["cloudmsg", "sendtalk"][turn % 2];
        let admin = site.admin();
        crate::site::eventually("the routing is changed", async || admin.route("hanbit", provider).await.ok()).await;
    }
    let notes = load.stop().await;
    let lost: Vec<_> = notes.all().into_iter().filter(|sent| sent.answer.is_none()).collect();
    assert!(lost.is_empty(), "with another dispatcher there, every send is taken: {lost:?}");
    assert_eq!(books::audit(&site, &notes, PATIENCE).await, Vec::<String>::new());
    // Nothing was in doubt: a dispatcher that is told to end finishes what it has begun.
    let sender = site.sender();
    for sent in notes.all() {
        let message = sender.message(&sent.answer.unwrap().message_id).await.unwrap();
        let doubted = message.events.iter().any(|event| event.kind == "IN_DOUBT");
        assert!(!doubted, "{}", books::timeline(&message));
    }
}
