//! How much each tenant has stored, counted now and then, for the limits on that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::time::timeout;
use actix_web::web;
use tokio::sync::watch;

use crate::adapters::objects::S3Objects;
use crate::engine::{EngineHandle, EngineLimits};
use crate::playbook::{BucketName, TenantId};
use crate::store::SqliteHistory;

/// From one count to the next. Counting means listing.
const EVERY: Duration = Duration::from_secs(60);

/// Counts at once, whenever the limits change, and every minute: only tenants whose storage is limited.
pub(super) fn keep_counting(
    objects: S3Objects,
    history: Arc<SqliteHistory>,
    mut limits: watch::Receiver<EngineLimits>,
    engine: EngineHandle,
) {
    actix_web::rt::spawn(async move {
        loop {
            let current = limits.borrow_and_update().clone();
            if let Some(tenants) = limited(&current, &history).await {
                engine.take_stock(count(&objects, tenants).await);
            }
            // a minute, or the limits have changed; without whoever changes them the process ends
            if let Ok(Err(_)) = timeout(EVERY, limits.changed()).await {
                return;
            }
        }
    });
}

/// The tenants whose storage is limited; `None` when nobody's is, or the journal cannot be read.
async fn limited(limits: &EngineLimits, history: &Arc<SqliteHistory>) -> Option<Vec<TenantId>> {
    let own = limits.tenants.iter().filter(|(_, own)| own.stored_bytes.is_some()).map(|(tenant, _)| tenant);
    if limits.stored_bytes.is_none() {
        let own: Vec<TenantId> = own.cloned().collect();
        return Some(own).filter(|own| !own.is_empty());
    }
    let history = Arc::clone(history);
    let known = web::block(move || history.tenants()).await.ok()?;
    let known = known.inspect_err(|error| log::warn!("nobody's storage is counted: {error}")).ok()?;
    let mut tenants: Vec<TenantId> = own.cloned().collect();
    tenants.extend(known.iter().filter_map(|tenant| TenantId::parse(tenant).ok()));
    Some(tenants)
}

/// What cannot be counted counts as it did before.
async fn count(objects: &S3Objects, tenants: Vec<TenantId>) -> HashMap<String, u64> {
    let mut stored = HashMap::new();
    for tenant in tenants {
        match objects.stored_bytes(&BucketName::of(&tenant)).await {
            Ok(bytes) => drop(stored.insert(tenant.as_str().to_owned(), bytes)),
            Err(error) => log::warn!("tenant={}: what it has stored is not counted: {error}", tenant.as_str()),
        }
    }
    stored
}
