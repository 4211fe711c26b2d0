//! What every Switchboard process needs, and no domain.
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`accept`] | connections that are let in, with TLS or without, within limits |
//! | [`auth`] | who calls: bearer tokens, roles, the policy of each RPC, the layer that enforces it |
//! | [`bind`] | listening sockets whose errors name the setting and the remedy |
//! | [`clock`] | the time as an argument |
//! | [`config`] | layered settings (file, environment, flags) whose errors name key and place |
//! | [`dependency`] | what a service waits for without being down: its database |
//! | [`error`] | the documented error reasons, and statuses with their details |
//! | [`grpc`] | the gRPC server and client every service shares |
//! | [`http`] | HTTP servers with limits; the operational one: `/healthz`, `/readyz`, `/metrics` |
//! | [`ids`] | time-ordered identifiers |
//! | [`lifecycle`] | tracked tasks, two-step shutdown, signals |
//! | [`paging`] | opaque page tokens and page sizes |
//! | [`private_file`] | files that only their owner may read: tokens, key rings, embedded storage |
//! | [`process`] | what a service gets from the process it runs in |
//! | [`telemetry`] | logs and the metrics recorder |
//! | [`tls`] | the one cryptographic provider, certificates and their renewal |
//! | [`trace`] | one trace for each message, to a collector |
//! | [`watch_client`] | keeps a cache in step with config-service |
//! | [`wire`] | instants and durations to and from protobuf |

pub mod accept;
pub mod auth;
pub mod bind;
mod changes;
pub mod clock;
pub mod config;
pub mod dependency;
pub mod error;
pub mod grpc;
pub mod http;
pub mod ids;
pub mod lifecycle;
pub mod paging;
pub mod private_file;
pub mod process;
pub mod telemetry;
pub mod tls;
pub mod trace;
pub mod watch_client;
pub mod wire;

pub use clock::{Clock, ManualClock, SharedClock, SystemClock};
pub use ids::Ids;
pub use lifecycle::Lifecycle;
