//! The control endpoint's powers without HTTP, for tests and the demo in the same process.

use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

use crate::callbacks::{self, CustomCallback, Flush};
use crate::cloudmsg::{CloudMsg, CloudMsgAccount};
use crate::core::{Wire, locked};
use crate::faults::FaultRule;
use crate::journal::{CallbackEntry, Journal};
use crate::message::Message;
use crate::outcome::OutcomeRule;
use crate::sendtalk::{SendTalk, SendTalkAccount};
use crate::settings::Settings;

/// What can be done to either vendor while it runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct VendorHandle {
    wire: Arc<dyn Wire>,
}

impl VendorHandle {
    pub(crate) fn new(wire: Arc<dyn Wire>) -> Self {
        Self { wire }
    }

    /// A copy of the journal.
    #[must_use]
    pub fn journal(&self) -> Journal {
        locked(&self.wire.core().journal).clone()
    }

    /// Empties the journal; messages stay.
    pub fn clear_journal(&self) {
        locked(&self.wire.core().journal).clear();
    }

    /// Copies of all messages that the vendor accepted or made itself, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        locked(&self.wire.core().store).all().cloned().collect()
    }

    /// The messages of an account with this reference: more than one means a double send.
    #[must_use]
    pub fn messages_by_reference(&self, account: &str, reference: &str) -> Vec<Message> {
        locked(&self.wire.core().store).by_reference(account, reference).into_iter().cloned().collect()
    }

    /// Forgets all messages and idempotency keys.
    pub fn clear_messages(&self) {
        locked(&self.wire.core().store).clear();
        self.wire.forget();
    }

    /// Adds a fault rule behind those in force.
    pub fn add_fault(&self, rule: FaultRule) {
        locked(&self.wire.core().faults).add(rule);
    }

    /// The fault rules in force, with how often each will still hit.
    #[must_use]
    pub fn faults(&self) -> Vec<FaultRule> {
        locked(&self.wire.core().faults).rules()
    }

    /// Removes all fault rules.
    pub fn clear_faults(&self) {
        locked(&self.wire.core().faults).clear();
    }

    /// Adds an outcome rule before those in force.
    pub fn add_outcome(&self, rule: OutcomeRule) {
        locked(&self.wire.core().outcomes).add(rule);
    }

    /// The outcome rules in force.
    #[must_use]
    pub fn outcomes(&self) -> Vec<OutcomeRule> {
        locked(&self.wire.core().outcomes).rules().to_vec()
    }

    /// Removes all outcome rules.
    pub fn clear_outcomes(&self) {
        locked(&self.wire.core().outcomes).clear();
    }

    /// A copy of the settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.wire.core().settings().as_ref().clone()
    }

    /// Replaces the settings.
    ///
    /// # Errors
    ///
    /// A sentence that names the field that makes no sense; nothing is changed then.
    pub fn set_settings(&self, settings: Settings) -> Result<(), String> {
        self.wire.core().set_settings(settings)
    }

    /// From now on callbacks wait until they are flushed or released.
    pub fn hold_callbacks(&self) {
        callbacks::hold(&self.wire);
    }

    /// How many events wait.
    #[must_use]
    pub fn waiting_callbacks(&self) -> usize {
        callbacks::waiting(&self.wire)
    }

    /// Delivers what waits and returns the attempts; goes on holding.
    pub async fn flush_callbacks(&self, how: Flush) -> Vec<CallbackEntry> {
        callbacks::flush(&self.wire, how).await
    }

    /// Delivers what waits, returns the attempts and stops holding.
    pub async fn release_callbacks(&self, how: Flush) -> Vec<CallbackEntry> {
        callbacks::release(&self.wire, how).await
    }

    /// Delivers again what was delivered: everything, or what concerns one message.
    pub async fn repeat_callbacks(&self, message_id: Option<&str>) -> Vec<CallbackEntry> {
        callbacks::repeat(&self.wire, message_id).await
    }

    /// Sends a callback made by hand, once.
    pub async fn send_callback(&self, custom: CustomCallback) -> CallbackEntry {
        callbacks::send_custom(&self.wire, custom).await
    }

    /// Creates or replaces an account from the JSON form of its type.
    ///
    /// # Errors
    ///
    /// A sentence that names the field that is wrong.
    pub fn put_account(&self, account: Value) -> Result<(), String> {
        self.wire.put_account(account)
    }

    /// Changes fields of an account: those of `change` replace those of the same name.
    ///
    /// # Errors
    ///
    /// A sentence that says there is no such account, or names the field that is wrong.
    pub fn merge_account(&self, id: &str, change: Value) -> Result<(), String> {
        let mut account = self.wire.account_with_secrets(id).ok_or_else(|| format!("there is no account {id}"))?;
        let (Some(fields), Value::Object(change)) = (account.as_object_mut(), change) else {
            return Err("the change must be a JSON object".to_owned());
        };
        fields.extend(change);
        self.wire.put_account(account)
    }

    /// All accounts, without secrets.
    #[must_use]
    pub fn accounts(&self) -> Vec<Value> {
        self.wire.accounts()
    }

    /// Where an account's callbacks go; `None` for nowhere. An endpoint switched off by 410 is switched on.
    ///
    /// # Errors
    ///
    /// A sentence that says there is no such account.
    pub fn set_callback_url(&self, account: &str, url: Option<&str>) -> Result<(), String> {
        self.wire.set_callback_url(account, url).then_some(()).ok_or_else(|| format!("there is no account {account}"))
    }

    /// Lets every uploaded image expire (CloudMsg).
    pub fn expire_files(&self) {
        self.wire.expire_files();
    }
}

/// CloudMsg in the same process.
#[derive(Clone, Debug)]
pub struct CloudMsgHandle {
    vendor: Arc<CloudMsg>,
    common: VendorHandle,
}

impl CloudMsgHandle {
    pub(crate) fn new(vendor: &Arc<CloudMsg>) -> Self {
        let wire: Arc<dyn Wire> = Arc::<CloudMsg>::clone(vendor);
        Self { vendor: Arc::clone(vendor), common: VendorHandle::new(wire) }
    }

    /// Creates or replaces an account.
    ///
    /// # Errors
    ///
    /// A sentence that names the field that the vendor's form does not allow.
    pub fn add_account(&self, account: CloudMsgAccount) -> Result<(), String> {
        self.vendor.put(account)
    }

    /// Changes an account in place; false when there is none.
    pub fn change_account(&self, service_id: &str, change: impl FnOnce(&mut CloudMsgAccount)) -> bool {
        self.vendor.change(service_id, change)
    }
}

impl Deref for CloudMsgHandle {
    type Target = VendorHandle;

    fn deref(&self) -> &VendorHandle {
        &self.common
    }
}

/// SendTalk in the same process.
#[derive(Clone, Debug)]
pub struct SendTalkHandle {
    vendor: Arc<SendTalk>,
    common: VendorHandle,
}

impl SendTalkHandle {
    pub(crate) fn new(vendor: &Arc<SendTalk>) -> Self {
        let wire: Arc<dyn Wire> = Arc::<SendTalk>::clone(vendor);
        Self { vendor: Arc::clone(vendor), common: VendorHandle::new(wire) }
    }

    /// Creates or replaces an account.
    ///
    /// # Errors
    ///
    /// A sentence that names the field that the vendor's form does not allow.
    pub fn add_account(&self, account: SendTalkAccount) -> Result<(), String> {
        self.vendor.put(account)
    }

    /// Changes an account in place; false when there is none.
    pub fn change_account(&self, account_id: &str, change: impl FnOnce(&mut SendTalkAccount)) -> bool {
        self.vendor.change(account_id, change)
    }
}

impl Deref for SendTalkHandle {
    type Target = VendorHandle;

    fn deref(&self) -> &VendorHandle {
        &self.common
    }
}
