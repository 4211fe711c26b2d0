//! What a token says, and whether it holds now and here.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::auth::{Principal, Role, TokenRejected};
use crate::config::JwtConfig;

/// Longest `sub`, in bytes: it goes into the audit trail.
const SUBJECT: usize = 256;

/// The claims of a token whose signature is good. A claim of the wrong kind, such as `exp` as text, is an error.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Which claims are wanted.
pub(super) struct Rules {
    issuer: String,
    audience: String,
    leeway: TimeDelta,
    roles_claim: String,
    organizations_claim: Option<String>,
}

impl From<&JwtConfig> for Rules {
    fn from(config: &JwtConfig) -> Self {
        Self {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            leeway: TimeDelta::from_std(config.leeway).unwrap_or(TimeDelta::MAX),
            roles_claim: config.roles_claim.clone(),
            organizations_claim: config.organizations_claim.clone(),
        }
    }
}

impl Rules {
    /// Who holds the token, and until when it is good.
    pub(super) fn judge(
        &self,
        claims: &Claims,
        now: DateTime<Utc>,
    ) -> Result<(Principal, DateTime<Utc>), TokenRejected> {
        if claims.iss != self.issuer {
            return Err(TokenRejected("the token was issued by somebody else (iss)".into()));
        }
        let meant = match &claims.aud {
            Audience::One(audience) => *audience == self.audience,
            Audience::Several(audiences) => audiences.contains(&self.audience),
        };
        if !meant {
            return Err(TokenRejected("the token is for another audience (aud)".into()));
        }
        let until = instant(claims.exp, "exp")?.checked_add_signed(self.leeway).unwrap_or(DateTime::<Utc>::MAX_UTC);
        if until <= now {
            return Err(expired());
        }
        let soon = now.checked_add_signed(self.leeway).unwrap_or(DateTime::<Utc>::MAX_UTC);
        for (claim, name) in [(claims.nbf, "nbf"), (claims.iat, "iat")] {
            if claim.map(|claim| instant(claim, name)).transpose()?.is_some_and(|begins| begins > soon) {
                return Err(TokenRejected(format!("the token is not valid yet ({name}); is a clock wrong?").into()));
            }
        }
        if claims.sub.is_empty() || claims.sub.len() > SUBJECT || claims.sub.chars().any(char::is_control) {
            return Err(TokenRejected("the token's subject (sub) is empty, too long or has control characters".into()));
        }
        // The prefix keeps a subject from passing for an entry of the tokens file.
        let name = format!("jwt:{}", claims.sub);
        Ok((Principal::new(name, self.roles(claims), self.organizations(claims)), until))
    }

    /// Words that are no role of ours are somebody else's affair: issuers put the roles of all their programs here.
    fn roles(&self, claims: &Claims) -> Vec<Role> {
        claims.words(&self.roles_claim).unwrap_or_default().iter().filter_map(|word| word.parse().ok()).collect()
    }

    fn organizations(&self, claims: &Claims) -> Option<BTreeSet<String>> {
        let claim = self.organizations_claim.as_deref()?;
        let listed: BTreeSet<String> = claims.words(claim).unwrap_or_default().into_iter().collect();
        (!listed.contains("*")).then_some(listed)
    }
}

pub(super) fn expired() -> TokenRejected {
    TokenRejected("the token has expired; get a new one".into())
}

impl Claims {
    /// The texts of a claim: a list, or one text with blanks between them.
    fn words(&self, claim: &str) -> Option<Vec<String>> {
        let value = self.others.get(claim).or_else(|| {
            let mut path = claim.split('.');
            let first = self.others.get(path.next()?)?;
            path.try_fold(first, |value, key| value.get(key))
        })?;
        match value {
            Value::String(text) => Some(text.split_whitespace().map(str::to_owned).collect()),
            Value::Array(list) => Some(list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()),
            _ => None,
        }
    }
}

/// A NumericDate (RFC 7519, 2), which may have a fraction.
#[expect(clippy::cast_possible_truncation, reason = "what does not fit is no instant either, and is refused")]
fn instant(seconds: f64, claim: &str) -> Result<DateTime<Utc>, TokenRejected> {
    DateTime::from_timestamp(seconds.floor() as i64, 0)
        .ok_or_else(|| TokenRejected(format!("the token's {claim} is no instant").into()))
}
