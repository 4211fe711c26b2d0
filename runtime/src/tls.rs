//! The one cryptographic provider of the process.

/// Makes `ring` the default of rustls, for vendors' HTTPS and for TLS between services. May be called any number of
/// times; the first call decides.
pub fn install_crypto() {
    // An error means only that a default is in place already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installing_twice_leaves_one_provider() {
        install_crypto();
        install_crypto();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }
}
