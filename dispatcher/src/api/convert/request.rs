//! Requests in.

use chrono::{DateTime, Utc};
use switchboard_proto::{common::v1 as common, dispatch::v1 as proto};
use switchboard_providers::model::{Button, ButtonType, Channel, PhoneNumber};
use switchboard_runtime::wire::{from_timestamp, to_std_duration};
use tonic::Status as RpcStatus;

use crate::{
    api::error,
    message::Status,
    prepare::{AlimtalkRequest, Envelope, FallbackRequest, ImageRequest, Oversize, TextRequest},
    store::ListQuery,
};

/// A text.
pub(crate) fn sms_request(request: proto::SendSmsRequest) -> TextRequest {
    TextRequest {
        advertisement: request.purpose() == proto::Purpose::Advertisement,
        oversize: oversize(request.oversize()),
        envelope: envelope(request.organization_id, request.request_id, request.to, request.labels),
        sender: request.sender,
        text: request.text,
        subject: request.subject,
    }
}

/// A text and its images.
pub(crate) fn mms_request(request: proto::SendMmsRequest) -> (TextRequest, Vec<ImageRequest>) {
    let advertisement = request.purpose() == proto::Purpose::Advertisement;
    let images =
        request.images.into_iter().map(|image| ImageRequest { content_type: image.content_type, data: image.data });
    let images = images.collect();
    let text = TextRequest {
        advertisement,
        oversize: Oversize::UpgradeToLms,
        envelope: envelope(request.organization_id, request.request_id, request.to, request.labels),
        sender: request.sender,
        text: request.text,
        subject: request.subject,
    };
    (text, images)
}

/// An Alimtalk.
pub(crate) fn alimtalk_request(request: proto::SendAlimtalkRequest) -> AlimtalkRequest {
    AlimtalkRequest {
        envelope: envelope(request.organization_id, request.request_id, request.to, request.labels),
        sender_profile: request.sender_profile,
        template_code: request.template_code,
        content: request.content,
        variables: request.variables.into_iter().collect(),
        title: request.title,
        buttons: request.buttons.into_iter().map(button).collect(),
        fallback: request.fallback.map(|fallback| FallbackRequest {
            oversize: oversize(fallback.oversize()),
            sender: fallback.sender,
            subject: fallback.subject,
            text: fallback.text,
        }),
    }
}

fn envelope(
    organization_id: String,
    request_id: String,
    to: String,
    labels: std::collections::HashMap<String, String>,
) -> Envelope {
    Envelope { organization_id, request_id, to, labels: labels.into_iter().collect() }
}

fn oversize(oversize: proto::Oversize) -> Oversize {
    match oversize {
        proto::Oversize::Unspecified | proto::Oversize::UpgradeToLms => Oversize::UpgradeToLms,
        proto::Oversize::Reject => Oversize::Reject,
    }
}

fn button(button: proto::Button) -> Option<Button> {
    let kind = match button.r#type() {
        proto::ButtonType::Unspecified => return None,
        proto::ButtonType::WebLink => ButtonType::WebLink,
        proto::ButtonType::AppLink => ButtonType::AppLink,
        proto::ButtonType::DeliveryTracking => ButtonType::DeliveryTracking,
        proto::ButtonType::BotKeyword => ButtonType::BotKeyword,
        proto::ButtonType::MessageDelivery => ButtonType::MessageDelivery,
        proto::ButtonType::ChannelAdd => ButtonType::ChannelAdd,
    };
    Some(Button {
        kind,
        name: button.name,
        mobile_url: button.mobile_url,
        pc_url: button.pc_url,
        ios_scheme: button.ios_scheme,
        android_scheme: button.android_scheme,
    })
}

/// A list's filter; page size and position are the caller's business.
pub(crate) fn list_query(
    organization_id: String,
    filter: proto::MessageFilter,
    now: DateTime<Utc>,
) -> Result<ListQuery, RpcStatus> {
    let status = filter.status().map(known_status).collect::<Result<_, _>>()?;
    let to = match filter.to.as_str() {
        "" => None,
        typed => {
            let number = PhoneNumber::parse(typed).map_err(|why| error::field("filter.to", &why.to_string()))?;
            Some(number.e164().to_owned())
        }
    };
    let time = |field: &str, time: Option<prost_types::Timestamp>| {
        time.map(|time| from_timestamp(&time).map_err(|why| error::field(field, &why.to_string()))).transpose()
    };
    let unsettled_for = match &filter.unsettled_for {
        None => None,
        Some(age) => {
            let age = to_std_duration(age).map_err(|why| error::field("filter.unsettled_for", &why.to_string()))?;
            let age =
                chrono::TimeDelta::from_std(age).map_err(|_| error::field("filter.unsettled_for", "is too long"))?;
            Some(now - age)
        }
    };
    let before = time("filter.create_time_before", filter.create_time_before)?;
    Ok(ListQuery {
        organization_id,
        statuses: status,
        channel: match filter.channel() {
            common::Channel::Unspecified => None,
            common::Channel::Sms => Some(Channel::Sms),
            common::Channel::Lms => Some(Channel::Lms),
            common::Channel::Mms => Some(Channel::Mms),
            common::Channel::Alimtalk => Some(Channel::Alimtalk),
        },
        provider: Some(filter.provider).filter(|provider| !provider.is_empty()),
        to,
        created_from: time("filter.create_time_after", filter.create_time_after)?,
        created_before: match (before, unsettled_for) {
            (Some(before), Some(unsettled)) => Some(before.min(unsettled)),
            (before, unsettled) => before.or(unsettled),
        },
        open_only: unsettled_for.is_some(),
        ..ListQuery::default()
    })
}

fn known_status(status: proto::MessageStatus) -> Result<Status, RpcStatus> {
    Ok(match status {
        proto::MessageStatus::Unspecified => {
            return Err(error::field("filter.status", "holds a status that is not known: leave it out"));
        }
        proto::MessageStatus::Requested => Status::Requested,
        proto::MessageStatus::InDoubt => Status::InDoubt,
        proto::MessageStatus::Queued => Status::Queued,
        proto::MessageStatus::Sent => Status::Sent,
        proto::MessageStatus::Delivered => Status::Delivered,
        proto::MessageStatus::Failed => Status::Failed,
        proto::MessageStatus::Unresolved => Status::Unresolved,
    })
}
