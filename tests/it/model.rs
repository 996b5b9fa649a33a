//! Random graphs, outcomes and orders against a model of the rules that is too simple to be wrong.

use std::sync::Arc;
use std::time::Duration;

use orchestrator::graph::EdgeId;
use orchestrator::graph::inputs::{EdgeOutcome, InputBuffer, JobOutput};
use orchestrator::graph::progress::{GraphAction, GraphProgress, JobEnd, JobState, Outcome};
use orchestrator::graph::rules::Verdict;
use orchestrator::playbook::{OnFailure, When};
use orchestrator::ports::FailureKind;
use orchestrator::store::record::RunOutcome;
use orchestrator::store::{JobPhase, Record};
use orchestrator::testing::{Ran, ScriptedRunner, Sketch, TestEngine};
use proptest::collection::vec;
use proptest::prelude::*;

const RULES: [(&str, When); 5] = [
    ("all-success", When::AllSuccess),
    ("all-done", When::AllDone),
    ("one-success", When::OneSuccess),
    ("one-failed", When::OneFailed),
    ("none-failed", When::NoneFailed),
];

/// A random analysis: edges lead upward, each job has a rule, an end and a duration.
#[derive(Debug, Clone)]
struct World {
    edges: Vec<(usize, usize)>,
    jobs: Vec<(usize, bool, u64)>,
}

fn worlds() -> impl Strategy<Value = World> {
    let job = (0..RULES.len(), prop::bool::weighted(0.75), 0..4_u64);
    (vec((0..24_usize, 0..24_usize), 0..48), vec(job, 1..24)).prop_map(|(pairs, jobs)| {
        let inside = |at: usize| at % jobs.len();
        let upward = pairs.into_iter().map(|(a, b)| (inside(a).min(inside(b)), inside(a).max(inside(b))));
        World { edges: upward.filter(|(from, to)| from != to).collect(), jobs }
    })
}

impl World {
    fn before(&self, job: usize) -> Vec<usize> {
        self.edges.iter().filter(|(_, to)| *to == job).map(|(from, _)| *from).collect()
    }

    fn script(&self) -> ScriptedRunner {
        let runner = ScriptedRunner::new();
        for (at, (_, succeeds, seconds)) in self.jobs.iter().enumerate() {
            let step = runner.step(&(at + 1).to_string());
            step.takes(Duration::from_secs(*seconds));
            match (succeeds, at % 3) {
                (true, _) => {}
                (false, 0) => drop(step.panics("boom")),
                (false, _) => drop(step.fails_with(FailureKind::ServiceError, "no")),
            }
        }
        runner
    }

    /// How each job ends when everything goes on after failures; independent of time.
    fn ends(&self) -> Vec<JobPhase> {
        let mut ends: Vec<JobPhase> = Vec::new();
        for (at, (rule, succeeds, _)) in self.jobs.iter().enumerate() {
            let before: Vec<JobPhase> = self.before(at).into_iter().map(|job| ends[job]).collect();
            let some = |phase: JobPhase| before.contains(&phase);
            let starts = before.is_empty()
                || match RULES[*rule].1 {
                    When::AllSuccess => before.iter().all(|phase| *phase == JobPhase::Succeeded),
                    When::AllDone => true,
                    When::OneSuccess => some(JobPhase::Succeeded),
                    When::OneFailed => some(JobPhase::Failed),
                    When::NoneFailed => !some(JobPhase::Failed),
                };
            ends.push(match (starts, succeeds) {
                (false, _) => JobPhase::Skipped,
                (true, true) => JobPhase::Succeeded,
                (true, false) => JobPhase::Failed,
            });
        }
        ends
    }

    /// Runs it on a real engine; answers the phases, the records and what ran.
    fn run(&self, sketch: &Sketch) -> (Vec<JobPhase>, Vec<Record>, Vec<Ran>) {
        let runner = self.script();
        actix::System::new().block_on(async {
            let engine = TestEngine::new(&runner);
            engine.run(sketch).await;
            let phases = engine.progress(sketch).jobs.iter().map(|job| job.phase).collect();
            let records = engine.journal().clone();
            engine.finish().await;
            (phases, records.records(1), runner.ran())
        })
    }

    fn ran(ran: &[Ran], job: usize) -> Option<&Ran> {
        let step = (job + 1).to_string();
        let mut of_job = ran.iter().filter(|ran| ran.step == step);
        let first = of_job.next();
        assert!(of_job.next().is_none(), "job {job} was started twice");
        first
    }
}

fn finishes(records: &[Record]) -> Vec<RunOutcome> {
    let outcome = |record: &Record| match record {
        Record::AnalysisFinished { outcome, .. } => Some(*outcome),
        _ => None,
    };
    records.iter().filter_map(outcome).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_continue_every_job_ends_as_the_rules_say(world in worlds()) {
        let mut sketch = Sketch::from_edges(world.jobs.len(), world.edges.clone()).goes_on_after_failures();
        for (at, (rule, ..)) in world.jobs.iter().enumerate() {
            sketch = sketch.member(&(at + 1).to_string(), "when", RULES[*rule].0);
        }
        let (phases, records, ran) = world.run(&sketch);
        let expected = world.ends();
        prop_assert_eq!(&phases, &expected);
        let failed = expected.contains(&JobPhase::Failed);
        prop_assert_eq!(finishes(&records), [if failed { RunOutcome::Failed } else { RunOutcome::Succeeded }]);
        for (at, (rule, ..)) in world.jobs.iter().enumerate() {
            let started = World::ran(&ran, at);
            prop_assert_eq!(started.is_some(), expected[at] != JobPhase::Skipped);
            let (Some(started), When::AllSuccess | When::AllDone | When::NoneFailed) = (started, RULES[*rule].1) else {
                continue;
            };
            for before in world.before(at) {
                if let Some(before) = World::ran(&ran, before) {
                    prop_assert!(before.ended.unwrap() <= started.started);
                }
            }
        }
    }

    #[test]
    fn with_stop_nothing_starts_after_the_first_failure(world in worlds()) {
        let sketch = Sketch::from_edges(world.jobs.len(), world.edges.clone());
        let (_, records, ran) = world.run(&sketch);
        // a panic is seen as a drop by the script, but as a failure by the journal
        let failed = records.iter().any(|record| matches!(record, Record::JobFailed { .. }));
        prop_assert_eq!(finishes(&records), [if failed { RunOutcome::Failed } else { RunOutcome::Succeeded }]);
        let fails = |ran: &&Ran| !world.jobs[ran.step.parse::<usize>().unwrap() - 1].1;
        let over = ran.iter().filter(fails).filter_map(|ran| ran.ended).min();
        for at in 0..world.jobs.len() {
            let Some(started) = World::ran(&ran, at) else { continue };
            prop_assert!(started.ended.is_some());
            prop_assert!(over.is_none_or(|over| started.started <= over));
            for before in world.before(at) {
                let before = World::ran(&ran, before);
                prop_assert!(before.is_some_and(|before| before.ended.unwrap() <= started.started));
            }
        }
    }

    #[test]
    fn progress_finishes_once_in_whatever_order_it_hears(
        ends in vec(0..4_usize, 1..12),
        order in vec(any::<prop::sample::Index>(), 0..60),
        stop_at in 0..60_usize,
        continues in any::<bool>(),
    ) {
        const ENDS: [JobEnd; 4] = [JobEnd::Succeeded, JobEnd::Failed, JobEnd::Skipped, JobEnd::Cancelled];
        let policy = if continues { OnFailure::Continue } else { OnFailure::Stop };
        let mut progress = GraphProgress::new(ends.len(), policy);
        let mut first: Vec<Option<JobEnd>> = vec![None; ends.len()];
        let (mut finished, mut first_failure, mut stopped) = (Vec::new(), None, false);
        let heard = order.iter().map(|index| index.index(ends.len())).chain(0..ends.len());
        for (turn, job) in heard.enumerate() {
            if turn == stop_at {
                stopped |= first.contains(&None) && first_failure.is_none();
                for action in progress.stop() {
                    prop_assert!(matches!(action, GraphAction::StopJob(job) if first[job].is_none()));
                }
            }
            // a repeated end differs from the first and must change nothing
            let end = ENDS[(ends[job] + usize::from(first[job].is_some())) % 4];
            let is_first = first[job].is_none();
            first[job].get_or_insert(end);
            if is_first && end == JobEnd::Failed && first_failure.is_none() {
                first_failure = Some(job);
            }
            for action in progress.on_job_finished(job, end) {
                match action {
                    GraphAction::StopJob(job) => prop_assert!(first[job].is_none()),
                    GraphAction::FinishAnalysis(outcome) => finished.push(outcome),
                }
            }
        }
        let expected = match (stopped, first_failure) {
            (true, _) => Outcome::Stopped,
            (false, Some(first)) => Outcome::Failed { first },
            (false, None) if first.contains(&Some(JobEnd::Cancelled)) => Outcome::Stopped,
            (false, None) => Outcome::Succeeded,
        };
        prop_assert_eq!(finished, [expected]);
        for (job, end) in first.into_iter().enumerate() {
            let state = match end.unwrap() {
                JobEnd::Succeeded => JobState::Succeeded,
                JobEnd::Failed => JobState::Failed,
                JobEnd::Skipped => JobState::Skipped,
                JobEnd::Cancelled => JobState::Cancelled,
            };
            prop_assert_eq!(progress.state(job), Some(state));
        }
        prop_assert_eq!(progress.open(), 0);
    }

    #[test]
    fn an_input_buffer_counts_each_edge_once_and_settles_once(
        edges in vec(0..4_usize, 0..8),
        order in vec(0..10_u32, 0..40),
        rule in 0..RULES.len(),
    ) {
        let incoming = edges.iter().enumerate().map(|(edge, from)| (EdgeId(edge as u32), *from));
        let mut buffer = InputBuffer::new(RULES[rule].1, incoming);
        let mut verdicts = vec![buffer.verdict()];
        let mut heard = vec![false; edges.len()];
        for edge in order {
            let outcome = match edge % 4 {
                0 => EdgeOutcome::Failed,
                1 => EdgeOutcome::Skipped,
                _ => EdgeOutcome::Succeeded(Arc::new(JobOutput { producer: edge as usize, path: String::new() })),
            };
            let answer = buffer.accept(EdgeId(edge), outcome);
            let fresh = heard.get_mut(edge as usize).is_some_and(|heard| !std::mem::replace(heard, true));
            prop_assert_eq!(answer.is_ok(), fresh);
            verdicts.extend(answer.ok());
        }
        let missing = heard.iter().filter(|heard| !**heard).count();
        prop_assert_eq!(buffer.tally().missing() as usize, missing);
        let settled = verdicts.iter().filter(|verdict| **verdict != Verdict::Wait).count();
        prop_assert!(settled <= 1);
        prop_assert!(missing > 0 || settled == 1);
    }
}
