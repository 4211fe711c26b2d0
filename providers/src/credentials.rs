//! Credentials and the forms that describe them.
//!
//! A form is all that an admin screen needs to draw itself and all that config-service needs to validate, seal and hand
//! out: which fields there are, which are secret, and what each is used for.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{PoisonError, RwLock},
};

use regex::Regex;
use secrecy::{ExposeSecret, SecretString};

use crate::model::Sender;

/// Who needs a field. A node receives only the fields that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Calling the vendor: for dispatchers.
    Sending,
    /// Verifying callbacks: for webhook gateways.
    Webhooks,
}

/// A text in the two languages of the admin screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Localized {
    /// Korean.
    pub ko: &'static str,
    /// English.
    pub en: &'static str,
}

/// One field of a credentials form.
#[derive(Clone, Copy, Debug)]
pub struct FormField {
    /// Key in the credentials.
    pub key: &'static str,
    /// Label on the screen.
    pub label: Localized,
    /// Whether it is sealed and never shown again.
    pub secret: bool,
    /// Whether it must be given.
    pub required: bool,
    /// The whole value matches this (syntax of the `regex` crate and of RE2).
    pub pattern: &'static str,
    /// What to type, and where to find it.
    pub help: Localized,
    /// How many of its last characters may be shown, where the vendor's document asks for masking a field that is not
    /// secret; `None`: all of it.
    pub show_last: Option<usize>,
    /// Who needs it.
    pub used_for: Use,
}

/// A vendor's credentials form, in the order of the screen.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// The fields.
    pub fields: &'static [FormField],
    /// Key of the field that names the account; never secret, always required.
    pub account_field: &'static str,
    /// Key of the field that verifies callbacks.
    pub webhook_secret_field: &'static str,
    /// Key of the field with the default sender number.
    pub default_sender_field: &'static str,
}

/// Values by key of a form. Prints keys only, and is wiped on drop.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, SecretString>);

impl Credentials {
    /// A value; `None` where it is not set.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(ExposeSecret::expose_secret).filter(|value| !value.is_empty())
    }

    /// Sets a value.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<SecretString>) {
        self.0.insert(key.into(), value.into());
    }

    /// Removes a value.
    pub fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Keys that have a value, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, value)| !value.expose_secret().is_empty()).map(|(key, _)| key.as_str())
    }

    /// Keys and values. Whoever calls this holds secrets in the open.
    pub fn expose(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.expose_secret()))
    }
}

impl<K: Into<String>, V: Into<SecretString>> FromIterator<(K, V)> for Credentials {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credentials").field(&self.0.keys().collect::<Vec<_>>()).finish()
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormViolation {
    /// The key, as given.
    pub key: String,
    /// What and what to do, in Korean.
    pub ko: String,
    /// What and what to do, in English. Never holds the value.
    pub en: String,
}

/// Credentials that do not fit their form: every violation, not only the first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the credentials do not fit the form: {}", .0.iter().map(|v| format!("{} {}", v.key, v.en)).collect::<Vec<_>>().join("; "))]
pub struct CredentialsError(pub Vec<FormViolation>);

impl Form {
    /// The field of a key.
    pub fn field(&self, key: &str) -> Option<&'static FormField> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// Checks credentials, whole.
    ///
    /// # Errors
    ///
    /// Every field that is missing, unknown or of the wrong shape.
    pub fn validate(&self, credentials: &Credentials) -> Result<(), CredentialsError> {
        self.check(credentials, |field| field.required)
    }

    /// Checks what a node holds that has received only the fields of one use: the others may be missing.
    ///
    /// # Errors
    ///
    /// As [`Form::validate`].
    pub fn validate_for(&self, used_for: Use, credentials: &Credentials) -> Result<(), CredentialsError> {
        self.check(credentials, |field| field.required && field.used_for == used_for)
    }

    fn check(&self, credentials: &Credentials, needed: impl Fn(&FormField) -> bool) -> Result<(), CredentialsError> {
        let mut violations = Vec::new();
        for field in self.fields {
            let (ko, en) = match credentials.get(field.key) {
                None if needed(field) => ("필수 항목입니다", "is required"),
                Some(value) if !self.accepts(field, value) => {
                    ("형식이 올바르지 않습니다", "does not have the right form")
                }
                _ => continue,
            };
            violations.push(FormViolation {
                key: field.key.to_owned(),
                ko: format!("{}: {ko}. {}", field.label.ko, field.help.ko),
                en: format!("{en}: {}", field.help.en),
            });
        }
        for key in credentials.keys().filter(|key| self.field(key).is_none()) {
            let known = self.fields.iter().map(|field| field.key).collect::<Vec<_>>().join(", ");
            violations.push(FormViolation {
                key: key.to_owned(),
                ko: format!("알 수 없는 항목입니다. 사용할 수 있는 항목: {known}"),
                en: format!("is not a field of this form: use {known}"),
            });
        }
        if violations.is_empty() { Ok(()) } else { Err(CredentialsError(violations)) }
    }

    /// Whether a value fits its field. A sender number must also be one: no pattern knows the numbering plan.
    fn accepts(&self, field: &FormField, value: &str) -> bool {
        matches(field.pattern, value) && (field.key != self.default_sender_field || Sender::parse(value).is_ok())
    }

    /// The account that these credentials open, as the vendor names it; empty before validation.
    pub fn account<'a>(&self, credentials: &'a Credentials) -> &'a str {
        credentials.get(self.account_field).unwrap_or_default()
    }
}

/// Whether the whole value matches. A pattern that does not compile matches nothing; a test holds that all do.
///
/// Patterns are compiled once: a dispatcher opens the accounts of every organisation at its start.
fn matches(pattern: &'static str, value: &str) -> bool {
    static COMPILED: RwLock<BTreeMap<&'static str, Option<Regex>>> = RwLock::new(BTreeMap::new());
    let whole = |regex: &Option<Regex>| regex.as_ref().is_some_and(|regex| regex.is_match(value));
    if let Some(regex) = COMPILED.read().unwrap_or_else(PoisonError::into_inner).get(pattern) {
        return whole(regex);
    }
    let regex = Regex::new(&format!("^(?:{pattern})$")).ok();
    whole(COMPILED.write().unwrap_or_else(PoisonError::into_inner).entry(pattern).or_insert(regex))
}
