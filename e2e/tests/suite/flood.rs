//! A vendor's retry storm: twenty thousand callbacks, many of them twice, some out of order, and the dispatcher killed in
//! the middle. Nothing is lost, nothing is applied twice, and the gateway does not grow.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use switchboard_proto::dispatch::v1::{
    ListMessagesRequest, Message, MessageStatus, SendSmsRequest, message_service_client::MessageServiceClient,
};
use switchboard_vendor_sim::{Config, Settings, VendorSim, demo::CLOUDMSG_DEFAULT};
use tokio::task::JoinSet;
use tonic::{
    Request,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};

use crate::{
    callback::{http, signed},
    installation::Installation,
    program::{PATIENCE, Running},
};

/// What is reported of each message, in order: status, name, code. Some are words that no document names.
const WORDS: [[&str; 3]; 7] = [
    ["READY", "", ""],
    ["ROUTED", "", ""],
    ["PROCESSING", "", ""],
    ["RINGING", "", ""],
    ["PROCESSING", "", "3005"],
    ["HANDED_OVER", "", ""],
    ["COMPLETED", "success", "0"],
];
const MESSAGES: usize = 2_000;
const CALLBACKS: usize = 20_000;
/// Callbacks and sends under way at once.
const AT_ONCE: usize = 48;
/// How much the gateway may grow under the flood.
const MOST_GROWTH_KIB: u64 = 64 << 10;

/// A callback that is still to be answered 200.
#[derive(Clone)]
struct Callback {
    message_id: String,
    provider_message_id: String,
    word: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_callbacks_loses_nothing_and_applies_nothing_twice_while_the_dispatcher_is_killed() {
    let vendors = VendorSim::start(Config::on_free_ports()).await.unwrap();
    // The callbacks are ours to send.
    let silent = Settings { callbacks: false, journal: false, ..Settings::default() };
    vendors.cloudmsg().set_settings(silent).unwrap();
    let mut installation = Installation::new();
    installation.set("PROVIDERS__CLOUDMSG__BASE_URL", vendors.cloudmsg_url());
    installation.set("DISPATCHER__RECONCILE_AFTER", "1h");
    installation.set("LOG__FILTER", "error");
    assert_eq!(installation.typed(&["keys", "generate"]).code, Some(0));
    let _config_service = installation.start("config-service");
    let dispatcher = installation.start("dispatcher");
    let gateway = installation.start("webhook-gateway");
    installation.store_default_account();
    installation.until_done(&["send", "sms", "--org", "default", "--to", "010-1234-5678", "--text", "시작"]);

    let sent = send(&installation).await;
    let storm = Storm::new(&sent, format!("http://{}/webhook/cloudmsg", installation.gateway()));
    storm.until_answered(64).await;
    let before = gateway.peak_memory_kib();
    let (answered, dispatcher) = tokio::join!(storm.run(), storm.meanwhile(&installation, dispatcher));
    assert_eq!(answered, CALLBACKS - 64);
    assert!(storm.turned_away.load(Ordering::SeqCst) > 0, "the dispatcher was away for a while");
    let growth = gateway.peak_memory_kib() - before;
    assert!(growth < MOST_GROWTH_KIB, "the gateway has grown by {growth} KiB");

    let wanted: BTreeSet<&str> = sent.iter().map(|message| message.message_id.as_str()).collect();
    let mut seen = 0;
    for message in recorded(&installation).await {
        if wanted.contains(message.message_id.as_str()) {
            check(&message);
            seen += 1;
        }
    }
    assert_eq!(seen, MESSAGES);
    assert_eq!((dispatcher.terminate(), gateway.terminate()), (Some(0), Some(0)));
    vendors.shutdown().await;
}

/// Everything that was reported is in the timeline, once.
fn check(message: &Message) {
    assert_eq!(message.status(), MessageStatus::Delivered, "{}", message.message_id);
    let mut told: Vec<&str> = message
        .events
        .iter()
        .filter(|event| matches!(event.kind.as_str(), "REPORTED" | "STALE" | "UNKNOWN_STATUS"))
        .map(|event| event.detail.as_str())
        .collect();
    told.sort_unstable();
    let mut expected =
        WORDS.map(|word| word.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"));
    expected.sort_unstable();
    assert_eq!(told, expected, "{}", message.message_id);
    assert_eq!(message.events.len(), WORDS.len() + 2, "and besides, that it was recorded and accepted");
}

struct Storm {
    url: String,
    http: reqwest::Client,
    waiting: Arc<Mutex<VecDeque<Callback>>>,
    answered: Arc<AtomicUsize>,
    turned_away: Arc<AtomicUsize>,
}

impl Storm {
    /// The same storm each time: 30 % are repetitions, and 10 % come at another time than they should.
    fn new(sent: &[Message], url: String) -> Self {
        let mut callbacks: Vec<Callback> = (0..WORDS.len())
            .flat_map(|word| {
                sent.iter().map(move |message| Callback {
                    message_id: message.message_id.clone(),
                    provider_message_id: message.provider_message_id.clone(),
                    word,
                })
            })
            .collect();
        let mut seed = 7_u64;
        let mut below = |limit: usize| {
            // xorshift64: any sequence that is the same each time will do.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed % u64::try_from(limit).unwrap()).unwrap()
        };
        while callbacks.len() < CALLBACKS {
            let (again, place) = (callbacks[below(callbacks.len())].clone(), below(callbacks.len()));
            callbacks.insert(place, again);
        }
        for _ in 0..CALLBACKS / 10 {
            let (one, other) = (below(CALLBACKS), below(CALLBACKS));
            callbacks.swap(one, other);
        }
        Self {
            url,
            http: http(),
            waiting: Arc::new(Mutex::new(callbacks.into())),
            answered: Arc::default(),
            turned_away: Arc::default(),
        }
    }

    /// Posts until every callback has been answered 200; how many that were.
    async fn run(&self) -> usize {
        let before = self.answered.load(Ordering::SeqCst);
        let mut posting = JoinSet::new();
        for _ in 0..AT_ONCE {
            posting.spawn(self.poster().post_all());
        }
        while let Some(posted) = posting.join_next().await {
            posted.unwrap();
        }
        self.answered.load(Ordering::SeqCst) - before
    }

    /// Posts the first few.
    async fn until_answered(&self, count: usize) {
        let poster = self.poster();
        for _ in 0..count {
            let callback = self.waiting.lock().unwrap().pop_front().unwrap();
            assert_eq!(poster.post(&callback).await, Some(StatusCode::OK));
            self.answered.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Kills the dispatcher in the middle, lets the storm go on for a while, and starts another.
    async fn meanwhile(&self, installation: &Installation, dispatcher: Running) -> Running {
        until("half of it is answered", || self.answered.load(Ordering::SeqCst) > CALLBACKS / 2).await;
        dispatcher.kill();
        until("many are turned away", || self.turned_away.load(Ordering::SeqCst) > 200).await;
        installation.start("dispatcher")
    }

    fn poster(&self) -> Poster {
        Poster {
            url: self.url.clone(),
            http: self.http.clone(),
            waiting: Arc::clone(&self.waiting),
            answered: Arc::clone(&self.answered),
            turned_away: Arc::clone(&self.turned_away),
        }
    }
}

struct Poster {
    url: String,
    http: reqwest::Client,
    waiting: Arc<Mutex<VecDeque<Callback>>>,
    answered: Arc<AtomicUsize>,
    turned_away: Arc<AtomicUsize>,
}

impl Poster {
    async fn post_all(self) {
        loop {
            let Some(callback) = self.waiting.lock().unwrap().pop_front() else { return };
            match self.post(&callback).await {
                Some(StatusCode::OK) => {
                    self.answered.fetch_add(1, Ordering::SeqCst);
                }
                // As the vendor does, but sooner: it comes again, after others.
                Some(StatusCode::SERVICE_UNAVAILABLE) | None => {
                    self.turned_away.fetch_add(1, Ordering::SeqCst);
                    self.waiting.lock().unwrap().push_back(callback);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Some(other) => panic!("the gateway answered {other}"),
            }
        }
    }

    /// Signed now, as each attempt is; `None`: no answer.
    async fn post(&self, callback: &Callback) -> Option<StatusCode> {
        let [status, name, code] = WORDS[callback.word];
        let body = serde_json::json!([{
            "eventId": format!("ev-{}-{}", callback.message_id, callback.word),
            "messageId": callback.provider_message_id, "requestId": "r", "clientRef": callback.message_id, "type": "SMS",
            "status": status, "statusName": name, "statusCode": code, "telcoCode": "SKT",
            "completeTime": (status == "COMPLETED").then_some(1_700_000_000_000_i64), "failover": null,
        }])
        .to_string();
        let (account, secret) = (CLOUDMSG_DEFAULT.service_id, CLOUDMSG_DEFAULT.callback_secret);
        let request = signed(&self.http, &self.url, account, secret, &body);
        Some(request.send().await.ok()?.status())
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A request with the token of the tokens file.
fn authorized<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = MetadataValue::from_static("Bearer sender-0123456789abcdef");
    request.metadata_mut().insert("authorization", token);
    request
}

async fn client(installation: &Installation) -> MessageServiceClient<Channel> {
    let url = format!("http://{}", installation.setting("DISPATCHER__LISTEN"));
    let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
    MessageServiceClient::new(channel).max_decoding_message_size(64 << 20)
}

/// Sends the messages; each has been accepted.
async fn send(installation: &Installation) -> Vec<Message> {
    let client = client(installation).await;
    let mut sending = JoinSet::new();
    let mut sent = Vec::with_capacity(MESSAGES);
    for number in 0..MESSAGES {
        if sending.len() >= AT_ONCE {
            sent.push(sending.join_next().await.unwrap().unwrap());
        }
        let mut client = client.clone();
        sending.spawn(async move {
            let request = SendSmsRequest {
                organization_id: "default".to_owned(),
                to: "010-1234-5678".to_owned(),
                text: format!("글 {number}"),
                ..SendSmsRequest::default()
            };
            let message = client.send_sms(authorized(request)).await.unwrap().into_inner().message.unwrap();
            assert!(!message.provider_message_id.is_empty(), "{:?}", message.failure);
            message
        });
    }
    while let Some(message) = sending.join_next().await {
        sent.push(message.unwrap());
    }
    sent
}

/// Everything that is recorded, with its timelines.
async fn recorded(installation: &Installation) -> Vec<Message> {
    let mut client = client(installation).await;
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListMessagesRequest {
            organization_id: "default".to_owned(),
            filter: None,
            page_size: 500,
            page_token,
            with_events: true,
        };
        let page = client.list_messages(authorized(request)).await.unwrap().into_inner();
        all.extend(page.messages);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}
