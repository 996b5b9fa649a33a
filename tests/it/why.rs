//! What a job is said to wait for, beside what it must be waiting for: over random graphs, limits, pauses and failures, at
//! every second.

use std::collections::BTreeMap;

use orchestrator::engine::EngineLimits;
use orchestrator::engine::admission::SlotLimits;
use orchestrator::engine::messages::Verb;
use orchestrator::engine::standing::{Limit, Reached, Standing};
use orchestrator::engine::why::{Obstacle, Why};
use orchestrator::graph::node::Stage;
use orchestrator::graph::{JobIndex, Plan};
use orchestrator::playbook::job::Service;
use orchestrator::ports::FailureKind;
use orchestrator::store::{JobPhase, Record, RunProgress};
use orchestrator::testing::{Dice, ScriptedRunner, Shape, Sketch, TestEngine, graph_of, quiet};
use serde_json::json;

use crate::{secs, slots};

const TENANTS: [&str; 2] = ["aaa", "bbb"];

/// Few enough that everybody has to wait for something sometimes.
fn tight(dice: &mut Dice) -> EngineLimits {
    let slots = SlotLimits {
        total: 2 + dice.below(4),
        per_tenant: 1 + dice.below(3),
        per_service: 1 + dice.below(3),
        ..SlotLimits::default()
    };
    EngineLimits {
        slots: Some(slots),
        running_total: 2 + dice.below(3),
        running_per_tenant: 1 + dice.below(2),
        retries_per_second: 0.2,
        ..EngineLimits::default()
    }
}

struct Submitted {
    sketch: Sketch,
    plan: Plan,
    tenant: &'static str,
    max_parallel: Option<usize>,
    run_id: i64,
    paused: bool,
}

/// What the journal and the runner know of a run at a moment.
struct Moment {
    progress: RunProgress,
    queued: bool,
    over: bool,
}

struct Oracle<'a> {
    engine: &'a TestEngine,
    jobs: &'a ScriptedRunner,
    limits: &'a EngineLimits,
    runs: Vec<Submitted>,
}

impl Oracle<'_> {
    fn moment(&self, run: &Submitted) -> Moment {
        let records = self.engine.journal().records(run.run_id);
        let queued = records.iter().rev().find_map(|record| match record {
            Record::Queued => Some(true),
            Record::Begun => Some(false),
            _ => None,
        });
        let progress = self.engine.progress(&run.sketch);
        let over = progress.finished.is_some();
        Moment { progress, queued: queued == Some(true), over }
    }

    /// Jobs at a service now, of those runs and services that count.
    fn in_flight(&self, counts: impl Fn(&Submitted, Service) -> bool) -> usize {
        let at_work = self.jobs.ran().into_iter().filter(|ran| ran.end.is_none());
        at_work
            .filter(|ran| {
                let run = self.runs.iter().find(|run| run.sketch.analysis_id() == ran.analysis).unwrap();
                let job = run.plan.playbook.jobs.iter().find(|job| job.step.text() == ran.step).unwrap();
                job.kind.service().is_some_and(|service| counts(run, service))
            })
            .count()
    }

    /// The limits that are reached for a job, counted by hand.
    fn reached(&self, run: &Submitted, service: Service) -> Vec<Reached> {
        let slots = self.limits.slots.as_ref().unwrap();
        let counted = [
            (Limit::Total, self.in_flight(|_, _| true), slots.total),
            (Limit::Tenant, self.in_flight(|other, _| other.tenant == run.tenant), slots.per_tenant),
            (Limit::Service, self.in_flight(|_, at| at == service), slots.per_service),
            (Limit::Run, self.in_flight(|other, _| other.run_id == run.run_id), run.max_parallel.unwrap_or(usize::MAX)),
        ];
        let all = counted.into_iter().map(|(limit, used, most)| Reached { limit, used, most });
        all.filter(|reached| reached.used >= reached.most).collect()
    }

    /// Asks for every job of every run; answers the kinds of obstacles that were seen.
    async fn ask_everybody(&self) -> BTreeMap<&'static str, usize> {
        let moments: Vec<Moment> = self.runs.iter().map(|run| self.moment(run)).collect();
        let mut seen = BTreeMap::new();
        let mut lines: BTreeMap<(&str, String), Vec<usize>> = BTreeMap::new();
        let mut run_lines: BTreeMap<(&str, i64), usize> = BTreeMap::new();
        for (run, moment) in self.runs.iter().zip(&moments) {
            for job in 0..run.sketch.len() {
                let why = self.engine.handle().why(run.run_id, job).await;
                self.judge(run, moment, job, why.as_ref());
                for obstacle in why.iter().flat_map(|why| &why.obstacles) {
                    *seen.entry(name(obstacle)).or_default() += 1;
                    let service = run.plan.playbook.jobs[job].kind.service();
                    if let Obstacle::Slot(standing) = obstacle {
                        lines.entry((run.tenant, format!("{service:?}"))).or_default().push(standing.ahead);
                    }
                    if let Obstacle::RunLine(standing) = obstacle {
                        run_lines.insert((run.tenant, run.run_id), standing.ahead);
                    }
                }
            }
        }
        for tenant in TENANTS {
            let places = run_lines.iter().filter(|((of, _), _)| *of == tenant).map(|(_, ahead)| *ahead);
            lines.insert((tenant, "runs".to_owned()), places.collect());
        }
        for (line, mut places) in lines {
            places.sort_unstable();
            assert!(places.iter().copied().eq(0..places.len()), "{line:?}: {places:?}");
        }
        seen
    }

    fn judge(&self, run: &Submitted, moment: &Moment, job: JobIndex, why: Option<&Why>) {
        let at = format!("{} step {}: {why:?}", run.sketch.analysis_id(), run.plan.playbook.jobs[job].step.text());
        let known = &moment.progress.jobs[job];
        if moment.over || known.phase.is_terminal() {
            assert_eq!(why, None, "{at}");
            return;
        }
        let why = why.unwrap_or_else(|| panic!("{at}"));
        let predecessors: Vec<JobIndex> = run.plan.graph.incoming(job).map(|(_, from)| from).collect();
        let has_ended = |from: &JobIndex| moment.progress.jobs[*from].phase.is_terminal();
        let heard: Vec<(JobIndex, bool)> = predecessors.iter().map(|from| (*from, has_ended(from))).collect();
        let mut told = why.inputs.clone();
        let mut expected = heard.clone();
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected, "{at}");
        let kinds: Vec<&str> = why.obstacles.iter().map(name).collect();
        let misses_inputs = heard.iter().any(|(_, heard)| !heard);
        let pause = |kinds: &[&'static str]| {
            let pause = run.paused.then_some("pause");
            kinds.iter().copied().chain(pause).collect::<Vec<_>>()
        };
        if moment.queued {
            let inputs: &[&str] = if misses_inputs { &["run-line", "inputs"] } else { &["run-line"] };
            assert_eq!(kinds, pause(inputs), "{at}");
            self.judge_run_line(run, &why.obstacles[0], &at);
        } else if misses_inputs {
            assert_eq!(kinds, pause(&["inputs"]), "{at}");
        } else if known.phase == JobPhase::Retrying && why.stage == Some(Stage::BackingOff) {
            assert!(kinds == pause(&["back-off"]) || kinds == pause(&["retry-budget"]), "{at}");
        } else if self.is_at_work(run, job) {
            assert_eq!(kinds, Vec::<&str>::new(), "{at}");
        } else if why.stage == Some(Stage::Held) {
            assert_eq!(kinds, pause(&[]), "{at}");
            assert!(run.paused, "{at}");
        } else {
            assert_eq!(kinds, pause(&["slot"]), "{at}");
            let service = run.plan.playbook.jobs[job].kind.service().unwrap();
            let Obstacle::Slot(Standing { reached, closed, .. }) = &why.obstacles[0] else { panic!("{at}") };
            assert_eq!((reached, *closed), (&self.reached(run, service), false), "{at}");
            assert!(!reached.is_empty(), "{at}");
        }
    }

    fn judge_run_line(&self, run: &Submitted, obstacle: &Obstacle, at: &str) {
        let Obstacle::RunLine(Standing { reached, .. }) = obstacle else { panic!("{at}") };
        let going = |of: Option<&str>| {
            let runs = self.runs.iter().filter(|other| of.is_none_or(|tenant| other.tenant == tenant));
            runs.map(|run| self.moment(run)).filter(|moment| !moment.over && !moment.queued).count()
        };
        let (all, own) = (going(None), going(Some(run.tenant)));
        let limits = [
            Reached { limit: Limit::Total, used: all, most: self.limits.running_total },
            Reached { limit: Limit::Tenant, used: own, most: self.limits.running_per_tenant },
        ];
        let expected: Vec<Reached> = limits.into_iter().filter(|limit| limit.used >= limit.most).collect();
        assert_eq!(reached, &expected, "{at}");
        assert!(!expected.is_empty(), "{at}");
    }

    fn is_at_work(&self, run: &Submitted, job: JobIndex) -> bool {
        let step = run.plan.playbook.jobs[job].step.text();
        let id = run.sketch.analysis_id();
        self.jobs.ran().iter().any(|ran| ran.end.is_none() && ran.analysis == id && ran.step == step)
    }
}

fn name(obstacle: &Obstacle) -> &'static str {
    match obstacle {
        Obstacle::RunLine(_) => "run-line",
        Obstacle::Resumption => "resumption",
        Obstacle::Wiring => "wiring",
        Obstacle::Inputs => "inputs",
        Obstacle::Pause => "pause",
        Obstacle::Slot(_) => "slot",
        Obstacle::Drain => "drain",
        Obstacle::BackOff(_) => "back-off",
        Obstacle::RetryBudget { .. } => "retry-budget",
    }
}

/// One world from a seed; answers which obstacles were seen how often.
async fn play(seed: u64) -> BTreeMap<&'static str, usize> {
    let mut dice = Dice::new(seed);
    let jobs = ScriptedRunner::new();
    let limits = tight(&mut dice);
    let engine = TestEngine::with(&jobs, limits.clone());
    let mut oracle = Oracle { engine: &engine, jobs: &jobs, limits: &limits, runs: Vec::new() };
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for number in 0..6 {
        let run = submit(&engine, &jobs, &mut dice, number).await;
        oracle.runs.push(run);
    }
    // at half seconds: much happens at whole ones
    actix::clock::sleep(secs(1) / 2).await;
    for _ in 0..400 {
        quiet().await;
        this_moment_passes().await;
        for (what, count) in oracle.ask_everybody().await {
            *seen.entry(what).or_default() += count;
        }
        if engine.journal().unsettled().is_empty() {
            break;
        }
        let which = dice.below(oracle.runs.len());
        if dice.below(3) == 0 && !oracle.moment(&oracle.runs[which]).over {
            let run = &mut oracle.runs[which];
            let verb = if run.paused { Verb::Resume } else { Verb::Pause };
            engine.handle().steer(run.run_id, verb).await.unwrap();
            run.paused = !run.paused;
        }
        quiet().await;
        actix::clock::sleep(secs(1) - 2 * std::time::Duration::from_millis(1)).await;
    }
    for run in oracle.runs.iter_mut().filter(|run| run.paused) {
        engine.handle().steer(run.run_id, Verb::Resume).await.ok();
    }
    drop(oracle);
    engine.finish().await;
    seen
}

/// Whatever is due at this very moment happens; the clock stands still as long as somebody has something to do.
async fn this_moment_passes() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

async fn submit(engine: &TestEngine, jobs: &ScriptedRunner, dice: &mut Dice, number: usize) -> Submitted {
    let (id, tenant) = (format!("a{number}"), TENANTS[dice.below(2)]);
    let shape = Shape::ALL[dice.below(Shape::ALL.len())];
    let mut sketch = shape.sketch(3 + dice.below(9), dice.roll()).id(&id).tenant(tenant);
    let max_parallel = (dice.below(3) == 0).then(|| 1 + dice.below(2));
    if let Some(most) = max_parallel {
        sketch = sketch.option("max-parallel", most as u64);
    }
    sketch = sketch.option("priority", 1 + dice.below(3) as u64).goes_on_after_failures();
    let steps: Vec<String> = sketch.expected_inputs().map(|(step, _)| step.to_owned()).collect();
    for step in &steps {
        let script = jobs.step_of(&id, step);
        script.takes(secs(1 + dice.below(4) as u64));
        if dice.below(4) == 0 {
            sketch = sketch.member(step, "retry", json!({"attempts": 2, "backoff-s": 3, "max-backoff-s": 9}));
            script.fails_with(FailureKind::ServiceError, "no");
        }
    }
    let plan = sketch.plan();
    engine.submit(&sketch).await.unwrap();
    let run_id = engine.journal().newest_run(&id).unwrap();
    Submitted { sketch, plan, tenant, max_parallel, run_id, paused: false }
}

#[actix::test]
async fn what_a_job_is_said_to_wait_for_is_what_has_not_come_about() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..40 {
        for (what, count) in play(seed).await {
            *seen.entry(what).or_default() += count;
        }
    }
    for what in ["run-line", "inputs", "pause", "slot", "back-off", "retry-budget"] {
        assert!(seen.get(what).is_some_and(|count| *count > 20), "{what} was hardly ever seen: {seen:?}");
    }
}

#[actix::test]
async fn a_job_of_a_process_that_is_about_to_stop_waits_for_the_next_start() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").succeeds_after(secs(10));
    let engine = TestEngine::with(&jobs, slots(|slots| slots.total = 9));
    engine.submit(&graph_of("1 -> 2 -> 3")).await.unwrap();
    actix::clock::sleep(secs(5)).await;
    engine.handle().drain().await;
    actix::clock::sleep(secs(10)).await;
    let why = engine.handle().why(1, 2).await.unwrap();
    assert_eq!((why.stage, why.obstacles), (Some(Stage::AtGate), vec![Obstacle::Drain]));
    assert_eq!(engine.handle().why(1, 1).await, None, "it has ended");
    assert_eq!(engine.handle().why(1, 99).await, None, "there is no such job");
    assert_eq!(engine.handle().why(99, 0).await, None, "there is no such run");
}

#[actix::test]
async fn so_does_one_that_stood_in_line_before() {
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(10));
    let engine = TestEngine::with(&jobs, slots(|slots| slots.total = 1));
    engine.submit(&graph_of("1 -> 2,3")).await.unwrap();
    actix::clock::sleep(secs(15)).await;
    let why = engine.handle().why(1, 2).await.unwrap();
    assert!(matches!(why.obstacles[..], [Obstacle::Slot(_)]), "{why:?}");
    engine.handle().drain().await;
    assert_eq!(engine.handle().why(1, 2).await.unwrap().obstacles, [Obstacle::Drain], "while the slot is taken");
    actix::clock::sleep(secs(10)).await;
    assert_eq!(engine.handle().why(1, 2).await.unwrap().obstacles, [Obstacle::Drain], "and when it is free");
}
