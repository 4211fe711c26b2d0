//! The crash harness: load runs, and at seeded moments processes are killed, paused and cut off, vendors misbehave, and
//! operators switch vendors. In the end everything is mended, and what must always hold is checked against the vendors'
//! own records.
//!
//! A short run is part of every test run. `make chaos SEED=7 DURATION=10m` makes a long one; the seed that it prints makes
//! the same plan again. What it has found stays as a named case in [`found`].

mod found;
mod plan;
mod seed;
mod stage;

use std::time::Duration;

use tokio::time::Instant;

use self::{plan::Step, seed::Seed, stage::Stage};
use crate::{books, load::Load, site::Plan};

/// Without a seed of somebody's own.
const USUAL_SEED: u64 = 20_240_229;
const SHORT: Duration = Duration::from_secs(12);
/// How long messages may take to settle once everything is mended.
const SETTLING: Duration = Duration::from_secs(150);
/// Callers at once.
const CALLERS: usize = 6;

/// What reconciliation and the watch wait for, made short.
pub(crate) const HASTE: [(&str, &str); 8] = [
    ("dispatcher.reconcile_after", "1s"),
    ("dispatcher.send_timeout", "1s"),
    ("dispatcher.retry_for", "500ms"),
    ("dispatcher.absence_margin", "1s"),
    ("dispatcher.breaker.pause", "1s"),
    ("dispatcher.breaker.recovery", "1s"),
    ("dispatcher.watch.reconnect_max", "500ms"),
    ("webhook_gateway.watch.reconnect_max", "500ms"),
];

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name)
        .ok()
        .filter(|text| !text.is_empty())
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is not understood")))
}

/// Seconds, or with a unit: 90, 90s, 10m, 2h.
fn duration(text: &str) -> Duration {
    let digits = text.trim_end_matches(['s', 'm', 'h']);
    let number: u64 =
        digits.parse().unwrap_or_else(|_| panic!("DURATION={text:?} is not understood: write 90s or 10m"));
    let unit = match &text[digits.len()..] {
        "h" => 3600,
        "m" => 60,
        _ => 1,
    };
    Duration::from_secs(number * unit)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_nothing_is_lost_doubled_or_changed_once_final() {
    let seed = setting("CHAOS_SEED").unwrap_or(USUAL_SEED);
    let length = setting::<String>("CHAOS_DURATION").map_or(SHORT, |text| duration(&text));
    play(Plan::REPLICATED, seed, length).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_result_that_was_answered_200_is_lost_whoever_is_killed() {
    // Nobody asks the vendors: what the history knows of a result, it knows from its callback.
    let mut settings = HASTE.to_vec();
    settings.push(("dispatcher.reconcile_after", "1h"));
    let mut stage = Stage::set(Plan::REPLICATED, &settings).await;
    let load = Load::start(&stage.site.sender(), CALLERS, "callbacks");
    load.taken_more(20).await;
    let mut seed = Seed::new(setting("CHAOS_SEED").unwrap_or(USUAL_SEED));
    for _ in 0..10 {
        stage.play(Step::draw_kill(&mut seed)).await;
        tokio::time::sleep(Duration::from_millis(seed.between(100, 600))).await;
    }
    stage.mend().await;
    load.taken_more(20).await;
    load.stop().await;
    let lost = books::lost_results(&stage.site).await;
    assert!(lost.is_empty(), "{}\n\n{}", stage.timeline(), lost.join("\n"));
}

/// Plays the plan of a seed and fails if anything does not hold that must.
#[expect(clippy::print_stdout, reason = "the seed is for whoever wants the same again")]
async fn play(plan: Plan, seed: u64, length: Duration) {
    println!(
        "chaos: seed {seed} for {length:?}; the same plan again: make chaos SEED={seed} DURATION={}s",
        length.as_secs()
    );
    let mut stage = Stage::set(plan, &HASTE).await;
    let load = Load::start(&stage.site.sender(), CALLERS, &format!("chaos-{seed}"));
    load.taken_more(20).await;
    let (mut seed_of_plan, began) = (Seed::new(seed), Instant::now());
    while began.elapsed() < length {
        let (step, rest) = (Step::draw(&mut seed_of_plan), seed_of_plan.between(200, 900));
        stage.play(step).await;
        tokio::time::sleep(Duration::from_millis(rest)).await;
    }
    stage.mend().await;
    // It goes on as if nothing had been.
    load.taken_more(20).await;
    let notes = load.stop().await;
    let mut wrong = books::audit(&stage.site, &notes, SETTLING).await;
    wrong.extend(stage.unexpected_ends());
    let (taken, refused, steps) = (notes.taken(), notes.refused(), stage.steps());
    println!("chaos: {taken} sends taken, {refused} calls refused, {steps} steps");
    if !wrong.is_empty() {
        panic!("chaos: seed {seed}\n{}\n\nwhat does not hold:\n{}", stage.timeline(), wrong.join("\n"));
    }
}
