//! Kakao Alimtalk: an approved template, its variables and its buttons.

use std::collections::BTreeMap;

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
}

/// Fills the placeholders of a template.
///
/// # Errors
///
/// All mismatches, not only the first.
pub fn render(content: &str, variables: &BTreeMap<String, String>) -> Result<String, Vec<TemplateError>> {
    let mut rendered = String::with_capacity(content.len());
    let mut errors = Vec::new();
    let mut used: Vec<&str> = Vec::new();
    let mut rest = content;
    while let Some(open) = rest.find("#{") {
        rendered.push_str(&rest[..open]);
        let inside = &rest[open + 2..];
        let Some(close) = inside.find('}') else {
            let position = content[..content.len() - rest.len() + open].chars().count() + 1;
            errors.push(TemplateError::Unclosed(position));
            rest = "";
            break;
        };
        let name = &inside[..close];
        match variables.get(name) {
            Some(value) => rendered.push_str(value),
            None if used.contains(&name) => {}
            None => errors.push(TemplateError::MissingVariable(name.to_owned())),
        }
        used.push(name);
        rest = &inside[close + 1..];
    }
    rendered.push_str(rest);
    errors.extend(
        variables
            .keys()
            .filter(|name| !used.contains(&name.as_str()))
            .map(|name| TemplateError::UnknownVariable(name.clone())),
    );
    if errors.is_empty() { Ok(rendered) } else { Err(errors) }
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
