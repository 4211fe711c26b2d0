//! A gRPC server with health, reflection, authentication and a graceful end.

use anyhow::Context as _;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tracing::info;

use super::{CONNECTION_WINDOW, KEEPALIVE, STREAM_WINDOW, health};
use crate::auth::AuthLayer;
use crate::http::Readiness;
use crate::lifecycle::Lifecycle;

/// Streams of one connection: a load generator or a busy caller multiplexes many calls over few connections.
const CONCURRENT_STREAMS: u32 = 4_096;
const HEALTH_SERVICE: &str = "grpc.health.v1.Health";
const REFLECTION_SERVICE: &str = "grpc.reflection.v1.ServerReflection";

/// A server in the making.
#[derive(Debug)]
#[must_use = "a server is nothing until it serves"]
pub struct GrpcServer {
    name: &'static str,
    descriptors: Vec<&'static [u8]>,
    auth: AuthLayer,
}

impl GrpcServer {
    /// A server of this name (for logs and errors) that lets nothing through until [`with_auth`](Self::with_auth) says
    /// what.
    pub fn new(name: &'static str) -> Self {
        Self { name, descriptors: Vec::new(), auth: AuthLayer::closed() }
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
            .layer(self.auth)
            .add_routes(routes.add_service(health).add_service(reflection).add_service(reflection_v1alpha).prepare())
            .serve_with_incoming_shutdown(
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                lifecycle.draining().cancelled_owned(),
            );

        info!(server = name, %address, "gRPC server listens");
        let stopped = lifecycle.stopped();
        tokio::select! {
            ended = async { tokio::join!(serve, follow).0 } => {
                ended.with_context(|| format!("the gRPC server of {name} has broken"))
            }
            () = stopped.cancelled() => Ok(()),
        }
    }
}
