//! Reads a JSON object from a request: content type, size, time, syntax, in that order.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpMessage, HttpRequest, web};
use futures::StreamExt;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::{Door, LARGEST_BODY};
use crate::playbook::{Problem, json};
use crate::store::Submission;

/// Bodies beyond this are parsed off the worker, which has others to serve.
const PARSED_ON_THE_SPOT: usize = 64 * 1024;

/// A document as it came.
pub(super) struct Received {
    pub(super) document: Map<String, Value>,
    /// SHA-256 of it without its token.
    pub(super) digest: [u8; 32],
}

/// Reads the object of a submission.
pub(super) async fn read_object(
    request: &HttpRequest,
    payload: web::Payload,
    door: &Door,
) -> Result<Received, ApiError> {
    read_object_of(request, payload, door, LARGEST_BODY).await
}

/// Reads an object of at most so many bytes.
pub(super) async fn read_object_of(
    request: &HttpRequest,
    payload: web::Payload,
    door: &Door,
    largest: usize,
) -> Result<Received, ApiError> {
    judge_content_type(request)?;
    judge_length(request, largest)?;
    let arrival = actix_web::rt::time::timeout(door.body_timeout, collect(payload, largest));
    let bytes = match door.draining.cut_short(arrival).await {
        Some(Ok(bytes)) => bytes?,
        Some(Err(_)) => {
            return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", "the body did not arrive in time"));
        }
        None => return Err(ApiError::draining()),
    };
    if bytes.len() <= PARSED_ON_THE_SPOT {
        return parse(&bytes);
    }
    web::block(move || parse(&bytes)).await.map_err(|_| ApiError::draining())?
}

fn parse(bytes: &[u8]) -> Result<Received, ApiError> {
    match json::parse(bytes).map_err(ApiError::bad_request)? {
        Value::Object(document) => Ok(Received { digest: Submission::digest_of_document(&document), document }),
        _ => Err(ApiError::bad_request(
            Problem::new("not-object", "", "the body is not a JSON object")
                .hint("send a playbook: {\"jobs\": [...], ...}"),
        )),
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

fn judge_length(request: &HttpRequest, largest: usize) -> Result<(), ApiError> {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match length.and_then(|text| text.parse::<u64>().ok()) {
        Some(length) if length > largest as u64 => Err(too_large(largest)),
        _ => Ok(()),
    }
}

async fn collect(mut payload: web::Payload, largest: usize) -> Result<web::Bytes, ApiError> {
    let mut bytes = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            ApiError::bad_request(Problem::new("framing", "", format!("the body cannot be read: {error}")))
        })?;
        if bytes.len() + chunk.len() > largest {
            return Err(too_large(largest));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn too_large(largest: usize) -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("the body is larger than {largest} bytes"))
}
