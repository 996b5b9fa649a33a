//! Worlds to look at: random ones of up to six jobs, and every graph of a few jobs.

use std::sync::Arc;

use orchestrator::engine::admission::SlotLimits;
use orchestrator::graph::{JobGraph, JobIndex};
use orchestrator::playbook::job::Service;
use orchestrator::playbook::{OnFailure, When};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Faults, JobSetting, Setting};

pub(super) const RULES: [When; 5] =
    [When::AllSuccess, When::AllDone, When::OneSuccess, When::OneFailed, When::NoneFailed];

/// Who does the jobs; data services more often than the others.
const SERVICES: [Option<Service>; 6] = [
    None,
    Some(Service::Cleaning),
    Some(Service::Cleaning),
    Some(Service::Join),
    Some(Service::Function),
    Some(Service::Spark),
];

impl Setting {
    /// Jobs that a data service does, each fed by the edges into it; what starts a graph is a data set.
    pub(super) fn new(jobs: usize, edges: &[(JobIndex, JobIndex)]) -> Self {
        let job = |at: usize| {
            let inputs: Vec<JobIndex> = edges.iter().filter(|(_, to)| *to == at).map(|(from, _)| *from).collect();
            let service = (!inputs.is_empty()).then_some(Service::Cleaning);
            JobSetting { when: When::AllSuccess, attempts: 1, service, inputs }
        };
        Self {
            graph: JobGraph::new(jobs, edges.iter().copied()).expect("edges lead upward"),
            jobs: (0..jobs).map(job).collect(),
            on_failure: OnFailure::Stop,
            slots: None,
            max_parallel: None,
            may_fail: true,
            begins_with_submission: false,
            fine: false,
            only_words_get_lost: true,
        }
    }

    pub(super) fn all_by(mut self, service: Service) -> Self {
        self.jobs.iter_mut().for_each(|job| job.service = Some(service));
        self
    }

    pub(super) fn attempts(mut self, attempts: u32) -> Self {
        self.jobs.iter_mut().for_each(|job| job.attempts = attempts);
        self
    }

    pub(super) fn goes_on(mut self, when: When) -> Self {
        self.on_failure = OnFailure::Continue;
        self.jobs.iter_mut().for_each(|job| job.when = when);
        self
    }
}

/// Every graph of so many jobs in which no two jobs have more than `parallel` edges, each once, however its jobs are named.
pub(super) fn graphs(jobs: usize, parallel: usize) -> Vec<Vec<(JobIndex, JobIndex)>> {
    let pairs: Vec<(usize, usize)> = (0..jobs).flat_map(|to| (0..to).map(move |from| (from, to))).collect();
    let mut graphs: Vec<Vec<(usize, usize)>> = vec![Vec::new()];
    for pair in pairs {
        let longer = |graph: &Vec<(usize, usize)>| {
            let graph = graph.clone();
            (0..=parallel).map(move |times| [graph.clone(), vec![pair; times]].concat())
        };
        graphs = graphs.iter().flat_map(longer).collect();
    }
    let mut seen = std::collections::BTreeSet::new();
    graphs.retain(|graph| seen.insert(least_name(jobs, graph)));
    graphs
}

/// The smallest list of edges that some naming of the jobs gives.
fn least_name(jobs: usize, edges: &[(JobIndex, JobIndex)]) -> Vec<(JobIndex, JobIndex)> {
    let mut namings: Vec<Vec<usize>> = vec![Vec::new()];
    for job in 0..jobs {
        let put = |naming: &Vec<usize>| {
            let naming = naming.clone();
            (0..=naming.len()).map(move |at| {
                let mut naming = naming.clone();
                naming.insert(at, job);
                naming
            })
        };
        namings = namings.iter().flat_map(put).collect();
    }
    let named = |naming: &Vec<usize>| {
        let mut edges: Vec<_> = edges.iter().map(|(from, to)| (naming[*from], naming[*to])).collect();
        edges.sort_unstable();
        edges
    };
    namings.iter().map(named).min().unwrap_or_default()
}

/// Any setting of up to `most` jobs.
pub(super) fn settings(most: usize) -> impl Strategy<Value = Arc<Setting>> {
    let job = (0..RULES.len(), 0..SERVICES.len(), 1..4_u32);
    let pair = (0..most, 0..most);
    let gate = prop_oneof![Just(None), (1..3_usize, 1..3_usize).prop_map(Some)];
    let max_parallel = prop_oneof![2 => Just(None), 1 => (1..3_usize).prop_map(Some)];
    (vec(job, 1..=most), vec(pair, 0..most + 2), gate, max_parallel, any::<[bool; 3]>()).prop_map(
        |(jobs, pairs, gate, max_parallel, [goes_on, begins_with_submission, only_words_get_lost])| {
            let inside = |at: usize| at % jobs.len();
            let upward = pairs.into_iter().map(|(a, b)| (inside(a).min(inside(b)), inside(a).max(inside(b))));
            let edges: Vec<_> = upward.filter(|(from, to)| from != to).collect();
            let mut setting = Setting::new(jobs.len(), &edges);
            for (at, (rule, service, attempts)) in jobs.into_iter().enumerate() {
                let job = &mut setting.jobs[at];
                (job.service, job.attempts) = (SERVICES[service], attempts);
                // rules other than the first need the policy
                job.when = if goes_on { RULES[rule] } else { When::AllSuccess };
            }
            let on_failure = if goes_on { OnFailure::Continue } else { OnFailure::Stop };
            let slots = gate.map(|(total, per_service)| SlotLimits { total, per_service, ..SlotLimits::default() });
            Arc::new(Setting {
                on_failure,
                slots,
                max_parallel,
                begins_with_submission,
                only_words_get_lost,
                fine: true,
                ..setting
            })
        },
    )
}

/// Any few faults. One message gets lost at most: a run whose reminders get lost, too, is given up, and that is right.
pub(super) fn faults() -> impl Strategy<Value = Faults> {
    ([0..3_u8, 0..3, 0..3], [0..2_u8, 0..2, 0..2, 0..2, 0..2, 0..2]).prop_map(
        |([crashes, lost_replies, duplicates], [drops, cancels, pauses, panics, time_limits, deadlines])| Faults {
            crashes,
            lost_replies,
            duplicates,
            drops,
            cancels,
            pauses,
            panics,
            time_limits,
            deadlines,
        },
    )
}
