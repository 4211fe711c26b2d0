//! The rules for advertisements by text message (Korean Information and Communications Network Act, article 50): the mark
//! at the start, a free opt-out number, and no sending at night.

use std::sync::LazyLock;

use chrono::{DateTime, FixedOffset, Timelike as _, Utc};
use regex::Regex;

use super::{Fault, Invalid, Violation, Violations};

/// What is asked of advertisements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdRules {
    /// Refuse from 21:00 to 08:00 Korean time.
    pub night: bool,
}

const MARK: &str = "(광고)";
/// Korean time has no summer time.
const KST_SECONDS: i32 = 9 * 3600;

impl AdRules {
    /// Checks a text; the opt-out number found in it, national digits.
    pub(super) fn check(text: &str, violations: &mut Violations) -> Option<String> {
        if !text.starts_with(MARK) {
            violations.add(Violation::AdRules, "text", "is an advertisement and must start with (광고)");
        }
        let opt_out = opt_out_number(text);
        if opt_out.is_none() {
            violations.add(
                Violation::AdRules,
                "text",
                "is an advertisement and must carry a free opt-out number, such as 무료수신거부 080-123-4567",
            );
        }
        opt_out
    }

    /// Whether no advertisement may leave now.
    pub fn forbids(self, now: DateTime<Utc>) -> bool {
        self.night && is_night(now)
    }

    /// Whether an advertisement may not be sent now. That is no fault of its content, so it is told with other faults or,
    /// if there are none, kept with the draft: the same request made by day is still answered.
    pub(super) fn hold_back(self, now: DateTime<Utc>, violations: &mut Violations) -> Option<Invalid> {
        if !self.forbids(now) {
            return None;
        }
        const WHY: &str = "is ADVERTISEMENT, which may not be sent from 21:00 to 08:00 Korean time: send it by day";
        if !violations.is_empty() {
            violations.add(Violation::AdRules, "purpose", WHY);
        }
        let fault = Fault { field: "purpose".to_owned(), description: WHY.to_owned() };
        Some(Invalid { violation: Violation::AdRules, faults: vec![fault] })
    }
}

fn is_night(now: DateTime<Utc>) -> bool {
    FixedOffset::east_opt(KST_SECONDS).is_some_and(|kst| {
        let hour = now.with_timezone(&kst).hour();
        !(8..21).contains(&hour)
    })
}

/// A number that is free for the caller: 080 and seven or eight more digits.
fn opt_out_number(text: &str) -> Option<String> {
    static FREE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?:^|[^0-9])(080[- ]?[0-9]{3,4}[- ]?[0-9]{4})(?:$|[^0-9])").ok());
    let found = FREE.as_ref()?.captures(text)?.get(1)?;
    Some(found.as_str().chars().filter(char::is_ascii_digit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn night_is_from_nine_to_eight_in_korea() {
        for (utc, night) in
            [("11:59:59", false), ("12:00:00", true), ("22:59:59", true), ("23:00:00", false), ("03:00:00", false)]
        {
            let now = format!("2026-03-01T{utc}Z").parse().unwrap();
            assert_eq!(is_night(now), night, "{utc} UTC");
        }
    }

    #[test]
    fn the_free_number_is_found_however_it_is_written() {
        assert_eq!(opt_out_number("(광고) 세일 무료수신거부 080-123-4567").as_deref(), Some("0801234567"));
        assert_eq!(opt_out_number("(광고) 거부0801234567").as_deref(), Some("0801234567"));
        assert_eq!(opt_out_number("거부 080 1234 5678").as_deref(), Some("08012345678"));
        for none in ["", "02-123-4567", "1080-123-4567", "080-12-345", "080123456789"] {
            assert_eq!(opt_out_number(none), None, "{none}");
        }
    }
}
