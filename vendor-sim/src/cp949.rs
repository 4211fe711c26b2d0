//! Text lengths as Korean carriers count them: bytes of CP949 (EUC-KR with Microsoft's extension).

use encoding_rs::EUC_KR;

/// How many bytes `text` takes in CP949, or `None` when it holds a character that CP949 does not have.
pub(crate) fn byte_length(text: &str) -> Option<usize> {
    if text.is_ascii() {
        return Some(text.len());
    }
    let (bytes, _, unmappable) = EUC_KR.encode(text);
    (!unmappable).then_some(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hangul_takes_two_bytes_and_ascii_one() {
        assert_eq!(byte_length("안녕 A"), Some(6));
        assert_eq!(byte_length("a\r\nb"), Some(4));
    }

    #[test]
    fn syllables_of_the_extension_are_encodable() {
        assert_eq!(byte_length("뷁똠"), Some(4));
    }

    #[test]
    fn an_emoji_is_not_encodable() {
        assert_eq!(byte_length("hi 😀"), None);
    }
}
