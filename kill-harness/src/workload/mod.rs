//! What is submitted: analyses of mixed shapes, all from one seed.

mod document;
mod shapes;

use std::collections::BTreeMap;
use std::time::Duration;

use dummy_services::{Behaviour, Fault, Script};
use fastrand::Rng;

pub(crate) use document::title;

use crate::SPARK_LIMIT;
use crate::contract::{self, StartOf};

/// What a scripted failure says.
pub(crate) const SCRIPTED: &str = "scripted failure";

/// The tenants.
pub(crate) const TENANTS: [&str; 5] = ["Metis", "icco", "harokopio", "uth-gr", "demo5"];

/// One analysis.
#[derive(Clone, Debug)]
pub(crate) struct Analysis {
    /// The id as submitted.
    pub(crate) id: String,
    /// As submitted: `database-id`.
    pub(crate) organization: &'static str,
    pub(crate) jobs: Vec<Job>,
    /// Whether it goes on after a failure.
    pub(crate) goes_on: bool,
    pub(crate) max_parallel: Option<usize>,
    /// Time limit of its Spark jobs.
    pub(crate) spark_limit: Duration,
}

/// One job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) step: String,
    /// The id as submitted.
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// Indices of its inputs, in order and with repetitions; none for a start.
    pub(crate) from: Vec<usize>,
    /// Whether its service is scripted to fail it.
    pub(crate) fails: bool,
    latency_ms: u64,
    progress_answers: u32,
}

/// What a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Dataset,
    Cleaning,
    Join,
    Function,
    Classification { automl: bool, with_params: bool },
    Visualization,
    DataSink,
}

impl Analysis {
    /// The id that names everything.
    pub(crate) fn key(&self) -> String {
        self.id.to_lowercase()
    }

    /// Bucket and database.
    pub(crate) fn tenant(&self) -> String {
        self.organization.to_lowercase()
    }

    /// Whether a job is scripted to fail: then so does the analysis, whatever else happens.
    pub(crate) fn fails(&self) -> bool {
        self.jobs.iter().any(|job| job.fails)
    }

    /// `analysis-<id>/<kind>-<step>` of a job; `None` for kinds without a directory.
    pub(crate) fn directory(&self, job: &Job) -> Option<String> {
        let prefix = contract::output_prefix(job.kind)?;
        Some(format!("analysis-{}/{prefix}-{}", self.key(), job.step.to_lowercase()))
    }

    /// What a service may know a job by, for one of its starts.
    pub(crate) fn wire_id(&self, job: &Job, start: StartOf) -> String {
        if start == StartOf::PLAIN {
            return job.id.to_lowercase();
        }
        let suffix = contract::suffix(&self.tenant(), &self.key(), &job.step.to_lowercase(), start);
        format!("{}-{suffix}", job.id.to_lowercase())
    }
}

/// Makes the analyses of a seed.
pub(crate) fn generate(rng: &mut Rng, count: usize, prefix: &str) -> Vec<Analysis> {
    (0..count).map(|number| analysis(rng, number, prefix)).collect()
}

fn analysis(rng: &mut Rng, number: usize, prefix: &str) -> Analysis {
    let shape = shapes::pick(rng);
    let mut jobs: Vec<Job> = Vec::new();
    let text_steps = rng.u8(0..10) == 0;
    for (index, from) in shape.iter().enumerate() {
        let is_last = !shape.iter().any(|other| other.contains(&index));
        let kind = kind(rng, from, is_last, &jobs);
        let step = if text_steps { format!("Step-{}", index + 1) } else { (index + 1).to_string() };
        // some ids in mixed case, as users type them; most are the client's numbers
        let id = if rng.u8(0..5) == 0 {
            format!("Job.{prefix}-{number}-{index}X")
        } else {
            format!("1{prefix}{number:07}{index:02}")
        };
        jobs.push(Job {
            step,
            id,
            kind,
            from: from.clone(),
            fails: false,
            latency_ms: latency(rng, kind),
            progress_answers: rng.u32(0..3),
        });
    }
    if rng.u8(0..100) < 8 {
        fail_one(rng, &mut jobs);
    }
    let goes_on = rng.u8(0..10) == 0;
    let max_parallel = (rng.u8(0..10) == 0).then(|| rng.usize(1..4));
    let id = format!("{}{prefix}{number:05}", if rng.bool() { "AF" } else { "bc" });
    Analysis {
        id,
        organization: TENANTS[rng.usize(0..TENANTS.len())],
        jobs,
        goes_on,
        max_parallel,
        spark_limit: SPARK_LIMIT,
    }
}

/// A kind that takes as many inputs as there are. A chart needs something behind it only sometimes; sinks end branches.
fn kind(rng: &mut Rng, from: &[usize], is_last: bool, before: &[Job]) -> Kind {
    match from {
        [] => Kind::Dataset,
        [_, _, ..] if rng.u8(0..4) == 0 => Kind::Function,
        [_, _, ..] => Kind::Join,
        [parent] => {
            let after_spark = matches!(before[*parent].kind, Kind::Classification { .. });
            match rng.u8(0..20) {
                0..4 if after_spark => Kind::Visualization,
                0..2 => Kind::Function,
                2..6 => Kind::Classification { automl: rng.u8(0..4) == 0, with_params: rng.bool() },
                6..12 if is_last => Kind::DataSink,
                12..14 => Kind::Visualization,
                _ => Kind::Cleaning,
            }
        }
    }
}

/// Functions run one at a time, so theirs are short.
fn latency(rng: &mut Rng, kind: Kind) -> u64 {
    match (kind, rng.u8(0..20)) {
        (Kind::Function, _) => rng.u64(0..8),
        (_, 0) => rng.u64(300..1500),
        (_, 1..6) => rng.u64(20..150),
        _ => rng.u64(0..20),
    }
}

fn fail_one(rng: &mut Rng, jobs: &mut [Job]) {
    let can_fail = |job: &&mut Job| matches!(job.kind, Kind::Cleaning | Kind::Join | Kind::Classification { .. });
    let mut candidates: Vec<&mut Job> = jobs.iter_mut().filter(can_fail).collect();
    if !candidates.is_empty() {
        let chosen = rng.usize(0..candidates.len());
        candidates[chosen].fails = true;
    }
}

/// What the services do with these jobs, under every id that they can come by.
pub(crate) fn script(analyses: &[Analysis]) -> Script {
    let mut jobs = BTreeMap::new();
    for analysis in analyses {
        for job in &analysis.jobs {
            let behaviour = Behaviour {
                latency_ms: job.latency_ms,
                progress_answers: job.progress_answers,
                fault: job.fails.then(|| Fault::Error { message: Some(SCRIPTED.to_owned()) }),
                ..Behaviour::default()
            };
            if job.fails {
                let ids = StartOf::all().map(|start| analysis.wire_id(job, start));
                jobs.extend(ids.map(|id| (id, behaviour.clone())));
            } else {
                jobs.insert(job.id.to_lowercase(), behaviour);
            }
        }
    }
    Script { jobs, ..Script::default() }
}

/// An analysis of these jobs, each with its inputs.
#[cfg(test)]
pub(crate) fn analysis_of(jobs: &[(Kind, &[usize])]) -> Analysis {
    let job = |(index, (kind, from)): (usize, &(Kind, &[usize]))| Job {
        step: (index + 1).to_string(),
        id: format!("17{index}"),
        kind: *kind,
        from: from.to_vec(),
        fails: false,
        latency_ms: 0,
        progress_answers: 0,
    };
    let jobs = jobs.iter().enumerate().map(job).collect();
    Analysis {
        id: "AF1".to_owned(),
        organization: "Metis",
        jobs,
        goes_on: false,
        max_parallel: None,
        spark_limit: SPARK_LIMIT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_makes_the_same_analyses() {
        let of = |seed| format!("{:?}", generate(&mut Rng::with_seed(seed), 50, "x"));
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn every_kind_and_every_special_edge_comes_up() {
        let analyses = generate(&mut Rng::with_seed(1), 300, "x");
        let jobs = || analyses.iter().flat_map(|analysis| &analysis.jobs);
        let kinds: std::collections::BTreeSet<&str> =
            jobs().filter_map(|job| contract::directory_kind(job.kind)).collect();
        assert_eq!(kinds.len(), 5);
        assert!(jobs().any(|job| job.kind == Kind::DataSink));
        assert!(jobs().any(|job| job.from.windows(2).any(|pair| pair[0] == pair[1])), "an edge that counts twice");
        assert!(jobs().any(|job| job.fails) && analyses.iter().any(|analysis| analysis.goes_on));
        let mut ids: Vec<String> = jobs().map(|job| job.id.to_lowercase()).collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count, "ids of jobs are unique");
    }
}
