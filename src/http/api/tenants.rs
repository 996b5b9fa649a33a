//! `GET /api/v1/tenants`: the limits, who uses how much of them, and who waits for what.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::engine::usage::{Queue, ServiceUsage, Share, TenantUsage, TotalUsage};
use crate::http::{ApiError, Caller, Door};
use crate::playbook::TenantId;
use crate::playbook::job::Service;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    items: Vec<TenantReport>,
    /// Over all tenants: only for those who reach all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<TotalReport>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct TenantReport {
    tenant: String,
    open: ShareReport,
    running: ShareReport,
    queued: QueueReport,
    in_flight: ShareReport,
    services: BTreeMap<&'static str, AtService>,
    stored_bytes: ShareReport,
    submissions_per_second: Option<f64>,
    /// The longest that anything of the tenant has waited for its turn, in milliseconds.
    oldest_wait_ms: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct TotalReport {
    open: ShareReport,
    running: ShareReport,
    in_flight: ShareReport,
    retries_per_second: f64,
    services: BTreeMap<&'static str, AllAtService>,
}

#[derive(Serialize)]
struct ShareReport {
    used: u64,
    most: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct QueueReport {
    waiting: usize,
    oldest_wait_ms: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct AtService {
    in_flight: usize,
    #[serde(flatten)]
    queue: QueueReport,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct AllAtService {
    in_flight: ShareReport,
    #[serde(flatten)]
    queue: QueueReport,
}

/// Of the tenants that the caller reaches: those of its token, or all that have anything open, limits of their own, or storage that is counted.
pub(super) async fn tenants(caller: Caller, door: web::Data<Door>) -> Result<HttpResponse, ApiError> {
    let reached = caller.tenants();
    let reaches_all = reached.is_none();
    let usage = door.engine.usage(reached).await.ok_or_else(ApiError::draining)?;
    let items = usage.tenants.iter().map(|(tenant, usage)| tenant_report(tenant, usage)).collect();
    let total = reaches_all.then(|| total_report(&usage.total, &usage.services));
    Ok(HttpResponse::Ok().json(Report { items, total }))
}

fn tenant_report(tenant: &TenantId, usage: &TenantUsage) -> TenantReport {
    let at = |(service, (in_flight, queue)): (&Service, &(usize, Queue))| {
        (service.as_str(), AtService { in_flight: *in_flight, queue: queue_report(queue) })
    };
    let waits = usage.services.values().map(|(_, queue)| queue).chain([&usage.queued]);
    TenantReport {
        tenant: tenant.as_str().to_owned(),
        open: share_report(usage.open),
        running: share_report(usage.running),
        queued: queue_report(&usage.queued),
        in_flight: share_report(usage.in_flight),
        services: usage.services.iter().map(at).collect(),
        stored_bytes: share_report(usage.stored_bytes),
        submissions_per_second: usage.submissions_per_second,
        oldest_wait_ms: waits.filter_map(|queue| queue.longest).max().map(milliseconds),
    }
}

fn total_report(total: &TotalUsage, services: &BTreeMap<Service, ServiceUsage>) -> TotalReport {
    let at = |(service, usage): (&Service, &ServiceUsage)| {
        let all = AllAtService { in_flight: share_report(usage.in_flight), queue: queue_report(&usage.queue) };
        (service.as_str(), all)
    };
    TotalReport {
        open: share_report(total.open),
        running: share_report(total.running),
        in_flight: share_report(total.in_flight),
        retries_per_second: total.retries_per_second,
        services: services.iter().map(at).collect(),
    }
}

fn share_report(share: Share) -> ShareReport {
    ShareReport { used: share.used, most: share.most }
}

fn queue_report(queue: &Queue) -> QueueReport {
    QueueReport { waiting: queue.waiting, oldest_wait_ms: queue.longest.map(milliseconds) }
}

fn milliseconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
