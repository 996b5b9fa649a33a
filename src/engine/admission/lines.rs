//! The lines before the gates: one per tenant and service, fair turns between them.
//!
//! Two rounds of turns meet here. Over all services tenants take turns for what is free in all; at each service they take
//! turns for what is free there. A tenant may take a free slot of a service only if those before it in that service's
//! round leave it one: otherwise somebody who is often served elsewhere could come too late for it every time.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Request;
use crate::engine::turns::{Rank, Turns};
use crate::playbook::TenantId;
use crate::playbook::job::Service;

/// Requests of one tenant for one service, the first one next.
pub(super) type Line = BTreeMap<Rank, Request>;

/// What is free, for whoever asks next.
pub(super) trait Room {
    /// Free slots of a service.
    fn at(&self, service: Service) -> usize;
    /// Whether a tenant may have one more job in flight.
    fn of(&self, tenant: &TenantId) -> bool;
}

/// The lines of everybody.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    tenants: Turns<TenantId>,
    services: BTreeMap<Service, Turns<TenantId>>,
    of: HashMap<TenantId, TenantLines>,
}

#[derive(Debug, Clone, Default)]
struct TenantLines {
    /// Its services take turns, too.
    services: Turns<Service>,
    lines: BTreeMap<Service, Line>,
}

impl Lines {
    pub(super) fn add(&mut self, rank: Rank, request: Request) {
        let (tenant, service) = (request.tenant.clone(), request.service);
        self.tenants.join(&tenant);
        self.services.entry(service).or_default().join(&tenant);
        let of = self.of.entry(tenant).or_default();
        of.services.join(&service);
        of.lines.entry(service).or_default().insert(rank, request);
    }

    pub(super) fn remove(&mut self, tenant: &TenantId, service: Service, rank: Rank) -> Option<Request> {
        let of = self.of.get_mut(tenant)?;
        let line = of.lines.get_mut(&service)?;
        let request = line.remove(&rank);
        if line.is_empty() {
            of.lines.remove(&service);
            of.services.leave(&service);
            if let Some(turns) = self.services.get_mut(&service) {
                turns.leave(tenant);
            }
            if of.lines.is_empty() {
                self.of.remove(tenant);
                self.tenants.leave(tenant);
            }
        }
        request
    }

    /// Takes the request whose turn it is out of its line, if somebody may be let in.
    pub(super) fn next(&mut self, room: &dyn Room) -> Option<(Rank, Request)> {
        let (tenant, service) = self.whose_turn(room)?;
        let rank = *self.of.get(&tenant)?.lines.get(&service)?.first_key_value()?.0;
        let request = self.remove(&tenant, service, rank).map(|request| (rank, request));
        self.tenants.had_one(&tenant);
        if let Some(turns) = self.services.get_mut(&service) {
            turns.had_one(&tenant);
        }
        if let Some(of) = self.of.get_mut(&tenant) {
            of.services.had_one(&service);
        }
        request
    }

    fn whose_turn(&self, room: &dyn Room) -> Option<(TenantId, Service)> {
        let open: BTreeMap<Service, Entitled<'_>> = self
            .services
            .iter()
            .filter(|(service, turns)| !turns.is_empty() && room.at(**service) > 0)
            .map(|(service, turns)| (*service, entitled(turns, room, *service)))
            .collect();
        if open.is_empty() {
            return None;
        }
        let may_take = |tenant: &TenantId, service: &Service| match open.get(service) {
            None => false,
            Some(Entitled::Everybody) => true,
            Some(Entitled::Only(tenants)) => tenants.contains(tenant),
        };
        self.tenants.in_order().filter(|tenant| room.of(tenant)).find_map(|tenant| {
            let service = self.of.get(tenant)?.services.in_order().find(|service| may_take(tenant, service))?;
            Some((tenant.clone(), *service))
        })
    }

    /// The lines of a tenant.
    pub(super) fn of(&self, tenant: &TenantId) -> impl Iterator<Item = (Service, &Line)> {
        self.of.get(tenant).into_iter().flat_map(|of| of.lines.iter().map(|(service, line)| (*service, line)))
    }

    /// Tenants with somebody in line.
    pub(super) fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.tenants.in_order()
    }
}

/// Who may take a slot of a service.
enum Entitled<'a> {
    Everybody,
    Only(HashSet<&'a TenantId>),
}

/// With fewer free slots than tenants in line these are the first ones of the service's round that could use them.
fn entitled<'a>(turns: &'a Turns<TenantId>, room: &dyn Room, service: Service) -> Entitled<'a> {
    let free = room.at(service);
    if free >= turns.len() {
        return Entitled::Everybody;
    }
    Entitled::Only(turns.in_order().filter(|tenant| room.of(tenant)).take(free).collect())
}
