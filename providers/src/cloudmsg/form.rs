//! What CloudMsg asks of its customers (interface document, Credentials).

use crate::credentials::{Form, FormField, Localized, Use};

pub(super) const SERVICE_ID: &str = "service_id";
pub(super) const ACCESS_KEY: &str = "access_key";
pub(super) const SECRET_KEY: &str = "secret_key";
pub(super) const CALLBACK_SECRET: &str = "callback_secret";
pub(super) const CHANNEL_ID: &str = "channel_id";
pub(super) const DEFAULT_SENDER: &str = "default_sender";

pub(super) const FORM: Form = Form {
    fields: &[
        FormField {
            key: SERVICE_ID,
            label: Localized { ko: "서비스 ID", en: "Service ID" },
            secret: false,
            required: true,
            pattern: "svc-[a-z0-9-]{4,40}",
            help: Localized {
                ko: "CloudMsg 콘솔의 서비스 정보에 있는 ID입니다. svc-로 시작하고 영문 소문자, 숫자, 하이픈 4~40자가 이어집니다.",
                en: "the ID under \"Service\" in the CloudMsg console: svc- and 4 to 40 lower-case letters, digits or hyphens",
            },
            show_last: None,
            used_for: Use::Sending,
        },
        FormField {
            key: ACCESS_KEY,
            label: Localized { ko: "액세스 키", en: "Access key" },
            secret: false,
            required: true,
            pattern: "[A-Za-z0-9-]{8,64}",
            help: Localized {
                ko: "CloudMsg 콘솔의 API 인증키에 있습니다. 영문, 숫자, 하이픈 8~64자입니다.",
                en: "under \"API keys\" in the CloudMsg console: 8 to 64 letters, digits or hyphens",
            },
            show_last: Some(4),
            used_for: Use::Sending,
        },
        FormField {
            key: SECRET_KEY,
            label: Localized { ko: "시크릿 키", en: "Secret key" },
            secret: true,
            required: true,
            pattern: "[!-~]{1,256}",
            help: Localized {
                ko: "액세스 키와 함께 발급된 요청 서명용 키입니다. 공백 없이 그대로 붙여 넣으세요.",
                en: "issued together with the access key, signs requests: paste it as it is, without spaces",
            },
            show_last: None,
            used_for: Use::Sending,
        },
        FormField {
            key: CALLBACK_SECRET,
            label: Localized { ko: "콜백 시크릿", en: "Callback secret" },
            secret: true,
            required: true,
            pattern: "[!-~]{1,256}",
            help: Localized {
                ko: "CloudMsg 콘솔의 콜백 설정에 있는 서명 검증용 키입니다. 공백 없이 그대로 붙여 넣으세요.",
                en: "under \"Callbacks\" in the CloudMsg console, verifies callbacks: paste it as it is, without spaces",
            },
            show_last: None,
            used_for: Use::Webhooks,
        },
        FormField {
            key: CHANNEL_ID,
            label: Localized { ko: "카카오톡 채널", en: "Kakao channel" },
            secret: false,
            required: false,
            pattern: r"@[^\s@]{1,40}",
            help: Localized {
                ko: "알림톡을 보낼 카카오톡 채널의 검색용 아이디입니다. @로 시작합니다. 알림톡을 쓰지 않으면 비워 두세요.",
                en: "the Kakao channel that Alimtalk is sent from, starting with @; leave it empty if you send none",
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
                ko: "CloudMsg에 등록한 발신번호입니다. 예: 02-123-4567, 1588-1234. 발신번호를 지정하지 않은 메시지에 쓰입니다.",
                en: "a sender number registered with CloudMsg, such as 02-123-4567 or 1588-1234; used where a message names none",
            },
            show_last: None,
            used_for: Use::Sending,
        },
    ],
    account_field: SERVICE_ID,
    webhook_secret_field: CALLBACK_SECRET,
    default_sender_field: DEFAULT_SENDER,
};
