//! What was started: only what was intended, once, when its turn was, and never two functions at once.

use std::collections::BTreeMap;

use orchestrator::playbook::When;
use orchestrator::playbook::job::Service;
use orchestrator::store::Record;

use super::{Facts, RunFacts};
use crate::sim::outside::Start;
use crate::sim::plan::{SECOND, Time};

/// A pause is heard when its commit is; what has begun by then goes on.
const PAUSE_IS_HEARD: Time = 7 * SECOND;

impl Facts<'_> {
    /// The newest intent that can have led to a start.
    pub(super) fn find_intent(&self, start: &Start) -> Option<usize> {
        let wire_id = start.wire_id.to_lowercase();
        self.intents.iter().rposition(|intent| {
            (intent.service, &intent.wire_id) == (start.service, &wire_id)
                && intent.seq <= start.durable
                && start.analysis.as_ref().is_none_or(|id| self.runs[intent.run].plan.playbook.id.text() == id)
        })
    }

    pub(super) fn check_starts(&mut self) {
        let mut found = Vec::new();
        let mut wrong = |code: &'static str, text: String| found.push((code, text));
        for (start, intent) in self.outside.starts.iter().zip(&self.intent_of) {
            let Some(intent) = intent.map(|intent| &self.intents[intent]) else {
                wrong("start-without-intent", format!("{start:?}"));
                continue;
            };
            let run = &self.runs[intent.run];
            // several analyses of a tenant may use one id, and the data sink gets it as it is
            let is_certain = start.service != Service::DataSink;
            if is_certain && run.end().is_some_and(|end| end.seq <= start.durable) {
                wrong("start-after-end", format!("{}: {start:?}", run.name()));
            }
            if let Some(output) = start.output.as_ref().filter(|_| start.left) {
                let (bucket, key) = output.split_once('/').unwrap_or(("", output));
                if !self.outside.objects.has(bucket, &format!("{key}/")) {
                    wrong("no-output-place", format!("{}: {output}", run.name()));
                }
            }
        }
        self.doubles(&mut wrong);
        self.restarts(&mut wrong);
        self.overlaps(&mut wrong);
        for run in &self.runs {
            let mut wrong = |code: &'static str, text: String| wrong(code, format!("{}: {text}", run.name()));
            in_turn(run, &mut wrong);
            not_while_paused(run, &mut wrong);
        }
        found.into_iter().for_each(|(code, text)| self.violates(code, text));
    }

    /// Starts by attempt. Data services can be asked, so nothing is there twice; elsewhere every start too many is told.
    fn doubles(&self, wrong: &mut impl FnMut(&'static str, String)) {
        let mut taken: BTreeMap<(usize, usize, u32, Service), Vec<&Start>> = BTreeMap::new();
        let mut calls: BTreeMap<(Service, String), u32> = BTreeMap::new();
        for (start, intent) in self.outside.starts.iter().zip(&self.intent_of) {
            let Some(intent) = intent.map(|intent| &self.intents[intent]).filter(|_| start.left) else { continue };
            let attempt = (intent.run, intent.job, intent.attempt, intent.service);
            if start.taken || start.service == Service::Spark {
                taken.entry(attempt).or_default().push(start);
            }
            *calls.entry((start.service, start.wire_id.to_lowercase())).or_default() += 1;
        }
        for ((run, job, attempt, service), starts) in taken {
            let run = &self.runs[run];
            let extra = starts.iter().map(|start| &start.wire_id).collect::<std::collections::BTreeSet<_>>().len() - 1;
            let warned = run.warnings(job, "start-ambiguous");
            let allowed = match service {
                Service::Function | Service::Automl => warned.min(self.crashes()),
                // several analyses of a tenant may use one id, which goes there as it is
                Service::DataSink => continue,
                Service::Spark if starts.len() > 1 => {
                    wrong("double-start", format!("{} job {job} attempt {attempt}: {starts:#?}", run.name()));
                    continue;
                }
                _ => 0,
            };
            if extra > allowed {
                let text = format!("{} job {job} attempt {attempt}, {warned} warnings: {starts:#?}", run.name());
                wrong("double-start", text);
            }
        }
        for ((service, wire_id), calls) in calls {
            let intended = |intent: &&super::Intent| (intent.service, &intent.wire_id) == (service, &wire_id);
            let intents = self.intents.iter().filter(intended).count() as u32;
            let unknown = self.outside.seen.get(&(service, wire_id.clone())).map_or(0, |seen| seen.unknown);
            let again =
                if matches!(service, Service::Spark | Service::DataSink | Service::Function) { 0 } else { unknown };
            if calls > intents + again {
                let text =
                    format!("{calls} calls of {} {wire_id}, {intents} intents, {unknown} unknown", service.as_str());
                wrong("blind-start", text);
            }
        }
    }

    /// What a service has acknowledged is asked about, not started again.
    fn restarts(&self, wrong: &mut impl FnMut(&'static str, String)) {
        for later in &self.intents {
            let same = |intent: &&super::Intent| {
                (intent.run, intent.job, intent.attempt, intent.service)
                    == (later.run, later.job, later.attempt, later.service)
            };
            let before = self.intents.iter().filter(same).filter(|intent| intent.seq < later.seq);
            if before.filter_map(|intent| intent.acknowledged).any(|acknowledged| acknowledged < later.seq) {
                let run = self.runs[later.run].name();
                wrong("restarted", format!("{run} job {}: {} had acknowledged it", later.job, later.service.as_str()));
            }
        }
    }

    /// Two functions at once mix their inputs (fact F11).
    fn overlaps(&self, wrong: &mut impl FnMut(&'static str, String)) {
        for &(older, newer) in &self.outside.overlaps {
            let starts = (&self.outside.starts[older], &self.outside.starts[newer]);
            if !self.is_ambiguous_overlap(older, newer) && !self.is_forgotten_overlap(older, newer) {
                wrong("functions-mixed", format!("{starts:#?}"));
            }
        }
    }

    /// Whether the older function was let go in an earlier life: that its slot was held on is not durable.
    pub(in crate::sim) fn is_forgotten_overlap(&self, older: usize, newer: usize) -> bool {
        let starts = &self.outside.starts;
        let Some(intent) = self.intent_of[older].map(|intent| &self.intents[intent]) else { return false };
        let let_go = self.runs[intent.run].entries.iter().any(|entry| {
            let of = match &entry.record {
                Record::JobFailed { job, attempt, .. }
                | Record::JobCancelled { job, attempt, .. }
                | Record::JobRetrying { job, attempt, .. } => (*job, *attempt),
                _ => return false,
            };
            of == (intent.job, intent.attempt) && entry.seq <= starts[newer].durable
        });
        let_go && starts[older].life != starts[newer].life
    }

    /// Whether nothing durable told this life of the process that the older function may be at work, or whether it was
    /// let go so long ago that its slot was given up.
    pub(in crate::sim) fn is_ambiguous_overlap(&self, older: usize, newer: usize) -> bool {
        let starts = &self.outside.starts;
        let linger = self.world.plan.settings.function_linger.as_millis() as Time;
        let acknowledged = self.intent_of[older].and_then(|intent| self.intents[intent].acknowledged);
        let known = acknowledged.is_some_and(|seq| seq <= starts[newer].durable);
        let is_old = starts[newer].called >= starts[older].called + linger;
        if starts[older].life == starts[newer].life { !starts[older].answered && is_old } else { !known }
    }
}

/// A job begins only when its rule is met by what is durable before it.
fn in_turn(run: &RunFacts, wrong: &mut impl FnMut(&'static str, String)) {
    for job in 0..run.plan.graph.len() {
        let begins = run.entries.iter().find(|entry| match entry.record {
            Record::JobPreparing { job: of, .. }
            | Record::JobStarting { job: of, .. }
            | Record::JobSucceeded { job: of, .. }
            | Record::JobFailed { job: of, .. } => of == job,
            _ => false,
        });
        let Some(begins) = begins else { continue };
        let before = |from: usize| {
            run.entries.iter().take_while(|entry| entry.seq < begins.seq).find_map(|entry| match entry.record {
                Record::JobSucceeded { job, .. } if job == from => Some(Spoke::Well),
                Record::JobFailed { job, .. } if job == from => Some(Spoke::Badly),
                Record::JobSkipped { job } | Record::JobCancelled { job, .. } if job == from => Some(Spoke::Otherwise),
                _ => None,
            })
        };
        let spoke: Vec<Option<Spoke>> = run.plan.graph.incoming(job).map(|(_, from)| before(from)).collect();
        let all_spoke = spoke.iter().all(Option::is_some);
        let met = spoke.is_empty()
            || match run.job(job).when {
                When::AllSuccess => spoke.iter().all(|spoke| *spoke == Some(Spoke::Well)),
                When::AllDone => all_spoke,
                When::OneSuccess => spoke.contains(&Some(Spoke::Well)),
                When::OneFailed => spoke.contains(&Some(Spoke::Badly)),
                When::NoneFailed => all_spoke && !spoke.contains(&Some(Spoke::Badly)),
            };
        if !met {
            wrong("out-of-turn", format!("job {job} began after {spoke:?}, its rule is {:?}", run.job(job).when));
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Spoke {
    Well,
    Badly,
    Otherwise,
}

/// No attempt begins while the run is paused; functions stand in a line of their own before their intent.
fn not_while_paused(run: &RunFacts, wrong: &mut impl FnMut(&'static str, String)) {
    let mut paused: Option<i64> = None;
    let mut begun: Vec<(usize, u32)> = Vec::new();
    for entry in &run.entries {
        match &entry.record {
            Record::PauseAsked => paused = paused.or(Some(entry.tick)),
            Record::ResumeAsked => paused = None,
            Record::JobPreparing { job, attempt } | Record::JobStarting { job, attempt, .. } => {
                let is_first = !begun.contains(&(*job, *attempt));
                begun.push((*job, *attempt));
                let is_function = run.job(*job).kind.service() == Some(Service::Function);
                let late = paused.is_some_and(|since| entry.tick - since > PAUSE_IS_HEARD as i64);
                if is_first && late && !is_function {
                    wrong("began-while-paused", format!("job {job} attempt {attempt}, since {paused:?}"));
                }
            }
            _ => {}
        }
    }
}
