//! Phone numbers as Korean operators type them.
//!
//! libphonenumber knows the numbering plan; the checks before it refuse what it would bend into shape (letters become
//! digits in it, a mobile number that lost a digit becomes a landline).

use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, enums::Region};
use unicode_normalization::UnicodeNormalization;

/// A Korean number that can be sent to, kept in E.164.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhoneNumber {
    e164: String,
    /// With its leading zero, digits only; the numbering plan's own national form.
    national: String,
}

/// A Korean number that can be sent from.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sender {
    /// A number with an area or mobile prefix.
    Number(PhoneNumber),
    /// A representative number (15xx, 16xx, 18xx), eight digits in national form.
    Representative(String),
}

/// What is wrong with a number. Never holds the number, which is personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneNumberError {
    /// Nothing there.
    #[error("is empty: give a number such as 010-1234-5678")]
    Empty,
    /// Something else than digits and the usual punctuation.
    #[error(
        "holds a letter or a character that belongs in no phone number: use digits, spaces, hyphens and a leading +"
    )]
    Character,
    /// Not in the numbering plan.
    #[error(
        "is not a complete Korean phone number: check its length and prefix, for example 010-1234-5678 or 02-123-4567"
    )]
    Invalid,
    /// Another country.
    #[error("is not a Korean number: only numbers of +82 can be reached")]
    Foreign,
    /// A representative number as recipient.
    #[error("is a representative number (15xx, 16xx, 18xx), which can send but not receive: give a mobile number")]
    Representative,
}

impl PhoneNumber {
    /// Reads a recipient.
    ///
    /// # Errors
    ///
    /// What is wrong and what to do, without the number.
    pub fn parse(input: &str) -> Result<Self, PhoneNumberError> {
        match Sender::parse(input)? {
            Sender::Number(number) => Ok(number),
            Sender::Representative(_) => Err(PhoneNumberError::Representative),
        }
    }

    /// A number as [`PhoneNumber::e164`] wrote it when it was checked: the numbering plan is not asked again.
    ///
    /// # Errors
    ///
    /// [`PhoneNumberError::Invalid`] when that is not how it is written.
    pub fn from_storage(stored: &str) -> Result<Self, PhoneNumberError> {
        let significant = stored.strip_prefix("+82").filter(|rest| is_digits(rest) && !rest.starts_with('0'));
        significant.map(Self::from_significant).ok_or(PhoneNumberError::Invalid)
    }

    /// From a number without country code and leading zero.
    fn from_significant(digits: &str) -> Self {
        Self { e164: format!("+82{digits}"), national: format!("0{digits}") }
    }

    /// `+821012345678`.
    pub fn e164(&self) -> &str {
        &self.e164
    }

    /// `01012345678`.
    pub fn national_digits(&self) -> &str {
        &self.national
    }

    /// All but the prefix and the last four digits starred: for logs, and for roles that may not see it.
    pub fn masked(&self) -> String {
        mask(&self.e164)
    }
}

impl Sender {
    /// Reads a sender.
    ///
    /// # Errors
    ///
    /// What is wrong and what to do, without the number.
    pub fn parse(input: &str) -> Result<Self, PhoneNumberError> {
        let typed: String = if input.is_ascii() { input.to_owned() } else { input.nfkc().collect() };
        let typed = typed.trim();
        if typed.is_empty() {
            return Err(PhoneNumberError::Empty);
        }
        let plus = typed.starts_with('+');
        let mut digits = String::with_capacity(typed.len());
        for (index, character) in typed.char_indices() {
            match character {
                '0'..='9' => digits.push(character),
                '+' if index == 0 => {}
                // Hyphen, the dashes that word processors make of it, and the usual separators.
                ' ' | '-' | '.' | '(' | ')' | '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
                _ => return Err(PhoneNumberError::Character),
            }
        }
        // The country code, with its plus or, as address books export it, without.
        let abroad = digits.strip_prefix("82").filter(|_| plus || digits.len() > 9);
        let (rest_of_mobile, short) = match abroad {
            // +82 10 …, and +82 (0)10 … as many write it.
            Some(rest) => (rest.strip_prefix('0').unwrap_or(rest).strip_prefix("10"), rest),
            None if plus => return Err(PhoneNumberError::Foreign),
            None => (digits.strip_prefix("010"), digits.as_str()),
        };
        if let Some(rest) = rest_of_mobile {
            return mobile(rest).map(Self::Number).ok_or(PhoneNumberError::Invalid);
        }
        if is_representative(short) {
            return Ok(Self::Representative(short.to_owned()));
        }
        // What a spreadsheet left of a number: the zero it dropped may not have been the only digit.
        if abroad.is_none() && !digits.starts_with('0') {
            return Err(PhoneNumberError::Invalid);
        }
        let dialled = if abroad.is_some() { format!("+{digits}") } else { digits };
        let number = PHONE_NUMBER_UTIL.parse(&dialled, Some(Region::KR)).map_err(|_| PhoneNumberError::Invalid)?;
        if number.country_code != 82 {
            return Err(PhoneNumberError::Foreign);
        }
        if !number.is_valid_for_region(Region::KR) {
            return Err(PhoneNumberError::Invalid);
        }
        Ok(Self::Number(PhoneNumber::from_significant(&number.national_number.to_string())))
    }

    /// A sender as [`Sender::as_str`] wrote it when it was checked.
    ///
    /// # Errors
    ///
    /// [`PhoneNumberError::Invalid`] when that is not how it is written.
    pub fn from_storage(stored: &str) -> Result<Self, PhoneNumberError> {
        if is_representative(stored) && is_digits(stored) {
            return Ok(Self::Representative(stored.to_owned()));
        }
        PhoneNumber::from_storage(stored).map(Self::Number)
    }

    /// The form in which it is kept: E.164, or the national digits of a representative number.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Number(number) => number.e164(),
            Self::Representative(digits) => digits,
        }
    }

    /// `01012345678`, `15881234`.
    pub fn national_digits(&self) -> &str {
        match self {
            Self::Number(number) => number.national_digits(),
            Self::Representative(digits) => digits,
        }
    }

    /// `+821012345678`, `+8215881234`.
    pub fn e164(&self) -> String {
        match self {
            Self::Number(number) => number.e164().to_owned(),
            Self::Representative(digits) => format!("+82{digits}"),
        }
    }
}

/// A mobile number, from what follows its 010. There is nothing to read in it any more, so the numbering plan is only asked
/// whether it has such a number: nearly every recipient is one.
fn mobile(rest: &str) -> Option<PhoneNumber> {
    let significant = format!("10{rest}");
    let national_number = significant.parse().ok().filter(|_| rest.len() == 8)?;
    let number = rlibphonenumber::PhoneNumber { country_code: 82, national_number, ..Default::default() };
    number.is_valid_for_region(Region::KR).then(|| PhoneNumber::from_significant(&significant))
}

/// 15xx, 16xx and 18xx with four more digits (Korean numbering plan, nationwide representative numbers).
fn is_representative(digits: &str) -> bool {
    digits.len() == 8 && ["15", "16", "18"].iter().any(|prefix| digits.starts_with(prefix))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn mask(number: &str) -> String {
    let length = number.chars().count();
    // At least four characters are starred, however short the number is.
    let keep = 5.min(length.saturating_sub(8));
    number
        .chars()
        .enumerate()
        .map(|(index, character)| if index < keep || index + 4 >= length { character } else { '*' })
        .collect()
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(self.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_operators_type_becomes_e164() {
        for typed in [
            "010-1234-5678",
            "01012345678",
            " +82 10 1234 5678",
            "+82 (0)10-1234-5678",
            "82-10-1234-5678",
            "０１０－１２３４－５６７８",
            "010\u{2013}1234\u{2013}5678",
        ] {
            let number = PhoneNumber::parse(typed).unwrap_or_else(|error| panic!("{typed}: {error}"));
            assert_eq!((number.e164(), number.national_digits()), ("+821012345678", "01012345678"), "{typed}");
        }
        assert_eq!(PhoneNumber::parse("02-123-4567").unwrap().e164(), "+8221234567");
        assert_eq!(PhoneNumber::parse("02-123-4567").unwrap().national_digits(), "021234567");
        assert_eq!(PhoneNumber::parse("+82 31 123 4567").unwrap().national_digits(), "0311234567");
        assert_eq!(PhoneNumber::parse("070-1234-5678").unwrap().e164(), "+827012345678");
    }

    #[test]
    fn both_forms_are_those_of_the_numbering_plan() {
        use rlibphonenumber::PhoneNumberFormat;
        for typed in ["010-1234-5678", "02-123-4567", "02-1234-5678", "031-123-4567", "070-1234-5678", "0502-123-4567"]
        {
            let number = PhoneNumber::parse(typed).unwrap_or_else(|error| panic!("{typed}: {error}"));
            let planned = PHONE_NUMBER_UTIL.parse(typed, Some(Region::KR)).unwrap();
            assert_eq!(number.e164(), planned.format_as(PhoneNumberFormat::E164), "{typed}");
            let national = planned.format_as(PhoneNumberFormat::National).replace('-', "");
            assert_eq!(number.national_digits(), national, "{typed}");
        }
    }

    #[test]
    fn a_mobile_number_is_what_the_numbering_plan_reads_in_it() {
        let (mut valid, mut invalid) = (0, 0);
        for prefix in 0..10_000 {
            let typed = format!("010{prefix:04}6789");
            let planned = PHONE_NUMBER_UTIL.parse(&typed, Some(Region::KR)).unwrap();
            let planned = planned.is_valid_for_region(Region::KR).then(|| planned.national_number.to_string());
            match (PhoneNumber::parse(&typed), planned) {
                (Ok(number), Some(planned)) => {
                    assert_eq!(number.national_digits(), format!("0{planned}"));
                    valid += 1;
                }
                (Err(PhoneNumberError::Invalid), None) => invalid += 1,
                (read, planned) => panic!("{typed}: {read:?}, {planned:?}"),
            }
        }
        assert!(valid > 1_000 && invalid > 0, "{valid} and {invalid}");
    }

    #[test]
    fn what_was_checked_once_is_read_back_as_it_was() {
        for typed in ["010-1234-5678", "02-123-4567", "1588-1234"] {
            let sender = Sender::parse(typed).unwrap();
            assert!(Sender::from_storage(sender.as_str()).unwrap() == sender, "{typed}");
        }
        for other in ["", "+82", "+8201012345678", "01012345678", "+81312345678", "+82 10 1234", "1588-123"] {
            assert_eq!(Sender::from_storage(other).err(), Some(PhoneNumberError::Invalid), "{other}");
        }
    }

    #[test]
    fn what_is_not_a_korean_number_is_refused() {
        for (typed, expected) in [
            ("", PhoneNumberError::Empty),
            ("  ", PhoneNumberError::Empty),
            ("010-1234-567", PhoneNumberError::Invalid),
            ("010-12345-6789", PhoneNumberError::Invalid),
            ("+82 10 1234 567", PhoneNumberError::Invalid),
            ("1012345678", PhoneNumberError::Invalid),
            ("12", PhoneNumberError::Invalid),
            ("82 10 1234 567", PhoneNumberError::Invalid),
            ("02-123-456", PhoneNumberError::Invalid),
            ("+82", PhoneNumberError::Invalid),
            ("010-CALL-NOW1", PhoneNumberError::Character),
            ("010 1234 5678 #9", PhoneNumberError::Character),
            ("+1 212 555 0100", PhoneNumberError::Foreign),
            ("1588-1234", PhoneNumberError::Representative),
            ("+82 1588 1234", PhoneNumberError::Representative),
        ] {
            assert_eq!(PhoneNumber::parse(typed).unwrap_err(), expected, "{typed}");
        }
    }

    #[test]
    fn representative_numbers_send_in_their_national_form() {
        let sender = Sender::parse("1588-1234").unwrap();
        assert_eq!(
            (sender.as_str(), sender.e164().as_str(), sender.national_digits()),
            ("15881234", "+8215881234", "15881234")
        );
        assert_eq!(Sender::parse("02-123-4567").unwrap().as_str(), "+8221234567");
    }

    #[test]
    fn debug_output_is_masked() {
        let number = PhoneNumber::parse("010-1234-5678").unwrap();
        assert_eq!(format!("{number:?}"), "+8210****5678");
        assert_eq!(format!("{:?}", Sender::parse("1588-1234").unwrap()), "****1234");
    }
}
