//! Kakao Alimtalk: an approved template, its variables and its buttons.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{PhoneNumber, Sender, TextKind};

/// An Alimtalk.
#[derive(Clone, PartialEq, Eq)]
pub struct Alimtalk {
    /// Our `message_id`.
    pub reference: String,
    /// Recipient.
    pub to: PhoneNumber,
    /// Kakao channel or sender profile to speak as; empty: the one of the account.
    pub sender_profile: String,
    /// Code of the approved template.
    pub template_code: String,
    /// Template text with `#{name}` placeholders, for vendors that render.
    pub content: String,
    /// The same with its placeholders filled, for vendors that do not.
    pub rendered: String,
    /// Values by placeholder name, without `#{}`.
    pub variables: BTreeMap<String, String>,
    /// Emphasised title; empty: none.
    pub title: String,
    /// At most five.
    pub buttons: Vec<Button>,
    /// What the vendor sends by itself when the Alimtalk finally fails; `None`: nothing, and the vendor is told so.
    pub fallback: Option<Fallback>,
}

/// What a button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ButtonType {
    /// Opens a web page.
    WebLink,
    /// Opens an app.
    AppLink,
    /// Shows a delivery's tracking.
    DeliveryTracking,
    /// Sends the button's name to the bot.
    BotKeyword,
    /// Sends the message to the channel's consultation.
    MessageDelivery,
    /// Adds the channel as a friend.
    ChannelAdd,
}

/// A button; links that are empty are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What it does.
    pub kind: ButtonType,
    /// Its label, at most 14 characters.
    pub name: String,
    /// Link on a phone.
    pub mobile_url: String,
    /// Link on a computer.
    pub pc_url: String,
    /// App link on iOS.
    pub ios_scheme: String,
    /// App link on Android.
    pub android_scheme: String,
}

/// A text in place of a failed Alimtalk.
#[derive(Clone, PartialEq, Eq)]
pub struct Fallback {
    /// Sender.
    pub sender: Sender,
    /// Subject of an LMS; empty: none.
    pub subject: String,
    /// The text, normalised and within the limit of its kind.
    pub text: String,
    /// SMS or LMS.
    pub kind: TextKind,
}

/// Where template and variables do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A placeholder without a value.
    #[error("the template has #{{{0}}} but no variable of that name is given: add it")]
    MissingVariable(String),
    /// A value without a placeholder.
    #[error("the variable {0:?} does not occur in the template: remove it")]
    UnknownVariable(String),
    /// A placeholder that never ends.
    #[error("a placeholder opened by #{{ at character {0} is not closed by }}")]
    Unclosed(usize),
    /// With its values it is longer than any vendor takes.
    #[error(
        "has more than {ALIMTALK_CHARACTERS} characters once rendered, which is all that an Alimtalk holds: shorten it"
    )]
    TooLong,
}

/// Longest rendered text, in characters (CloudMsg interface document, Send).
pub const ALIMTALK_CHARACTERS: usize = 1000;
/// Mismatches that are told at once, and characters of each name.
const MOST_TOLD: usize = 64;

/// Fills the placeholders of a template, as long as the text is one that can be sent: a value may stand in many places.
///
/// # Errors
///
/// That it is too long, or all mismatches, not only the first, up to 64 of each kind.
pub fn render(content: &str, variables: &BTreeMap<String, String>) -> Result<String, Vec<TemplateError>> {
    let mut rendered = Rendered { text: String::new(), room: ALIMTALK_CHARACTERS };
    let mut errors = Vec::new();
    let mut used: HashSet<&str> = HashSet::new();
    let mut rest = content;
    while let Some(open) = rest.find("#{") {
        rendered.push(&rest[..open])?;
        let inside = &rest[open + 2..];
        let Some(close) = inside.find('}') else {
            let position = content[..content.len() - rest.len() + open].chars().count() + 1;
            errors.push(TemplateError::Unclosed(position));
            rest = "";
            break;
        };
        let name = &inside[..close];
        let is_new = used.insert(name);
        match variables.get(name) {
            Some(value) => rendered.push(value)?,
            None if is_new && errors.len() < MOST_TOLD => errors.push(TemplateError::MissingVariable(told(name))),
            None => {}
        }
        rest = &inside[close + 1..];
    }
    rendered.push(rest)?;
    let unknown = variables.keys().filter(|name| !used.contains(name.as_str())).take(MOST_TOLD);
    errors.extend(unknown.map(|name| TemplateError::UnknownVariable(told(name))));
    if errors.is_empty() { Ok(rendered.text) } else { Err(errors) }
}

/// A text that grows as long as there is room, in characters.
struct Rendered {
    text: String,
    room: usize,
}

impl Rendered {
    fn push(&mut self, piece: &str) -> Result<(), Vec<TemplateError>> {
        // Counts no further than it must: the piece may be as long as a request.
        let length = piece.chars().take(self.room + 1).count();
        self.room = self.room.checked_sub(length).ok_or_else(|| vec![TemplateError::TooLong])?;
        self.text.push_str(piece);
        Ok(())
    }
}

fn told(name: &str) -> String {
    name.chars().take(MOST_TOLD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn placeholders_are_filled_and_values_are_not_read_as_templates() {
        let filled = render("#{name}님, #{item} 발송. #{name}", &variables(&[("name", "#{item}"), ("item", "책")]));
        assert_eq!(filled.as_deref(), Ok("#{item}님, 책 발송. #{item}"));
    }

    #[test]
    fn a_text_that_would_be_too_long_is_not_made() {
        let wide = variables(&[("a", &"가".repeat(ALIMTALK_CHARACTERS))]);
        assert_eq!(render("#{a}", &wide).map(|text| text.chars().count()), Ok(ALIMTALK_CHARACTERS));
        for content in ["#{a}.", ".#{a}", &"#{a}".repeat(100_000)] {
            assert_eq!(render(content, &wide), Err(vec![TemplateError::TooLong]));
        }
    }

    #[test]
    fn of_many_mismatches_some_are_told_and_of_long_names_the_beginning() {
        let many: String = (0..10_000).map(|number| format!("#{{{number}}}")).collect();
        assert_eq!(render(&many, &variables(&[])).unwrap_err().len(), MOST_TOLD);
        let unknown: BTreeMap<_, _> = (0..10_000).map(|number| (number.to_string(), String::new())).collect();
        assert_eq!(render("", &unknown).unwrap_err().len(), MOST_TOLD);
        let long = format!("#{{{}}}", "n".repeat(100_000));
        let missing = TemplateError::MissingVariable("n".repeat(MOST_TOLD));
        assert_eq!(render(&long, &variables(&[])), Err(vec![missing]));
    }

    #[test]
    fn every_mismatch_is_told_in_both_directions() {
        let errors = render("#{a} #{b} #{a}", &variables(&[("c", "1")])).unwrap_err();
        assert_eq!(
            errors,
            [
                TemplateError::MissingVariable("a".into()),
                TemplateError::MissingVariable("b".into()),
                TemplateError::UnknownVariable("c".into()),
            ]
        );
        assert_eq!(render("가나 #{a", &variables(&[])), Err(vec![TemplateError::Unclosed(4)]));
    }
}
