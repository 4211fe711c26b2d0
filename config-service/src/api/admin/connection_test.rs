//! The connection test.

use switchboard_proto::config::v1 as proto;
use switchboard_providers::Credentials;
use tonic::{Request, Response};

use super::{Admin, Reply};
use crate::{
    api::{
        caller::{Conditions, attempt, caller},
        convert,
    },
    attempt::Attempt,
    connection_test::TestReport,
    error::Error,
    provider_configs::merged,
};

impl Admin {
    pub(super) async fn test(
        &self,
        request: Request<proto::TestConnectionRequest>,
    ) -> Reply<proto::TestConnectionResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let conditions = Conditions { request_id: String::new(), validate_only: false, wait_applied: None };
        let mut attempt = attempt(caller, "TestConnection", request.organization_id, conditions);
        attempt.0.provider = request.provider;
        let given = convert::credentials(request.credentials);
        let response = self
            .to_the_end(attempt, move |admin, attempt| async move {
                let (report, token) = admin.tested(&attempt, given, request.use_stored).await?;
                Ok(convert::test_report(&report, token))
            })
            .await?;
        Ok(Response::new(response))
    }

    async fn tested(
        &self,
        attempt: &Attempt,
        given: Credentials,
        use_stored: bool,
    ) -> Result<(TestReport, String), Error> {
        let (organization_id, provider) = (&attempt.organization_id, &attempt.provider);
        self.configs.vendor(provider)?;
        self.organizations.get(organization_id).await?;
        let credentials = if use_stored || given.keys().next().is_none() {
            merged(&self.configs.open(organization_id, provider).await?.credentials, &given)
        } else {
            given
        };
        let report = self.tester.test(provider, &credentials).await?;
        // No audit event, no answer: what the vendor said of these credentials is not told to somebody unrecorded.
        self.trail.record(vec![attempt.draft(self.clock.now(), report.outcome(), Vec::new())]).await?;
        let token = match &report.result {
            Ok(_) => self.tester.prove(organization_id, provider, &credentials),
            Err(_) => String::new(),
        };
        Ok((report, token))
    }
}
