//! Resolves the host of an ingestion's url: every address it has is judged, not only its name (decision 10).
//!
//! A fence of the first line only: the data service resolves the name again when it fetches.

use std::time::Duration;

use actix_web::rt::time::timeout;
use serde_json::Value;
use url::Host;

use super::error::ApiError;
use crate::playbook::Problem;
use crate::playbook::ingestion_url::{self, UrlPolicy, UrlRule};

/// How long a name may take to resolve.
const PATIENCE: Duration = Duration::from_secs(3);

/// Judges the addresses of the url in `ingestion_json`; a name that does not resolve here is left to the data service.
pub(super) async fn judge(rule: &UrlRule, request: Option<&Value>) -> Result<(), ApiError> {
    if rule.policy == UrlPolicy::Any {
        return Ok(());
    }
    let text = request.and_then(|request| request.get("url")).and_then(Value::as_str).unwrap_or_default();
    let Some(url) = ingestion_url::parse(text) else { return Ok(()) };
    let (Some(Host::Domain(name)), Some(port)) = (url.host(), url.port_or_known_default()) else { return Ok(()) };
    let Ok(Ok(addresses)) = timeout(PATIENCE, tokio::net::lookup_host((name, port))).await else { return Ok(()) };
    for address in addresses {
        if !rule.allows_address(address.ip()) {
            let reason = "the name in `url` leads to an address that ingestions may not read from";
            let problem = Problem::new("blocked-address", "/ingestion_json/url", reason);
            return Err(ApiError::unprocessable(vec![problem]));
        }
    }
    Ok(())
}
