//! What the harness has found, each as a case of its own.

use crate::site::{Fault, Plan, Site};

const ON_POSTGRES: Plan = Plan { postgres: true, ..Plan::SMALL };

/// A connection that broke off in the middle of its beginning was taken for a wrong setting, and the service ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_waits_for_a_database_that_hangs_up_half_way_goes_on_waiting() {
    let mut site = Site::start(ON_POSTGRES, &[]).await;
    for wire in [&site.wires.to_history, &site.wires.to_configuration] {
        wire.as_ref().unwrap().suffer(Fault::Cut);
    }
    for node in site.nodes_mut() {
        node.kill();
        node.start();
    }
    site.dispatchers[0].says(503, "waits for the message history's database").await;
    site.config_services[0].says(503, "waits for the configuration store's database").await;
    // Let in, swallowed and cut again: each attempt ends at another place.
    for fault in [Fault::Silence, Fault::Cut, Fault::Silence, Fault::Cut] {
        for wire in [&site.wires.to_history, &site.wires.to_configuration] {
            wire.as_ref().unwrap().suffer(fault);
        }
        // Some attempts at each: how many there are is up to the services' back-off.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    for node in site.nodes_mut() {
        assert_eq!(node.ended(), None, "{}", node.log());
    }
    for wire in [&site.wires.to_history, &site.wires.to_configuration] {
        wire.as_ref().unwrap().suffer(Fault::None);
    }
    site.all_ready().await;
}

/// A breaker that pauses for less than a second could not be made, and took the process with it when the first account was
/// opened.
#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_opens_its_accounts_however_short_the_breakers_pause_is() {
    let mut site =
        Site::start(Plan::SMALL, &[("dispatcher.breaker.pause", "1ms"), ("dispatcher.breaker.window", "1ms")]).await;
    site.sender().send_until_taken("hanbit", "first", "010-1234-5678").await;
    assert_eq!(site.dispatchers[0].ended(), None);
}

/// A service that was told to end in its first milliseconds died of the signal. It listens before it does anything else now,
/// and whatever it is doing from then on, it ends in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_told_to_end_while_it_starts_ends_as_it_should() {
    let mut site = Site::start(ON_POSTGRES, &[]).await;
    for node in site.nodes_mut() {
        node.kill();
        for _ in 0..5 {
            node.start();
            let status = node.terminate().await;
            assert!(status.success(), "{} ended with {status}: {}", node.name(), node.log());
        }
        node.start();
    }
    site.all_ready().await;
}
