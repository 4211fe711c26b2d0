//! The accounts that the simulator is seeded with, for the demo and for trying things out.
//!
//! These are credentials of a simulator: they open nothing else.

use crate::cloudmsg::{CloudMsg, CloudMsgAccount, CloudMsgChannel};
use crate::sendtalk::{SendTalk, SendTalkAccount, SenderProfile};
use crate::template::{Template, TemplateButton};

/// Everything a client needs to know about a seeded CloudMsg account; all fields of the vendor's form.
#[derive(Clone, Copy, Debug)]
pub struct DemoCloudMsg {
    /// `service_id`.
    pub service_id: &'static str,
    /// `access_key`.
    pub access_key: &'static str,
    /// `secret_key`.
    pub secret_key: &'static str,
    /// `callback_secret`.
    pub callback_secret: &'static str,
    /// `channel_id`.
    pub channel_id: &'static str,
    /// `default_sender`, national digits; registered.
    pub default_sender: &'static str,
    /// Another registered sender, national digits.
    pub other_sender: &'static str,
}

/// Everything a client needs to know about a seeded SendTalk account; all fields of the vendor's form.
#[derive(Clone, Copy, Debug)]
pub struct DemoSendTalk {
    /// `account_id`.
    pub account_id: &'static str,
    /// `api_key`.
    pub api_key: &'static str,
    /// `webhook_secret`.
    pub webhook_secret: &'static str,
    /// `sender_profile_key`.
    pub sender_profile_key: &'static str,
    /// `default_sender`, E.164; registered.
    pub default_sender: &'static str,
    /// Another registered sender, E.164.
    pub other_sender: &'static str,
}

/// The platform's own account.
pub const CLOUDMSG_DEFAULT: DemoCloudMsg = DemoCloudMsg {
    service_id: "svc-default",
    access_key: "AKDEMO-DEFAULT-0001",
    secret_key: "SKDEMO-default-6f1d2c9be84a",
    callback_secret: "CBDEMO-default-2b7e90d41c58",
    channel_id: "@switchboard",
    default_sender: "15881234",
    other_sender: "0215881234",
};

/// The account of an organisation.
pub const CLOUDMSG_HANBIT: DemoCloudMsg = DemoCloudMsg {
    service_id: "svc-hanbit",
    access_key: "AKDEMO-HANBIT-0002",
    secret_key: "SKDEMO-hanbit-90ac4e7d13f5",
    callback_secret: "CBDEMO-hanbit-c4518f6e0a92",
    channel_id: "@hanbit",
    default_sender: "16005678",
    other_sender: "0216005678",
};

/// The account of an organisation.
pub const SENDTALK_NARAE: DemoSendTalk = DemoSendTalk {
    account_id: "acct_narae01",
    api_key: "stdemo_narae01_5d8f2a6c9e1b4703",
    webhook_secret: "whsec_bmFyYWUtZGVtby13ZWJob29rLXNlY3JldC0wMDAx",
    sender_profile_key: "1f0e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c",
    default_sender: "+8216001234",
    other_sender: "+82216001234",
};

/// A second account of the organisation that has [`CLOUDMSG_HANBIT`], for switching vendors.
pub const SENDTALK_HANBIT: DemoSendTalk = DemoSendTalk {
    account_id: "acct_hanbit01",
    api_key: "stdemo_hanbit01_e07b94c3a15f6d28",
    webhook_secret: "whsec_aGFuYml0LWRlbW8td2ViaG9vay1zZWNyZXQtMDAwMg==",
    sender_profile_key: "a9b8c7d6e5f4031221304f5e6d7c8b9aa9b8c7d6",
    default_sender: "+8216005678",
    other_sender: "+82216005678",
};

/// Code of a template with the placeholders `name` and `item` and one web-link button.
pub const ORDER_SHIPPED: &str = "ORDER_SHIPPED";
/// Its text.
pub const ORDER_SHIPPED_TEXT: &str = "#{name}님, 주문하신 #{item} 상품이 발송되었습니다.";
/// The name of its button, of type web link.
pub const ORDER_SHIPPED_BUTTON: &str = "배송 조회";
/// The registered link of its button.
pub const ORDER_SHIPPED_LINK: &str = "https://shop.example/orders";
/// Code of a template with the placeholder `code` and no button.
pub const LOGIN_CODE: &str = "LOGIN_CODE";
/// Its text.
pub const LOGIN_CODE_TEXT: &str = "[인증번호] #{code} 를 입력해 주세요.";

/// The templates that every seeded account has.
#[must_use]
pub fn templates() -> Vec<Template> {
    let track = TemplateButton {
        kind: "WL".to_owned(),
        name: ORDER_SHIPPED_BUTTON.to_owned(),
        link_mobile: Some(ORDER_SHIPPED_LINK.to_owned()),
        link_pc: Some(ORDER_SHIPPED_LINK.to_owned()),
    };
    let template = |code: &str, text: &str, buttons| Template {
        code: code.to_owned(),
        text: text.to_owned(),
        buttons,
        approved: true,
    };
    vec![template(ORDER_SHIPPED, ORDER_SHIPPED_TEXT, vec![track]), template(LOGIN_CODE, LOGIN_CODE_TEXT, Vec::new())]
}

impl DemoCloudMsg {
    /// The account as the vendor keeps it.
    #[must_use]
    pub fn account(&self) -> CloudMsgAccount {
        let channel = CloudMsgChannel {
            channel_id: self.channel_id.to_owned(),
            sms_failover: true,
            failover_from: None,
            templates: templates(),
        };
        CloudMsgAccount {
            sender_numbers: vec![self.default_sender.to_owned(), self.other_sender.to_owned()],
            channels: vec![channel],
            ..CloudMsgAccount::new(self.service_id, self.access_key, self.secret_key, self.callback_secret)
        }
    }
}

impl DemoSendTalk {
    /// The account as the vendor keeps it.
    #[must_use]
    pub fn account(&self) -> SendTalkAccount {
        let profile = SenderProfile {
            key: self.sender_profile_key.to_owned(),
            status: "active".to_owned(),
            templates: templates(),
        };
        SendTalkAccount {
            sender_numbers: vec![self.default_sender.to_owned(), self.other_sender.to_owned()],
            sender_profiles: vec![profile],
            ..SendTalkAccount::new(self.account_id, self.api_key, self.webhook_secret)
        }
    }
}

/// Creates the seeded accounts.
pub(crate) fn seed(cloudmsg: &CloudMsg, sendtalk: &SendTalk) -> Result<(), String> {
    cloudmsg.put(CLOUDMSG_DEFAULT.account())?;
    cloudmsg.put(CLOUDMSG_HANBIT.account())?;
    sendtalk.put(SENDTALK_NARAE.account())?;
    sendtalk.put(SENDTALK_HANBIT.account())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeded_credentials_obey_the_vendors_forms() {
        for demo in [CLOUDMSG_DEFAULT, CLOUDMSG_HANBIT] {
            demo.account().check().unwrap();
            assert!((8..=64).contains(&demo.access_key.len()));
        }
        for demo in [SENDTALK_NARAE, SENDTALK_HANBIT] {
            demo.account().check().unwrap();
        }
    }
}
