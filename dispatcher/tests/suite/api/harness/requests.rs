//! The least that a request needs.

use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};
use switchboard_proto::dispatch::v1::{
    Image, MessageStatus, SendAlimtalkRequest, SendMmsRequest, SendSmsRequest, StatusUpdate,
};
use switchboard_vendor_sim::demo::{ORDER_SHIPPED, ORDER_SHIPPED_TEXT};

pub fn sms(organization: &str, text: &str) -> SendSmsRequest {
    SendSmsRequest {
        organization_id: organization.to_owned(),
        to: "010-1234-5678".to_owned(),
        text: text.to_owned(),
        ..SendSmsRequest::default()
    }
}

pub fn mms(organization: &str, images: Vec<Vec<u8>>) -> SendMmsRequest {
    let image = |data: Vec<u8>| Image { content_type: "image/jpeg".to_owned(), data: data.into() };
    SendMmsRequest {
        organization_id: organization.to_owned(),
        to: "010-1234-5678".to_owned(),
        text: "사진입니다".to_owned(),
        subject: "사진".to_owned(),
        images: images.into_iter().map(image).collect(),
        ..SendMmsRequest::default()
    }
}

/// A real JPEG of this size.
pub fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let pixels: Vec<u8> = (0..usize::from(width) * usize::from(height) * 3).map(|n| (n % 251) as u8).collect();
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, 40)
        .encode(&pixels, width.into(), height.into(), ExtendedColorType::Rgb8)
        .unwrap();
    file
}

/// An Alimtalk from a template that both simulated vendors know.
pub fn alimtalk(organization: &str) -> SendAlimtalkRequest {
    let variables = [("name", "홍길동"), ("item", "운동화")];
    SendAlimtalkRequest {
        organization_id: organization.to_owned(),
        to: "010-1234-5678".to_owned(),
        template_code: ORDER_SHIPPED.to_owned(),
        content: ORDER_SHIPPED_TEXT.to_owned(),
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..SendAlimtalkRequest::default()
    }
}

/// What a vendor says about a message, by our reference.
pub fn report(provider: &str, account: &str, message_id: &str, status: MessageStatus) -> StatusUpdate {
    StatusUpdate {
        provider: provider.to_owned(),
        provider_account: account.to_owned(),
        client_reference: message_id.to_owned(),
        status: status.into(),
        event_key: format!("{provider}:{message_id}:{status:?}"),
        ..StatusUpdate::default()
    }
}
