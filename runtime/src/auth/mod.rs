//! Who calls, and what they may do.
//!
//! A call passes [`AuthLayer`] before its body is read: the bearer token becomes a [`Principal`] (through an
//! [`Authenticator`]: the entries of a tokens file, and what an identity provider signs), and the [`Policy`] says which roles the method takes.
//! What depends on the request, such as the organisation, the service asks of the principal itself.

mod denial;
mod gatekeeper;
mod jwt;
mod layer;
mod policy;
mod principal;
mod role;
mod token_file;
mod tokens;

pub use denial::{Denial, DenialObserver};
pub use gatekeeper::Gatekeeper;
pub use layer::{AuthLayer, AuthService, PeerAddr};
pub use policy::Policy;
pub use principal::Principal;
pub use role::{Role, Roles, UnknownRole};
pub use token_file::{STANDARD_ENTRIES, TokenFile, TokenFileError};
pub use tokens::{Authenticator, TokenRejected, Tokens};
