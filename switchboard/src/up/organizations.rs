//! The organisations of the demo: names of companies that do not exist, accounts that open only the simulated vendors.

use std::collections::HashMap;

use switchboard_vendor_sim::demo::{
    CLOUDMSG_DEFAULT, CLOUDMSG_HANBIT, DemoCloudMsg, DemoSendTalk, SENDTALK_HANBIT, SENDTALK_NARAE,
};

/// An organisation of the demo.
pub(crate) struct Organization {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// Its accounts; the first is its mapping.
    pub(super) accounts: &'static [Account],
}

/// An account with a simulated vendor.
#[derive(Clone, Copy)]
pub(super) enum Account {
    CloudMsg(&'static DemoCloudMsg),
    SendTalk(&'static DemoSendTalk),
}

/// Serves whoever has no mapping.
pub(crate) const DEFAULT: Organization =
    Organization { id: "default", name: "플랫폼 기본", accounts: &[Account::CloudMsg(&CLOUDMSG_DEFAULT)] };
/// Has an account with both vendors, and is mapped to CloudMsg.
pub(crate) const HANBIT: Organization = Organization {
    id: "hanbit",
    name: "한빛상사",
    accounts: &[Account::CloudMsg(&CLOUDMSG_HANBIT), Account::SendTalk(&SENDTALK_HANBIT)],
};
/// Is mapped to SendTalk.
pub(crate) const NARAE: Organization =
    Organization { id: "narae", name: "나래물류", accounts: &[Account::SendTalk(&SENDTALK_NARAE)] };
/// Has no mapping.
pub(crate) const GAON: Organization = Organization { id: "gaon", name: "가온서점", accounts: &[] };

impl Account {
    /// The vendor's code and the fields of its form.
    pub(super) fn form(self) -> (&'static str, HashMap<&'static str, &'static str>) {
        match self {
            Self::CloudMsg(account) => (
                "cloudmsg",
                HashMap::from([
                    ("service_id", account.service_id),
                    ("access_key", account.access_key),
                    ("secret_key", account.secret_key),
                    ("callback_secret", account.callback_secret),
                    ("channel_id", account.channel_id),
                    ("default_sender", account.default_sender),
                ]),
            ),
            Self::SendTalk(account) => (
                "sendtalk",
                HashMap::from([
                    ("account_id", account.account_id),
                    ("api_key", account.api_key),
                    ("webhook_secret", account.webhook_secret),
                    ("sender_profile_key", account.sender_profile_key),
                    ("default_sender", account.default_sender),
                ]),
            ),
        }
    }
}
