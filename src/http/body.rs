//! Reads a JSON object from a request: content type, size, time, syntax, in that order.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpMessage, HttpRequest, web};
use futures::StreamExt;
use serde_json::{Map, Value};

use super::LARGEST_BODY;
use super::error::ApiError;
use crate::playbook::{Problem, json};

/// Bodies beyond this are parsed off the worker, which has others to serve.
const PARSED_ON_THE_SPOT: usize = 64 * 1024;

/// Reads the object.
pub(super) async fn read_object(
    request: &HttpRequest,
    payload: web::Payload,
    limit: Duration,
) -> Result<Map<String, Value>, ApiError> {
    judge_content_type(request)?;
    judge_length(request)?;
    let bytes = match actix_web::rt::time::timeout(limit, collect(payload)).await {
        Ok(bytes) => bytes?,
        Err(_) => {
            return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", "the body did not arrive in time"));
        }
    };
    let parsed = if bytes.len() <= PARSED_ON_THE_SPOT {
        json::parse(&bytes)
    } else {
        web::block(move || json::parse(&bytes)).await.map_err(|_| stopped())?
    };
    match parsed.map_err(ApiError::bad_request)? {
        Value::Object(object) => Ok(object),
        _ => Err(ApiError::bad_request(
            Problem::new("not-object", "", "the body is not a JSON object")
                .hint("send a playbook: {\"jobs\": [...], ...}"),
        )),
    }
}

/// The same where a body may be left out: a request without any needs no content type either.
pub(super) async fn read_object_if_any(
    request: &HttpRequest,
    payload: web::Payload,
    limit: Duration,
) -> Result<Option<Map<String, Value>>, ApiError> {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    if length || headers.contains_key(header::TRANSFER_ENCODING) {
        read_object(request, payload, limit).await.map(Some)
    } else {
        Ok(None)
    }
}

fn judge_content_type(request: &HttpRequest) -> Result<(), ApiError> {
    let refuse = |code, reason: &str| Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, reason));
    let required = "the body must be JSON";
    let hint = "send the header `Content-Type: application/json`";
    let Ok(Some(mime)) = request.mime_type() else {
        return refuse("json-required", required).map_err(|error: ApiError| error.hint(hint));
    };
    let is_json = mime.type_() == "application"
        && (mime.subtype() == "json" || mime.suffix().is_some_and(|suffix| suffix == "json"));
    if !is_json {
        return refuse("json-required", required).map_err(|error| error.hint(hint));
    }
    if mime.get_param("charset").is_some_and(|charset| !charset.as_str().eq_ignore_ascii_case("utf-8")) {
        return refuse("utf8-only", "the body must be UTF-8");
    }
    let encoding = request.headers().get(header::CONTENT_ENCODING).map(|value| value.as_bytes());
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return refuse("encoding", "compressed bodies are not taken");
    }
    Ok(())
}

fn judge_length(request: &HttpRequest) -> Result<(), ApiError> {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match length.and_then(|text| text.parse::<u64>().ok()) {
        Some(length) if length > LARGEST_BODY as u64 => Err(too_large()),
        _ => Ok(()),
    }
}

async fn collect(mut payload: web::Payload) -> Result<web::Bytes, ApiError> {
    let mut bytes = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            ApiError::bad_request(Problem::new("framing", "", format!("the body cannot be read: {error}")))
        })?;
        if bytes.len() + chunk.len() > LARGEST_BODY {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn too_large() -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("the body is larger than {LARGEST_BODY} bytes"))
}

pub(super) fn stopped() -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "the server is stopping").hint("try again later")
}
