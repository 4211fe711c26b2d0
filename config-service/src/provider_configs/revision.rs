//! How stored credentials become the next ones: what is left out stays, and a replaced webhook secret lives on for a
//! while, since vendors retry callbacks that they signed with it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use switchboard_providers::{Credentials, CredentialsError, Form, FormViolation, model::Sender};

use super::FieldState;
use crate::sealing::{ConfigSecrets, ReplacedSecret};

/// The next state of a config's credentials.
#[derive(Clone, Debug)]
pub struct Revision {
    /// What will be sealed.
    pub secrets: ConfigSecrets,
    /// What may be shown of it.
    pub fields: Vec<FieldState>,
}

impl Revision {
    /// The first credentials of a config.
    ///
    /// # Errors
    ///
    /// Everything that does not fit the form.
    pub fn first(form: &Form, given: &Credentials, now: DateTime<Utc>) -> Result<Self, CredentialsError> {
        let credentials = merged(&Credentials::default(), given);
        validate(form, &credentials)?;
        let secrets = ConfigSecrets { credentials, replaced: Vec::new() };
        let fields = states(form, &ConfigSecrets::default(), &[], &secrets, now);
        Ok(Self { secrets, fields })
    }

    /// The stored credentials with `given` over them. `overlap` is how long a webhook secret stays valid that this
    /// replaces; given by the caller (`explicit`), it also cuts short those that were replaced before.
    ///
    /// # Errors
    ///
    /// Everything in the result that does not fit the form.
    pub fn next(
        form: &Form,
        stored: &ConfigSecrets,
        fields: &[FieldState],
        given: &Credentials,
        overlap: Overlap,
        now: DateTime<Utc>,
    ) -> Result<Self, CredentialsError> {
        let credentials = merged(&stored.credentials, given);
        validate(form, &credentials)?;
        let replaced = replaced(form, stored, &credentials, overlap, now);
        let secrets = ConfigSecrets { credentials, replaced };
        let fields = states(form, stored, fields, &secrets, now);
        Ok(Self { secrets, fields })
    }
}

/// The longest that a replaced webhook secret may stay valid: vendors repeat a callback for days, not for years.
pub const LONGEST_OVERLAP: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long a replaced webhook secret stays valid.
#[derive(Clone, Copy, Debug)]
pub struct Overlap {
    /// How long.
    pub duration: Duration,
    /// Whether the caller said so, rather than the settings.
    pub explicit: bool,
}

impl Overlap {
    fn end(self, now: DateTime<Utc>) -> DateTime<Utc> {
        TimeDelta::from_std(self.duration)
            .ok()
            .and_then(|duration| now.checked_add_signed(duration))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// `given` over `stored`; an empty value removes.
pub(crate) fn merged(stored: &Credentials, given: &Credentials) -> Credentials {
    let mut credentials = stored.clone();
    for (key, value) in given.expose() {
        if value.is_empty() {
            credentials.remove(key);
        } else {
            credentials.set(key, value);
        }
    }
    credentials
}

/// Checks credentials against the form, and the default sender as a phone number.
///
/// # Errors
///
/// Everything that does not fit.
pub(crate) fn validate(form: &Form, credentials: &Credentials) -> Result<(), CredentialsError> {
    let mut violations = form.validate(credentials).err().map(|error| error.0).unwrap_or_default();
    let key = form.default_sender_field;
    let said_already = violations.iter().any(|violation| violation.key == key);
    if let Some(sender) = credentials.get(key).filter(|_| !said_already)
        && let Err(error) = Sender::parse(sender)
    {
        let label = form.field(key).map(|field| field.label.ko).unwrap_or_default();
        violations.push(FormViolation {
            key: key.to_owned(),
            ko: format!(
                "{label}: 올바른 발신번호가 아닙니다. 010-1234-5678, 02-123-4567, 1588-1234 형식으로 입력하세요."
            ),
            en: error.to_string(),
        });
    }
    if violations.is_empty() { Ok(()) } else { Err(CredentialsError(violations)) }
}

/// The replaced webhook secrets after the change, the newest first.
fn replaced(
    form: &Form,
    stored: &ConfigSecrets,
    next: &Credentials,
    overlap: Overlap,
    now: DateTime<Utc>,
) -> Vec<ReplacedSecret> {
    let signs = |credentials: &Credentials| {
        let secret = credentials.get(form.webhook_secret_field)?;
        Some((form.account(credentials).to_owned(), secret.to_owned()))
    };
    let current = signs(next);
    let mut replaced = Vec::with_capacity(stored.replaced.len() + 1);
    if let Some((account, secret)) = signs(&stored.credentials) {
        replaced.push(ReplacedSecret { account, secret: secret.into(), expires_at: overlap.end(now) });
    }
    replaced.extend(stored.replaced.iter().cloned().map(|mut old| {
        if overlap.explicit {
            old.expires_at = old.expires_at.min(overlap.end(now));
        }
        old
    }));
    let is_current = |old: &ReplacedSecret| {
        use secrecy::ExposeSecret as _;
        current
            .as_ref()
            .is_some_and(|(account, secret)| *account == old.account && secret == old.secret.expose_secret())
    };
    replaced.retain(|old| old.expires_at > now && !is_current(old));
    replaced
}

fn states(
    form: &Form,
    stored: &ConfigSecrets,
    before: &[FieldState],
    next: &ConfigSecrets,
    now: DateTime<Utc>,
) -> Vec<FieldState> {
    let set = form.fields.iter().filter_map(|field| Some((field, next.credentials.get(field.key)?)));
    set.map(|(field, value)| {
        let kept = before.iter().find(|state| state.key == field.key);
        let unchanged = stored.credentials.get(field.key) == Some(value);
        let set_at = kept.filter(|_| unchanged).map_or(now, |state| state.set_at);
        let mut state = FieldState::of(field, value, set_at);
        if field.key == form.webhook_secret_field {
            state.previous_expires_at = next.replaced.iter().map(|old| old.expires_at).max();
        }
        state
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;
    use switchboard_providers::Registry;

    use super::*;

    const DAY: Overlap = Overlap { duration: Duration::from_secs(86_400), explicit: false };

    fn form() -> Form {
        let registry = Registry::new(&std::collections::BTreeMap::new()).unwrap();
        registry.get("cloudmsg").unwrap().descriptor().form
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn given(pairs: &[(&str, &str)]) -> Credentials {
        pairs.iter().copied().collect()
    }

    fn first() -> Revision {
        let credentials = given(&[
            ("service_id", "svc-demo"),
            ("access_key", "AK-12345678"),
            ("secret_key", "secret-key-1"),
            ("callback_secret", "callback-secret-1"),
            ("default_sender", "02-123-4567"),
        ]);
        Revision::first(&form(), &credentials, at(0)).unwrap()
    }

    fn next(before: &Revision, pairs: &[(&str, &str)], overlap: Overlap, now: DateTime<Utc>) -> Revision {
        Revision::next(&form(), &before.secrets, &before.fields, &given(pairs), overlap, now).unwrap()
    }

    fn state<'r>(revision: &'r Revision, key: &str) -> Option<&'r FieldState> {
        revision.fields.iter().find(|state| state.key == key)
    }

    #[test]
    fn what_is_left_out_stays_and_an_empty_value_removes() {
        let changed = next(&first(), &[("access_key", "AK-99999999"), ("default_sender", "")], DAY, at(9));
        assert_eq!(changed.secrets.credentials.get("secret_key"), Some("secret-key-1"));
        assert_eq!(changed.secrets.credentials.get("access_key"), Some("AK-99999999"));
        assert_eq!(state(&changed, "default_sender"), None);
        assert_eq!(state(&changed, "secret_key").unwrap().set_at, at(0));
        assert_eq!(state(&changed, "access_key").unwrap().set_at, at(9));
        assert!(changed.secrets.replaced.is_empty());
    }

    #[test]
    fn a_required_field_cannot_be_removed() {
        let before = first();
        let error = Revision::next(&form(), &before.secrets, &before.fields, &given(&[("secret_key", "")]), DAY, at(1));
        assert_eq!(error.unwrap_err().0[0].key, "secret_key");
    }

    #[test]
    fn a_default_sender_must_be_a_number_that_can_send() {
        let before = first();
        let wrong = given(&[("default_sender", "010-12")]);
        let error = Revision::next(&form(), &before.secrets, &before.fields, &wrong, DAY, at(1)).unwrap_err();
        assert_eq!(error.0.len(), 1);
        assert_eq!(error.0[0].key, "default_sender");
    }

    #[test]
    fn a_replaced_webhook_secret_lives_on_for_the_overlap() {
        let changed = next(&first(), &[("callback_secret", "callback-secret-2")], DAY, at(10));
        let old = &changed.secrets.replaced[0];
        assert_eq!((old.account.as_str(), old.secret.expose_secret()), ("svc-demo", "callback-secret-1"));
        assert_eq!(old.expires_at, at(10 + 86_400));
        assert_eq!(state(&changed, "callback_secret").unwrap().previous_expires_at, Some(old.expires_at));
        let later = next(&changed, &[("access_key", "AK-88888888")], DAY, at(10 + 86_400));
        assert!(later.secrets.replaced.is_empty(), "expired secrets are dropped with the next change");
    }

    #[test]
    fn the_secret_of_a_replaced_account_lives_on_with_its_account() {
        let changed = next(&first(), &[("service_id", "svc-other")], DAY, at(10));
        assert_eq!(changed.secrets.replaced[0].account, "svc-demo");
    }

    #[test]
    fn an_explicit_overlap_also_cuts_short_what_was_replaced_before() {
        let changed = next(&first(), &[("callback_secret", "callback-secret-2")], DAY, at(10));
        let revoked = next(&changed, &[], Overlap { duration: Duration::ZERO, explicit: true }, at(20));
        assert!(revoked.secrets.replaced.is_empty());
        let minute = Overlap { duration: Duration::from_secs(60), explicit: true };
        let shortened = next(&changed, &[], minute, at(20));
        assert_eq!(shortened.secrets.replaced[0].expires_at, at(80));
    }

    #[test]
    fn a_secret_that_comes_back_is_current_and_not_replaced() {
        let changed = next(&first(), &[("callback_secret", "callback-secret-2")], DAY, at(10));
        let back = next(&changed, &[("callback_secret", "callback-secret-1")], DAY, at(20));
        let replaced: Vec<_> = back.secrets.replaced.iter().map(|old| old.secret.expose_secret()).collect();
        assert_eq!(replaced, ["callback-secret-2"]);
    }
}
