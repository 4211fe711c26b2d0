//! Texts as Korean carriers count them: bytes of CP949 after NFC and with LF line ends.

use encoding_rs::EUC_KR;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Longest SMS in CP949 bytes.
pub const SMS_BYTES: usize = 90;
/// Longest LMS or MMS text in CP949 bytes.
pub const LMS_BYTES: usize = 2000;
/// Longest subject in CP949 bytes.
pub const SUBJECT_BYTES: usize = 40;

/// A character that CP949 cannot hold, or that is no part of a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the character {character:?} at position {position} cannot be sent in a Korean text message (CP949): remove or replace it"
)]
pub struct UnencodableCharacter {
    /// The character.
    pub character: char,
    /// Its position in characters, from 1.
    pub position: usize,
}

/// The text as it is sent: NFC (a Mac types decomposed Hangul, which CP949 cannot hold) with LF line ends.
pub fn normalize(text: &str) -> String {
    let composed = text.chars().all(is_plain) || is_nfc_quick(text.chars()) == IsNormalized::Yes;
    let text = if composed { text.to_owned() } else { text.nfc().collect() };
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text }
}

/// ASCII and the syllables of Hangul, of which most texts consist: none of them has another form in NFC.
fn is_plain(character: char) -> bool {
    character.is_ascii() || ('가'..='힣').contains(&character)
}

/// Whether it controls a terminal, and says nothing: no telephone shows it, and PostgreSQL keeps no NUL.
pub fn is_stray(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\t')
}

/// Length in CP949 bytes.
///
/// The WHATWG encoding that `encoding_rs` calls EUC-KR is Windows code page 949, which carriers use.
///
/// # Errors
///
/// The first character that CP949 cannot hold or that [is no part of a text](is_stray), with its position.
pub fn cp949_len(text: &str) -> Result<usize, UnencodableCharacter> {
    let length = |(index, character): (usize, char)| match character {
        _ if is_stray(character) => Err(UnencodableCharacter { character, position: index + 1 }),
        '\0'..='\x7f' => Ok(1),
        // What the code page adds to EUC-KR is every syllable that EUC-KR had left out.
        '가'..='힣' => Ok(2),
        _ => {
            let mut buffer = [0_u8; 4];
            let (bytes, _, unencodable) = EUC_KR.encode(character.encode_utf8(&mut buffer));
            if unencodable { Err(UnencodableCharacter { character, position: index + 1 }) } else { Ok(bytes.len()) }
        }
    };
    text.chars().enumerate().map(length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hangul_counts_two_bytes_and_ascii_one() {
        assert_eq!(cp949_len("인증번호 123456"), Ok(4 * 2 + 7));
        // In CP949 but not in plain EUC-KR.
        assert_eq!(cp949_len("뷁똠"), Ok(4));
    }

    #[test]
    fn every_character_counts_as_the_code_page_encodes_it() {
        for character in (0..=0xFFFF).filter_map(char::from_u32) {
            let text = character.to_string();
            let (bytes, _, unencodable) = EUC_KR.encode(&text);
            let sendable = !unencodable && !is_stray(character);
            assert_eq!(cp949_len(&text).ok(), sendable.then_some(bytes.len()), "{character:?}");
        }
    }

    #[test]
    fn what_is_plain_is_composed_whatever_stands_beside_it() {
        let plain: String = (0..=0xFFFF).filter_map(char::from_u32).filter(|character| is_plain(*character)).collect();
        let reversed: String = plain.chars().rev().collect();
        assert_eq!(plain.chars().count(), 128 + 11_172);
        for text in [plain, reversed] {
            assert!(text.nfc().eq(text.chars()));
        }
    }

    #[test]
    fn an_emoji_is_named_with_its_position() {
        let error = cp949_len("축하해요 🎉!").unwrap_err();
        assert_eq!(error, UnencodableCharacter { character: '🎉', position: 6 });
    }

    #[test]
    fn what_controls_a_terminal_is_named_and_what_lays_out_a_text_is_not() {
        assert_eq!(cp949_len("a\n\tb"), Ok(4));
        for character in ['\0', '\r', '\u{1b}', '\u{7f}', '\u{85}'] {
            let error = UnencodableCharacter { character, position: 2 };
            assert_eq!(cp949_len(&format!("a{character}b")), Err(error));
        }
    }

    #[test]
    fn decomposed_hangul_is_composed_and_line_ends_become_lf() {
        assert_eq!(normalize("\u{1112}\u{1161}\u{11ab}\r\n둘\r셋"), "한\n둘\n셋");
    }
}
