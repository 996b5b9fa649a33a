//! Who uses what of the limits, and who waits for what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actix::clock::Instant;
use actix::prelude::*;

use super::admission::LineUse;
use super::messages::AskUsage;
use super::supervisor::AnalysisSupervisor;
use crate::playbook::TenantId;
use crate::playbook::job::Service;

/// One moment of the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// Over all tenants.
    pub total: TotalUsage,
    /// The services at which somebody has a job or waits, by name.
    pub services: BTreeMap<Service, ServiceUsage>,
    /// The tenants that have something open, limits of their own, or storage that is counted; or those that were asked for.
    pub tenants: BTreeMap<TenantId, TenantUsage>,
}

/// Something that is limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// In use.
    pub used: u64,
    /// At most; `None` when nothing limits it.
    pub most: Option<u64>,
}

/// Somebody waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queue {
    /// How many.
    pub waiting: usize,
    /// How long the one has that has waited longest.
    pub longest: Option<Duration>,
}

/// What all tenants together use.
#[derive(Debug, Clone, PartialEq)]
pub struct TotalUsage {
    /// Analyses that are accepted and are not over or have something left to tell.
    pub open: Share,
    /// Those of them that have begun.
    pub running: Share,
    /// Jobs in flight.
    pub in_flight: Share,
    /// Retries per second.
    pub retries_per_second: f64,
}

/// What all tenants together use of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceUsage {
    /// Jobs in flight.
    pub in_flight: Share,
    /// Jobs of all tenants in line.
    pub queue: Queue,
}

/// What one tenant uses.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantUsage {
    /// Analyses that are accepted and are not over or have something left to tell.
    pub open: Share,
    /// Those of them that have begun.
    pub running: Share,
    /// Analyses in line.
    pub queued: Queue,
    /// Jobs in flight.
    pub in_flight: Share,
    /// The same per service, with what waits there.
    pub services: BTreeMap<Service, (usize, Queue)>,
    /// Bytes stored when they were last counted; they are only counted where something limits them.
    pub stored_bytes: Share,
    /// New analyses per second; `None` for any number.
    pub submissions_per_second: Option<f64>,
}

fn share(used: usize, most: usize) -> Share {
    Share { used: used as u64, most: (most != usize::MAX).then_some(most as u64) }
}

fn queue(line: Option<&LineUse>, now: Instant) -> Queue {
    line.map_or_else(Queue::default, |line| Queue {
        waiting: line.waiting,
        longest: Some(now.saturating_duration_since(line.since)),
    })
}

impl AnalysisSupervisor {
    fn usage(&self, asked_for: Option<&[TenantId]>) -> Usage {
        let (now, in_flight, waiting) = (Instant::now(), self.gate.in_flight_of(), self.gate.waiting_of());
        let mut services = BTreeMap::new();
        for service in Service::ALL {
            let queue = waiting.values().filter_map(|lines| lines.get(&service)).copied().reduce(LineUse::and);
            let in_flight = share(self.gate.in_flight_at(service), self.gate.limits().at(service));
            services.insert(service, ServiceUsage { in_flight, queue: self::queue(queue.as_ref(), now) });
        }
        let with_own_limits = self.limits.tenants.keys().chain(self.gate.limits().tenants.keys());
        let shown: BTreeSet<TenantId> = match asked_for {
            Some(tenants) => tenants.iter().cloned().collect(),
            None => {
                let stored = self.stored.keys().filter_map(|tenant| TenantId::parse(tenant).ok());
                self.places.tenants().into_iter().chain(with_own_limits.cloned()).chain(stored).collect()
            }
        };
        let of = |tenant: TenantId| {
            let usage = self.usage_of(&tenant, in_flight.get(&tenant), waiting.get(&tenant), now);
            (tenant, usage)
        };
        Usage { total: self.total_usage(), services, tenants: shown.into_iter().map(of).collect() }
    }

    fn total_usage(&self) -> TotalUsage {
        TotalUsage {
            open: share(self.places.all(), self.limits.open_total),
            running: share(self.waiting.line.running(), self.limits.running_total),
            in_flight: share(self.gate.in_flight(), self.gate.limits().total),
            retries_per_second: self.limits.retries_per_second,
        }
    }

    fn usage_of(
        &self,
        tenant: &TenantId,
        in_flight: Option<&BTreeMap<Service, usize>>,
        waiting: Option<&BTreeMap<Service, LineUse>>,
        now: Instant,
    ) -> TenantUsage {
        let (queued, since) = self.waiting.line.waiting_of(tenant);
        let at = |service: Service| {
            let used = in_flight.and_then(|of| of.get(&service)).copied().unwrap_or(0);
            (used, queue(waiting.and_then(|of| of.get(&service)), now))
        };
        let services: BTreeMap<Service, (usize, Queue)> = Service::ALL
            .into_iter()
            .map(|service| (service, at(service)))
            .filter(|(_, (used, queue))| *used > 0 || queue.waiting > 0)
            .collect();
        let used = services.values().map(|(used, _)| used).sum();
        TenantUsage {
            open: share(self.places.of(tenant), self.limits.open_of(tenant)),
            running: share(self.waiting.line.running_of(tenant), self.limits.running_of(tenant)),
            queued: Queue { waiting: queued, longest: since.map(|since| now.saturating_duration_since(since)) },
            in_flight: share(used, self.gate.limits().of(tenant)),
            services,
            stored_bytes: Share { used: self.stored_of(tenant), most: self.limits.stored_bytes_of(tenant) },
            submissions_per_second: self.limits.submissions_of(tenant),
        }
    }
}

impl Handler<AskUsage> for AnalysisSupervisor {
    type Result = MessageResult<AskUsage>;

    fn handle(&mut self, message: AskUsage, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.usage(message.tenants.as_deref()))
    }
}
