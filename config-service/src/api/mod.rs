//! gRPC in: conversion, authorisation of organisations, and nothing else. What a call means is decided in the domain.

mod admin;
mod caller;
mod convert;
mod error;
pub mod policy;
mod watch;

pub use admin::Admin;
pub use watch::Watch;
