//! What holds for every order of asking, giving back and changed limits.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::engine::standing::{Limit, Reached, Standing};

const TENANTS: [&str; 4] = ["aaa", "bbb", "ccc", "ddd"];
const SERVICES: [Service; 3] = [Service::Function, Service::Cleaning, Service::Spark];

/// One thing that happens at the gate.
#[derive(Debug, Clone)]
enum Move {
    /// Somebody new asks.
    Ask {
        tenant: usize,
        service: usize,
        narrow: bool,
        priority: u8,
    },
    /// Somebody in flight is done, counted round.
    Done(usize),
    /// Somebody in line does not want any more.
    Withdraw(usize),
    Limits(SlotLimits),
    Close,
    Open,
    /// A run is over.
    Forget {
        tenant: usize,
        narrow: bool,
    },
}

fn limits() -> impl Strategy<Value = SlotLimits> {
    (0..6_usize, 1..5_usize, 1..4_usize, 0..3_usize).prop_map(|(total, per_tenant, per_service, function)| SlotLimits {
        total,
        per_tenant,
        tenants: HashMap::from([(tenant(3), 1)]),
        per_service,
        services: HashMap::from([(Service::Function, function)]),
    })
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let ask = (0..TENANTS.len(), 0..SERVICES.len(), any::<bool>(), 1..4_u8);
    let one = prop_oneof![
        8 => ask.prop_map(|(tenant, service, narrow, priority)| Move::Ask { tenant, service, narrow, priority }),
        6 => any::<usize>().prop_map(Move::Done),
        2 => any::<usize>().prop_map(Move::Withdraw),
        1 => limits().prop_map(Move::Limits),
        1 => prop_oneof![Just(Move::Close), Just(Move::Open), Just(Move::Open)],
        1 => (0..TENANTS.len(), any::<bool>()).prop_map(|(tenant, narrow)| Move::Forget { tenant, narrow }),
    ];
    vec(one, 0..120)
}

fn tenant(number: usize) -> TenantId {
    TenantId::parse(TENANTS[number]).expect("a legal tenant")
}

/// A narrow run of a tenant has at most two jobs in flight.
fn run(tenant: usize, narrow: bool) -> i64 {
    2 * tenant as i64 + i64::from(narrow)
}

/// The gate beside the simplest account of it.
struct World {
    gate: Admission,
    waiting: BTreeMap<Ticket, Request>,
    in_flight: BTreeMap<Ticket, Request>,
    jobs: u32,
}

impl World {
    fn new(limits: SlotLimits) -> Self {
        Self { gate: Admission::new(limits), waiting: BTreeMap::new(), in_flight: BTreeMap::new(), jobs: 0 }
    }

    fn ask(&mut self, by: usize, service: usize, narrow: bool, priority: u8) -> Vec<Ticket> {
        let ticket = Ticket { run_id: run(by, narrow), job: self.jobs };
        self.jobs += 1;
        let max_parallel = narrow.then_some(2);
        // all jobs of a run have its priority
        let priority = if narrow { 2 } else { priority };
        let service = SERVICES[service];
        let request = Request { ticket, tenant: tenant(by), service, max_parallel, priority, since: Instant::now() };
        self.waiting.insert(ticket, request.clone());
        if self.gate.ask(request) { vec![ticket] } else { Vec::new() }
    }

    fn make(&mut self, what: &Move) -> Vec<Ticket> {
        match what {
            Move::Ask { tenant, service, narrow, priority } => self.ask(*tenant, *service, *narrow, *priority),
            Move::Done(who) => match nth(&self.in_flight, *who) {
                Some(ticket) => {
                    self.in_flight.remove(&ticket);
                    self.gate.release(ticket)
                }
                None => Vec::new(),
            },
            Move::Withdraw(who) => match nth(&self.waiting, *who) {
                Some(ticket) => {
                    self.waiting.remove(&ticket);
                    self.gate.release(ticket)
                }
                None => Vec::new(),
            },
            Move::Limits(limits) => self.gate.set_limits(limits.clone()),
            Move::Close => {
                self.gate.close();
                Vec::new()
            }
            Move::Open => self.gate.open(),
            Move::Forget { tenant, narrow } => {
                let run = run(*tenant, *narrow);
                self.waiting.retain(|ticket, _| ticket.run_id != run);
                self.in_flight.retain(|ticket, _| ticket.run_id != run);
                self.gate.forget(run)
            }
        }
    }

    /// Those who were let in were waiting, and every limit holds after each of them.
    fn let_in(&mut self, granted: Vec<Ticket>) -> Result<(), TestCaseError> {
        for ticket in granted {
            let request = self.waiting.remove(&ticket);
            prop_assert!(request.is_some(), "{ticket:?} did not wait");
            let request = request.expect("just looked at");
            prop_assert!(self.has_room(&request), "{request:?} is beyond a limit of {:?}", self.gate.limits);
            prop_assert!(!self.is_overtaken(&request), "{request:?} came before somebody of its own tenant");
            self.in_flight.insert(ticket, request);
        }
        prop_assert_eq!((self.gate.in_flight(), self.gate.waiting()), (self.in_flight.len(), self.waiting.len()));
        Ok(())
    }

    fn count(&self, is: impl Fn(&Request) -> bool) -> usize {
        self.in_flight.values().filter(|request| is(request)).count()
    }

    fn run_has_room(&self, request: &Request) -> bool {
        let run = self.count(|other| other.ticket.run_id == request.ticket.run_id);
        request.max_parallel.is_none_or(|most| run < most)
    }

    fn has_room(&self, request: &Request) -> bool {
        let limits = &self.gate.limits;
        self.in_flight.len() < limits.total
            && self.count(|other| other.tenant == request.tenant) < limits.of(&request.tenant)
            && self.count(|other| other.service == request.service) < limits.at(request.service)
            && self.run_has_room(request)
    }

    /// Everybody who waits is told the limits that keep him there, and how many come before.
    fn everybody_knows_why(&self) -> Result<(), TestCaseError> {
        let rank = |request: &Request| (Reverse(request.priority), request.ticket.job);
        for request in self.waiting.values() {
            let standing = self.gate.standing(request.ticket);
            prop_assert!(standing.is_some(), "{request:?} stands nowhere");
            let Standing { reached, closed, ahead } = standing.expect("just looked at");
            let before = self.waiting.values().filter(|other| {
                (&other.tenant, other.service) == (&request.tenant, request.service) && rank(other) < rank(request)
            });
            prop_assert_eq!((closed, ahead), (self.gate.closed, before.count()), "{:?}", request);
            prop_assert_eq!(reached.is_empty(), self.has_room(request), "{:?}: {:?}", request, reached);
            let limits = &self.gate.limits;
            for Reached { limit, used, most } in reached {
                let expected = match limit {
                    Limit::Total => (self.in_flight.len(), limits.total),
                    Limit::Tenant => (self.count(|other| other.tenant == request.tenant), limits.of(&request.tenant)),
                    Limit::Service => {
                        (self.count(|other| other.service == request.service), limits.at(request.service))
                    }
                    Limit::Run => (self.count(|other| other.ticket.run_id == request.ticket.run_id), 2),
                };
                prop_assert_eq!((used, most), expected, "{:?}", limit);
                prop_assert!(used >= most);
            }
        }
        for ticket in self.in_flight.keys() {
            prop_assert!(self.gate.standing(*ticket).is_none() && self.gate.has_slot(*ticket));
        }
        Ok(())
    }

    /// Somebody of the same tenant who could have been let in at the same service has a higher priority or came before.
    fn is_overtaken(&self, request: &Request) -> bool {
        let rank = |request: &Request| (Reverse(request.priority), request.ticket.job);
        self.waiting.values().any(|other| {
            (&other.tenant, other.service) == (&request.tenant, request.service)
                && rank(other) < rank(request)
                && self.run_has_room(other)
        })
    }
}

fn nth(of: &BTreeMap<Ticket, Request>, which: usize) -> Option<Ticket> {
    of.keys().nth(which.checked_rem(of.len())?).copied()
}

proptest! {
    /// Limits hold, tenants' own orders are kept, and no slot is free that somebody who waits could take.
    #[test]
    fn the_gate_is_never_too_full_nor_emptier_than_it_must_be(limits in limits(), moves in moves()) {
        let mut world = World::new(limits);
        for what in &moves {
            let granted = world.make(what);
            prop_assert!(granted.is_empty() || !world.gate.closed, "{what:?} at a closed gate");
            world.let_in(granted)?;
            let left_out = world.waiting.values().find(|request| world.has_room(request));
            prop_assert!(world.gate.closed || left_out.is_none(), "{left_out:?} could be let in after {what:?}");
            world.everybody_knows_why()?;
        }
    }

    /// Whoever floods: while a tenant waits at a service, each other tenant is let in there at most once more per turn.
    #[test]
    fn at_one_service_nobody_waits_longer_than_everybody_elses_one_turn(
        flood in vec((0..TENANTS.len(), 1..4_u8), 1..60), done in vec(any::<usize>(), 200), slots in 1..4_usize,
    ) {
        let mut world = World::new(SlotLimits { per_service: slots, ..SlotLimits::none() });
        for (by, priority) in flood {
            let granted = world.ask(by, 1, false, priority);
            world.let_in(granted)?;
        }
        let mut since: HashMap<TenantId, usize> = HashMap::new();
        for who in done {
            let granted = world.make(&Move::Done(who));
            for ticket in &granted {
                let served = world.waiting.get(ticket).map(|request| request.tenant.clone());
                for tenant in world.waiting.values().map(|request| request.tenant.clone()).collect::<std::collections::HashSet<_>>() {
                    *since.entry(tenant).or_default() += 1;
                }
                let turns = served.and_then(|tenant| since.remove(&tenant)).unwrap_or(0);
                prop_assert!(turns <= TENANTS.len(), "{turns} turns for one of {} tenants", TENANTS.len());
            }
            world.let_in(granted)?;
        }
        prop_assert!(since.values().all(|turns| *turns < TENANTS.len()), "{since:?}");
    }

    /// The same over all gates together: a job whose tenant, service and run have room for it waits for a number of turns that
    /// follows from the number of tenants and services alone, however long the lines of others are and whatever is given back.
    #[test]
    fn at_all_gates_together_nobody_starves(
        total in 1..4_usize, function in 1..3_usize, done in vec(any::<usize>(), 100), first in 0..TENANTS.len(),
    ) {
        let mut world = World::new(SlotLimits {
            total, per_service: 2, services: HashMap::from([(Service::Function, function)]), ..SlotLimits::none()
        });
        for at in 0..TENANTS.len() {
            for _ in 0..40 {
                for service in 0..SERVICES.len() {
                    let granted = world.ask((first + at) % TENANTS.len(), service, false, 1);
                    world.let_in(granted)?;
                }
            }
        }
        let bound = TENANTS.len() * TENANTS.len() * SERVICES.len();
        let mut since: HashMap<(TenantId, Service), usize> = HashMap::new();
        for who in done {
            let granted = world.make(&Move::Done(who));
            let of = |ticket: &Ticket| world.waiting.get(ticket).map(|request| (request.tenant.clone(), request.service));
            let served: Vec<(TenantId, Service)> = granted.iter().filter_map(of).collect();
            world.let_in(granted)?;
            // a service that is full has no turns to give
            let has_room = |service: &Service| {
                world.count(|request| request.service == *service) < world.gate.limits.at(*service)
            };
            for service in SERVICES.into_iter().filter(has_room) {
                for by in 0..TENANTS.len() {
                    *since.entry((tenant(by), service)).or_default() += served.len();
                }
            }
            for served in &served {
                since.remove(served);
            }
            prop_assert!(since.values().all(|turns| *turns <= bound), "more than {bound} turns: {since:?}");
        }
    }
}
