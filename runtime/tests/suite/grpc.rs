//! The shared server and client: health, reflection, keepalive, draining.

use std::time::Duration;

use prost::Message as _;
use secrecy::SecretString;
use switchboard_runtime::Lifecycle;
use switchboard_runtime::auth::AuthLayer;
use switchboard_runtime::error::describe;
use switchboard_runtime::grpc::client;
use switchboard_runtime::http::Readiness;
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::echo::{self, Echo, say};

fn anonymous(address: std::net::SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test]
async fn health_follows_readiness_and_ends_its_watchers_when_the_process_drains() {
    let lifecycle = Lifecycle::new();
    let readiness = Readiness::new();
    let check = readiness.register("store");
    let address = echo::serve(Echo::default(), echo::auth(), readiness, &lifecycle).await;
    let mut health = HealthClient::new(anonymous(address));
    let mut watch = health.watch(about("test.v1.Echo")).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    check.ready();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let whole = health.check(about("")).await.unwrap().into_inner();
    assert_eq!(whole.status(), ServingStatus::Serving);
    // Were the watcher's stream left open, the server could not end within the grace.
    lifecycle.shutdown().await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(watch.next().await.is_none_or(|end| end.is_err()));
}

#[tokio::test]
async fn reflection_lists_the_services_of_the_policy_beside_health() {
    let address = echo::serve(Echo::default(), echo::auth(), Readiness::new(), &Lifecycle::new()).await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(anonymous(address))
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else {
        panic!("not a list: {answer:?}");
    };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(names, ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "test.v1.Echo"]);
}

#[tokio::test]
async fn reflection_knows_the_types_of_health() {
    let address = echo::serve(Echo::default(), echo::auth(), Readiness::new(), &Lifecycle::new()).await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol("grpc.health.v1.Health".to_owned())),
    };
    let mut answers = ServerReflectionClient::new(anonymous(address))
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::FileDescriptorResponse(files) = answer else {
        panic!("not a file: {answer:?}");
    };
    let file = prost_types::FileDescriptorProto::decode(files.file_descriptor_proto[0].as_slice()).unwrap();
    assert_eq!(file.package(), "grpc.health.v1");
}

#[tokio::test]
async fn a_call_in_flight_is_finished_while_draining_and_a_new_one_is_not_taken() {
    let lifecycle = Lifecycle::new();
    let echo = Echo::default();
    let address = echo::serve(echo.clone(), echo::auth(), Readiness::new(), &lifecycle).await;
    let in_flight = tokio::task::JoinSet::from_iter([async move { say(address, "sender-token", "wait").await }]);
    echo.arrived.notified().await;
    let shutdown = lifecycle.shutdown();
    let rest = async {
        lifecycle.draining().cancelled().await;
        while say(address, "sender-token", "hello").await.is_ok() {
            tokio::task::yield_now().await;
        }
        echo.release.notify_one();
        in_flight.join_all().await
    };
    let both = async { tokio::join!(shutdown, rest) };
    let (ended, answers) = tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .expect("new calls are taken although the process drains");
    ended.unwrap();
    assert_eq!(answers.into_iter().next().unwrap().unwrap(), "sender from 127.0.0.1");
}

#[tokio::test]
async fn a_server_without_a_gate_lets_nothing_but_health_through() {
    let address = echo::serve(Echo::default(), AuthLayer::closed(), Readiness::new(), &Lifecycle::new()).await;
    assert!(say(address, "sender-token", "hello").await.is_err());
    let health = HealthClient::new(anonymous(address)).check(about("")).await;
    assert_eq!(health.unwrap().into_inner().status(), ServingStatus::Serving);
}

#[tokio::test]
async fn a_channel_connects_late_and_again() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let channel = client::channel(&format!("http://{address}"), SecretString::from("sender-token")).unwrap();
    let nobody = echo::call(channel.clone(), echo::SAY, "hello", None).await.unwrap_err();
    assert!(describe(&nobody).contains("refused"), "{}", describe(&nobody));

    let listener = TcpListener::bind(address).await.unwrap();
    let lifecycle = Lifecycle::new();
    let server = switchboard_runtime::grpc::GrpcServer::new("echo").with_auth(echo::auth());
    let routes = tonic::service::Routes::new(Echo::default());
    lifecycle.spawn("late", server.serve(listener, routes, Readiness::new(), lifecycle.clone()));
    let answer = echo::call(channel, echo::SAY, "hello", None).await;
    assert_eq!(answer.unwrap(), "sender from 127.0.0.1");
}

#[test]
fn an_address_that_is_no_url_and_a_token_that_is_no_header_are_named() {
    for url in ["", "127.0.0.1", "localhost:7002", "ftp://a:1", "http://", "http://a b"] {
        let error = client::channel(url, SecretString::from("t")).unwrap_err().to_string();
        assert!(error.contains("http://127.0.0.1:7002") && error.contains(url), "{error}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let error = client::channel("http://127.0.0.1:1", SecretString::from("s3cr3t\n")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cr3t"));
    let channel = client::channel("http://127.0.0.1:1", SecretString::from("s3cr3t")).unwrap();
    assert!(!format!("{channel:?}").contains("s3cr3t"));
}
