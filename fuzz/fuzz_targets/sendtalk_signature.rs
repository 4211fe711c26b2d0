//! Any headers, a line each, and after an empty line the body.

#![no_main]

#[path = "../../providers/tests/shared/callbacks.rs"]
mod callbacks;
mod vendor;

libfuzzer_sys::fuzz_target!(|input: &[u8]| vendor::try_headers("sendtalk", input));
