//! Services that come later than the server: until what they need is there, their calls are answered that they cannot be
//! served yet.

use std::sync::{Arc, OnceLock};

use axum::{Router, extract::Request, response::Response};
use tonic::{Status, service::Routes};
use tower::ServiceExt as _;

use crate::{
    error::{Problem, Reason},
    http::{Check, Readiness},
};

/// A place for services, and for whether they are there. Clones are the same place.
#[derive(Clone, Debug)]
pub struct LateRoutes {
    router: Arc<OnceLock<Router>>,
    check: Check,
    reason: Reason,
    sentence: &'static str,
}

impl LateRoutes {
    /// An empty place, of a process that is not ready before it is filled; who calls until then is answered with `reason`
    /// and `sentence`, and to try again.
    #[must_use]
    pub fn new(reason: Reason, sentence: &'static str, readiness: &Readiness) -> Self {
        Self { router: Arc::default(), check: readiness.register("services"), reason, sentence }
    }

    /// What to serve from the beginning.
    #[must_use]
    pub fn routes(&self) -> Routes {
        let place = self.clone();
        Routes::from(Router::new().fallback(move |request: Request| place.clone().answer(request)))
    }

    /// Fills the place. Only the first time counts.
    pub fn fill(&self, routes: Routes) {
        if self.router.set(routes.prepare().into_axum_router()).is_err() {
            tracing::error!("the services of this server were there already");
        }
        self.check.ready();
    }

    async fn answer(self, request: Request) -> Response {
        match self.router.get() {
            Some(router) => router.clone().oneshot(request).await.unwrap_or_else(|never| match never {}),
            None => {
                let problem = Problem::new(self.reason, self.sentence).retry_after(std::time::Duration::from_secs(1));
                Status::from(problem).into_http()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_hears_that_it_is_ready_before_its_services_are_there() {
        let readiness = Readiness::new();
        let store = readiness.register("store");
        let services = LateRoutes::new(Reason::ConfigUnavailable, "not there yet", &readiness);
        store.ready();
        assert!(!readiness.is_ready());
        services.fill(Routes::default());
        assert!(readiness.is_ready());
    }
}
