//! What the suite sends, and to whom; messages that the staging run sends too are those of [`crate::shared::messages`].

use std::sync::Arc;

use switchboard_providers::{
    Credentials,
    model::{Alimtalk, Button, ButtonType, Fallback, Sender, TextKind},
    vendor::Vendor,
};
use switchboard_vendor_sim::demo;

pub use crate::shared::messages::{REGISTRY, Template, image, jpeg, lms, mms, now, sms, vendor_at};

/// A recipient to whom everything is delivered.
pub const RECIPIENT: &str = "010-1234-5678";

/// One vendor at an address.
pub fn vendor(code: &str, base_url: &str) -> Arc<dyn Vendor> {
    vendor_at(code, base_url).unwrap()
}

pub fn credentials(pairs: &[(&str, &str)]) -> Credentials {
    pairs.iter().copied().collect()
}

/// The shipping notice of the simulator's templates, with its button.
pub fn shipping_notice() -> Template {
    Template {
        code: demo::ORDER_SHIPPED.to_owned(),
        content: demo::ORDER_SHIPPED_TEXT.to_owned(),
        variables: [("name".to_owned(), "홍길동".to_owned()), ("item".to_owned(), "책".to_owned())].into(),
        buttons: vec![Button {
            kind: ButtonType::WebLink,
            name: demo::ORDER_SHIPPED_BUTTON.to_owned(),
            mobile_url: demo::ORDER_SHIPPED_LINK.to_owned(),
            pc_url: demo::ORDER_SHIPPED_LINK.to_owned(),
            ios_scheme: String::new(),
            android_scheme: String::new(),
        }],
    }
}

pub fn alimtalk(reference: &str, to: &str, fallback: Option<Fallback>) -> Alimtalk {
    Alimtalk { fallback, ..shipping_notice().alimtalk(reference, to) }
}

pub fn fallback(sender: &str) -> Fallback {
    Fallback {
        sender: Sender::parse(sender).unwrap(),
        subject: String::new(),
        text: "홍길동님, 주문하신 책이 발송되었습니다.".to_owned(),
        kind: TextKind::Sms,
    }
}
