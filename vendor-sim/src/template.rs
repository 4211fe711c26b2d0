//! Alimtalk templates as registered with a vendor: text with `#{name}` placeholders, and buttons.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A registered template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The code that sends name.
    pub code: String,
    /// Approved text with placeholders such as `#{name}`.
    pub text: String,
    /// Buttons in order, at most five.
    #[serde(default)]
    pub buttons: Vec<TemplateButton>,
    /// Whether Kakao has approved it. Default true.
    #[serde(default = "yes")]
    pub approved: bool,
}

/// A button as registered with a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateButton {
    /// `WL`, `AL`, `DS`, `BK`, `MD` or `AC`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The label, at most 14 characters.
    pub name: String,
    /// Registered link for phones.
    #[serde(default)]
    pub link_mobile: Option<String>,
    /// Registered link for computers.
    #[serde(default)]
    pub link_pc: Option<String>,
}

fn yes() -> bool {
    true
}

/// A piece of a template's text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Literal(&'a str),
    Placeholder(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("#{") {
        let Some(length) = rest[start..].find('}') else {
            break;
        };
        pieces.push(Piece::Literal(&rest[..start]));
        pieces.push(Piece::Placeholder(&rest[start + 2..start + length]));
        rest = &rest[start + length + 1..];
    }
    pieces.push(Piece::Literal(rest));
    pieces
}

impl Template {
    /// Names of the placeholders, without `#{}`.
    #[must_use]
    pub fn placeholders(&self) -> BTreeSet<&str> {
        pieces(&self.text)
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Placeholder(name) => Some(name),
                Piece::Literal(_) => None,
            })
            .collect()
    }

    /// Whether `content` is this text with every placeholder filled in.
    #[must_use]
    pub fn matches(&self, content: &str) -> bool {
        let pieces = pieces(&self.text);
        let mut rest = content;
        let last = pieces.len() - 1;
        for (index, piece) in pieces.iter().enumerate() {
            let Piece::Literal(literal) = piece else {
                continue;
            };
            if index == 0 {
                let Some(after) = rest.strip_prefix(literal) else {
                    return false;
                };
                rest = after;
            } else if index == last {
                return rest.ends_with(literal) && !unfilled(content);
            } else {
                let Some(found) = rest.find(literal) else {
                    return false;
                };
                rest = &rest[found + literal.len()..];
            }
        }
        rest.is_empty()
    }

    /// Fills in `variables`, or says which are missing and which no placeholder wants.
    ///
    /// # Errors
    ///
    /// A sentence that names the missing and the extra variables.
    pub fn render(&self, variables: &BTreeMap<String, String>) -> Result<String, String> {
        let wanted = self.placeholders();
        let missing: Vec<&str> = wanted.iter().copied().filter(|name| !variables.contains_key(*name)).collect();
        let extra: Vec<&str> = variables.keys().map(String::as_str).filter(|name| !wanted.contains(name)).collect();
        if !missing.is_empty() || !extra.is_empty() {
            return Err(format!(
                "missing variables: [{}], extra variables: [{}]",
                missing.join(", "),
                extra.join(", ")
            ));
        }
        Ok(pieces(&self.text)
            .into_iter()
            .map(|piece| match piece {
                Piece::Literal(literal) => literal,
                Piece::Placeholder(name) => variables.get(name).map_or("", String::as_str),
            })
            .collect())
    }
}

fn unfilled(content: &str) -> bool {
    pieces(content).iter().any(|piece| matches!(piece, Piece::Placeholder(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template { code: "T".to_owned(), text: text.to_owned(), buttons: Vec::new(), approved: true }
    }

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_filled_text_matches_and_any_other_does_not() {
        let shipped = template("#{name}님, #{item}이(가) 출발했습니다.");
        assert!(shipped.matches("홍길동님, 운동화이(가) 출발했습니다."));
        assert!(!shipped.matches("홍길동님, 운동화이(가) 출발했습니다!"));
        assert!(!shipped.matches("홍길동, 운동화이(가) 출발했습니다."));
        assert!(!shipped.matches("#{name}님, 운동화이(가) 출발했습니다."));
    }

    #[test]
    fn a_text_without_placeholders_matches_itself_alone() {
        assert!(template("안내").matches("안내"));
        assert!(!template("안내").matches("안내 "));
    }

    #[test]
    fn rendering_wants_exactly_the_placeholders() {
        let hello = template("#{a} and #{b} and #{a}");
        assert_eq!(hello.render(&variables(&[("a", "1"), ("b", "2")])).unwrap(), "1 and 2 and 1");
        let why = hello.render(&variables(&[("a", "1"), ("c", "3")])).unwrap_err();
        assert_eq!(why, "missing variables: [b], extra variables: [c]");
    }
}
