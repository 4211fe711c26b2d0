//! Which roles each RPC takes. An RPC without a row is closed to everyone; a test holds that each has one.

use switchboard_runtime::auth::{
    Policy,
    Role::{self, Auditor, Dispatcher, Operator, Superadmin, Viewer, WebhookGateway},
};

const READ: &[Role] = &[Viewer, Operator, Superadmin];
const WRITE: &[Role] = &[Operator, Superadmin];
const ORGANIZATIONS: &[Role] = &[Superadmin];
const AUDIT: &[Role] = &[Auditor, Superadmin];
const WATCH: &[Role] = &[Dispatcher, WebhookGateway];

/// The table.
pub const ROWS: [(&str, &[Role]); 19] = [
    ("/switchboard.config.v1.ConfigAdminService/ListProviders", READ),
    ("/switchboard.config.v1.ConfigAdminService/CreateOrganization", ORGANIZATIONS),
    ("/switchboard.config.v1.ConfigAdminService/GetOrganization", READ),
    ("/switchboard.config.v1.ConfigAdminService/UpdateOrganization", ORGANIZATIONS),
    ("/switchboard.config.v1.ConfigAdminService/ListOrganizations", READ),
    ("/switchboard.config.v1.ConfigAdminService/ListProviderConfigs", READ),
    ("/switchboard.config.v1.ConfigAdminService/GetProviderConfig", READ),
    ("/switchboard.config.v1.ConfigAdminService/CreateProviderConfig", WRITE),
    ("/switchboard.config.v1.ConfigAdminService/UpdateProviderConfig", WRITE),
    ("/switchboard.config.v1.ConfigAdminService/DeleteProviderConfig", WRITE),
    ("/switchboard.config.v1.ConfigAdminService/GetRouting", READ),
    ("/switchboard.config.v1.ConfigAdminService/UpdateRouting", WRITE),
    ("/switchboard.config.v1.ConfigAdminService/TestConnection", WRITE),
    ("/switchboard.config.v1.ConfigAdminService/ListAuditEvents", AUDIT),
    ("/switchboard.config.v1.ConfigAdminService/VerifyAuditTrail", AUDIT),
    ("/switchboard.config.v1.ConfigAdminService/GetAuditHead", AUDIT),
    ("/switchboard.config.v1.ConfigAdminService/GetPropagation", READ),
    ("/switchboard.config.v1.ConfigWatchService/Watch", WATCH),
    ("/switchboard.config.v1.ConfigWatchService/ResolveOrganization", WATCH),
];

/// The table as the authentication layer takes it.
pub fn policy() -> Policy {
    Policy::new(ROWS)
}
