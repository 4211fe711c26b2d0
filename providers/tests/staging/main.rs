//! The provider suite's cases against vendors' staging systems: real credentials, a real recipient, real messages.
//!
//! Built with the feature `staging` alone, by `make staging`. Which variables it reads: CONTRIBUTING.md.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test as the tests do")]

#[path = "../shared/mod.rs"]
mod shared;

use shared::{messages::now, plan::Plan};

#[tokio::test]
#[expect(clippy::print_stdout, reason = "whoever runs it is told what is sent where, and what became of it")]
async fn what_holds_for_the_simulators_holds_for_the_staging_systems() -> Result<(), String> {
    let run = format!("staging-{}", now().timestamp_millis());
    let plan = Plan::from_variables(&|name| std::env::var(name).ok(), &run)?;
    println!("\n{plan}");
    let mut failed = Vec::new();
    for (code, reports) in plan.hold().await {
        let Some(reports) = reports else {
            failed.push(code);
            continue;
        };
        for (channel, report) in reports {
            println!("{code}: the {channel} is {} ({})", report.provider_message_id, report.provider_status);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("a case failed, as told above: {}", failed.join(", "))) }
}
