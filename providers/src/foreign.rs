//! What comes from outside, made safe to keep.
//!
//! A vendor's words end up in databases, logs and terminals, so they are cut to a length and lose control characters
//! (PostgreSQL keeps no NUL: one would make an event fail for ever). Ids are never changed, only refused.

use chrono::{DateTime, Datelike as _, Utc};
use serde_json::error::Category;

/// Longest word of a vendor that is kept, in characters.
const WORD: usize = 64;
/// Longest id that is believed, in bytes; the documents' own are far shorter.
const ID: usize = 128;

/// A status word or code: as it came, but of bounded length and printable.
pub(crate) fn word(raw: &str) -> String {
    raw.chars()
        .take(WORD)
        .map(|character| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character })
        .collect()
}

/// An id or reference, exactly as it came.
///
/// # Errors
///
/// When it is too long, or holds a control character: such a thing is no id.
pub(crate) fn id(field: &str, raw: String) -> Result<String, String> {
    if raw.len() > ID {
        return Err(format!("{field} is longer than {ID} bytes"));
    }
    if raw.chars().any(char::is_control) {
        return Err(format!("{field} holds a control character"));
    }
    Ok(raw)
}

/// Whether a vendor may mean this time. Zero, or another unit than the document's, is told as a year that it cannot mean;
/// beyond 9999 neither the contract nor every database could keep it.
pub(crate) fn is_meant(time: &DateTime<Utc>) -> bool {
    (2000..=9999).contains(&time.year())
}

/// What is wrong with a JSON text, without repeating any value of it, which may be personal data.
pub(crate) fn why(error: &serde_json::Error) -> String {
    let told = error.to_string();
    match error.classify() {
        Category::Data if told.starts_with("missing field") || told.starts_with("duplicate field") => told,
        Category::Data => format!("a value has the wrong type, before line {} column {}", error.line(), error.column()),
        Category::Eof => "the JSON breaks off".to_owned(),
        Category::Syntax | Category::Io => {
            format!("it is not JSON, at line {} column {}", error.line(), error.column())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_bounded_and_printable() {
        assert_eq!(word("COMPLETED"), "COMPLETED");
        assert_eq!(word("a\u{0}b\n"), "a\u{fffd}b\u{fffd}");
        assert_eq!(word(&"가".repeat(1000)).chars().count(), WORD);
    }

    #[test]
    fn ids_are_kept_to_the_letter_or_refused() {
        assert_eq!(id("messageId", "0007-aB".to_owned()).as_deref(), Ok("0007-aB"));
        assert!(id("messageId", "a\u{0}".to_owned()).unwrap_err().contains("messageId"));
        assert!(id("messageId", "a".repeat(129)).unwrap_err().contains("128"));
    }

    #[test]
    fn times_that_nobody_means_are_told_apart() {
        for (time, meant) in [
            ("0001-01-01T00:00:00+09:00", false),
            ("1970-01-01T00:00:00Z", false),
            ("1999-12-31T23:59:59Z", false),
            ("2000-01-01T00:00:00Z", true),
            ("9999-12-31T23:59:59Z", true),
            ("9999-12-31T23:59:59-01:00", false),
        ] {
            let time = DateTime::parse_from_rfc3339(time).unwrap().to_utc();
            assert_eq!(is_meant(&time), meant, "{time}");
        }
    }

    #[test]
    fn what_is_wrong_with_json_is_said_without_its_values() {
        let error = serde_json::from_str::<u8>("\"01012345678\"").unwrap_err();
        assert_eq!(why(&error), "a value has the wrong type, before line 1 column 13");
        assert_eq!(why(&serde_json::from_str::<u8>("").unwrap_err()), "the JSON breaks off");
    }
}
