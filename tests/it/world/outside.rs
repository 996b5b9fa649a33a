//! The services with the manners of the real ones (facts F9 to F12): what they were sent, and how that gets on.

use orchestrator::graph::JobIndex;
use orchestrator::playbook::job::Service;
use orchestrator::ports::KnownStart;

/// The id under which an attempt is known to a service: 0 is the plain one, the others are the attempt's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Wire {
    pub(super) job: JobIndex,
    pub(super) attempt: u32,
    pub(super) nth: u32,
}

impl Wire {
    pub(super) fn text(self) -> String {
        format!("{}.{}.{}", self.job, self.attempt, self.nth)
    }

    pub(super) fn of(known: &KnownStart) -> Self {
        let mut numbers = known.wire_id.split('.').map(|number| number.parse().expect("the model writes numbers"));
        let mut next = || numbers.next().expect("the model writes three numbers");
        Self { job: next() as usize, attempt: next(), nth: next() }
    }
}

/// How a start gets on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Working {
    AtWork,
    Done,
    Failed,
}

/// One job that a service has begun; never forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Started {
    pub(super) wire: Wire,
    pub(super) working: Working,
}

/// Everything outside the process but the client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Outside {
    /// Sorted.
    pub(super) started: Vec<Started>,
    /// Starts whose sender waits for no answer any more and that have not arrived. Sorted.
    pub(super) strays: Vec<Wire>,
    /// Jobs with `_SUCCESS` in their output. Sorted.
    evidence: Vec<JobIndex>,
}

impl Outside {
    /// A start arrives; false when the service has the id already and leaves it at that.
    pub(super) fn arrives(&mut self, service: Service, wire: Wire) -> bool {
        // neither the function service (F11) nor the Spark component (F12) looks at ids
        let looks_at_ids = !matches!(service, Service::Function | Service::Spark);
        if looks_at_ids && self.started.iter().any(|started| started.wire == wire) {
            return false;
        }
        self.started.push(Started { wire, working: Working::AtWork });
        self.started.sort_unstable();
        true
    }

    pub(super) fn gets_lost_for_now(&mut self, wire: Wire) {
        self.strays.push(wire);
        self.strays.sort_unstable();
    }

    pub(super) fn ends(&mut self, at: usize, well: bool, service: Service) {
        let started = &mut self.started[at];
        started.working = if well { Working::Done } else { Working::Failed };
        let job = started.wire.job;
        if well && service == Service::Spark && !self.evidence.contains(&job) {
            self.evidence.push(job);
            self.evidence.sort_unstable();
        }
        self.started.sort_unstable();
    }

    /// What the service says about an id: nothing it does not know.
    pub(super) fn progress(&self, wire: Wire) -> Option<Working> {
        self.started.iter().rev().find(|started| started.wire == wire).map(|started| started.working)
    }

    pub(super) fn has_evidence(&self, job: JobIndex) -> bool {
        self.evidence.contains(&job)
    }

    pub(super) fn delete_evidence(&mut self, job: JobIndex) {
        self.evidence.retain(|at| *at != job);
    }

    /// Whether something may still happen to a job outside.
    pub(super) fn is_at_work(&self, job: JobIndex) -> bool {
        let at_work = |started: &Started| started.wire.job == job && started.working == Working::AtWork;
        self.started.iter().any(at_work) || self.strays.iter().any(|wire| wire.job == job)
    }

    /// The same for one attempt that has arrived.
    pub(super) fn is_attempt_at_work(&self, job: JobIndex, attempt: u32) -> bool {
        let of_attempt = |wire: Wire| (wire.job, wire.attempt) == (job, attempt);
        self.started.iter().any(|started| of_attempt(started.wire) && started.working == Working::AtWork)
    }

    /// How often an attempt was started.
    pub(super) fn starts(&self, job: JobIndex, attempt: u32) -> usize {
        self.started.iter().filter(|started| started.wire.job == job && started.wire.attempt == attempt).count()
    }

    /// Whether a start of the attempt has ended well.
    pub(super) fn did(&self, job: JobIndex, attempt: u32) -> bool {
        let did = |started: &Started| {
            let Started { wire, working } = started;
            wire.job == job && wire.attempt == attempt && *working == Working::Done
        };
        self.started.iter().any(did)
    }
}
