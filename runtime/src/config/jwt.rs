//! The section `auth.jwt`.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// The section `auth.jwt`: tokens that an identity provider signs. RS256, ES256 and EdDSA.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JwtConfig {
    /// `auth.jwt.issuer`: who must have issued a token (`iss`). No default.
    pub issuer: String,
    /// `auth.jwt.audience`: for whom a token must be (`aud`). No default.
    pub audience: String,
    /// `auth.jwt.jwks_url`: where the issuer publishes its keys, at `https://`. Default: none.
    pub jwks_url: Option<String>,
    /// `auth.jwt.jwks_file`: a file with the keys instead, read again when it changes. Default: none.
    pub jwks_file: Option<PathBuf>,
    /// `auth.jwt.ca_file`: who signs the certificate of `jwks_url`. Default: the machine's own authorities.
    pub ca_file: Option<PathBuf>,
    /// `auth.jwt.roles_claim`: the claim with the roles, a list or a text with blanks; dots lead into objects, such as
    /// `realm_access.roles`. Words that are no role of ours are ignored. Default: `roles`.
    pub roles_claim: String,
    /// `auth.jwt.organizations_claim`: the claim with the organisations that a token is limited to, a list; `"*"` in it
    /// is all of them. A token without the claim may then act for none. Default: none, tokens are not limited.
    pub organizations_claim: Option<String>,
    /// `auth.jwt.leeway`: by how much the issuer's clock may be off. Default: 30s.
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    /// `auth.jwt.refresh_interval`: how often the keys are fetched anew. Default: 5m.
    #[serde(with = "humantime_serde")]
    pub refresh_interval: Duration,
    /// `auth.jwt.refetch_interval`: a token signed with a key that is not known has the keys fetched anew, but no more
    /// often than this. Default: 10s.
    #[serde(with = "humantime_serde")]
    pub refetch_interval: Duration,
}

impl Default for JwtConfig {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: String::new(),
            jwks_url: None,
            jwks_file: None,
            ca_file: None,
            roles_claim: "roles".to_owned(),
            organizations_claim: None,
            leeway: Duration::from_secs(30),
            refresh_interval: Duration::from_secs(300),
            refetch_interval: Duration::from_secs(10),
        }
    }
}
