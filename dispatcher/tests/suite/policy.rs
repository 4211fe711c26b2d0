//! Who may call what: every RPC of the contract has a row, and the service keeps to it.

use std::collections::BTreeSet;

use prost_reflect::DescriptorPool;
use switchboard_dispatcher::api::policy::policy;
use switchboard_proto::FILE_DESCRIPTOR_SET;
use switchboard_runtime::auth::Role::{self, Auditor, Operator, Sender, Superadmin, Viewer, WebhookGateway};

const SERVICES: [&str; 3] = [
    "switchboard.dispatch.v1.MessageService",
    "switchboard.dispatch.v1.DeliveryStatusService",
    "switchboard.dispatch.v1.WebhookAdminService",
];
const READ: &[Role] = &[Viewer, Operator, Superadmin, Sender];

/// The matrix, as the contract has it.
const ROWS: [(&str, &[Role]); 10] = [
    ("/switchboard.dispatch.v1.MessageService/SendSms", &[Sender]),
    ("/switchboard.dispatch.v1.MessageService/SendMms", &[Sender]),
    ("/switchboard.dispatch.v1.MessageService/SendAlimtalk", &[Sender]),
    ("/switchboard.dispatch.v1.MessageService/GetMessage", READ),
    ("/switchboard.dispatch.v1.MessageService/ListMessages", READ),
    ("/switchboard.dispatch.v1.DeliveryStatusService/ReportStatus", &[WebhookGateway]),
    ("/switchboard.dispatch.v1.DeliveryStatusService/QuarantineEvents", &[WebhookGateway]),
    ("/switchboard.dispatch.v1.WebhookAdminService/ListQuarantinedEvents", READ),
    ("/switchboard.dispatch.v1.WebhookAdminService/ReplayQuarantinedEvents", &[Operator, Superadmin]),
    ("/switchboard.dispatch.v1.WebhookAdminService/ListRefusedUpdates", &[Superadmin, Auditor]),
];

/// Every method of the services, by full path, from the contract itself.
fn methods() -> BTreeSet<String> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services = SERVICES.map(|name| pool.get_service_by_name(name).unwrap());
    let paths = services.iter().flat_map(|service| {
        service.methods().map(|method| format!("/{}/{}", service.full_name(), method.name())).collect::<Vec<_>>()
    });
    paths.collect()
}

#[test]
fn every_rpc_of_the_contract_has_a_row() {
    let rows: BTreeSet<_> = ROWS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(methods(), rows, "add the new RPC to this matrix and to the policy");
    let policy: BTreeSet<_> = policy().methods().map(str::to_owned).collect();
    assert_eq!(methods(), policy);
}

#[test]
fn each_role_may_call_exactly_what_its_row_says() {
    let policy = policy();
    for (path, allowed) in ROWS {
        for role in Role::ALL {
            assert_eq!(policy.roles_for(path).contains(role), allowed.contains(&role), "{role:?} and {path}");
        }
    }
}
