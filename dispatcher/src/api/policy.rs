//! Who may call what. An RPC without a row is closed; a test holds that every RPC has one.

use switchboard_runtime::auth::{Policy, Role};

/// Operators, and callers for their own messages.
const READ: &[Role] = &[Role::Viewer, Role::Operator, Role::Superadmin, Role::Sender];

/// The table.
pub fn policy() -> Policy {
    const SEND: &[Role] = &[Role::Sender];
    Policy::new([
        ("/switchboard.dispatch.v1.MessageService/SendSms", SEND),
        ("/switchboard.dispatch.v1.MessageService/SendMms", SEND),
        ("/switchboard.dispatch.v1.MessageService/SendAlimtalk", SEND),
        ("/switchboard.dispatch.v1.MessageService/GetMessage", READ),
        ("/switchboard.dispatch.v1.MessageService/ListMessages", READ),
        ("/switchboard.dispatch.v1.DeliveryStatusService/ReportStatus", &[Role::WebhookGateway]),
        ("/switchboard.dispatch.v1.DeliveryStatusService/QuarantineEvents", &[Role::WebhookGateway]),
        ("/switchboard.dispatch.v1.WebhookAdminService/ListQuarantinedEvents", READ),
        ("/switchboard.dispatch.v1.WebhookAdminService/ReplayQuarantinedEvents", &[Role::Operator, Role::Superadmin]),
        ("/switchboard.dispatch.v1.WebhookAdminService/ListRefusedUpdates", &[Role::Superadmin, Role::Auditor]),
    ])
}
