//! Simulated SendTalk, written from its interface document.

mod account;
mod alimtalk;
mod callback;
mod errors;
mod idempotency;
mod lookup;
mod mms;
mod send;
mod sms;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;

pub use self::account::{AccountStatus, SendTalkAccount, SenderProfile};
use self::errors::Refusal;
use self::idempotency::Keys;
use crate::callbacks::Event;
use crate::core::{Answer, Answering, Core, Effects, Outgoing, Received, Wire, locked};
use crate::journal::Operation;
use crate::message::Message;
use crate::serve::gateway_page;

/// Interface document, "Callback": 5 s, 5 m, 30 m, 2 h, 5 h, 10 h.
const RETRIES: &[Duration] = &[
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(5 * 3600),
    Duration::from_secs(10 * 3600),
];

#[derive(Debug)]
pub(crate) struct SendTalk {
    core: Core,
    accounts: Mutex<BTreeMap<String, Arc<SendTalkAccount>>>,
    keys: Mutex<Keys>,
}

impl SendTalk {
    pub(crate) fn new(core: Core) -> Self {
        Self { core, accounts: Mutex::default(), keys: Mutex::default() }
    }

    pub(crate) fn account(&self, account_id: &str) -> Option<Arc<SendTalkAccount>> {
        locked(&self.accounts).get(account_id).cloned()
    }

    pub(crate) fn put(&self, account: SendTalkAccount) -> Result<(), String> {
        account.check()?;
        locked(&self.accounts).insert(account.account_id.clone(), Arc::new(account));
        Ok(())
    }

    /// Changes an account in place; false when there is none.
    pub(crate) fn change(&self, account_id: &str, change: impl FnOnce(&mut SendTalkAccount)) -> bool {
        let mut accounts = locked(&self.accounts);
        let Some(account) = accounts.get_mut(account_id) else {
            return false;
        };
        change(Arc::make_mut(account));
        true
    }

    fn by_key(&self, received: &Received) -> Option<Arc<SendTalkAccount>> {
        let key = received.header("authorization")?.strip_prefix("Bearer ")?;
        locked(&self.accounts).values().find(|account| account.api_key == key).cloned()
    }

    /// Takes one message from balance and monthly limit.
    fn charge(&self, account_id: &str) -> Result<(), Refusal> {
        let mut refusal = None;
        self.change(account_id, |account| {
            if account.balance == Some(0) {
                refusal = Some(Refusal::new(-1030, "no balance"));
            } else if account.monthly_limit == Some(0) {
                refusal = Some(Refusal::new(-2052, "monthly limit reached"));
            } else {
                account.balance = account.balance.map(|balance| balance - 1);
                account.monthly_limit = account.monthly_limit.map(|limit| limit - 1);
            }
        });
        refusal.map_or(Ok(()), Err)
    }

    async fn answer(self: Arc<Self>, received: Received, effects: Effects) -> Answer {
        let Some(account) = self.by_key(&received) else {
            return Refusal::new(-1001, "the API key is not valid").into_answer();
        };
        match self.respond(&account, &received, effects).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.into_answer(),
        }
    }

    async fn respond(
        self: &Arc<Self>,
        account: &SendTalkAccount,
        received: &Received,
        effects: Effects,
    ) -> Result<Answer, Refusal> {
        match (&received.method, received.path()) {
            (&Method::POST, "/v1/sms" | "/v1/mms" | "/v1/alimtalk") => {
                Ok(send::send(self, account, received, effects).await)
            }
            (&Method::GET, "/v1/messages") => lookup::by_reference(self, account, received),
            (&Method::GET, "/v1/results") => lookup::results(self, account, received),
            (&Method::GET, "/v1/account") => Ok(lookup::check(account)),
            (&Method::GET, path) => match path.strip_prefix("/v1/messages/") {
                Some(id) => lookup::by_id(self, account, id),
                None => Ok(no_such_path()),
            },
            _ => Ok(no_such_path()),
        }
    }
}

fn no_such_path() -> Answer {
    Refusal::new(-9999, "no such path").into_answer_with(StatusCode::NOT_FOUND)
}

impl Wire for SendTalk {
    fn core(&self) -> &Core {
        &self.core
    }

    fn message_prefix(&self) -> &'static str {
        "st_"
    }

    fn body_limit(&self) -> usize {
        2 * 1024 * 1024
    }

    fn operation(&self, received: &Received) -> Operation {
        match (&received.method, received.path()) {
            (&Method::POST, "/v1/sms" | "/v1/mms" | "/v1/alimtalk") => Operation::Send,
            (&Method::GET, "/v1/account") => Operation::Check,
            (&Method::GET, "/v1/results") => Operation::Results,
            (&Method::GET, path) if path.starts_with("/v1/messages") => Operation::LookUp,
            _ => Operation::Other,
        }
    }

    fn account_of(&self, received: &Received) -> Option<String> {
        self.by_key(received).map(|account| account.account_id.clone())
    }

    fn route(self: Arc<Self>, received: Received, effects: Effects) -> Answering {
        Box::pin(self.answer(received, effects))
    }

    fn refusal(&self, code: &str, reason: &str) -> Answer {
        Refusal::new(code.parse().unwrap_or(-9999), reason).into_answer()
    }

    fn unauthorized(&self) -> Answer {
        self.refusal("-1001", "the API key is not valid")
    }

    fn throttled(&self) -> Answer {
        self.refusal("-1429", "too many requests")
    }

    fn not_accepted(&self) -> Answer {
        self.refusal("-2021", "queue full")
    }

    fn server_error(&self, status: StatusCode) -> Answer {
        match status {
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => gateway_page(status),
            _ => Refusal::new(-9999, "system error").into_answer_with(status),
        }
    }

    fn too_large(&self) -> Answer {
        Refusal::new(-2005, "the body is larger than 2 MiB").into_answer_with(StatusCode::PAYLOAD_TOO_LARGE)
    }

    fn retry_after_is_date(&self) -> bool {
        true
    }

    fn event(&self, message: &Message, _event_id: &str) -> Value {
        callback::event(&self.core, message)
    }

    fn pack(&self, events: &[Event]) -> Vec<u8> {
        events.first().map(|event| event.body.to_string().into_bytes()).unwrap_or_default()
    }

    fn sign(
        &self,
        account: &str,
        body: &[u8],
        event_id: &str,
        secret: Option<&str>,
        t_ms: i64,
    ) -> Result<Outgoing, String> {
        let account = self.account(account).ok_or("no such account")?;
        callback::sign(&account, body, event_id, secret, t_ms)
    }

    fn batch_limit(&self) -> usize {
        1
    }

    fn retry_schedule(&self) -> &'static [Duration] {
        RETRIES
    }

    fn callback_timeout(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn endpoint_gone(&self, account: &str) -> bool {
        self.change(account, |account| account.callback_switched_off = true)
    }

    fn put_account(&self, account: Value) -> Result<(), String> {
        self.put(serde_json::from_value(account).map_err(|error| error.to_string())?)
    }

    fn account_with_secrets(&self, id: &str) -> Option<Value> {
        serde_json::to_value(self.account(id)?.as_ref()).ok()
    }

    fn accounts(&self) -> Vec<Value> {
        let accounts: Vec<Arc<SendTalkAccount>> = locked(&self.accounts).values().cloned().collect();
        accounts
            .iter()
            .filter_map(|account| serde_json::to_value(account.as_ref()).ok())
            .map(|mut account| {
                if let Some(fields) = account.as_object_mut() {
                    fields.retain(|name, _| !name.contains("secret") && name != "api_key");
                    for profile in fields.get_mut("sender_profiles").and_then(Value::as_array_mut).into_iter().flatten()
                    {
                        if let Some(profile) = profile.as_object_mut() {
                            profile.remove("key");
                        }
                    }
                }
                account
            })
            .collect()
    }

    fn set_callback_url(&self, account: &str, url: Option<&str>) -> bool {
        self.change(account, |account| {
            account.callback_url = url.map(str::to_owned);
            account.callback_switched_off = false;
        })
    }

    fn forget(&self) {
        locked(&self.keys).clear();
    }

    fn expire_files(&self) {}
}
