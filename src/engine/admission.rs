//! Who may call a service now: limits per tenant, per service, per run and in total, and fair turns between tenants.
//!
//! Pure: the supervisor asks and acts on the answers. Whoever waits could be let in but for what is taken: a free slot
//! is never left while somebody may take it. Priorities count within a tenant only.

mod lines;
mod narrow;
#[cfg(test)]
mod properties;
mod standing;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use actix::clock::Instant;

use super::messages::Ticket;
use super::turns::{Rank, first_of_each_priority};
use crate::chaos::{self, Bug};
use crate::playbook::TenantId;
use crate::playbook::job::Service;
use lines::{Lines, Room};
use narrow::NarrowRuns;

/// Most jobs in flight (decision 23).
#[derive(Debug, Clone)]
pub struct SlotLimits {
    /// Over all tenants.
    pub total: usize,
    /// Per tenant, unless named in `tenants`.
    pub per_tenant: usize,
    /// Tenants with a limit of their own.
    pub tenants: HashMap<TenantId, usize>,
    /// Per service, unless named in `services`.
    pub per_service: usize,
    /// Services with a limit of their own; the function service mixes inputs above 1 (fact F11).
    pub services: HashMap<Service, usize>,
}

impl Default for SlotLimits {
    fn default() -> Self {
        let services = HashMap::from([(Service::Function, 1)]);
        Self { total: 1024, per_tenant: 256, tenants: HashMap::new(), per_service: 64, services }
    }
}

impl SlotLimits {
    /// No limits at all, for benches.
    pub fn none() -> Self {
        let most = usize::MAX;
        Self { total: most, per_tenant: most, tenants: HashMap::new(), per_service: most, services: HashMap::new() }
    }

    /// Most jobs in flight at a service.
    pub fn at(&self, service: Service) -> usize {
        let more = if service == Service::Function && chaos::seeded(Bug::TwoFunctionsAtOnce) { 1 } else { 0 };
        self.services.get(&service).copied().unwrap_or(self.per_service).saturating_add(more)
    }

    /// Most jobs in flight of a tenant.
    pub fn of(&self, tenant: &TenantId) -> usize {
        self.tenants.get(tenant).copied().unwrap_or(self.per_tenant)
    }
}

/// What the gate knows of a ticket.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who asks.
    pub ticket: Ticket,
    /// For whom.
    pub tenant: TenantId,
    /// Where it will call.
    pub service: Service,
    /// Most jobs of its run in flight.
    pub max_parallel: Option<usize>,
    /// Those of a tenant that have a higher one come first.
    pub priority: u8,
    /// When it asked, for whoever wants to know how long it has waited.
    pub since: Instant,
}

/// Slots in use and the lines before the gates.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    limits: SlotLimits,
    in_flight: BTreeMap<Ticket, Request>,
    by_tenant: HashMap<TenantId, usize>,
    by_service: HashMap<Service, usize>,
    narrow: NarrowRuns,
    lines: Lines,
    /// Where whoever waits stands, or is parked.
    waiting: BTreeMap<Ticket, Place>,
    arrivals: u64,
    closed: bool,
}

#[derive(Debug, Clone)]
struct Place {
    tenant: TenantId,
    service: Service,
    rank: Rank,
}

impl Admission {
    /// An empty gate.
    pub fn new(limits: SlotLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// A job wants a slot: true when it has it now, otherwise it stands in line. Asking again changes nothing.
    pub fn ask(&mut self, request: Request) -> bool {
        if self.in_flight.contains_key(&request.ticket) {
            return true;
        }
        if self.waiting.contains_key(&request.ticket) {
            return false;
        }
        // whoever could take what is free has been let in before
        if !self.closed && self.has_room(&request) {
            self.take(request, None);
            return true;
        }
        let rank = Rank { priority: Reverse(request.priority), arrival: self.arrivals };
        self.arrivals += 1;
        let place = Place { tenant: request.tenant.clone(), service: request.service, rank };
        self.waiting.insert(request.ticket, place);
        if let Some(request) = self.narrow.wait(rank, request) {
            self.lines.add(rank, request);
        }
        false
    }

    /// From now on nobody gets a slot by asking.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whoever asks may get a slot again; answers who may start now.
    pub fn open(&mut self) -> Vec<Ticket> {
        self.closed = false;
        self.grant()
    }

    /// From now on these limits count; answers who may start now. What is in flight beyond a lower limit goes on.
    pub fn set_limits(&mut self, limits: SlotLimits) -> Vec<Ticket> {
        self.limits = limits;
        self.grant()
    }

    /// A service is at work on the job already: it gets its slot before everybody in line, if there is room. If there is
    /// none it has to ask like everybody else.
    pub fn keep(&mut self, request: Request) {
        if !self.in_flight.contains_key(&request.ticket) && self.has_room(&request) {
            self.take(request, None);
        }
    }

    /// A job needs no slot any more; answers who may start now.
    pub fn release(&mut self, ticket: Ticket) -> Vec<Ticket> {
        self.give_back(ticket);
        self.grant()
    }

    /// A run is over: slots that it still has are free, and nobody of it waits. Answers who may start now.
    pub fn forget(&mut self, run_id: i64) -> Vec<Ticket> {
        let all = Ticket { run_id, job: 0 }..=Ticket { run_id, job: u32::MAX };
        let left: Vec<Ticket> = self.waiting.range(all.clone()).map(|(ticket, _)| *ticket).collect();
        let left = left.into_iter().chain(self.in_flight.range(all).map(|(ticket, _)| *ticket)).collect::<Vec<_>>();
        if left.is_empty() {
            return Vec::new();
        }
        left.into_iter().for_each(|ticket| self.give_back(ticket));
        self.grant()
    }

    /// Jobs in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Jobs in line.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn give_back(&mut self, ticket: Ticket) {
        if let Some(Place { tenant, service, rank }) = self.waiting.remove(&ticket) {
            self.lines.remove(&tenant, service, rank);
            if let Some((rank, next)) = self.narrow.withdraws(ticket.run_id, service, rank) {
                self.lines.add(rank, next);
            }
        }
        if let Some(request) = self.in_flight.remove(&ticket) {
            count_down(&mut self.by_tenant, &request.tenant);
            count_down(&mut self.by_service, &request.service);
            for (rank, next) in self.narrow.ends(ticket.run_id) {
                self.lines.add(rank, next);
            }
        }
    }

    /// One grant a turn, until nobody can be let in.
    fn grant(&mut self) -> Vec<Ticket> {
        let mut granted = Vec::new();
        while !self.closed && self.in_flight.len() < self.limits.total {
            let free = Free { limits: &self.limits, tenants: &self.by_tenant, services: &self.by_service };
            let Some((rank, request)) = self.lines.next(&free) else { break };
            granted.push(request.ticket);
            self.take(request, Some(rank));
        }
        granted
    }

    fn take(&mut self, request: Request, rank: Option<Rank>) {
        self.waiting.remove(&request.ticket);
        *self.by_tenant.entry(request.tenant.clone()).or_default() += 1;
        *self.by_service.entry(request.service).or_default() += 1;
        for (service, rank) in self.narrow.begins(&request, rank) {
            if let Some(parked) = self.lines.remove(&request.tenant, service, rank) {
                self.narrow.park(rank, parked);
            }
        }
        self.in_flight.insert(request.ticket, request);
    }

    fn has_room(&self, request: &Request) -> bool {
        let free = Free { limits: &self.limits, tenants: &self.by_tenant, services: &self.by_service };
        self.in_flight.len() < self.limits.total
            && free.of(&request.tenant)
            && free.at(request.service) > 0
            && self.narrow.has_room(request)
    }
}

/// What is free.
struct Free<'a> {
    limits: &'a SlotLimits,
    tenants: &'a HashMap<TenantId, usize>,
    services: &'a HashMap<Service, usize>,
}

impl Room for Free<'_> {
    fn at(&self, service: Service) -> usize {
        self.limits.at(service).saturating_sub(self.services.get(&service).copied().unwrap_or(0))
    }

    fn of(&self, tenant: &TenantId) -> bool {
        self.tenants.get(tenant).copied().unwrap_or(0) < self.limits.of(tenant)
    }
}

/// What a tenant waits for at one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineUse {
    /// Jobs in line, or held back by the `max-parallel` of their own run.
    pub waiting: usize,
    /// When the one that has waited longest asked.
    pub since: Instant,
}

impl LineUse {
    /// Both lines together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { waiting: self.waiting + other.waiting, since: self.since.min(other.since) }
    }
}

impl Admission {
    /// What counts now.
    pub fn limits(&self) -> &SlotLimits {
        &self.limits
    }

    /// Jobs in flight at a service.
    pub fn in_flight_at(&self, service: Service) -> usize {
        self.by_service.get(&service).copied().unwrap_or(0)
    }

    /// Jobs in flight of a tenant, service by service.
    pub fn in_flight_of(&self) -> HashMap<TenantId, BTreeMap<Service, usize>> {
        let mut found: HashMap<TenantId, BTreeMap<Service, usize>> = HashMap::new();
        for request in self.in_flight.values() {
            *found.entry(request.tenant.clone()).or_default().entry(request.service).or_default() += 1;
        }
        found
    }

    /// Who waits, tenant by tenant and service by service.
    pub fn waiting_of(&self) -> HashMap<TenantId, BTreeMap<Service, LineUse>> {
        let mut found: HashMap<TenantId, BTreeMap<Service, LineUse>> = HashMap::new();
        let standing = self.lines.tenants().flat_map(|tenant| self.lines.of(tenant));
        for (service, line) in standing.chain(self.narrow.parked()) {
            let (Some((_, first)), Some(here)) = (line.first_key_value(), line_use(line)) else { continue };
            let of = found.entry(first.tenant.clone()).or_default();
            of.entry(service).and_modify(|known| *known = known.and(here)).or_insert(here);
        }
        found
    }
}

fn line_use(line: &BTreeMap<Rank, Request>) -> Option<LineUse> {
    let since = first_of_each_priority(line).map(|request| request.since).min()?;
    Some(LineUse { waiting: line.len(), since })
}

fn count_down<K: std::hash::Hash + Eq + Clone>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
