//! Who may come in: one key for everybody, compared in constant time.

use actix_web::HttpRequest;
use actix_web::http::{StatusCode, header};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::ApiError;
use super::throttle::WrongTokens;

/// The key that playbooks and API calls must carry; only its digest is kept.
pub struct ApiKey {
    digest: [u8; 32],
    wrong: WrongTokens,
}

impl ApiKey {
    /// A key, and how many wrong ones an address may send in ten seconds until it is told to wait.
    pub fn new(key: &str, most_wrong: usize) -> Self {
        Self { digest: Sha256::digest(key).into(), wrong: WrongTokens::new(most_wrong) }
    }

    fn is(&self, given: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        given.ct_eq(&self.digest).into()
    }

    /// Judges the member `diastema-token` of a platform request, with the contract's texts.
    pub fn judge_document(&self, request: &HttpRequest, document: &Map<String, Value>) -> Result<(), ApiError> {
        match document.get("diastema-token") {
            None => Err(ApiError::unauthorized("No Diastema Token given!")),
            Some(Value::String(given)) if self.is(given) => Ok(()),
            Some(_) => Err(self.refuse(request, "Invalid Diastema Token!")),
        }
    }

    /// Judges the header `Authorization: Bearer <key>` of an API request.
    pub fn judge_header(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(given) = given.and_then(|text| text.strip_prefix("Bearer ")) else {
            return Err(ApiError::unauthorized("no token given")
                .hint("send the header `Authorization: Bearer <token>`; the token is the server's DIASTEMA_KEY"));
        };
        if self.is(given.trim()) { Ok(()) } else { Err(self.refuse(request, "the token is not valid")) }
    }

    fn refuse(&self, request: &HttpRequest, reason: &str) -> ApiError {
        let too_many = request.peer_addr().is_some_and(|peer| self.wrong.count(peer.ip()));
        if too_many {
            return ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "auth-throttle",
                "too many wrong tokens from this address",
            )
            .hint("wait ten seconds and send the right one");
        }
        ApiError::unauthorized(reason)
    }
}
