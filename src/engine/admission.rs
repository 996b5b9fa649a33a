//! Who may call a service now: limits per tenant, per service, per run and in total, and fair turns between tenants.
//!
//! Pure: the supervisor asks and acts on the answers.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::messages::Ticket;
use crate::chaos::{self, Bug};
use crate::playbook::TenantId;
use crate::playbook::job::Service;

/// Most jobs in flight (decision 23).
#[derive(Debug, Clone)]
pub struct SlotLimits {
    /// Over all tenants.
    pub total: usize,
    /// Per tenant.
    pub per_tenant: usize,
    /// Per service, unless named in `services`.
    pub per_service: usize,
    /// Services with a limit of their own; the function service mixes inputs above 1 (fact F11).
    pub services: HashMap<Service, usize>,
}

impl Default for SlotLimits {
    fn default() -> Self {
        Self { total: 1024, per_tenant: 256, per_service: 64, services: HashMap::from([(Service::Function, 1)]) }
    }
}

impl SlotLimits {
    /// No limits at all, for benches.
    pub fn none() -> Self {
        Self { total: usize::MAX, per_tenant: usize::MAX, per_service: usize::MAX, services: HashMap::new() }
    }

    fn of(&self, service: Service) -> usize {
        let more = if service == Service::Function && chaos::seeded(Bug::TwoFunctionsAtOnce) { 1 } else { 0 };
        self.services.get(&service).copied().unwrap_or(self.per_service).saturating_add(more)
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
}

/// Slots in use and the lines before the gates.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    limits: SlotLimits,
    in_flight: HashMap<Ticket, Request>,
    by_tenant: HashMap<TenantId, usize>,
    by_service: HashMap<Service, usize>,
    by_run: HashMap<i64, usize>,
    /// Tenants that have somebody in line, the one whose turn is next in front.
    turns: VecDeque<TenantId>,
    lines: HashMap<TenantId, BTreeMap<Service, VecDeque<Request>>>,
    /// Requests whose run is at its own limit.
    parked: HashMap<i64, VecDeque<Request>>,
    in_line: HashSet<Ticket>,
    closed: bool,
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
        if self.in_line.contains(&request.ticket) {
            return false;
        }
        if !self.closed && self.has_room(&request) && !self.somebody_waits_for(&request) {
            self.take(request);
            return true;
        }
        self.in_line.insert(request.ticket);
        if self.run_is_full(&request) {
            self.parked.entry(request.ticket.run_id).or_default().push_back(request);
        } else {
            self.stand_in_line(request, End::Back);
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

    /// A service is at work on the job already: it gets its slot before everybody in line, if there is room. If there is
    /// none it has to ask like everybody else.
    pub fn keep(&mut self, request: Request) {
        if !self.in_flight.contains_key(&request.ticket) && self.has_room(&request) {
            self.take(request);
        }
    }

    /// A job needs no slot any more; answers who may start now.
    pub fn release(&mut self, ticket: Ticket) -> Vec<Ticket> {
        // a ticket that leaves the line is dropped from it when its turn comes
        self.in_line.remove(&ticket);
        if let Some(request) = self.in_flight.remove(&ticket) {
            count_down(&mut self.by_tenant, &request.tenant);
            count_down(&mut self.by_service, &request.service);
            count_down(&mut self.by_run, &ticket.run_id);
            self.unpark(ticket.run_id);
        }
        self.grant()
    }

    /// A run is over: slots that it still has are free. Answers who may start now.
    pub fn forget(&mut self, run_id: i64) -> Vec<Ticket> {
        if !self.by_run.contains_key(&run_id) {
            return Vec::new();
        }
        let left: Vec<Ticket> = self.in_flight.keys().filter(|ticket| ticket.run_id == run_id).copied().collect();
        left.into_iter().flat_map(|ticket| self.release(ticket)).collect()
    }

    /// Jobs in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Jobs in line.
    pub fn waiting(&self) -> usize {
        self.in_line.len()
    }

    /// Goes round the tenants, one grant a turn, until nobody can be let in.
    fn grant(&mut self) -> Vec<Ticket> {
        let mut granted = Vec::new();
        if self.closed {
            return granted;
        }
        let mut passed_over = 0;
        while passed_over < self.turns.len() && self.in_flight.len() < self.limits.total {
            let Some(tenant) = self.turns.pop_front() else { break };
            if let Some(request) = self.next_of(&tenant) {
                granted.push(request.ticket);
                self.take(request);
                passed_over = 0;
            } else if self.lines.contains_key(&tenant) {
                // only who stays in the round counts: who leaves makes the round shorter
                passed_over += 1;
            }
            if self.lines.contains_key(&tenant) {
                self.turns.push_back(tenant);
            }
        }
        granted
    }

    /// The tenant's first request that has room at its service; forgets withdrawn ones, parks those of full runs.
    fn next_of(&mut self, tenant: &TenantId) -> Option<Request> {
        let mut lines = self.lines.remove(tenant)?;
        let mut found = None;
        for (service, line) in &mut lines {
            if self.service_is_full(*service) || self.tenant_is_full(tenant) {
                continue;
            }
            while let Some(request) = line.pop_front() {
                if !self.in_line.contains(&request.ticket) {
                    continue;
                }
                if self.run_is_full(&request) {
                    self.parked.entry(request.ticket.run_id).or_default().push_back(request);
                    continue;
                }
                found = Some(request);
                break;
            }
            if found.is_some() {
                break;
            }
        }
        lines.retain(|_, line| !line.is_empty());
        if !lines.is_empty() {
            self.lines.insert(tenant.clone(), lines);
        }
        found
    }

    /// Lets the run's next request that is still wanted stand in line; thousands before it may have been withdrawn.
    fn unpark(&mut self, run_id: i64) {
        while let Some(request) = self.parked.get_mut(&run_id).and_then(VecDeque::pop_front) {
            if self.in_line.contains(&request.ticket) {
                self.stand_in_line(request, End::Front);
                break;
            }
        }
        if self.parked.get(&run_id).is_some_and(VecDeque::is_empty) {
            self.parked.remove(&run_id);
        }
    }

    fn stand_in_line(&mut self, request: Request, end: End) {
        let tenant = request.tenant.clone();
        if !self.lines.contains_key(&tenant) && !self.turns.contains(&tenant) {
            self.turns.push_back(tenant.clone());
        }
        let line = self.lines.entry(tenant).or_default().entry(request.service).or_default();
        match end {
            End::Front => line.push_front(request),
            End::Back => line.push_back(request),
        }
    }

    fn take(&mut self, request: Request) {
        self.in_line.remove(&request.ticket);
        *self.by_tenant.entry(request.tenant.clone()).or_default() += 1;
        *self.by_service.entry(request.service).or_default() += 1;
        *self.by_run.entry(request.ticket.run_id).or_default() += 1;
        self.in_flight.insert(request.ticket, request);
    }

    fn has_room(&self, request: &Request) -> bool {
        self.in_flight.len() < self.limits.total
            && !self.tenant_is_full(&request.tenant)
            && !self.service_is_full(request.service)
            && !self.run_is_full(request)
    }

    /// Nobody overtakes their own tenant's line at the same service.
    fn somebody_waits_for(&self, request: &Request) -> bool {
        self.lines.get(&request.tenant).is_some_and(|lines| lines.contains_key(&request.service))
    }

    fn tenant_is_full(&self, tenant: &TenantId) -> bool {
        self.by_tenant.get(tenant).copied().unwrap_or(0) >= self.limits.per_tenant
    }

    fn service_is_full(&self, service: Service) -> bool {
        self.by_service.get(&service).copied().unwrap_or(0) >= self.limits.of(service)
    }

    fn run_is_full(&self, request: &Request) -> bool {
        let running = self.by_run.get(&request.ticket.run_id).copied().unwrap_or(0);
        request.max_parallel.is_some_and(|most| running >= most)
    }
}

/// Which end of a line.
enum End {
    Front,
    Back,
}

fn count_down<K: std::hash::Hash + Eq + Clone>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(tenant: &str, run_id: i64, job: u32) -> Request {
        Request {
            ticket: Ticket { run_id, job },
            tenant: TenantId::parse(tenant).expect("a legal tenant"),
            service: Service::Cleaning,
            max_parallel: None,
        }
    }

    fn gate(total: usize, per_tenant: usize, per_service: usize) -> Admission {
        Admission::new(SlotLimits { total, per_tenant, per_service, services: HashMap::new() })
    }

    #[test]
    fn tenants_take_turns_when_slots_come_free() {
        let mut gate = gate(2, 9, 9);
        assert!(gate.ask(request("aaa", 1, 0)) && gate.ask(request("aaa", 1, 1)));
        for job in 2..5 {
            assert!(!gate.ask(request("aaa", 1, job)));
        }
        assert!(!gate.ask(request("bbb", 2, 0)));
        assert_eq!(gate.release(Ticket { run_id: 1, job: 0 }), [Ticket { run_id: 1, job: 2 }]);
        assert_eq!(gate.release(Ticket { run_id: 1, job: 1 }), [Ticket { run_id: 2, job: 0 }]);
        assert_eq!(gate.release(Ticket { run_id: 2, job: 0 }), [Ticket { run_id: 1, job: 3 }]);
    }

    #[test]
    fn a_full_service_holds_back_only_its_own_callers() {
        let mut gate = gate(9, 9, 1);
        assert!(gate.ask(request("aaa", 1, 0)));
        assert!(!gate.ask(request("aaa", 1, 1)));
        assert!(gate.ask(Request { service: Service::Join, ..request("aaa", 1, 2) }));
        assert_eq!(gate.release(Ticket { run_id: 1, job: 2 }), []);
        assert_eq!(gate.release(Ticket { run_id: 1, job: 0 }), [Ticket { run_id: 1, job: 1 }]);
    }

    #[test]
    fn a_run_at_its_own_limit_does_not_hold_back_its_tenant() {
        let mut gate = gate(9, 9, 9);
        let narrow = |job| Request { max_parallel: Some(1), ..request("aaa", 1, job) };
        assert!(gate.ask(narrow(0)));
        assert!(!gate.ask(narrow(1)) && !gate.ask(narrow(2)));
        assert!(gate.ask(request("aaa", 2, 0)));
        assert_eq!(gate.release(Ticket { run_id: 1, job: 0 }), [Ticket { run_id: 1, job: 1 }]);
        assert_eq!(gate.release(Ticket { run_id: 1, job: 1 }), [Ticket { run_id: 1, job: 2 }]);
    }

    #[test]
    fn a_tenant_that_left_its_line_does_not_cost_the_next_one_its_turn() {
        let mut gate = gate(1, 9, 9);
        assert!(gate.ask(request("aaa", 1, 0)));
        assert!(!gate.ask(request("aaa", 1, 1)) && !gate.ask(request("bbb", 2, 0)));
        assert_eq!(gate.release(Ticket { run_id: 1, job: 1 }), []);
        assert_eq!(gate.release(Ticket { run_id: 1, job: 0 }), [Ticket { run_id: 2, job: 0 }]);
    }

    #[test]
    fn very_many_withdrawn_jobs_of_a_narrow_run_are_passed_over() {
        let mut gate = gate(9, 9, 9);
        let narrow = |job| Request { max_parallel: Some(1), ..request("aaa", 1, job) };
        assert!(gate.ask(narrow(0)));
        for job in 1..=100_000 {
            assert!(!gate.ask(narrow(job)));
        }
        for job in 1..100_000 {
            assert_eq!(gate.release(Ticket { run_id: 1, job }), []);
        }
        assert_eq!(gate.release(Ticket { run_id: 1, job: 0 }), [Ticket { run_id: 1, job: 100_000 }]);
        assert_eq!((gate.in_flight(), gate.waiting()), (1, 0));
    }

    #[test]
    fn asking_twice_is_asking_once() {
        let mut gate = gate(1, 9, 9);
        assert!(gate.ask(request("aaa", 1, 0)) && gate.ask(request("aaa", 1, 0)));
        assert!(!gate.ask(request("aaa", 1, 1)) && !gate.ask(request("aaa", 1, 1)));
        assert_eq!((gate.in_flight(), gate.waiting()), (1, 1));
        assert_eq!(gate.release(Ticket { run_id: 1, job: 0 }), [Ticket { run_id: 1, job: 1 }]);
        assert_eq!(gate.release(Ticket { run_id: 1, job: 1 }), []);
    }

    #[test]
    fn a_run_that_is_over_keeps_no_slot() {
        let mut gate = gate(2, 9, 9);
        assert!(gate.ask(request("aaa", 1, 0)) && gate.ask(request("aaa", 1, 1)));
        assert!(!gate.ask(request("bbb", 2, 0)));
        assert_eq!(gate.forget(1), [Ticket { run_id: 2, job: 0 }]);
        assert_eq!((gate.in_flight(), gate.forget(7)), (1, vec![]));
    }

    #[test]
    fn who_leaves_the_line_is_not_let_in() {
        let mut gate = gate(1, 9, 9);
        assert!(gate.ask(request("aaa", 1, 0)));
        assert!(!gate.ask(request("aaa", 1, 1)) && !gate.ask(request("aaa", 1, 2)));
        assert_eq!(gate.release(Ticket { run_id: 1, job: 1 }), []);
        assert_eq!(gate.release(Ticket { run_id: 1, job: 0 }), [Ticket { run_id: 1, job: 2 }]);
        assert_eq!((gate.in_flight(), gate.waiting()), (1, 0));
        assert_eq!(gate.release(Ticket { run_id: 1, job: 2 }), []);
        assert_eq!(gate.in_flight(), 0);
    }
}
