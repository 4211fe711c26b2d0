//! Organisations: the parts of the company that send messages.

mod listing;
mod service;

use std::fmt;

use chrono::{DateTime, Utc};
use unicode_normalization::UnicodeNormalization as _;

pub use listing::{Cursor, Filter, Listing, Order, Page, SortKey, SortValue, fold};
pub use service::Organizations;

use crate::error::Violation;

/// The reserved organisation whose vendor account serves everyone without a mapping.
pub const DEFAULT: &str = "default";
/// Its name until somebody changes it.
pub const DEFAULT_NAME: &str = "Platform default";

const LONGEST_ID: usize = 64;
const LONGEST_NAME: usize = 100;

/// An organisation's id: 1 to 64 of `[a-z0-9-]`, starting with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationId(String);

impl OrganizationId {
    /// Checks an id that a caller chose.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(id: &str) -> Result<Self, Violation> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let starts_well = id.bytes().next().is_some_and(allowed);
        if starts_well && id.len() <= LONGEST_ID && id.bytes().all(|byte| allowed(byte) || byte == b'-') {
            return Ok(Self(id.to_owned()));
        }
        let rule =
            "must be 1 to 64 of a-z, 0-9 and -, starting with a letter or digit; leave it empty to have one made";
        Err(Violation::new("organization_id", rule))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrganizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An organisation's name: 1 to 100 characters on one line, in Unicode NFC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationName(String);

impl OrganizationName {
    /// Checks a name, trimmed and normalised.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(name: &str) -> Result<Self, Violation> {
        let name: String = name.trim().nfc().collect();
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            return Err(Violation::new("name", "must be 1 to 100 characters"));
        }
        if name.chars().any(char::is_control) {
            return Err(Violation::new("name", "holds a line break or another control character: remove it"));
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub organization_id: String,
    /// What people call it.
    pub name: String,
    /// Grows by one with every change, its routing excepted.
    pub version: i64,
    /// The vendor it is routed to; empty without a mapping.
    pub provider: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_to_their_alphabet() {
        for good in ["a", "0", "default", "seoul-clinic-2", &"x".repeat(64)] {
            assert!(OrganizationId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "서울", "a_b", "a b", "a/b", &"x".repeat(65)] {
            assert!(OrganizationId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_counted_in_characters_and_kept_composed() {
        assert_eq!(OrganizationName::parse("  서울\u{1112}\u{1161}\u{11ab} ").unwrap().as_str(), "서울한");
        assert!(OrganizationName::parse(&"가".repeat(100)).is_ok());
        for bad in ["", " \t ", "a\nb", &"가".repeat(101)] {
            assert!(OrganizationName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
