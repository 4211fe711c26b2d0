//! The vendors there are. A new vendor is one line in `VENDORS`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Deserialize;

use crate::{cloudmsg, http::ClientError, sendtalk, vendor::Vendor};

/// Every vendor: its code, its usual address, and how it is made from its settings.
const VENDORS: [(&str, &str, Build); 2] = [
    ("cloudmsg", "https://api.cloudmsg.example", |settings| Ok(Arc::new(cloudmsg::CloudMsg::new(settings)?))),
    ("sendtalk", "https://api.sendtalk.example", |settings| Ok(Arc::new(sendtalk::SendTalk::new(settings)?))),
];

type Build = fn(&VendorSettings) -> Result<Arc<dyn Vendor>, ClientError>;

/// Settings of one vendor: `[providers.<code>]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorSettings {
    /// Where the vendor is, without a trailing slash. Default: the vendor's public address.
    #[serde(default)]
    pub base_url: String,
    /// How long to wait for a connection. Default: 3 s.
    #[serde(default = "default_connect_timeout", with = "humantime_serde")]
    pub connect_timeout: Duration,
}

fn default_connect_timeout() -> Duration {
    Duration::from_secs(3)
}

impl Default for VendorSettings {
    fn default() -> Self {
        Self { base_url: String::new(), connect_timeout: default_connect_timeout() }
    }
}

/// A section of the settings that names no vendor, or that no vendor can be made from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownVendor {
    /// No vendor of this code.
    #[error("providers.{code}: there is no such vendor; known are {known}")]
    Code {
        /// As given.
        code: String,
        /// The codes there are.
        known: String,
    },
    /// Not an address.
    #[error("providers.{code}.base_url: {value:?} is not an http or https address, such as https://api.vendor.example")]
    BaseUrl {
        /// The vendor's code.
        code: String,
        /// As given.
        value: String,
    },
    /// No connections can be made to it.
    #[error(
        "providers.{code}: the HTTP client cannot be made: {why} (an https address needs the machine's root certificates: install ca-certificates)"
    )]
    Client {
        /// The vendor's code.
        code: String,
        /// What is missing.
        why: String,
    },
}

/// The vendors, by code.
#[derive(Clone)]
pub struct Registry(BTreeMap<&'static str, Arc<dyn Vendor>>);

impl Registry {
    /// Makes every vendor from its settings; one without settings takes its defaults.
    ///
    /// # Errors
    ///
    /// Settings for a vendor that does not exist, an address that is none, or an `https` address on a machine without
    /// root certificates.
    pub fn new(settings: &BTreeMap<String, VendorSettings>) -> Result<Self, UnknownVendor> {
        if let Some(code) = settings.keys().find(|code| VENDORS.iter().all(|(known, ..)| known != code)) {
            let known = VENDORS.map(|(code, ..)| code).join(", ");
            return Err(UnknownVendor::Code { code: code.clone(), known });
        }
        let mut vendors = BTreeMap::new();
        for (code, address, build) in VENDORS {
            let mut settings = settings.get(code).cloned().unwrap_or_default();
            if settings.base_url.is_empty() {
                address.clone_into(&mut settings.base_url);
            }
            let address = reqwest::Url::parse(&settings.base_url).ok();
            if !address.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
                return Err(UnknownVendor::BaseUrl { code: code.to_owned(), value: settings.base_url });
            }
            settings.base_url.truncate(settings.base_url.trim_end_matches('/').len());
            let vendor = build(&settings)
                .map_err(|error| UnknownVendor::Client { code: code.to_owned(), why: error.to_string() })?;
            vendors.insert(code, vendor);
        }
        Ok(Self(vendors))
    }

    /// The vendor of a code.
    pub fn get(&self, code: &str) -> Option<&Arc<dyn Vendor>> {
        self.0.get(code)
    }

    /// Every vendor, in the order of their codes.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Vendor>> {
        self.0.values()
    }
}
