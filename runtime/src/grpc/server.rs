//! A gRPC server with health, reflection, authentication and a graceful end.

use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::util::MapResponseLayer;
use tracing::info;

use super::{CONNECTION_WINDOW, HEADERS, KEEPALIVE, STREAM_WINDOW, described::described, health};
use crate::accept::Door;
use crate::auth::AuthLayer;
use crate::http::Readiness;
use crate::lifecycle::Lifecycle;
use crate::tls::ServerTls;

/// Streams of one connection: a load generator or a busy caller multiplexes many calls over few connections.
const CONCURRENT_STREAMS: u32 = 4_096;
/// How long a call may take until its answer begins. The slowest, a change that waits for every dispatcher, is far
/// quicker; a caller that sends its body by the drop is not held on to for longer.
const PATIENCE: Duration = Duration::from_secs(120);
const HEALTH_SERVICE: &str = "grpc.health.v1.Health";
const REFLECTION_SERVICE: &str = "grpc.reflection.v1.ServerReflection";

/// A server in the making.
#[derive(Debug)]
#[must_use = "a server is nothing until it serves"]
pub struct GrpcServer {
    name: &'static str,
    descriptors: Vec<&'static [u8]>,
    auth: AuthLayer,
    tls: Option<ServerTls>,
    patience: Duration,
}

impl GrpcServer {
    /// A server of this name (for logs and errors) that lets nothing through until [`with_auth`](Self::with_auth) says
    /// what.
    pub fn new(name: &'static str) -> Self {
        Self { name, descriptors: Vec::new(), auth: AuthLayer::closed(), tls: None, patience: PATIENCE }
    }

    /// Adds an encoded `FileDescriptorSet` for reflection. Of its services, those of the policy are listed.
    pub fn with_reflection(mut self, file_descriptor_set: &'static [u8]) -> Self {
        self.descriptors.push(file_descriptor_set);
        self
    }

    /// The gate that every call passes. The services in its policy are the ones this server offers.
    pub fn with_auth(mut self, auth: AuthLayer) -> Self {
        self.auth = auth;
        self
    }

    /// The certificate it shows; `None`: plain TCP. With one, nothing but TLS is spoken.
    pub fn with_tls(mut self, tls: Option<ServerTls>) -> Self {
        self.tls = tls;
        self
    }

    /// Another bound on how long a call may take until its answer begins.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Serves until the process drains and the calls in flight have ended, or until it is stopped.
    ///
    /// # Errors
    /// When the descriptors cannot be read, or the server breaks.
    pub async fn serve(
        self,
        listener: TcpListener,
        routes: Routes,
        readiness: Readiness,
        lifecycle: Lifecycle,
    ) -> anyhow::Result<()> {
        let name = self.name;
        let address = listener.local_addr().context("the listening socket has no address")?;
        let tls = self.tls.is_some();
        let services: Vec<&'static str> = self.auth.policy().services().into_iter().collect();

        let describe = || {
            let mut reflection = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .with_service_name(HEALTH_SERVICE)
                .with_service_name(REFLECTION_SERVICE);
            for descriptors in &self.descriptors {
                reflection = reflection.register_encoded_file_descriptor_set(descriptors);
            }
            for service in &services {
                reflection = reflection.with_service_name(*service);
            }
            reflection
        };
        let unreadable = || format!("the descriptors of {name} cannot be read");
        let reflection = describe().build_v1().with_context(unreadable)?;
        // Older clients, Python's among them, know only this one.
        let reflection_v1alpha = describe().build_v1alpha().with_context(unreadable)?;

        let reporter = HealthReporter::new();
        let health = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
        let follow = health::follow(reporter, services, readiness, lifecycle.clone());

        let serve = Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(CONCURRENT_STREAMS)
            .http2_max_header_list_size(HEADERS)
            .timeout(self.patience)
            .layer(self.auth)
            .layer(MapResponseLayer::new(described))
            .add_routes(routes.add_service(health).add_service(reflection).add_service(reflection_v1alpha).prepare())
            .serve_with_incoming_shutdown(
                Door::new(name, listener, self.tls).into_stream(),
                lifecycle.draining().cancelled_owned(),
            );

        info!(server = name, %address, tls, "gRPC server listens");
        let stopped = lifecycle.stopped();
        tokio::select! {
            ended = async { tokio::join!(serve, follow).0 } => {
                ended.with_context(|| format!("the gRPC server of {name} has broken"))
            }
            () = stopped.cancelled() => Ok(()),
        }
    }
}
