//! What is wrong with a request.

/// What kind of wrong. The kind of the first one is the reason of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// Any field that has no kind of its own.
    Field,
    /// No phone number.
    PhoneNumber,
    /// No text.
    TextEmpty,
    /// Too much text.
    TextTooLong,
    /// A character that CP949 does not have.
    Unencodable,
    /// An image.
    Image,
    /// Template and variables.
    Template,
    /// A button.
    Button,
    /// The rules for advertisements.
    AdRules,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field's path in the request.
    pub field: String,
    /// What is wrong and what to do; no phone number, no text.
    pub description: String,
}

/// A request that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .faults.iter().map(|fault| format!("{} {}", fault.field, fault.description)).collect::<Vec<_>>().join("; "))]
pub struct Invalid {
    /// The kind of the first.
    pub violation: Violation,
    /// All that is wrong.
    pub faults: Vec<Fault>,
}

/// Collects what is wrong.
#[derive(Debug, Default)]
pub struct Violations {
    found: Option<Invalid>,
}

impl Violations {
    /// One more.
    pub fn add(&mut self, violation: Violation, field: impl Into<String>, description: impl Into<String>) {
        let fault = Fault { field: field.into(), description: description.into() };
        match &mut self.found {
            Some(invalid) => invalid.faults.push(fault),
            None => self.found = Some(Invalid { violation, faults: vec![fault] }),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.found.is_none()
    }

    /// The prepared parts, or all that is wrong.
    ///
    /// # Errors
    ///
    /// When anything is wrong, or a part is missing.
    pub fn finish<T>(self, parts: Option<T>) -> Result<T, Invalid> {
        match (self.found, parts) {
            (None, Some(parts)) => Ok(parts),
            (Some(invalid), _) => Err(invalid),
            (None, None) => Err(Invalid {
                violation: Violation::Field,
                faults: vec![Fault { field: "request".to_owned(), description: "is incomplete".to_owned() }],
            }),
        }
    }
}
