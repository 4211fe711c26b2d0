//! A statement in the SQL that both engines read, with the values it binds.
//!
//! Its text is made of literals alone: what comes from outside can only be bound.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

/// A value, as neither engine keeps it.
pub(in crate::store) enum Value {
    Text(String),
    Number(i64),
    Bytes(Vec<u8>),
    Flag(bool),
    Instant(Option<DateTime<Utc>>),
}

/// A statement; its values are `$1`, `$2`, … in the order in which they were bound.
pub(in crate::store) struct Statement {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

/// A statement of this text.
pub(super) fn sql(text: &'static str) -> Statement {
    Statement { text: Cow::Borrowed(text), values: Vec::new() }
}

impl Statement {
    /// Binds the next value.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Adds text.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Binds the next value and adds its placeholder.
    pub fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let placeholder = format!("${}", self.values.len());
        self.text.to_mut().push_str(&placeholder);
        self
    }

    /// Binds values and adds their placeholders as a list in parentheses.
    pub fn push_list(&mut self, values: impl IntoIterator<Item = impl Into<Value>>) -> &mut Self {
        self.push("(");
        for (index, value) in values.into_iter().enumerate() {
            self.push(if index == 0 { "" } else { ", " }).push_bind(value);
        }
        self.push(")")
    }

    /// For the engine: the text, and the values in order.
    pub fn into_parts(self) -> (SqlStr, Vec<Value>) {
        // Safe, since every part of the text is a literal or a placeholder.
        (AssertSqlSafe(self.text).into_sql_str(), self.values)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<DateTime<Utc>> for Value {
    fn from(instant: DateTime<Utc>) -> Self {
        Self::Instant(Some(instant))
    }
}

impl From<Option<DateTime<Utc>>> for Value {
    fn from(instant: Option<DateTime<Utc>>) -> Self {
        Self::Instant(instant)
    }
}
