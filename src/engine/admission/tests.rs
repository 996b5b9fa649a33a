//! The gate, move by move.

use super::*;

fn request(tenant: &str, run_id: i64, job: u32) -> Request {
    Request {
        ticket: Ticket { run_id, job },
        tenant: TenantId::parse(tenant).expect("a legal tenant"),
        service: Service::Cleaning,
        max_parallel: None,
        priority: 5,
        since: Instant::now(),
    }
}

fn gate(total: usize, per_tenant: usize, per_service: usize) -> Admission {
    Admission::new(SlotLimits { total, per_tenant, per_service, ..SlotLimits::none() })
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

#[test]
fn whoever_is_often_served_elsewhere_has_its_turn_at_each_service_all_the_same() {
    let at = |service, job| Request { service, ..request("bbb", 2, job) };
    let services = HashMap::from([(Service::Function, 1)]);
    let mut gate = Admission::new(SlotLimits { services, per_service: 1, ..SlotLimits::none() });
    let function = |job| Request { service: Service::Function, ..request("aaa", 1, job) };
    assert!(gate.ask(function(0)) && gate.ask(at(Service::Cleaning, 0)));
    assert!((1..9).all(|job| !gate.ask(function(job)) && !gate.ask(at(Service::Cleaning, job))));
    assert!(!gate.ask(at(Service::Function, 100)));
    let mut order = Vec::new();
    for job in 0..3 {
        // a cleaning of the second tenant between any two functions
        assert_eq!(gate.release(Ticket { run_id: 2, job }), [Ticket { run_id: 2, job: job + 1 }]);
        let done = order.last().copied().unwrap_or(Ticket { run_id: 1, job: 0 });
        order.extend(gate.release(done));
    }
    assert_eq!(order, [(1, 1), (2, 100), (1, 2)].map(|(run_id, job)| Ticket { run_id, job }));
}

#[test]
fn a_priority_counts_within_its_tenant_only() {
    let mut gate = gate(1, 9, 9);
    let urgent = |tenant, run_id, job| Request { priority: 9, ..request(tenant, run_id, job) };
    assert!(gate.ask(request("aaa", 1, 0)));
    assert!(!gate.ask(request("aaa", 1, 1)) && !gate.ask(request("bbb", 2, 0)));
    assert!(!gate.ask(urgent("bbb", 3, 0)) && !gate.ask(urgent("bbb", 3, 1)));
    let mut done = Ticket { run_id: 1, job: 0 };
    let mut order = Vec::new();
    while let [next] = gate.release(done)[..] {
        order.push((next.run_id, next.job));
        done = next;
    }
    assert_eq!(order, [(1, 1), (3, 0), (3, 1), (2, 0)]);
}

#[test]
fn a_raised_limit_lets_in_at_once_and_a_lowered_one_ends_nothing() {
    let mut gate = gate(1, 9, 9);
    assert!(gate.ask(request("aaa", 1, 0)));
    assert!((1..5).all(|job| !gate.ask(request("aaa", 1, job))));
    let of = |tenant: &str, most| HashMap::from([(TenantId::parse(tenant).expect("a legal tenant"), most)]);
    assert_eq!(gate.set_limits(SlotLimits { tenants: of("aaa", 3), ..SlotLimits::none() }).len(), 2);
    assert_eq!(gate.set_limits(SlotLimits { total: 1, ..SlotLimits::none() }), []);
    assert_eq!((gate.in_flight(), gate.waiting()), (3, 2));
    assert_eq!(gate.release(Ticket { run_id: 1, job: 0 }), []);
    assert_eq!(gate.release(Ticket { run_id: 1, job: 1 }), []);
    assert_eq!(gate.release(Ticket { run_id: 1, job: 2 }), [Ticket { run_id: 1, job: 3 }]);
}

#[test]
fn the_gate_says_who_waits_for_what_and_since_when() {
    let began = Instant::now();
    let after = |seconds| began + std::time::Duration::from_secs(seconds);
    let mut gate = gate(1, 9, 9);
    assert!(gate.ask(request("aaa", 1, 0)));
    assert!(!gate.ask(Request { since: after(3), priority: 9, ..request("bbb", 2, 0) }));
    assert!(!gate.ask(Request { since: after(1), ..request("bbb", 2, 1) }));
    let narrow = |job, seconds| Request { since: after(seconds), max_parallel: Some(1), ..request("bbb", 3, job) };
    assert!(!gate.ask(narrow(0, 4)) && !gate.ask(narrow(1, 5)));
    let bbb = TenantId::parse("bbb").expect("a legal tenant");
    let expected = BTreeMap::from([(Service::Cleaning, LineUse { waiting: 4, since: after(1) })]);
    assert_eq!(gate.waiting_of(), HashMap::from([(bbb, expected)]));
    let aaa = TenantId::parse("aaa").expect("a legal tenant");
    assert_eq!(gate.in_flight_of(), HashMap::from([(aaa, BTreeMap::from([(Service::Cleaning, 1)]))]));
}
