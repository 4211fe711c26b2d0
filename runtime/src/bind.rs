//! Listening sockets whose errors say which setting, which address, why, and what to do.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use tokio::net::TcpListener;

use crate::config::variable;

/// A socket that cannot be opened.
#[derive(Debug, Error)]
#[error(
    "{name} cannot listen on {address} (setting {key}): {}; {}, or set {key} ({}) to another address",
    reason(source),
    remedy(source),
    variable(key)
)]
pub struct BindError {
    name: String,
    key: String,
    address: SocketAddr,
    source: io::Error,
}

/// Listens on `address`, which the setting `key` (such as `dispatcher.listen`) gave to `name` (such as
/// "the dispatcher").
///
/// # Errors
/// [`BindError`], one sentence for the operator.
pub async fn bind(name: &str, key: &str, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError {
        name: name.to_owned(),
        key: key.to_owned(),
        address,
        source,
    })
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is already in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop the program that uses it",
        io::ErrorKind::AddrNotAvailable => "use 127.0.0.1 or 0.0.0.0",
        io::ErrorKind::PermissionDenied => "use a port above 1023",
        _ => "check the network of this machine",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_names_setting_address_and_remedy() {
        let taken = bind("the dispatcher", "dispatcher.listen", ([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind("the dispatcher", "dispatcher.listen", address).await.unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "the dispatcher cannot listen on {address} (setting dispatcher.listen): the address is already in use; \
                 stop the program that uses it, or set dispatcher.listen (SWITCHBOARD_DISPATCHER__LISTEN) to another address"
            )
        );
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_explained() {
        let error = bind("the gateway", "webhook_gateway.listen", ([192, 0, 2, 1], 0).into()).await.unwrap_err();
        assert!(error.to_string().contains("does not have that address"), "{error}");
    }
}
