//! Settings in layers: one TOML file, over it the environment, over it the command line.
//!
//! `SWITCHBOARD_DISPATCHER__CACHE_TTL` is the key `dispatcher.cache_ttl`: the prefix, then a double underscore at each
//! level. Every section is a struct with `#[serde(default, deny_unknown_fields)]`, so that a key nobody knows stops the
//! start with a sentence that names it, the place it came from, and what is allowed there.
//!
//! Values from the environment are text until a field asks for a number or a truth value, so that a token of digits
//! stays the text it is. For the same reason sections do not use `#[serde(flatten)]` or untagged enums.

pub mod de;
mod error;
mod jwt;
mod loader;
mod settings;
mod telemetry;
mod tls;
mod token_source;
mod url_source;

pub use error::ConfigError;
pub use jwt::JwtConfig;
pub use loader::{Loader, PREFIX, variable};
pub use settings::{AuthConfig, Listen, LogConfig, LogFormat};
pub use telemetry::TelemetryConfig;
pub use tls::{TlsConfig, WebhookTlsConfig};
pub use token_source::TokenSource;
pub use url_source::url;
