//! The arguments of an Alimtalk.

use clap::Args;
use switchboard_proto::dispatch::v1::{Button, ButtonType, Fallback, Oversize, SendAlimtalkRequest};

use super::To;
use crate::settings::pair;

/// For the help.
pub(super) const EXAMPLE: &str = "\
Example:
  switchboard send alimtalk --org hanbit --to 010-1234-5678 --template ORDER_SHIPPED \\
      --content '#{name}님, 주문하신 #{item} 상품이 발송되었습니다.' --var name=홍길동 --var item=책 \\
      --button 'WEB_LINK,배송 조회,https://shop.example/orders' --fallback-text '상품이 발송되었습니다.'";

/// An Alimtalk.
#[derive(Args, Debug)]
pub struct Template {
    /// Code of the approved template
    #[arg(long, value_name = "CODE")]
    template: String,
    /// The approved text with its #{name} placeholders
    #[arg(long)]
    content: String,
    /// Value of a placeholder; may be given more than once
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    variables: Vec<(String, String)>,
    /// Emphasised title, where the template has one
    #[arg(long, default_value = "", hide_default_value = true)]
    title: String,
    /// A button in the order of the template; links may be left out where its type needs none
    #[arg(long = "button", value_name = "TYPE,NAME[,MOBILE_URL[,PC_URL[,IOS[,ANDROID]]]]", value_parser = button)]
    buttons: Vec<Button>,
    /// Sender profile to speak as [default: the one of the vendor account]
    #[arg(long, value_name = "PROFILE", default_value = "", hide_default_value = true)]
    sender_profile: String,
    /// Text that is sent when the Alimtalk finally fails
    #[arg(long, value_name = "TEXT")]
    fallback_text: Option<String>,
    /// Its subject
    #[arg(long, value_name = "SUBJECT", default_value = "", hide_default_value = true, requires = "fallback_text")]
    fallback_subject: String,
    /// Its sender number [default: the one of the vendor account]
    #[arg(long, value_name = "NUMBER", default_value = "", hide_default_value = true, requires = "fallback_text")]
    fallback_sender: String,
}

fn button(text: &str) -> Result<Button, String> {
    let mut parts = text.split(',').map(str::to_owned);
    let kind = parts.next().unwrap_or_default();
    let button_type = ButtonType::from_str_name(&format!("BUTTON_TYPE_{}", kind.to_uppercase()))
        .filter(|button_type| *button_type != ButtonType::Unspecified)
        .ok_or_else(|| {
            format!(
                "{kind:?} is no type of button: use WEB_LINK, APP_LINK, DELIVERY_TRACKING, BOT_KEYWORD, \
                 MESSAGE_DELIVERY or CHANNEL_ADD"
            )
        })?;
    let mut next = || parts.next().unwrap_or_default();
    Ok(Button {
        r#type: button_type.into(),
        name: next(),
        mobile_url: next(),
        pc_url: next(),
        ios_scheme: next(),
        android_scheme: next(),
    })
}

impl Template {
    pub(super) fn request(self, to: &To, request_id: String) -> anyhow::Result<SendAlimtalkRequest> {
        let fallback = self.fallback_text.map(|text| Fallback {
            sender: self.fallback_sender,
            subject: self.fallback_subject,
            text,
            oversize: Oversize::Unspecified.into(),
        });
        Ok(SendAlimtalkRequest {
            organization_id: to.organization.clone(),
            request_id,
            to: to.to.clone(),
            sender_profile: self.sender_profile,
            template_code: self.template,
            content: self.content,
            variables: self.variables.into_iter().collect(),
            title: self.title,
            buttons: self.buttons,
            fallback,
            labels: to.labels.iter().cloned().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_is_read_in_the_order_of_its_links() {
        let read = button("web_link,배송 조회,https://m.example,https://pc.example").unwrap();
        assert_eq!(read.r#type(), ButtonType::WebLink);
        assert_eq!((read.name.as_str(), read.pc_url.as_str()), ("배송 조회", "https://pc.example"));
        assert!(read.ios_scheme.is_empty());
        assert!(button("LINK,x").unwrap_err().contains("WEB_LINK"));
    }
}
