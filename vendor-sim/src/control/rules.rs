//! Fault and outcome rules over HTTP.

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Wrong, read};
use crate::faults::FaultRule;
use crate::handle::VendorHandle;
use crate::outcome::OutcomeRule;

/// One rule or several, in order.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Value>),
    One(Value),
}

impl OneOrMany {
    /// Rules read one by one, so that the sentence says what is wrong with which.
    fn into_rules<T: serde::de::DeserializeOwned>(self) -> Result<Vec<T>, Wrong> {
        let values = match self {
            Self::Many(values) => values,
            Self::One(value) => vec![value],
        };
        values
            .into_iter()
            .enumerate()
            .map(|(index, value)| {
                serde_json::from_value(value).map_err(|error| Wrong(format!("rule {index}: {error}")))
            })
            .collect()
    }
}

pub(super) fn router() -> Router<VendorHandle> {
    Router::new()
        .route("/faults", get(faults).post(add_faults).delete(clear_faults))
        .route("/outcome", get(outcomes).post(add_outcomes).delete(clear_outcomes))
}

async fn faults(State(vendor): State<VendorHandle>) -> Json<Value> {
    Json(json!({ "faults": vendor.faults() }))
}

async fn add_faults(State(vendor): State<VendorHandle>, body: Bytes) -> Result<StatusCode, Wrong> {
    for rule in read::<OneOrMany>(&body)?.into_rules::<FaultRule>()? {
        vendor.add_fault(rule);
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_faults(State(vendor): State<VendorHandle>) -> StatusCode {
    vendor.clear_faults();
    StatusCode::NO_CONTENT
}

async fn outcomes(State(vendor): State<VendorHandle>) -> Json<Value> {
    Json(json!({ "outcomes": vendor.outcomes() }))
}

async fn add_outcomes(State(vendor): State<VendorHandle>, body: Bytes) -> Result<StatusCode, Wrong> {
    for rule in read::<OneOrMany>(&body)?.into_rules::<OutcomeRule>()? {
        vendor.add_outcome(rule);
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_outcomes(State(vendor): State<VendorHandle>) -> StatusCode {
    vendor.clear_outcomes();
    StatusCode::NO_CONTENT
}
