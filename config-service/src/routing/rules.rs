//! What a routing must fulfil before the store is asked.

use std::collections::BTreeSet;

use switchboard_providers::Registry;

use super::Routing;
use crate::error::{Error, Violation};

/// Checks a routing against itself and against what the vendors can do. Whether the organisation has credentials with
/// each vendor is for the store to check, in the transaction of the change.
///
/// # Errors
///
/// Every field that is wrong; then an unknown vendor; then a channel that its vendor does not carry.
pub fn check(routing: &Routing, registry: &Registry) -> Result<(), Error> {
    let violations = contradictions(routing);
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    if let Some((_, unknown)) = routing.named().find(|(_, provider)| registry.get(provider).is_none()) {
        return Err(unknown_provider(registry, unknown));
    }
    for (channel, provider) in &routing.overrides {
        let vendor = registry.get(provider).ok_or_else(|| unknown_provider(registry, provider))?;
        if !vendor.descriptor().channels.contains(channel) {
            return Err(Error::ChannelUnsupported { provider: provider.clone(), channel: channel.as_str() });
        }
    }
    Ok(())
}

/// The error for a code that no vendor has.
pub(crate) fn unknown_provider(registry: &Registry, provider: &str) -> Error {
    let known: Vec<_> = registry.iter().map(|vendor| vendor.descriptor().code).collect();
    // What is not a code is not repeated: it could be anything, of any length.
    let provider: String = provider.chars().filter(|c| !c.is_control()).take(64).collect();
    Error::ProviderUnknown { provider, known: known.join(", ") }
}

fn contradictions(routing: &Routing) -> Vec<Violation> {
    let mut violations = Vec::new();
    let extras = !routing.overrides.is_empty() || !routing.failover.is_empty() || routing.canary.is_some();
    if routing.primary.is_empty() && extras {
        violations.push(Violation::new(
            "routing.primary",
            "is empty, which means the platform default: name a vendor, or leave overrides, failover and canary out",
        ));
    }
    let mut channels = BTreeSet::new();
    for (index, (channel, provider)) in routing.overrides.iter().enumerate() {
        if !channels.insert(*channel) {
            let what = format!("{channel} is there twice: keep one");
            violations.push(Violation::new(format!("routing.channel_overrides[{index}].channel"), what));
        }
        if provider.is_empty() {
            let field = format!("routing.channel_overrides[{index}].provider");
            violations.push(Violation::new(field, "is required"));
        }
    }
    let mut vendors = BTreeSet::new();
    for (index, provider) in routing.failover.iter().enumerate() {
        let field = || format!("routing.failover[{index}]");
        if provider.is_empty() {
            violations.push(Violation::new(field(), "is empty: name a vendor"));
        } else if *provider == routing.primary {
            violations.push(Violation::new(field(), "is the primary itself: name another vendor"));
        } else if !vendors.insert(provider) {
            violations.push(Violation::new(field(), "is there twice: keep one"));
        }
    }
    if let Some(canary) = &routing.canary {
        if !(1..=100).contains(&canary.percent) {
            violations.push(Violation::new("routing.canary.percent", "must be 1 to 100"));
        }
        if canary.provider.is_empty() {
            violations.push(Violation::new("routing.canary.provider", "is required"));
        } else if canary.provider == routing.primary {
            violations.push(Violation::new("routing.canary.provider", "is the primary itself: name another vendor"));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use switchboard_providers::model::Channel;
    use switchboard_runtime::error::Reason;

    use super::{super::Canary, *};

    fn registry() -> Registry {
        Registry::new(&std::collections::BTreeMap::new()).unwrap()
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let routing = Routing {
            primary: "cloudmsg".to_owned(),
            overrides: vec![(Channel::Sms, "sendtalk".to_owned()), (Channel::Sms, String::new())],
            failover: vec!["cloudmsg".to_owned(), "sendtalk".to_owned(), "sendtalk".to_owned()],
            canary: Some(Canary { provider: "cloudmsg".to_owned(), percent: 101 }),
            ..Routing::default()
        };
        let Err(Error::Invalid(violations)) = check(&routing, &registry()) else { panic!() };
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "routing.channel_overrides[1].channel",
                "routing.channel_overrides[1].provider",
                "routing.failover[0]",
                "routing.failover[2]",
                "routing.canary.percent",
                "routing.canary.provider",
            ]
        );
    }

    #[test]
    fn no_primary_means_nothing_else_either() {
        assert!(check(&Routing::default(), &registry()).is_ok());
        let routing = Routing { failover: vec!["sendtalk".to_owned()], ..Routing::default() };
        assert!(matches!(check(&routing, &registry()), Err(Error::Invalid(_))));
    }

    #[test]
    fn an_unknown_vendor_is_named_with_the_known_ones() {
        let routing = Routing { primary: "pigeon".to_owned(), ..Routing::default() };
        let error = check(&routing, &registry()).unwrap_err();
        assert_eq!(error.reason(), Reason::ProviderUnknown);
        assert!(error.to_string().contains("cloudmsg, sendtalk"), "{error}");
    }
}
