//! The control endpoint: what a handle can do, over HTTP, under `/_control` on each vendor's port.
//!
//! It has no authentication: the simulator is a tool for one machine. The crate's documentation lists the calls.

mod callbacks;
mod rules;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use http::StatusCode;
use serde_json::{Value, json};

use crate::core::Wire;
use crate::handle::VendorHandle;

/// A request that made no sense: 400 with a sentence.
pub(crate) struct Wrong(String);

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": self.0 }))).into_response()
    }
}

/// Reads a JSON body with a sentence for what is wrong with it.
pub(crate) fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Wrong> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Wrong(error.to_string()))
}

/// All control calls of one vendor.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(wire: Arc<dyn Wire>) -> Router<S> {
    let handle = VendorHandle::new(wire);
    Router::new()
        .route("/journal", get(journal).delete(clear_journal))
        .route("/messages", get(messages).delete(clear_messages))
        .route("/accounts", get(accounts).post(put_account))
        .route("/accounts/{id}", patch(change_account))
        .route("/settings", get(settings).post(change_settings))
        .route("/files/expire", post(expire_files))
        .merge(rules::router())
        .merge(callbacks::router())
        .fallback(unknown)
        .with_state(handle)
}

async fn unknown() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, Json(json!({ "error": "there is no such control call" })))
}

async fn journal(State(vendor): State<VendorHandle>) -> Json<Value> {
    let journal = vendor.journal();
    Json(json!({
        "requests": journal.requests,
        "callbacks": journal.callbacks,
        "dropped": journal.dropped,
        "messages": vendor.messages(),
    }))
}

async fn clear_journal(State(vendor): State<VendorHandle>) -> StatusCode {
    vendor.clear_journal();
    StatusCode::NO_CONTENT
}

async fn messages(State(vendor): State<VendorHandle>) -> Json<Value> {
    Json(json!({ "messages": vendor.messages() }))
}

async fn clear_messages(State(vendor): State<VendorHandle>) -> StatusCode {
    vendor.clear_messages();
    StatusCode::NO_CONTENT
}

async fn accounts(State(vendor): State<VendorHandle>) -> Json<Value> {
    Json(json!({ "accounts": vendor.accounts() }))
}

async fn put_account(State(vendor): State<VendorHandle>, body: axum::body::Bytes) -> Result<StatusCode, Wrong> {
    vendor.put_account(read(&body)?).map_err(Wrong)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change_account(
    State(vendor): State<VendorHandle>,
    Path(id): Path<String>,
    body: axum::body::Bytes,
) -> Result<StatusCode, Wrong> {
    vendor.merge_account(&id, read(&body)?).map_err(Wrong)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn settings(State(vendor): State<VendorHandle>) -> Json<Value> {
    Json(json!(vendor.settings()))
}

async fn change_settings(State(vendor): State<VendorHandle>, body: axum::body::Bytes) -> Result<Json<Value>, Wrong> {
    let Value::Object(change) = read(&body)? else {
        return Err(Wrong("the body must be a JSON object of settings".to_owned()));
    };
    let mut merged = json!(vendor.settings());
    if let Some(fields) = merged.as_object_mut() {
        fields.extend(change);
    }
    let settings = serde_json::from_value(merged).map_err(|error| Wrong(error.to_string()))?;
    vendor.set_settings(settings).map_err(Wrong)?;
    Ok(Json(json!(vendor.settings())))
}

async fn expire_files(State(vendor): State<VendorHandle>) -> StatusCode {
    vendor.expire_files();
    StatusCode::NO_CONTENT
}
