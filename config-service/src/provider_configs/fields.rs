//! What may be seen of a credential.

use chrono::{DateTime, Utc};
use switchboard_providers::{Credentials, Form, FormField};

use crate::audit::FieldChange;

/// What stands for the part of a value that is not shown.
const MASK: &str = "••••";

/// What may be seen of a credential that is set. This is all of it that is ever stored in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldState {
    /// Key of the form.
    pub key: String,
    /// The value, or what may be shown of it; empty for a secret.
    pub shown: String,
    /// When it was last set.
    pub set_at: DateTime<Utc>,
    /// For a webhook secret that was replaced: until when the old one is still accepted.
    pub previous_expires_at: Option<DateTime<Utc>>,
}

impl FieldState {
    /// What may be seen of `value` in `field`: nothing of a secret, the last characters where the vendor's document asks
    /// for masking, otherwise all of it.
    pub fn of(field: &FormField, value: &str, set_at: DateTime<Utc>) -> Self {
        Self { key: field.key.to_owned(), shown: shown(field, value), set_at, previous_expires_at: None }
    }
}

fn shown(field: &FormField, value: &str) -> String {
    match field.show_last {
        _ if field.secret => String::new(),
        None => value.to_owned(),
        Some(last) => {
            let length = value.chars().count();
            // A value that is hardly longer than what may be shown is not shown at all.
            let skip = if length >= 2 * last { length - last } else { length };
            MASK.chars().chain(value.chars().skip(skip)).collect()
        }
    }
}

/// What changed from `before` to `after`, for the audit trail: of a secret only that it did.
pub fn differences(form: &Form, before: &Credentials, after: &Credentials) -> Vec<FieldChange> {
    let changed = form.fields.iter().filter(|field| before.get(field.key) != after.get(field.key));
    changed
        .map(|field| {
            let path = format!("credentials.{}", field.key);
            if field.secret {
                return FieldChange::secret(path);
            }
            let shown = |credentials: &Credentials| {
                credentials.get(field.key).map(|value| shown(field, value)).unwrap_or_default()
            };
            FieldChange::open(path, shown(before), shown(after))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use switchboard_providers::{Use, credentials::Localized};

    use super::*;

    const NOTHING: Localized = Localized { ko: "", en: "" };

    fn field(secret: bool, show_last: Option<usize>) -> FormField {
        FormField {
            key: "key",
            label: NOTHING,
            secret,
            required: true,
            pattern: ".*",
            help: NOTHING,
            show_last,
            used_for: Use::Sending,
        }
    }

    fn shown_of(field: &FormField, value: &str) -> String {
        FieldState::of(field, value, DateTime::UNIX_EPOCH).shown
    }

    #[test]
    fn a_secret_shows_nothing_whatever_else_its_field_says() {
        assert_eq!(shown_of(&field(true, None), "canary"), "");
        assert_eq!(shown_of(&field(true, Some(4)), "canary"), "");
    }

    #[test]
    fn a_masked_value_shows_its_last_characters_unless_it_is_short() {
        assert_eq!(shown_of(&field(false, Some(4)), "AK-12345678"), "••••5678");
        assert_eq!(shown_of(&field(false, Some(4)), "12345678"), "••••5678");
        assert_eq!(shown_of(&field(false, Some(4)), "1234567"), "••••");
        assert_eq!(shown_of(&field(false, None), "svc-demo"), "svc-demo");
    }
}
