//! Runs that limit themselves: of their waiting jobs only so many stand in line as could be let in, the others are parked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Request;
use super::lines::Line;
use crate::engine::turns::Rank;
use crate::playbook::job::Service;

/// The runs with a `max-parallel` of their own that have jobs in flight or waiting.
#[derive(Debug, Clone, Default)]
pub(super) struct NarrowRuns {
    runs: HashMap<i64, NarrowRun>,
}

/// Per service at most as many jobs stand in line as the run has room for, so that each of them could be let in.
#[derive(Debug, Clone)]
struct NarrowRun {
    most: usize,
    in_flight: usize,
    standing: BTreeMap<Service, BTreeSet<Rank>>,
    parked: BTreeMap<Service, Line>,
}

impl NarrowRun {
    fn room(&self) -> usize {
        self.most.saturating_sub(self.in_flight)
    }

    fn standing_at(&self, service: Service) -> usize {
        self.standing.get(&service).map_or(0, BTreeSet::len)
    }

    fn forget_standing(&mut self, service: Service, rank: Rank) {
        if let Some(standing) = self.standing.get_mut(&service) {
            standing.remove(&rank);
            if standing.is_empty() {
                self.standing.remove(&service);
            }
        }
    }

    /// The first parked job of a service that may stand in line now.
    fn unpark(&mut self, service: Service) -> Option<(Rank, Request)> {
        if self.standing_at(service) >= self.room() {
            return None;
        }
        let line = self.parked.get_mut(&service)?;
        let first = line.pop_first();
        if line.is_empty() {
            self.parked.remove(&service);
        }
        if let Some((rank, _)) = &first {
            self.standing.entry(service).or_default().insert(*rank);
        }
        first
    }
}

impl NarrowRuns {
    /// Whether a run may have one more job in flight.
    pub(super) fn has_room(&self, request: &Request) -> bool {
        request
            .max_parallel
            .is_none_or(|most| self.runs.get(&request.ticket.run_id).map_or(most > 0, |run| run.in_flight < run.most))
    }

    /// A job is going to wait; given back when it is to stand in line.
    pub(super) fn wait(&mut self, rank: Rank, request: Request) -> Option<Request> {
        let Some(most) = request.max_parallel else { return Some(request) };
        let fresh = NarrowRun { most, in_flight: 0, standing: BTreeMap::new(), parked: BTreeMap::new() };
        let run = self.runs.entry(request.ticket.run_id).or_insert(fresh);
        if run.standing_at(request.service) < run.room() {
            run.standing.entry(request.service).or_default().insert(rank);
            return Some(request);
        }
        run.parked.entry(request.service).or_default().insert(rank, request);
        None
    }

    /// A job of a run is in flight, which may have stood in line; answers who stands in line in vain from now on and has to
    /// be [parked](Self::park).
    pub(super) fn begins(&mut self, request: &Request, rank: Option<Rank>) -> Vec<(Service, Rank)> {
        let Some(most) = request.max_parallel else { return Vec::new() };
        let fresh = NarrowRun { most, in_flight: 0, standing: BTreeMap::new(), parked: BTreeMap::new() };
        let run = self.runs.entry(request.ticket.run_id).or_insert(fresh);
        run.in_flight += 1;
        if let Some(rank) = rank {
            run.forget_standing(request.service, rank);
        }
        let room = run.room();
        let too_many = run.standing.iter().filter(|(_, standing)| standing.len() > room);
        let last: Vec<(Service, Rank)> =
            too_many.filter_map(|(service, standing)| Some((*service, *standing.last()?))).collect();
        last.iter().for_each(|(service, rank)| run.forget_standing(*service, *rank));
        last
    }

    /// A job that stood in line waits for its own run.
    pub(super) fn park(&mut self, rank: Rank, request: Request) {
        if let Some(run) = self.runs.get_mut(&request.ticket.run_id) {
            run.parked.entry(request.service).or_default().insert(rank, request);
        }
    }

    /// A job of a run is not in flight any more; answers who stands in line instead of being parked.
    pub(super) fn ends(&mut self, run_id: i64) -> Vec<(Rank, Request)> {
        let Some(run) = self.runs.get_mut(&run_id) else { return Vec::new() };
        run.in_flight = run.in_flight.saturating_sub(1);
        let services: Vec<Service> = run.parked.keys().copied().collect();
        let unparked = services.into_iter().filter_map(|service| run.unpark(service)).collect();
        self.tidy(run_id);
        unparked
    }

    /// A waiting job is not wanted any more; answers who stands in line instead.
    pub(super) fn withdraws(&mut self, run_id: i64, service: Service, rank: Rank) -> Option<(Rank, Request)> {
        let run = self.runs.get_mut(&run_id)?;
        if let Some(line) = run.parked.get_mut(&service) {
            line.remove(&rank);
            if line.is_empty() {
                run.parked.remove(&service);
            }
        }
        run.forget_standing(service, rank);
        let unparked = run.unpark(service);
        self.tidy(run_id);
        unparked
    }

    /// Jobs of a run in flight, and how many may be; `None` when it does not limit itself or has none.
    pub(super) fn use_of(&self, run_id: i64) -> Option<(usize, usize)> {
        self.runs.get(&run_id).map(|run| (run.in_flight, run.most))
    }

    /// Parked jobs, service by service.
    pub(super) fn parked(&self) -> impl Iterator<Item = (Service, &Line)> {
        self.runs.values().flat_map(|run| run.parked.iter().map(|(service, line)| (*service, line)))
    }

    fn tidy(&mut self, run_id: i64) {
        let idle = |run: &NarrowRun| run.in_flight == 0 && run.standing.is_empty() && run.parked.is_empty();
        if self.runs.get(&run_id).is_some_and(idle) {
            self.runs.remove(&run_id);
        }
    }
}
