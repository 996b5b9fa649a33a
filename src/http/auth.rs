//! Who sent a request, and whether the token that came with it is good for what is asked.

use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use serde_json::{Map, Value};

use super::error::ApiError;
use super::throttle::WrongTokens;
use super::trail::Trail;
use crate::access::{Access, Role, Scope, SharedHolder};
use crate::playbook::{Problem, TenantId};

/// Judges tokens, and counts the wrong ones.
pub struct Doorkeeper {
    access: Arc<Access>,
    wrong: WrongTokens,
}

/// Who sent the request that is being answered. Only a judged token makes one, and nothing of any tenant is reached
/// without one.
#[derive(Debug, Clone)]
pub struct Caller {
    holder: SharedHolder,
    address: Option<IpAddr>,
}

impl Caller {
    /// Name of the token.
    pub(super) fn name(&self) -> &str {
        &self.holder.name
    }

    /// Where the request came from.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Whether a tenant's runs are there for this caller.
    pub(super) fn reaches(&self, tenant: &str) -> bool {
        self.holder.scope.reaches(tenant)
    }

    /// The tenants whose runs are there for this caller, `None` for all.
    pub(super) fn tenants(&self) -> Option<Vec<TenantId>> {
        match &self.holder.scope {
            Scope::All => None,
            Scope::Only(tenants) => Some(tenants.iter().cloned().collect()),
        }
    }

    /// The same as the journal knows them.
    pub(super) fn tenant_names(&self) -> Option<Vec<String>> {
        self.tenants().map(|tenants| tenants.iter().map(TenantId::to_string).collect())
    }

    /// Whether the token is good for a document of this tenant. A `database-id` that names none is refused later.
    pub(super) fn judge_tenant(&self, document: &Map<String, Value>) -> Result<(), ApiError> {
        let named = document.get("database-id").and_then(Value::as_str).map(TenantId::parse);
        match named {
            Some(Ok(tenant)) if !self.reaches(tenant.as_str()) => {
                let reason = "this token is not for the tenant that `database-id` names";
                let problem = Problem::new("tenant-scope", "/database-id", reason);
                Err(ApiError { status: StatusCode::FORBIDDEN, problems: vec![problem] })
            }
            _ => Ok(()),
        }
    }

    /// Whether the token is for all tenants: what is asked for cannot be told apart by tenant.
    pub(super) fn judge_all_tenants(&self) -> Result<(), ApiError> {
        match self.holder.scope {
            Scope::All => Ok(()),
            Scope::Only(_) => {
                Err(ApiError::new(StatusCode::FORBIDDEN, "tenant-scope", "this is about all tenants, the token is not"))
            }
        }
    }

    fn judge_role(self, wanted: Role) -> Result<Self, ApiError> {
        if self.holder.may(wanted) {
            return Ok(self);
        }
        let has: Vec<&str> = self.holder.roles.iter().map(|role| role.as_str()).collect();
        let reason = format!("this token has not the role `{}`", wanted.as_str());
        Err(ApiError::new(StatusCode::FORBIDDEN, "role", reason).hint(&format!("its roles are {}", has.join(", "))))
    }
}

/// What was judged when the request came in. A handler that asks for it and is reached without is refused.
impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let judged = request.extensions().get::<Self>().cloned();
        ready(judged.ok_or_else(|| ApiError::unauthorized("no token given")))
    }
}

impl Doorkeeper {
    /// Lets in whom `access` knows; says how many wrong tokens an address may send in ten seconds until it is told to wait.
    pub fn new(access: Arc<Access>, most_wrong: usize) -> Self {
        Self { access, wrong: WrongTokens::new(most_wrong) }
    }

    /// Judges the member `diastema-token` of a platform request, with the contract's texts.
    pub(super) fn judge_document(
        &self,
        request: &HttpRequest,
        document: &Map<String, Value>,
        wanted: Role,
    ) -> Result<Caller, ApiError> {
        let holder = match document.get("diastema-token") {
            None => return Err(ApiError::unauthorized("No Diastema Token given!")),
            Some(Value::String(given)) => self.access.holder(given),
            Some(_) => None,
        };
        let holder = holder.ok_or_else(|| self.refuse(request, "Invalid Diastema Token!"))?;
        Self::let_in(request, holder, wanted)
    }

    /// Judges the header `Authorization: Bearer <token>` of an API request.
    pub(super) fn judge_header(&self, request: &HttpRequest, wanted: Role) -> Result<Caller, ApiError> {
        let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|text| text.split_once(' '));
        let Some((_, given)) = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
            return Err(ApiError::unauthorized("no token given").hint(
                "send the header `Authorization: Bearer <token>`; the token is yours of the server's TOKENS_FILE, or its DIASTEMA_KEY",
            ));
        };
        let holder = self.access.holder(given.trim()).ok_or_else(|| self.refuse(request, "the token is not valid"))?;
        Self::let_in(request, holder, wanted)
    }

    /// The caller stays with the request, also when the role is missing: that refusal has an author.
    fn let_in(request: &HttpRequest, holder: SharedHolder, wanted: Role) -> Result<Caller, ApiError> {
        let caller = Caller { holder, address: request.peer_addr().map(|peer| peer.ip()) };
        request.extensions_mut().insert(caller.clone());
        Trail::of(request).caller(&caller);
        caller.judge_role(wanted)
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
