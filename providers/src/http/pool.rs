//! A vendor's connections: hyper's pool itself.
//!
//! reqwest's own client runs over the same pool, but reads each address twice more on the way, for redirects and
//! repetitions that must not happen here: a twentieth of what a send costs its process.

use std::{io, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use reqwest::{Body, Url};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::net::TcpStream;
use tower::{BoxError, ServiceBuilder, util::BoxCloneSyncService};

use super::{ClientError, Lost, root_cause};
use crate::model::{Failure, FailureCode};

/// Idle connections are closed early, before the vendor does it under a request.
const IDLE: Duration = Duration::from_secs(20);
/// A peer that has vanished from an idle connection is found out by asking it so often, a few times.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const MOST_KEEP_ALIVES: u32 = 3;

type Connector = BoxCloneSyncService<http::Uri, MaybeHttpsStream<TokioIo<TcpStream>>, BoxError>;

/// Connections to one vendor, opened as calls need them.
#[derive(Clone, Debug)]
pub(super) struct Pool(legacy::Client<Connector, Body>);

impl Pool {
    /// Prepares them; opens none. The vendor's certificate is checked against the machine's authorities.
    pub(super) fn new(base: &Url, connect_timeout: Duration) -> Result<Self, ClientError> {
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|tls| {
                if base.scheme() == "http" {
                    // Without TLS no root certificates are needed, so a machine that has none will do.
                    return Ok(tls.with_root_certificates(RootCertStore::empty()));
                }
                tls.try_with_platform_verifier()
            })
            .map_err(|error| ClientError(error.to_string()))?;
        Ok(Self::with_tls(tls.with_no_client_auth(), connect_timeout))
    }

    fn with_tls(tls: ClientConfig, connect_timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        tcp.set_keepalive_interval(Some(KEEP_ALIVE));
        tcp.set_keepalive_retries(Some(MOST_KEEP_ALIVES));
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions().wrap_connector(tcp);
        // From the first look at the name to the end of the handshake.
        let connector = BoxCloneSyncService::new(ServiceBuilder::new().timeout(connect_timeout).service(https));
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Self(pool)
    }

    /// Makes a call; the answer's body is still to come.
    pub(super) async fn call(&self, request: Request<Body>) -> Result<Response<Incoming>, Lost> {
        self.0.request(request).await.map_err(Lost::from)
    }
}

impl From<legacy::Error> for Lost {
    fn from(error: legacy::Error) -> Self {
        let cause = root_cause(&error);
        let failure = |code, detail: String| Failure::new(code, "", detail, true);
        if error.is_connect() {
            return Self::NotSent(failure(
                FailureCode::ProviderUnavailable,
                format!("no connection to the vendor could be made: {cause}"),
            ));
        }
        let timed_out = cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut);
        Self::Unanswered(if timed_out {
            failure(FailureCode::ProviderTimeout, format!("the vendor did not answer in time: {cause}"))
        } else {
            failure(
                FailureCode::ProviderUnavailable,
                format!("the connection to the vendor broke before its answer: {cause}"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use http::Version;
    use rustls::{ServerConfig, pki_types::PrivateKeyDer};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use tokio_rustls::TlsAcceptor;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    /// A vendor behind TLS, the authority that vouches for it, and its answer to one call, which goes on for ever.
    async fn vendor(protocols: &[&[u8]]) -> (Url, RootCertStore, impl Future<Output = ()>) {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(signed.cert.der().clone()).unwrap();
        let key = PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
        let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/v1", listener.local_addr().unwrap().port());
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let answer = async move {
            let stream = listener.accept().await.unwrap().0;
            // Who does not trust it hangs up in the middle.
            let Ok(mut stream) = acceptor.accept(stream).await else { return pending().await };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let service = hyper::service::service_fn(async |_| Ok::<_, io::Error>(Response::new(String::new())));
                let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service);
                served.await.unwrap();
            } else {
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
            pending::<()>().await;
        };
        (url.parse().unwrap(), roots, answer)
    }

    /// Calls a vendor while it answers.
    async fn call(pool: Pool, url: &Url, answer: impl Future<Output = ()>) -> Result<Response<Incoming>, Lost> {
        tokio::select! {
            called = pool.call(request(url)) => called,
            () = answer => unreachable!("it goes on for ever"),
        }
    }

    fn request(url: &Url) -> Request<Body> {
        reqwest::Request::new(reqwest::Method::POST, url.clone()).try_into().unwrap()
    }

    #[tokio::test]
    async fn a_vendor_is_called_over_tls_in_the_newest_version_that_it_speaks() {
        for (protocols, version) in [
            (&[][..], Version::HTTP_11),
            (&[b"http/1.1".as_slice()], Version::HTTP_11),
            (&[b"h2".as_slice(), b"http/1.1"], Version::HTTP_2),
        ] {
            let (url, roots, answer) = vendor(protocols).await;
            let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let answer = call(Pool::with_tls(tls, PATIENCE), &url, answer).await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        }
    }

    #[tokio::test]
    async fn whom_no_authority_of_the_machine_vouches_for_is_sent_nothing() {
        let (url, _, answer) = vendor(&[]).await;
        match call(Pool::new(&url, PATIENCE).unwrap(), &url, answer).await {
            Err(Lost::NotSent(failure)) => assert!(failure.detail.contains("certificate"), "{}", failure.detail),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_not_made_in_time_is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("https://localhost:{}/v1", listener.local_addr().unwrap().port()).parse().unwrap();
        // It takes the connection and never says a word.
        let called = Pool::new(&url, Duration::from_millis(50)).unwrap().call(request(&url)).await;
        assert!(matches!(called, Err(Lost::NotSent(_))), "{called:?}");
    }
}
