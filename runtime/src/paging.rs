//! Paging after AIP-158: opaque page tokens and page sizes.
//!
//! A token carries the cursor of the last row seen and a digest of the query it belongs to, so that a token of another
//! query is refused instead of giving pages with holes. It is not a permission: a query applies its own limits however
//! a caller may have forged the cursor.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tonic::Status;

use crate::error::{Problem, Reason};

/// Bytes of the scope's digest in a token: enough that two queries never look the same by accident.
const SCOPE_BYTES: usize = 12;
/// No cursor of ours comes near this many characters.
const LONGEST_TOKEN: usize = 4_096;

/// Makes and reads page tokens.
#[derive(Clone, Copy, Debug)]
pub struct PageToken;

#[derive(Serialize, Deserialize)]
struct Content<C> {
    #[serde(rename = "s")]
    scope: String,
    #[serde(rename = "c")]
    cursor: C,
}

impl PageToken {
    /// A token for the page after `cursor`. `scope` names the query: the method and everything that filters or orders.
    ///
    /// # Errors
    /// `INTERNAL` when the cursor cannot be written as JSON (a map with keys that are not text).
    pub fn encode(scope: &str, cursor: &impl Serialize) -> Result<String, Status> {
        let content = Content { scope: scope_digest(scope), cursor };
        let json = serde_json::to_vec(&content).map_err(|error| {
            tracing::error!(%error, "a page cursor cannot be encoded");
            Problem::new(Reason::Internal, "the page token could not be made")
        })?;
        Ok(URL_SAFE_NO_PAD.encode(json))
    }

    /// The cursor in `token`; `None` for the empty token, which asks for the first page.
    ///
    /// # Errors
    /// `INVALID_PAGE_TOKEN` when the token is garbage or belongs to another scope.
    pub fn decode<C: DeserializeOwned>(scope: &str, token: &str) -> Result<Option<C>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        let content: Content<C> = Some(token)
            .filter(|token| token.len() <= LONGEST_TOKEN)
            .and_then(|token| URL_SAFE_NO_PAD.decode(token).ok())
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or_else(|| invalid("is not a page token of this service; start again without one"))?;
        if content.scope == scope_digest(scope) {
            Ok(Some(content.cursor))
        } else {
            Err(invalid(
                "belongs to another query; keep every other field the same while paging, or start again without it",
            ))
        }
    }
}

/// The number of rows to give: `default` when the caller says 0, at most `max`.
///
/// # Errors
/// `INVALID_FIELD` when negative.
pub fn page_size(requested: i32, default: u32, max: u32) -> Result<u32, Status> {
    match u32::try_from(requested) {
        Ok(0) => Ok(default.min(max)),
        Ok(size) => Ok(size.min(max)),
        Err(_) => Err(Problem::new(Reason::InvalidField, "the page size is negative")
            .field("page_size", format!("must be 0 (for {default}) or 1 to {max}"))
            .into()),
    }
}

fn scope_digest(scope: &str) -> String {
    let digest = digest(&SHA256, scope.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..SCOPE_BYTES).unwrap_or_default())
}

fn invalid(description: &str) -> Status {
    Problem::new(Reason::InvalidPageToken, "the page token cannot be used").field("page_token", description).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::reason_of;

    type Cursor = (String, u64);

    #[test]
    fn a_token_gives_its_cursor_back() {
        let token = PageToken::encode("ListMessages?organization=a", &("id-9", 9)).unwrap();
        let cursor: Option<Cursor> = PageToken::decode("ListMessages?organization=a", &token).unwrap();
        assert_eq!(cursor, Some(("id-9".to_owned(), 9)));
    }

    #[test]
    fn no_token_is_the_first_page() {
        assert_eq!(PageToken::decode::<Cursor>("any", "").unwrap(), None);
    }

    #[test]
    fn a_token_of_another_query_is_refused() {
        let token = PageToken::encode("ListMessages?organization=a", &("id-9", 9)).unwrap();
        let error = PageToken::decode::<Cursor>("ListMessages?organization=b", &token).unwrap_err();
        assert_eq!(reason_of(&error).as_deref(), Some("INVALID_PAGE_TOKEN"));
    }

    #[test]
    fn garbage_is_refused() {
        let other_shape = PageToken::encode("any", &true).unwrap();
        let long = "A".repeat(LONGEST_TOKEN + 1);
        for garbage in ["%", "AAAA", "eyJhIjoxfQ", "한글", &other_shape, &long] {
            let error = PageToken::decode::<Cursor>("any", garbage).unwrap_err();
            assert_eq!(reason_of(&error).as_deref(), Some("INVALID_PAGE_TOKEN"), "{garbage}");
        }
    }

    #[test]
    fn page_sizes_have_a_default_and_a_ceiling_and_are_not_negative() {
        assert_eq!(page_size(0, 50, 500).unwrap(), 50);
        assert_eq!(page_size(7, 50, 500).unwrap(), 7);
        assert_eq!(page_size(i32::MAX, 50, 500).unwrap(), 500);
        assert_eq!(reason_of(&page_size(-1, 50, 500).unwrap_err()).as_deref(), Some("INVALID_FIELD"));
    }
}
