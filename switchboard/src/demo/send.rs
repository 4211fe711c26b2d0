//! One message of each kind, as an internal service would send it.

use std::collections::HashMap;

use anyhow::Context as _;
use switchboard_proto::dispatch::v1::{
    Button, ButtonType, Image, Message, SendAlimtalkRequest, SendMmsRequest, SendSmsRequest,
};
use switchboard_vendor_sim::demo::{ORDER_SHIPPED, ORDER_SHIPPED_BUTTON, ORDER_SHIPPED_LINK, ORDER_SHIPPED_TEXT};

use crate::{
    client::{Messages, refused, request},
    up::organizations::Organization,
};

/// 320×240, 5 KB.
const PICTURE: &[u8] = include_bytes!("../../assets/sunrise.jpg");
/// 63 bytes in CP949.
const SHORT: &str = "주문이 접수되었습니다. 발송되면 다시 알려 드리겠습니다.";
/// More than 90 bytes in CP949, so it goes as an LMS.
const LONG: &str = "주문해 주셔서 감사합니다. 상품은 내일 오전에 발송되며, 배송 기사님의 연락처와 도착 예정 시각은 \
                    출발하는 대로 다시 알려 드리겠습니다. 문의는 고객센터로 연락해 주세요.";

/// A kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sms,
    Lms,
    Mms,
    Alimtalk,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Sms, Self::Lms, Self::Mms, Self::Alimtalk];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sms => "SMS",
            Self::Lms => "LMS",
            Self::Mms => "MMS",
            Self::Alimtalk => "ALIMTALK",
        }
    }
}

/// Sends one. The organisation is named, the vendor is not.
pub(super) async fn send(
    messages: &mut Messages,
    organization: &Organization,
    kind: Kind,
    to: &str,
) -> anyhow::Result<Message> {
    let (organization_id, to) = (organization.id.to_owned(), to.to_owned());
    let title = format!("[{}]", organization.name);
    let sent = match kind {
        Kind::Sms | Kind::Lms => {
            let text = if kind == Kind::Sms { SHORT } else { LONG };
            let subject = if kind == Kind::Sms { String::new() } else { title };
            let message = SendSmsRequest { organization_id, to, text: text.to_owned(), subject, ..Default::default() };
            messages.send_sms(request(message)).await.map_err(refused)?.into_inner().message
        }
        Kind::Mms => {
            let image = Image { content_type: "image/jpeg".to_owned(), data: PICTURE.into() };
            let message = SendMmsRequest {
                organization_id,
                to,
                text: SHORT.to_owned(),
                subject: title,
                images: vec![image],
                ..Default::default()
            };
            messages.send_mms(request(message)).await.map_err(refused)?.into_inner().message
        }
        Kind::Alimtalk => {
            let message = alimtalk(organization_id, to);
            messages.send_alimtalk(request(message)).await.map_err(refused)?.into_inner().message
        }
    };
    sent.context("the dispatcher answered without a message")
}

fn alimtalk(organization_id: String, to: String) -> SendAlimtalkRequest {
    let button = Button {
        r#type: ButtonType::WebLink.into(),
        name: ORDER_SHIPPED_BUTTON.to_owned(),
        mobile_url: ORDER_SHIPPED_LINK.to_owned(),
        pc_url: ORDER_SHIPPED_LINK.to_owned(),
        ..Button::default()
    };
    let variables = [("name", "홍길동"), ("item", "책")];
    SendAlimtalkRequest {
        organization_id,
        to,
        template_code: ORDER_SHIPPED.to_owned(),
        content: ORDER_SHIPPED_TEXT.to_owned(),
        variables: HashMap::from(variables.map(|(name, value)| (name.to_owned(), value.to_owned()))),
        buttons: vec![button],
        ..SendAlimtalkRequest::default()
    }
}
