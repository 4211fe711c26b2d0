//! Runs the test with a bound on its time, and tells apart why it did not pass.

use std::{sync::Arc, time::Duration};

use switchboard_providers::{
    AccountCheck, Credentials, Form, Registry,
    model::{Failure, FailureCode},
};
use switchboard_runtime::SharedClock;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::proof;
use crate::{audit::OK, error::Error, routing::unknown_provider, sealing::Keys};

/// Tests that may be under way at once: a slow vendor must not take all of this service's memory and sockets.
const CONCURRENT: usize = 64;

/// Tests credentials with their vendor.
#[derive(Clone)]
pub struct Tester {
    registry: Registry,
    keys: Keys,
    clock: SharedClock,
    timeout: Duration,
    slots: Arc<Semaphore>,
}

/// How a test went.
#[derive(Clone, Debug)]
pub struct TestReport {
    /// How long the vendor took.
    pub latency: Duration,
    /// What the vendor said of the account, or why the test did not pass.
    pub result: Result<AccountCheck, Failure>,
}

impl TestReport {
    /// The word for it in metrics and in the audit trail.
    pub fn outcome(&self) -> &'static str {
        self.result.as_ref().map_or_else(|failure| failure.code.as_str(), |_| OK)
    }
}

impl Tester {
    /// A tester that waits for a vendor up to `timeout`.
    pub fn new(registry: Registry, keys: Keys, clock: SharedClock, timeout: Duration) -> Self {
        Self { registry, keys, clock, timeout, slots: Arc::new(Semaphore::new(CONCURRENT)) }
    }

    /// Asks the vendor. Credentials that the vendor refuses are a report, not an error.
    ///
    /// # Errors
    ///
    /// When there is no such vendor, or the credentials do not even fit its form.
    pub async fn test(&self, provider: &str, credentials: &Credentials) -> Result<TestReport, Error> {
        let vendor = self.registry.get(provider).ok_or_else(|| unknown_provider(&self.registry, provider))?;
        let form = vendor.descriptor().form;
        crate::provider_configs::validate(&form, credentials).map_err(Error::CredentialsShape)?;
        let account = vendor.open(credentials).map_err(Error::CredentialsShape)?;
        let began = Instant::now();
        let asked = timeout(self.timeout, async {
            let _slot = self.slots.acquire().await;
            account.validate_credentials(self.clock.now()).await
        });
        let result = asked.await.unwrap_or_else(|_| Err(self.too_slow()));
        let report = TestReport {
            latency: began.elapsed(),
            result: result.map_err(|failure| scrubbed(failure, &form, credentials)),
        };
        metrics::histogram!("switchboard_config_connection_test_seconds", "provider" => vendor.descriptor().code, "outcome" => report.outcome())
            .record(report.latency);
        Ok(report)
    }

    /// A token that proves a test which has just passed.
    pub fn prove(&self, organization_id: &str, provider: &str, credentials: &Credentials) -> String {
        proof::issue(&self.keys.ring(), organization_id, provider, credentials, self.clock.now())
    }

    /// Checks that a token proves a passed test of exactly these credentials.
    ///
    /// # Errors
    ///
    /// [`Error::ConnectionTestToken`].
    pub fn check(
        &self,
        token: &str,
        organization_id: &str,
        provider: &str,
        credentials: &Credentials,
    ) -> Result<(), Error> {
        let ring = self.keys.ring();
        proof::check(token, &ring, organization_id, provider, credentials, self.clock.now())
            .map_err(Error::ConnectionTestToken)
    }

    fn too_slow(&self) -> Failure {
        let detail = format!("the vendor did not answer within {} s", self.timeout.as_secs_f32());
        Failure::new(FailureCode::ProviderTimeout, "", detail, true)
    }
}

/// Takes secrets out of what a vendor said: some repeat what they were sent.
fn scrubbed(mut failure: Failure, form: &Form, credentials: &Credentials) -> Failure {
    let secrets = form.fields.iter().filter(|field| field.secret).filter_map(|field| credentials.get(field.key));
    for secret in secrets {
        failure.detail = failure.detail.replace(secret, "[removed]");
        failure.provider_code = failure.provider_code.replace(secret, "[removed]");
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_that_repeats_a_secret_is_not_repeated() {
        let registry = Registry::new(&std::collections::BTreeMap::new()).unwrap();
        let form = registry.get("cloudmsg").unwrap().descriptor().form;
        let credentials = [("secret_key", "canary-1"), ("access_key", "AK-1")].into_iter().collect();
        let said = Failure::new(FailureCode::CredentialsRejected, "canary-1", "bad key canary-1 of AK-1", false);
        let scrubbed = scrubbed(said, &form, &credentials);
        assert_eq!(scrubbed.detail, "bad key [removed] of AK-1");
        assert_eq!(scrubbed.provider_code, "[removed]");
    }
}
