//! What goes together, and that nothing waits without need.

use std::sync::Mutex;

use futures::future::join_all;
use prost::Message as _;
use switchboard_proto::dispatch::v1::{
    QuarantineEventsResponse, ReportStatusResponse, StatusResult,
    delivery_status_service_server::{DeliveryStatusService, DeliveryStatusServiceServer},
};
use switchboard_runtime::grpc::client;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Response;

use super::{load::MAX_UPDATES, *};

fn job(updates: usize) -> Job {
    Job { updates: vec![StatusUpdate::default(); updates], done: oneshot::channel().0 }
}

/// An update that many organisations make large.
fn large(bytes: usize) -> StatusUpdate {
    StatusUpdate { organization_ids: vec!["a".repeat(bytes / 100); 100], ..StatusUpdate::default() }
}

#[tokio::test]
async fn what_waits_goes_together_and_what_does_not_fit_goes_next() {
    let (sender, mut jobs) = mpsc::channel(8);
    for updates in [400, 599, 2] {
        sender.send(job(updates)).await.unwrap();
    }
    let mut next = None;
    let batch = gather(job(1), &mut jobs, &mut next);
    assert_eq!(batch.iter().map(|job| job.updates.len()).sum::<usize>(), MAX_UPDATES);
    assert!(next.is_none() && jobs.len() == 1);
    let batch = gather(job(999), &mut jobs, &mut next);
    assert_eq!((batch.len(), next.map(|job| job.updates.len())), (1, Some(2)));
}

#[tokio::test]
async fn what_goes_together_is_never_larger_than_a_call_may_be() {
    const MIB: usize = 1 << 20;
    let job = |bytes| Job { updates: vec![large(bytes)], done: oneshot::channel().0 };
    let (sender, mut jobs) = mpsc::channel(8);
    for bytes in [MIB, MIB, 5 * MIB] {
        sender.send(job(bytes)).await.unwrap();
    }
    let mut next = None;
    assert_eq!(gather(job(MIB / 2), &mut jobs, &mut next).len(), 3);
    assert_eq!((jobs.len(), next.is_some()), (0, true));
    sender.send(job(1)).await.unwrap();
    assert_eq!(gather(next.take().unwrap(), &mut jobs, &mut next).len(), 1, "the largest goes alone");
}

#[test]
fn a_callback_that_is_too_much_for_one_call_goes_in_several() {
    let several = |mut updates: Vec<StatusUpdate>| {
        let mut calls = Vec::new();
        while !updates.is_empty() {
            let call = load::take(&mut updates);
            let size = ReportStatusRequest { updates: call.clone() }.encoded_len();
            assert!(call.len() == 1 || size <= load::MAX_BYTES, "{size}");
            calls.push(call.len());
        }
        calls
    };
    assert_eq!(several(vec![StatusUpdate::default(); 2 * MAX_UPDATES + 1]), [MAX_UPDATES, MAX_UPDATES, 1]);
    assert_eq!(several(vec![large(50_000); 100]), [62, 38]);
    assert_eq!(several(vec![large(5 << 20), large(1), large(5 << 20)]), [1, 1, 1]);
}

#[tokio::test]
async fn a_lone_job_waits_for_nobody() {
    let (_sender, mut jobs) = mpsc::channel(8);
    assert_eq!(gather(job(1), &mut jobs, &mut None).len(), 1);
}

/// Says when a call has begun, and answers it when it gets a permit.
struct Dispatcher {
    begun: mpsc::UnboundedSender<()>,
    gate: Arc<Semaphore>,
    calls: Arc<Mutex<Vec<usize>>>,
}

#[tonic::async_trait]
impl DeliveryStatusService for Dispatcher {
    async fn report_status(
        &self,
        request: Request<ReportStatusRequest>,
    ) -> Result<Response<ReportStatusResponse>, Status> {
        self.begun.send(()).unwrap();
        let _permit = self.gate.acquire().await.unwrap();
        let updates = request.into_inner().updates.len();
        self.calls.lock().unwrap().push(updates);
        let result = StatusResult { outcome: StatusOutcome::Applied.into(), ..StatusResult::default() };
        Ok(Response::new(ReportStatusResponse { results: vec![result; updates] }))
    }

    async fn quarantine_events(
        &self,
        _: Request<QuarantineEventsRequest>,
    ) -> Result<Response<QuarantineEventsResponse>, Status> {
        Err(Status::unimplemented("everything here can be read"))
    }
}

#[tokio::test]
async fn what_arrives_during_a_call_goes_together_in_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (begun, mut begins) = mpsc::unbounded_channel();
    let (gate, calls, lifecycle) = (Arc::new(Semaphore::new(0)), Arc::default(), Lifecycle::new());
    let dispatcher = Dispatcher { begun, gate: Arc::clone(&gate), calls: Arc::clone(&calls) };
    let serving = tonic::transport::Server::builder()
        .add_service(DeliveryStatusServiceServer::new(dispatcher))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), lifecycle.stopped().cancelled_owned());
    drop(lifecycle.spawn_detached("dispatcher", serving));
    let channel = client::channel(&format!("http://{address}"), "token".into()).unwrap();
    let reporter = Reporter::start(channel, 64, 1, Duration::from_secs(20), &lifecycle);

    let first = reporter.report(vec![StatusUpdate::default()]);
    let others = async {
        begins.recv().await.unwrap();
        // All of them queue up when they are polled first, and only then the call under way may end.
        let queued = join_all((0..19).map(|_| reporter.report(vec![StatusUpdate::default()])));
        let (results, ()) = tokio::join!(queued, async { gate.add_permits(1) });
        results
    };
    let (first, others) = tokio::join!(first, others);
    assert!(first.is_ok() && others.iter().all(Result::is_ok));
    assert_eq!(*calls.lock().unwrap(), [1, 19]);
    lifecycle.stop_now();
}
