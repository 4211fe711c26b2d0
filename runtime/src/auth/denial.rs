//! A refused call, told to whoever keeps the audit trail.

use std::net::SocketAddr;

use super::Principal;
use crate::error::Reason;

/// A call that was refused before its body was read.
#[derive(Clone, Debug)]
pub struct Denial {
    /// Who called, when the token was good and only the role was not.
    pub principal: Option<Principal>,
    /// The full method path.
    pub method: String,
    /// Where the call came from, when known.
    pub peer: Option<SocketAddr>,
    /// `TOKEN_MISSING`, `TOKEN_INVALID` or `ROLE_REQUIRED`.
    pub reason: Reason,
}

/// Hears of every refused call. It is called on the path of the call: it hands on and returns.
pub trait DenialObserver: Send + Sync + 'static {
    /// A call was refused.
    fn denied(&self, denial: Denial);
}
