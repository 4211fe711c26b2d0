//! Listing organisations: what to look for, in which order, from where.
//!
//! Pages are cut by key (the sort value and id of the last row), never by number, so that rows inserted or changed
//! meanwhile neither repeat nor hide others.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::Organization;

/// What an organisation is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// Its id.
    Id,
    /// Its name, by code point: for Hangul that is the order of the dictionary.
    Name,
    /// When it was created.
    CreatedAt,
}

/// The order of a list. Equal sort values are ordered by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// What by.
    pub key: SortKey,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl Order {
    /// Reads `organization_id`, `name` or `create_time`, optionally followed by ` desc`; empty is `organization_id`.
    pub fn parse(order_by: &str) -> Option<Self> {
        let mut words = order_by.split_whitespace();
        let key = match words.next() {
            None | Some("organization_id") => SortKey::Id,
            Some("name") => SortKey::Name,
            Some("create_time") => SortKey::CreatedAt,
            Some(_) => return None,
        };
        let descending = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return None,
        };
        words.next().is_none().then_some(Self { key, descending })
    }

    /// Where the page after `organization` begins.
    pub fn cursor(self, organization: &Organization) -> Cursor {
        let value = match self.key {
            SortKey::Id => SortValue::Id,
            SortKey::Name => SortValue::Name(organization.name.clone()),
            SortKey::CreatedAt => SortValue::CreatedAt(organization.created_at),
        };
        Cursor { value, organization_id: organization.organization_id.clone() }
    }
}

/// Where a page begins: after this row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// What the row was sorted by.
    pub value: SortValue,
    /// Its id.
    pub organization_id: String,
}

/// A value that rows are sorted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SortValue {
    /// The id itself.
    Id,
    /// A name.
    Name(String),
    /// An instant.
    CreatedAt(DateTime<Utc>),
}

/// Which organisations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Part of the name or id, [folded](fold); empty: all.
    pub query: String,
    /// Only those routed to this vendor; empty: all.
    pub provider: String,
    /// Only those without a mapping.
    pub unmapped: bool,
    /// Only these, since the caller is limited to them.
    pub within: Option<BTreeSet<String>>,
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_open(&self) -> bool {
        self.query.is_empty() && self.provider.is_empty() && !self.unmapped && self.within.is_none()
    }
}

/// A page that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Which.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// After which row; `None`: from the beginning.
    pub after: Option<Cursor>,
    /// How many at most.
    pub limit: u32,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The organisations.
    pub organizations: Vec<Organization>,
    /// Whether more follow.
    pub more: bool,
    /// How many there are over all pages.
    pub total: i64,
}

impl Page {
    /// A page of at most `limit`, from rows that were read one further to see whether others follow.
    pub(crate) fn of(mut organizations: Vec<Organization>, limit: u32, total: i64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = organizations.len() > limit;
        organizations.truncate(limit);
        Self { organizations, more, total }
    }
}

/// The form in which names and ids are searched: compatibility characters and case folded, so that full-width and
/// decomposed input finds what it means. On one line, so that no match spans id and name.
pub fn fold(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).filter(|character| !character.is_control()).nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_field_and_a_direction() {
        let order = |key, descending| Some(Order { key, descending });
        assert_eq!(Order::parse(""), order(SortKey::Id, false));
        assert_eq!(Order::parse("name desc"), order(SortKey::Name, true));
        assert_eq!(Order::parse(" create_time  asc "), order(SortKey::CreatedAt, false));
        for wrong in ["version", "name down", "name desc desc", "name, create_time"] {
            assert_eq!(Order::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn search_ignores_case_width_and_composition() {
        assert_eq!(fold("Seoul ＣＬＩＮＩＣ"), "seoul clinic");
        assert_eq!(fold("\u{1112}\u{1161}\u{11ab}"), "한");
        assert_eq!(fold("a\nb"), "ab");
    }
}
