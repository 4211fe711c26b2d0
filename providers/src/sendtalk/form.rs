//! What SendTalk asks of its customers (interface document, Credentials).

use crate::credentials::{Form, FormField, Localized, Use};

pub(super) const ACCOUNT_ID: &str = "account_id";
pub(super) const API_KEY: &str = "api_key";
pub(super) const WEBHOOK_SECRET: &str = "webhook_secret";
pub(super) const SENDER_PROFILE_KEY: &str = "sender_profile_key";
pub(super) const DEFAULT_SENDER: &str = "default_sender";

pub(super) const FORM: Form = Form {
    fields: &[
        FormField {
            key: ACCOUNT_ID,
            label: Localized { ko: "계정 ID", en: "Account ID" },
            secret: false,
            required: true,
            pattern: "acct_[a-z0-9]{4,40}",
            help: Localized {
                ko: "SendTalk 콘솔의 계정 정보에 있습니다. acct_로 시작하고 영문 소문자와 숫자 4~40자가 이어집니다.",
                en: "under \"Account\" in the SendTalk console: acct_ and 4 to 40 lower-case letters or digits",
            },
            show_last: None,
            used_for: Use::Sending,
        },
        FormField {
            key: API_KEY,
            label: Localized { ko: "API 키", en: "API key" },
            secret: true,
            required: true,
            pattern: "[A-Za-z0-9_-]{16,128}",
            help: Localized {
                ko: "SendTalk 콘솔에서 발급한 API 키입니다. 영문, 숫자, 밑줄, 하이픈 16~128자입니다.",
                en: "issued in the SendTalk console: 16 to 128 letters, digits, underscores or hyphens",
            },
            show_last: None,
            used_for: Use::Sending,
        },
        FormField {
            key: WEBHOOK_SECRET,
            label: Localized { ko: "웹훅 시크릿", en: "Webhook secret" },
            secret: true,
            required: true,
            // 24 to 64 bytes in Base64, whose last group may lack its padding.
            pattern: "whsec_(?:[A-Za-z0-9+/]{4}){8,21}(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?",
            help: Localized {
                ko: "SendTalk 콘솔의 웹훅 설정에 있는 서명 검증용 키입니다. whsec_로 시작하는 값을 그대로 붙여 넣으세요.",
                en: "under \"Webhooks\" in the SendTalk console, verifies callbacks: starts with whsec_, paste it as it is",
            },
            show_last: None,
            used_for: Use::Webhooks,
        },
        FormField {
            key: SENDER_PROFILE_KEY,
            label: Localized { ko: "발신 프로필 키", en: "Sender profile key" },
            secret: true,
            required: false,
            pattern: "[0-9A-Fa-f]{40}",
            help: Localized {
                ko: "알림톡을 보낼 카카오톡 발신 프로필의 키로, 16진수 40자입니다. 알림톡을 쓰지 않으면 비워 두세요.",
                en: "key of the Kakao sender profile for Alimtalk, 40 hexadecimal digits; leave it empty if you send none",
            },
            show_last: None,
            used_for: Use::Sending,
        },
        FormField {
            key: DEFAULT_SENDER,
            label: Localized { ko: "기본 발신번호", en: "Default sender" },
            secret: false,
            required: false,
            pattern: r"[^\p{L}]{4,40}",
            help: Localized {
                ko: "SendTalk에 등록한 발신번호입니다. 예: 02-123-4567, 1588-1234. 발신번호를 지정하지 않은 메시지에 쓰입니다.",
                en: "a sender number registered with SendTalk, such as 02-123-4567 or 1588-1234; used where a message names none",
            },
            show_last: None,
            used_for: Use::Sending,
        },
    ],
    account_field: ACCOUNT_ID,
    webhook_secret_field: WEBHOOK_SECRET,
    default_sender_field: DEFAULT_SENDER,
};
