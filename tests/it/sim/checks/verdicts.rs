//! What is said of jobs is what the outside knows of them, unless a limit explains the difference.

use orchestrator::playbook::job::Service;
use orchestrator::playbook::{JobKind, When};
use orchestrator::ports::{FailureKind, JobFailure};
use orchestrator::store::{Entry, Record};

use super::{Facts, Intent};
use crate::sim::outside::Seen;
use crate::sim::outside::services::ServiceJob;
use crate::sim::outside::spark::SparkRun;
use crate::sim::plan::{MINUTE, Party, SECOND, Time};

/// One attempt and what was said of it.
struct Attempt<'a> {
    run: usize,
    job: usize,
    number: u32,
    entry: &'a Entry,
    /// Its intents.
    intents: Vec<&'a Intent>,
}

impl Facts<'_> {
    pub(super) fn check_verdicts(&mut self) {
        let mut found = Vec::new();
        for (at, run) in self.runs.iter().enumerate() {
            for entry in &run.entries {
                let (job, number) = match &entry.record {
                    Record::JobSucceeded { job, attempt, .. }
                    | Record::JobFailed { job, attempt, .. }
                    | Record::JobRetrying { job, attempt, .. } => (*job, *attempt),
                    _ => continue,
                };
                let of_attempt = |intent: &&Intent| (intent.run, intent.job, intent.attempt) == (at, job, number);
                let intents = self.intents.iter().filter(of_attempt).collect();
                let attempt = Attempt { run: at, job, number, entry, intents };
                let wrong = match &entry.record {
                    Record::JobFailed { failure, .. } | Record::JobRetrying { failure, .. } => {
                        self.failure_is_explained(&attempt, failure)
                    }
                    _ => self.success_is_true(&attempt),
                };
                let name = run.name();
                let what = format!("{name} job {job} attempt {number} at {} ms: {:?}", entry.tick, entry.record);
                found.extend(wrong.map(|code| (code, what)));
            }
        }
        found.into_iter().for_each(|(code, text)| self.violates(code, text));
    }

    /// What the services know of an attempt: only jobs that the orchestrator has brought.
    fn outside_jobs<'b>(&'b self, attempt: &'b Attempt<'_>) -> impl Iterator<Item = &'b ServiceJob> {
        let own = |job: &&ServiceJob| {
            attempt.intents.iter().any(|intent| {
                (intent.service, intent.wire_id.as_str()) == (job.service, job.wire_id.to_lowercase().as_str())
            })
        };
        self.outside.jobs.iter().filter(|job| job.start.is_some()).filter(own)
    }

    /// Spark runs that this run's job has started.
    fn spark_runs<'b>(&'b self, attempt: &'b Attempt<'_>) -> impl Iterator<Item = (&'b SparkRun, u32)> {
        self.outside.spark.iter().filter_map(|run| {
            let intent = &self.intents[self.intent_of[run.start]?];
            ((intent.run, intent.job) == (attempt.run, attempt.job)).then_some((run, intent.attempt))
        })
    }

    fn success_is_true(&self, attempt: &Attempt<'_>) -> Option<&'static str> {
        let now = attempt.entry.tick as Time;
        let kind = &self.runs[attempt.run].job(attempt.job).kind;
        let is_true = match kind {
            JobKind::Dataset { .. } | JobKind::Visualization { .. } => true,
            JobKind::DataSink => {
                let told = |(start, intent): (&crate::sim::outside::Start, &Option<usize>)| {
                    intent.is_some() && start.service == Service::DataSink && start.left
                };
                let warned = self.runs[attempt.run].warnings(attempt.job, "outcome-unknown") > 0;
                warned || self.outside.starts.iter().zip(&self.intent_of).any(told)
            }
            JobKind::Ml { .. } => {
                let ended = |run: &SparkRun| run.leaves_evidence && run.ends.is_some_and(|end| end <= now);
                self.spark_runs(attempt).any(|(run, _)| ended(run))
            }
            _ => self.outside_jobs(attempt).any(|job| job.succeeds && job.ends.is_some_and(|end| end <= now)),
        };
        (!is_true).then_some("false-success")
    }

    fn failure_is_explained(&self, attempt: &Attempt<'_>, failure: &JobFailure) -> Option<&'static str> {
        let run = &self.runs[attempt.run];
        let now = attempt.entry.tick as Time;
        let seen = |least: u32| self.seen(attempt).any(|seen| seen.garbled >= least);
        let explained = match failure.kind {
            FailureKind::ServiceError | FailureKind::Refused => self.service_has_said_so(attempt, now),
            FailureKind::Unreachable => {
                let last_answer = |seen: &Seen| seen.answers.iter().rev().find(|at| **at <= now).copied();
                let was_silent = |seen: &Seen| now - last_answer(seen).unwrap_or(0) >= 29 * SECOND;
                self.services_were_away(attempt, now) && self.seen(attempt).all(was_silent)
            }
            FailureKind::BadAnswer => {
                seen(if matches!(run.job(attempt.job).kind, JobKind::Ingestion(_)) { 1 } else { 3 })
            }
            FailureKind::TimedOut => return self.limit_has_passed(attempt, now),
            FailureKind::OutcomeUnknown => return self.outcome_is_unknown(attempt, now),
            FailureKind::Store => self.stores_were_away(now),
            FailureKind::MissingInput => run.job(attempt.job).when != When::AllSuccess,
            FailureKind::Cancelled
            | FailureKind::StoppedUnexpectedly
            | FailureKind::NotDurable
            | FailureKind::Stuck => false,
        };
        (!explained).then_some("false-failure")
    }

    fn seen<'b>(&'b self, attempt: &'b Attempt<'_>) -> impl Iterator<Item = &'b Seen> {
        attempt.intents.iter().filter_map(|intent| self.outside.seen.get(&(intent.service, intent.wire_id.clone())))
    }

    /// Whether somebody has got no answer lately: while the circuit is open, few are those who ask.
    fn services_were_away(&self, attempt: &Attempt<'_>, now: Time) -> bool {
        let mut services: Vec<Service> = attempt.intents.iter().map(|intent| intent.service).collect();
        // Spark is connected to before anything is intended
        services.extend(
            matches!(self.runs[attempt.run].job(attempt.job).kind, JobKind::Ml { .. }).then_some(Service::Spark),
        );
        let of_services = self.outside.seen.iter().filter(|((service, _), _)| services.contains(service));
        let unanswered = of_services.flat_map(|(_, seen)| seen.no_answer);
        unanswered.into_iter().any(|(first, last)| first <= now && last + 40 * SECOND >= now)
    }

    fn service_has_said_so(&self, attempt: &Attempt<'_>, now: Time) -> bool {
        let by = |at: Option<Time>| at.is_some_and(|at| at <= now);
        let failed = self.outside_jobs(attempt).any(|job| (!job.succeeds && by(job.ends)) || by(job.forgotten));
        let refused = self.outside.starts.iter().zip(&self.intent_of).any(|(start, intent)| {
            let intent = intent.map(|intent| &self.intents[intent]);
            let own = intent.is_some_and(|intent| {
                (intent.run, intent.job, intent.attempt) == (attempt.run, attempt.job, attempt.number)
            });
            own && start.left && !start.taken && start.answered
        });
        let no_evidence = self.spark_runs(attempt).any(|(run, _)| !run.leaves_evidence && by(run.ends));
        failed || refused || no_evidence
    }

    /// Whether a store was away for most of the ten minutes before.
    fn stores_were_away(&self, now: Time) -> bool {
        let outages = self.world.plan.faults.outages.iter();
        let of_stores = outages.filter(|outage| matches!(outage.party, Party::Objects | Party::Records));
        let since = now.saturating_sub(11 * MINUTE);
        let away: Time = of_stores.map(|outage| outage.to.min(now).saturating_sub(outage.from.max(since))).sum();
        away >= 8 * MINUTE
    }

    /// The attempt cannot have begun before its predecessors had spoken and the wait before it was over.
    fn limit_has_passed(&self, attempt: &Attempt<'_>, now: Time) -> Option<&'static str> {
        let run = &self.runs[attempt.run];
        let job = run.job(attempt.job);
        let limit = job.timeout.unwrap_or(self.world.plan.settings.job_timeout).as_millis() as Time;
        let mut begins = run.entries.first().map_or(0, |entry| entry.tick);
        let mut first_intent = None;
        for entry in run.entries.iter().take_while(|entry| entry.seq < attempt.entry.seq) {
            match &entry.record {
                Record::JobSucceeded { job: from, .. } if job.when == When::AllSuccess && job.inputs.contains(from) => {
                    begins = begins.max(entry.tick);
                }
                Record::JobRetrying { job, attempt: failed, wait_ms, .. }
                    if (*job, *failed + 1) == (attempt.job, attempt.number) =>
                {
                    begins = begins.max(entry.tick + wait_ms);
                }
                Record::JobStarting { job, attempt: number, .. } | Record::JobPreparing { job, attempt: number }
                    if (*job, *number) == (attempt.job, attempt.number) =>
                {
                    first_intent.get_or_insert(entry.tick);
                }
                _ => {}
            }
        }
        let since = |begins: i64| now.saturating_sub(begins as Time);
        // the last tenth of a Spark job's time, of five seconds at most, is for a last look at its evidence
        let is_spark = matches!(job.kind, JobKind::Ml { .. });
        let last_look = if is_spark { (limit / 10).min(5 * SECOND) } else { 0 };
        if since(begins) + last_look < limit {
            return Some("early-timeout");
        }
        let since_intent = first_intent.map(|begins| (since(begins), self.died_between(begins as Time, now)));
        let late = since_intent.is_some_and(|(since, died)| !died && since > limit + limit / 10 + 5 * SECOND);
        late.then_some("late-timeout")
    }

    /// Something was sent, and its answer was not heard. What Spark has left in time has to be seen.
    fn outcome_is_unknown(&self, attempt: &Attempt<'_>, now: Time) -> Option<&'static str> {
        let unheard = self.outside.starts.iter().zip(&self.intent_of).any(|(start, intent)| {
            let intent = intent.map(|intent| &self.intents[intent]);
            let own = intent.is_some_and(|intent| {
                (intent.run, intent.job, intent.attempt) == (attempt.run, attempt.job, attempt.number)
            });
            own && start.left && !start.answered
        });
        let intended = |intent: &&&Intent| intent.service == Service::Spark;
        let spark = attempt.intents.iter().find(intended);
        let died = spark.is_some_and(|intent| {
            let began = self.runs[intent.run].entries.iter().find(|entry| entry.seq == intent.seq);
            self.died_between(began.map_or(0, |entry| entry.tick as Time), now)
        });
        let looked = |at: Option<Time>| at.is_some_and(|at| at + 2 * MINUTE <= now);
        let evidence = self
            .spark_runs(attempt)
            .any(|(run, number)| number == attempt.number && run.leaves_evidence && looked(run.ends));
        if died && evidence {
            return Some("evidence-ignored");
        }
        (!unheard && !died).then_some("false-failure")
    }
}
