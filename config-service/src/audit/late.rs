//! Denied calls before there is a trail to write them to.

use std::sync::OnceLock;

use switchboard_runtime::auth::{Denial, DenialObserver};

use super::Denials;

/// Hands denied calls on once the store is open. Until then they are logged, and counted as lost to the trail, as they are
/// whenever the trail cannot be written.
#[derive(Default)]
pub struct LateDenials {
    denials: OnceLock<Denials>,
}

impl LateDenials {
    /// From now on everything goes to `denials`. Only the first time counts.
    pub fn hand_to(&self, denials: Denials) {
        if self.denials.set(denials).is_err() {
            tracing::error!("denied calls were written already");
        }
    }
}

impl DenialObserver for LateDenials {
    fn denied(&self, denial: Denial) {
        match self.denials.get() {
            Some(denials) => denials.denied(denial),
            None => {
                let actor = denial.principal.as_ref().map(|principal| principal.name.as_ref()).unwrap_or_default();
                let (method, reason) = (denial.method.as_str(), denial.reason.as_str());
                tracing::warn!(
                    actor,
                    method,
                    reason,
                    "a call was denied before there was an audit trail to write it to"
                );
                metrics::counter!("switchboard_config_audit_lost_total").increment(1);
            }
        }
    }
}
