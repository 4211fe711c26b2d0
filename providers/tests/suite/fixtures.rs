//! Messages with nothing remarkable about them.

use std::{
    collections::BTreeMap,
    io::Cursor,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use image::{ImageFormat, RgbImage};
use switchboard_providers::{
    Credentials, Registry, VendorSettings,
    model::{Alimtalk, Button, ButtonType, Fallback, Image, Mms, PhoneNumber, Purpose, Sender, Sms, TextKind, render},
    vendor::Vendor,
};
use switchboard_vendor_sim::demo;

/// A recipient to whom everything is delivered.
pub const RECIPIENT: &str = "010-1234-5678";

/// The vendors at their usual addresses, where no test calls them.
pub static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::new(&BTreeMap::new()).unwrap());

/// One vendor at an address. All vendors are there: root certificates, which take long to read, are not needed then.
pub fn vendor(code: &str, base_url: &str) -> Arc<dyn Vendor> {
    let settings = VendorSettings { base_url: base_url.to_owned(), ..VendorSettings::default() };
    let codes = REGISTRY.iter().map(|vendor| vendor.descriptor().code.to_owned());
    let registry = Registry::new(&codes.map(|code| (code, settings.clone())).collect()).unwrap();
    Arc::clone(registry.get(code).unwrap())
}

/// The simulator runs on the machine's clock and checks that signatures are of now.
#[expect(clippy::disallowed_methods, reason = "the simulator runs on the machine's clock")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

pub fn credentials(pairs: &[(&str, &str)]) -> Credentials {
    pairs.iter().copied().collect()
}

pub fn sms(reference: &str, to: &str, sender: &str) -> Sms {
    Sms {
        reference: reference.to_owned(),
        to: PhoneNumber::parse(to).unwrap(),
        sender: Sender::parse(sender).unwrap(),
        text: "[한빛몰] 인증번호는 123456입니다.".to_owned(),
        subject: String::new(),
        kind: TextKind::Sms,
        purpose: Purpose::Transactional,
    }
}

pub fn lms(reference: &str, to: &str, sender: &str) -> Sms {
    Sms {
        text: "주문하신 상품이 오늘 출고되었습니다. 배송은 하루 이틀 걸릴 수 있습니다.\n감사합니다.".to_owned(),
        subject: "출고 안내".to_owned(),
        kind: TextKind::Lms,
        ..sms(reference, to, sender)
    }
}

pub fn mms(reference: &str, to: &str, sender: &str, images: Vec<Image>) -> Mms {
    let Sms { reference, to, sender, text, subject, purpose, .. } = lms(reference, to, sender);
    Mms { reference, to, sender, text, subject, images, purpose }
}

/// The shipping notice of the simulator's templates, with its button.
pub fn alimtalk(reference: &str, to: &str, fallback: Option<Fallback>) -> Alimtalk {
    let variables = [("name".to_owned(), "홍길동".to_owned()), ("item".to_owned(), "책".to_owned())].into();
    Alimtalk {
        reference: reference.to_owned(),
        to: PhoneNumber::parse(to).unwrap(),
        sender_profile: String::new(),
        template_code: demo::ORDER_SHIPPED.to_owned(),
        content: demo::ORDER_SHIPPED_TEXT.to_owned(),
        rendered: render(demo::ORDER_SHIPPED_TEXT, &variables).unwrap(),
        variables,
        title: String::new(),
        buttons: vec![Button {
            kind: ButtonType::WebLink,
            name: demo::ORDER_SHIPPED_BUTTON.to_owned(),
            mobile_url: demo::ORDER_SHIPPED_LINK.to_owned(),
            pc_url: demo::ORDER_SHIPPED_LINK.to_owned(),
            ios_scheme: String::new(),
            android_scheme: String::new(),
        }],
        fallback,
    }
}

pub fn fallback(sender: &str) -> Fallback {
    Fallback {
        sender: Sender::parse(sender).unwrap(),
        subject: String::new(),
        text: "홍길동님, 주문하신 책이 발송되었습니다.".to_owned(),
        kind: TextKind::Sms,
    }
}

/// A JPEG of one colour.
pub fn jpeg(width: u32, height: u32, colour: u8) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    RgbImage::from_pixel(width, height, image::Rgb([colour, 90, 160])).write_to(&mut file, ImageFormat::Jpeg).unwrap();
    file.into_inner()
}

pub fn image(file: Vec<u8>) -> Image {
    Image::decode("image/jpeg", Bytes::from(file)).unwrap()
}
