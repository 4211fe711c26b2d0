//! Connections of the load generator.

use secrecy::SecretString;
use switchboard_proto::dispatch::v1::message_service_client::MessageServiceClient;
use switchboard_runtime::grpc::{AuthorizedChannel, ClientError, client};

/// A client of one connection.
pub(crate) type Messages = MessageServiceClient<AuthorizedChannel>;

/// So many connections to one server.
///
/// # Errors
/// When the address is none.
pub(crate) fn clients(url: &str, token: &SecretString, connections: u32) -> Result<Vec<Messages>, ClientError> {
    (0..connections).map(|_| Ok(Messages::new(client::channel(url, token.clone())?))).collect()
}
