//! What can be changed about one simulated vendor while it runs.

use serde::{Deserialize, Serialize};

/// Behaviour of one vendor, read at the moment of use. `POST /_control/settings` merges a part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long a message just accepted is invisible to look-ups, in milliseconds. Default 0; the documents allow
    /// CloudMsg up to 2,000 and SendTalk up to 5,000.
    pub look_up_blind_ms: u64,
    /// From accepted to "with the carrier", in milliseconds. Default 20.
    pub accepted_for_ms: u64,
    /// From "with the carrier" to the final result, in milliseconds. Default 40.
    pub with_carrier_for_ms: u64,
    /// Added to every answer of a send, after it was decided, in milliseconds. Default 0.
    pub answer_delay_ms: u64,
    /// Whether callbacks are sent at all. Default true.
    pub callbacks: bool,
    /// Whether the callback for "with the carrier" is sent as well as the one for the result. Default true.
    pub progress_callbacks: bool,
    /// Events in one callback of CloudMsg, 1–100. Default 100; SendTalk always sends one.
    pub callback_batch: usize,
    /// Callbacks under way at once. Default 16.
    pub callback_concurrency: usize,
    /// Factor on the documented retry schedule of callbacks: 1 is the real one, 0.001 makes a minute 60 ms. Default 1.
    pub retry_scale: f64,
    /// Added to the timestamp that a callback is signed with, in milliseconds. Default 0.
    pub callback_skew_ms: i64,
    /// Added to the machine's clock, in milliseconds. Default 0.
    pub clock_offset_ms: i64,
    /// How far SendTalk's results feed runs behind, in milliseconds. Default 120,000, as documented.
    pub results_lag_ms: u64,
    /// Results on one page of SendTalk's feed, default 1,000.
    pub results_page: usize,
    /// SendTalk's look-up by reference answers the one item itself instead of `{items, next_cursor}`. Default false.
    pub reference_look_up_as_item: bool,
    /// CloudMsg refuses a call's only recipient inside a 202 rather than with HTTP 400. Default false.
    pub refuse_inside_202: bool,
    /// Whether requests and callbacks are written to the journal (and delivered events kept for repeating). Default
    /// true; a load test switches it off.
    pub journal: bool,
    /// Requests and callbacks the journal keeps, oldest dropped first. Default 100,000 of each.
    pub journal_limit: usize,
    /// Messages, and as many idempotency keys, kept for look-ups and repeats, oldest dropped first. Default 200,000.
    pub message_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            look_up_blind_ms: 0,
            accepted_for_ms: 20,
            with_carrier_for_ms: 40,
            answer_delay_ms: 0,
            callbacks: true,
            progress_callbacks: true,
            callback_batch: 100,
            callback_concurrency: 16,
            retry_scale: 1.0,
            callback_skew_ms: 0,
            clock_offset_ms: 0,
            results_lag_ms: 120_000,
            results_page: 1_000,
            reference_look_up_as_item: false,
            refuse_inside_202: false,
            journal: true,
            journal_limit: 100_000,
            message_limit: 200_000,
        }
    }
}

impl Settings {
    /// Refuses values that would stop the simulator, naming the field.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(1..=100).contains(&self.callback_batch) {
            return Err("callback_batch: 1 to 100 events fit in one callback".to_owned());
        }
        if self.callback_concurrency == 0 {
            return Err("callback_concurrency: must be at least 1; set callbacks to false to send none".to_owned());
        }
        if !self.retry_scale.is_finite() || self.retry_scale < 0.0 {
            return Err("retry_scale: must be a finite number, 0 or more".to_owned());
        }
        if self.results_page == 0 {
            return Err("results_page: must be at least 1".to_owned());
        }
        Ok(())
    }
}
