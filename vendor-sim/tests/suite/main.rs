//! Drives the simulator from outside with a plain HTTP client and signatures computed here, by the documents.

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
