//! Any body.

#![no_main]

#[path = "../../providers/tests/shared/callbacks.rs"]
mod callbacks;
mod vendor;

libfuzzer_sys::fuzz_target!(|body: &[u8]| callbacks::reads_or_refuses(vendor::get("sendtalk").webhooks(), body));
