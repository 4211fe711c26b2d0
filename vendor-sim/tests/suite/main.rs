//! Drives the simulator from outside with a plain HTTP client and signatures computed here, by the documents.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test like the tests themselves")]

mod support;

mod callbacks;
mod cloudmsg_auth;
mod cloudmsg_lookup;
mod cloudmsg_send;
mod control;
mod faults;
mod outcomes;
mod sendtalk_lookup;
mod sendtalk_send;
