//! Messages with nothing remarkable about them, and the vendors they go through.

use std::{
    collections::BTreeMap,
    io::Cursor,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use image::{ImageFormat, RgbImage};
use switchboard_providers::{
    Registry, UnknownVendor, VendorSettings,
    model::{Alimtalk, Button, Image, Mms, PhoneNumber, Purpose, Sender, Sms, TextKind, render},
    vendor::Vendor,
};

/// The vendors at their usual addresses, where no test calls them.
pub static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::new(&BTreeMap::new()).unwrap());

/// One vendor at an address. All vendors are there: for an `http` address root certificates, which take long to read, are
/// not needed then.
pub fn vendor_at(code: &str, base_url: &str) -> Result<Arc<dyn Vendor>, UnknownVendor> {
    let settings = VendorSettings { base_url: base_url.to_owned(), ..VendorSettings::default() };
    let codes = REGISTRY.iter().map(|vendor| vendor.descriptor().code.to_owned());
    let registry = Registry::new(&codes.map(|code| (code, settings.clone())).collect())?;
    Ok(Arc::clone(registry.get(code).unwrap()))
}

/// Vendors, simulated ones too, run on the machine's clock and check that signatures are of now.
#[expect(clippy::disallowed_methods, reason = "vendors run on the machine's clock")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
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

/// A JPEG of one colour.
pub fn jpeg(width: u32, height: u32, colour: u8) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    RgbImage::from_pixel(width, height, image::Rgb([colour, 90, 160])).write_to(&mut file, ImageFormat::Jpeg).unwrap();
    file.into_inner()
}

pub fn image(file: Vec<u8>) -> Image {
    Image::decode("image/jpeg", Bytes::from(file)).unwrap()
}

/// An approved template and values that fit it.
#[derive(Clone)]
pub struct Template {
    pub code: String,
    pub content: String,
    pub variables: BTreeMap<String, String>,
    pub buttons: Vec<Button>,
}

impl Template {
    pub fn alimtalk(&self, reference: &str, to: &str) -> Alimtalk {
        Alimtalk {
            reference: reference.to_owned(),
            to: PhoneNumber::parse(to).unwrap(),
            sender_profile: String::new(),
            template_code: self.code.clone(),
            content: self.content.clone(),
            rendered: render(&self.content, &self.variables).unwrap(),
            variables: self.variables.clone(),
            title: String::new(),
            buttons: self.buttons.clone(),
            fallback: None,
        }
    }
}
