//! The service as its callers see it: gRPC over loopback, a real dispatcher, simulated vendors, a scripted
//! config-service.

mod advertisements;
mod asking;
mod auth;
mod callbacks;
mod callers;
mod doubt;
mod failover;
mod harness;
mod idempotency;
mod quarantine;
mod reading;
mod refusals;
mod resolving;
mod routing;
mod sending;
mod settling;
mod validation;
