//! Simulated CloudMsg, written from its interface document.

mod account;
mod alimtalk;
mod auth;
mod body;
mod callback;
mod errors;
mod files;
mod lookup;
mod rules;
mod send;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

pub use self::account::{AccountStatus, CloudMsgAccount, CloudMsgChannel};
use self::errors::{Refusal, error_body};
use self::files::Files;
pub(crate) use self::files::measure;
use crate::callbacks::Event;
use crate::core::{Answer, Answering, Core, Effects, Outgoing, Received, Wire, locked};
use crate::journal::Operation;
use crate::message::Message;
use crate::serve::gateway_page;

/// Interface document, "Callback": 1 m, 5 m, 30 m, 2 h, 6 h.
const RETRIES: &[Duration] = &[
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(6 * 3600),
];

#[derive(Debug)]
pub(crate) struct CloudMsg {
    core: Core,
    accounts: Mutex<BTreeMap<String, Arc<CloudMsgAccount>>>,
    files: Mutex<Files>,
}

/// Where in a service a request goes.
enum Place<'a> {
    Check,
    Messages,
    Message(&'a str),
    Files,
    Unknown,
}

fn service_and_place(path: &str) -> Option<(&str, Place<'_>)> {
    let mut segments = path.strip_prefix("/v2/services/")?.split('/');
    let service = segments.next().filter(|service| !service.is_empty())?;
    let place = match (segments.next(), segments.next(), segments.next()) {
        (None, None, None) => Place::Check,
        (Some("messages"), None, None) => Place::Messages,
        (Some("messages"), Some(id), None) => Place::Message(id),
        (Some("files"), None, None) => Place::Files,
        _ => Place::Unknown,
    };
    Some((service, place))
}

impl CloudMsg {
    pub(crate) fn new(core: Core) -> Self {
        Self { core, accounts: Mutex::default(), files: Mutex::default() }
    }

    pub(crate) fn account(&self, service_id: &str) -> Option<Arc<CloudMsgAccount>> {
        locked(&self.accounts).get(service_id).cloned()
    }

    pub(crate) fn put(&self, account: CloudMsgAccount) -> Result<(), String> {
        account.check()?;
        locked(&self.accounts).insert(account.service_id.clone(), Arc::new(account));
        Ok(())
    }

    /// Changes an account in place; false when there is none.
    pub(crate) fn change(&self, service_id: &str, change: impl FnOnce(&mut CloudMsgAccount)) -> bool {
        let mut accounts = locked(&self.accounts);
        let Some(account) = accounts.get_mut(service_id) else {
            return false;
        };
        change(Arc::make_mut(account));
        true
    }

    fn authenticate(&self, service: &str, received: &Received) -> Result<Arc<CloudMsgAccount>, Refusal> {
        let account = self.account(service).ok_or_else(|| Refusal::new("300", "no such service"))?;
        let shown = received.header("x-cm-access-key").unwrap_or_default();
        let of_another =
            shown != account.access_key && locked(&self.accounts).values().any(|account| account.access_key == shown);
        if of_another {
            return Err(Refusal::new("210", "this access key may not use this service"));
        }
        auth::verify(&account, received, self.core.clock.now_ms())?;
        Ok(account)
    }

    /// Takes `count` messages from balance and daily quota.
    fn charge(&self, service_id: &str, count: usize) -> Result<(), Refusal> {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let mut refusal = None;
        self.change(service_id, |account| {
            if account.balance.is_some_and(|balance| balance < count) {
                refusal = Some(Refusal::new("600", "the balance does not cover this call"));
            } else if account.daily_quota.is_some_and(|quota| quota < count) {
                refusal = Some(Refusal::new("400", "the daily quota does not cover this call"));
            } else {
                account.balance = account.balance.map(|balance| balance - count);
                account.daily_quota = account.daily_quota.map(|quota| quota - count);
            }
        });
        refusal.map_or(Ok(()), Err)
    }

    async fn answer(self: Arc<Self>, received: Received, effects: Effects) -> Answer {
        match self.respond(&received, effects).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.into_answer(),
        }
    }

    async fn respond(self: &Arc<Self>, received: &Received, effects: Effects) -> Result<Answer, Refusal> {
        let Some((service, place)) = service_and_place(received.path()) else {
            return Err(Refusal::new("300", "no such path"));
        };
        let account = self.authenticate(service, received)?;
        match (&received.method, place) {
            (&Method::POST, Place::Messages) => send::send(self, &account, received, effects).await,
            (&Method::POST, Place::Files) => files::upload(self, &account, &received.body),
            (&Method::GET, Place::Message(id)) => Ok(lookup::by_id(self, &account, id)),
            (&Method::GET, Place::Messages) => lookup::by_query(self, &account, received),
            (&Method::GET, Place::Check) => Ok(check(&account)),
            _ => Err(Refusal::new("300", "no such path")),
        }
    }
}

/// Interface document, "Check".
fn check(account: &CloudMsgAccount) -> Answer {
    let channels: Vec<&str> = account.channels.iter().map(|channel| channel.channel_id.as_str()).collect();
    let body = json!({
        "serviceId": account.service_id,
        "status": account.status,
        "senderNumbers": account.sender_numbers,
        "channels": channels,
    });
    Answer::json(StatusCode::OK, &body)
}

impl Wire for CloudMsg {
    fn core(&self) -> &Core {
        &self.core
    }

    fn message_prefix(&self) -> &'static str {
        "m-"
    }

    fn body_limit(&self) -> usize {
        8 * 1024 * 1024
    }

    fn operation(&self, received: &Received) -> Operation {
        match (&received.method, service_and_place(received.path())) {
            (&Method::POST, Some((_, Place::Messages))) => Operation::Send,
            (&Method::POST, Some((_, Place::Files))) => Operation::Upload,
            (&Method::GET, Some((_, Place::Messages | Place::Message(_)))) => Operation::LookUp,
            (&Method::GET, Some((_, Place::Check))) => Operation::Check,
            _ => Operation::Other,
        }
    }

    fn account_of(&self, received: &Received) -> Option<String> {
        service_and_place(received.path()).map(|(service, _)| service.to_owned())
    }

    fn route(self: Arc<Self>, received: Received, effects: Effects) -> Answering {
        Box::pin(self.answer(received, effects))
    }

    fn refusal(&self, code: &str, reason: &str) -> Answer {
        Refusal::new(code, reason).into_answer()
    }

    fn unauthorized(&self) -> Answer {
        self.refusal("200", "key, signature or clock")
    }

    fn throttled(&self) -> Answer {
        self.refusal("410", "too fast")
    }

    fn not_accepted(&self) -> Answer {
        self.refusal("500", "not accepted")
    }

    fn server_error(&self, status: StatusCode) -> Answer {
        let code = match status {
            StatusCode::BAD_GATEWAY => return gateway_page(status),
            StatusCode::GATEWAY_TIMEOUT => "510",
            _ => "900",
        };
        Answer::json(status, &error_body(code, ""))
    }

    fn too_large(&self) -> Answer {
        self.refusal("100", "the body is larger than 8 MiB")
    }

    fn retry_after_is_date(&self) -> bool {
        false
    }

    fn event(&self, message: &Message, event_id: &str) -> Value {
        callback::event(&self.core, message, event_id)
    }

    fn pack(&self, events: &[Event]) -> Vec<u8> {
        callback::pack(events)
    }

    fn sign(
        &self,
        account: &str,
        body: &[u8],
        _event_id: &str,
        secret: Option<&str>,
        t_ms: i64,
    ) -> Result<Outgoing, String> {
        let account = self.account(account).ok_or("no such service")?;
        callback::sign(&account, body, secret, t_ms)
    }

    fn batch_limit(&self) -> usize {
        100
    }

    fn retry_schedule(&self) -> &'static [Duration] {
        RETRIES
    }

    fn callback_timeout(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn endpoint_gone(&self, _account: &str) -> bool {
        false
    }

    fn put_account(&self, account: Value) -> Result<(), String> {
        self.put(serde_json::from_value(account).map_err(|error| error.to_string())?)
    }

    fn account_with_secrets(&self, id: &str) -> Option<Value> {
        serde_json::to_value(self.account(id)?.as_ref()).ok()
    }

    fn accounts(&self) -> Vec<Value> {
        let accounts: Vec<Arc<CloudMsgAccount>> = locked(&self.accounts).values().cloned().collect();
        accounts
            .iter()
            .filter_map(|account| serde_json::to_value(account.as_ref()).ok())
            .map(|mut account| {
                if let Some(fields) = account.as_object_mut() {
                    fields.retain(|name, _| !name.contains("secret"));
                }
                account
            })
            .collect()
    }

    fn set_callback_url(&self, account: &str, url: Option<&str>) -> bool {
        self.change(account, |account| {
            account.callback_url = url.map(str::to_owned);
        })
    }

    fn forget(&self) {}

    fn expire_files(&self) {
        locked(&self.files).expire_all();
    }
}
