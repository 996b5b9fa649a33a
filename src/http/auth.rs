//! Who may come in: one key for everybody, compared in constant time.

use actix_web::HttpRequest;
use actix_web::http::header;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::ApiError;

/// The key that playbooks and API calls must carry; only its digest is kept.
#[derive(Clone)]
pub struct ApiKey {
    digest: [u8; 32],
}

impl ApiKey {
    /// A key.
    pub fn new(key: &str) -> Self {
        Self { digest: Sha256::digest(key).into() }
    }

    fn is(&self, given: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        given.ct_eq(&self.digest).into()
    }

    /// Judges the member `diastema-token` of a platform request, with the contract's texts.
    pub fn judge_document(&self, document: &Map<String, Value>) -> Result<(), ApiError> {
        match document.get("diastema-token") {
            None => Err(ApiError::unauthorized("No Diastema Token given!")),
            Some(Value::String(given)) if self.is(given) => Ok(()),
            Some(_) => Err(ApiError::unauthorized("Invalid Diastema Token!")),
        }
    }

    /// Judges the header `Authorization: Bearer <key>` of an API request.
    pub fn judge_header(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(given) = given.and_then(|text| text.strip_prefix("Bearer ")) else {
            return Err(ApiError::unauthorized("no token given")
                .hint("send the header `Authorization: Bearer <token>`; the token is the server's DIASTEMA_KEY"));
        };
        if self.is(given.trim()) { Ok(()) } else { Err(ApiError::unauthorized("the token is not valid")) }
    }
}
