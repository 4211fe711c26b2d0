//! Korean phone numbers in the two forms that the vendors use.
//!
//! CloudMsg writes national digits (`01012345678`, `15881234`), SendTalk E.164 (`+821012345678`, `+8215881234`).

/// A number that can receive messages, in national digits: a mobile or a landline, never a representative number.
pub(crate) fn is_recipient(national: &str) -> bool {
    if !digits(national) || !national.starts_with('0') {
        return false;
    }
    match national.get(..3) {
        Some("010") => national.len() == 11,
        Some("011" | "016" | "017" | "018" | "019") => matches!(national.len(), 10 | 11),
        Some("001" | "002" | "012" | "013" | "014" | "015" | "000") | None => false,
        Some(_) => (9..=11).contains(&national.len()),
    }
}

/// A number that may be shown as the sender, in national digits: 8–11 of them.
pub(crate) fn is_sender(national: &str) -> bool {
    digits(national) && (8..=11).contains(&national.len())
}

/// National digits of an E.164 number of Korea; representative numbers have no leading zero.
pub(crate) fn from_e164(number: &str) -> Option<String> {
    let rest = number.strip_prefix("+82")?;
    if !digits(rest) || rest.starts_with('0') {
        return None;
    }
    let representative = rest.len() == 8 && ["15", "16", "18"].iter().any(|prefix| rest.starts_with(prefix));
    Some(if representative { rest.to_owned() } else { format!("0{rest}") })
}

/// What both written forms of one number share, for matching rules: digits without country code and leading zero.
pub(crate) fn subscriber(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let national = if number.trim_start().starts_with("+82") { &digits[2..] } else { digits.as_str() };
    national.strip_prefix('0').unwrap_or(national).to_owned()
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mobiles_and_landlines_can_receive() {
        for number in ["01012345678", "0111234567", "0212345678", "0311234567", "07012345678"] {
            assert!(is_recipient(number), "{number}");
        }
    }

    #[test]
    fn other_shapes_cannot_receive() {
        for number in ["0101234567", "010-1234-5678", "+821012345678", "15881234", "1012345678", "", "010123456789"] {
            assert!(!is_recipient(number), "{number}");
        }
    }

    #[test]
    fn e164_becomes_national_and_representative_numbers_stay() {
        assert_eq!(from_e164("+821012345678").as_deref(), Some("01012345678"));
        assert_eq!(from_e164("+8215881234").as_deref(), Some("15881234"));
        assert_eq!(from_e164("+82215881234").as_deref(), Some("0215881234"));
        assert_eq!(from_e164("+8201012345678"), None);
        assert_eq!(from_e164("01012345678"), None);
    }

    #[test]
    fn both_forms_share_the_subscriber_digits() {
        assert_eq!(subscriber("010-1234-5678"), subscriber("+82 10 1234 5678"));
        assert_eq!(subscriber("15881234"), subscriber("+8215881234"));
    }
}
