//! Routing: which vendor carries what.

mod rules;
mod service;

use chrono::{DateTime, Utc};
use switchboard_providers::model::Channel;

pub use rules::check;
pub(crate) use rules::unknown_provider;
pub use service::Routes;

/// An organisation's mapping to vendors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// The vendor for all that is not overridden; empty: the platform default.
    pub primary: String,
    /// Exceptions by kind of message.
    pub overrides: Vec<(Channel, String)>,
    /// Vendors to try, in this order, when a failure proves that the message was not accepted.
    pub failover: Vec<String>,
    /// A trial of another vendor.
    pub canary: Option<Canary>,
    /// Grows by one with every change; 0 while the organisation has never had a mapping.
    pub version: i64,
    /// When it was last changed; `None` while there has never been a mapping.
    pub updated_at: Option<DateTime<Utc>>,
}

/// A part of the recipients that goes through another vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// The vendor's code.
    pub provider: String,
    /// 1 to 100.
    pub percent: i32,
}

impl Routing {
    /// Every vendor that it names, with the field that names it.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let primary = (!self.primary.is_empty()).then_some(("routing.primary", self.primary.as_str()));
        let overrides = self.overrides.iter().map(|(_, provider)| ("routing.channel_overrides", provider.as_str()));
        let failover = self.failover.iter().map(|provider| ("routing.failover", provider.as_str()));
        let canary = self.canary.iter().map(|canary| ("routing.canary", canary.provider.as_str()));
        primary.into_iter().chain(overrides).chain(failover).chain(canary)
    }

    /// The fields that send something to `provider`; empty when nothing does.
    pub fn uses_of(&self, provider: &str) -> Vec<&'static str> {
        let mut uses: Vec<_> = self.named().filter(|(_, named)| *named == provider).map(|(field, _)| field).collect();
        uses.dedup();
        uses
    }

    /// The same routing with `provider` as its primary. What would contradict the new primary is taken out: a fail-over
    /// to it and a trial of it.
    pub fn with_primary(&self, provider: &str) -> Self {
        let mut routing = self.clone();
        provider.clone_into(&mut routing.primary);
        routing.failover.retain(|other| other != provider);
        routing.canary = routing.canary.filter(|canary| canary.provider != provider);
        routing
    }

    /// Each field as a person reads it, for the audit trail.
    pub fn described(&self) -> [(&'static str, String); 4] {
        let overrides: Vec<_> =
            self.overrides.iter().map(|(channel, provider)| format!("{channel}={provider}")).collect();
        let canary = self.canary.as_ref().map(|canary| format!("{} {}%", canary.provider, canary.percent));
        [
            ("routing.primary", self.primary.clone()),
            ("routing.channel_overrides", overrides.join(", ")),
            ("routing.failover", self.failover.join(", ")),
            ("routing.canary", canary.unwrap_or_default()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routing() -> Routing {
        Routing {
            primary: "a".to_owned(),
            overrides: vec![(Channel::Sms, "b".to_owned()), (Channel::Lms, "b".to_owned())],
            failover: vec!["c".to_owned(), "b".to_owned()],
            canary: Some(Canary { provider: "c".to_owned(), percent: 5 }),
            ..Routing::default()
        }
    }

    #[test]
    fn every_way_to_name_a_vendor_is_a_use_of_it() {
        assert_eq!(routing().uses_of("a"), ["routing.primary"]);
        assert_eq!(routing().uses_of("b"), ["routing.channel_overrides", "routing.failover"]);
        assert_eq!(routing().uses_of("c"), ["routing.failover", "routing.canary"]);
        assert!(routing().uses_of("d").is_empty());
    }

    #[test]
    fn a_new_primary_is_neither_its_own_failover_nor_its_own_trial() {
        let changed = routing().with_primary("c");
        assert_eq!((changed.primary.as_str(), changed.failover.as_slice()), ("c", &["b".to_owned()][..]));
        assert_eq!(changed.canary, None);
        assert_eq!(changed.overrides, routing().overrides);
    }
}
