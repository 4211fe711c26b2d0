//! Holding, reordering, repeating and forging callbacks over HTTP.

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Wrong, read};
use crate::callbacks::{Flush, Order};
use crate::handle::VendorHandle;
use crate::journal::CallbackEntry;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    #[serde(default)]
    message_id: Option<String>,
}

pub(super) fn router() -> Router<VendorHandle> {
    Router::new()
        .route("/callbacks/hold", post(hold))
        .route("/callbacks/flush", post(flush))
        .route("/callbacks/release", post(release))
        .route("/callbacks/reorder", post(reorder))
        .route("/callbacks/duplicate", post(duplicate))
        .route("/callbacks/send", post(send))
}

fn attempts(attempts: &[CallbackEntry]) -> Json<Value> {
    Json(json!({ "attempts": attempts }))
}

async fn hold(State(vendor): State<VendorHandle>) -> StatusCode {
    vendor.hold_callbacks();
    StatusCode::NO_CONTENT
}

async fn flush(State(vendor): State<VendorHandle>, body: Bytes) -> Result<Json<Value>, Wrong> {
    Ok(attempts(&vendor.flush_callbacks(read(&body)?).await))
}

async fn release(State(vendor): State<VendorHandle>, body: Bytes) -> Result<Json<Value>, Wrong> {
    Ok(attempts(&vendor.release_callbacks(read(&body)?).await))
}

async fn reorder(State(vendor): State<VendorHandle>) -> Json<Value> {
    attempts(&vendor.flush_callbacks(Flush { order: Order::Reversed, copies: 1 }).await)
}

async fn duplicate(State(vendor): State<VendorHandle>, body: Bytes) -> Result<Json<Value>, Wrong> {
    let repeat: Repeat = read(&body)?;
    Ok(attempts(&vendor.repeat_callbacks(repeat.message_id.as_deref()).await))
}

async fn send(State(vendor): State<VendorHandle>, body: Bytes) -> Result<Json<Value>, Wrong> {
    let attempt = vendor.send_callback(read(&body)?).await;
    Ok(attempts(std::slice::from_ref(&attempt)))
}
