//! Every acknowledged submission is a run, every run ends once, and the state is the fold of the records.

use orchestrator::engine::messages::{SubmitError, Verb};
use orchestrator::playbook::OnFailure;
use orchestrator::store::record::RunOutcome;
use orchestrator::store::{JobPhase, Record, RunProgress};

use super::{Facts, RunFacts};
use crate::sim::plan::{MINUTE, SECOND, Time};
use crate::sim::run::run_of;

impl Facts<'_> {
    pub(super) fn check_ends(&mut self) {
        self.check_answers();
        let mut found = Vec::new();
        for (at, run) in self.runs.iter().enumerate() {
            let mut wrong = |code: &'static str, text: String| found.push((code, format!("{}: {text}", run.name())));
            one_end(run, &mut wrong);
            each_job_ends_once(run, &mut wrong);
            the_state_is_the_fold(run, &mut wrong);
            self.end_is_explained(run, &mut wrong);
            let earlier = self.runs[..at]
                .iter()
                .rev()
                .find(|other| (other.space, &other.plan.playbook.id) == (run.space, &run.plan.playbook.id));
            let accepted = run.entries.first().map_or(0, |entry| entry.seq);
            if earlier.is_some_and(|earlier| earlier.end().is_none_or(|end| end.seq > accepted)) {
                wrong("two-live-runs", "an earlier run of the same id had not ended".to_owned());
            }
        }
        found.into_iter().for_each(|(code, text)| self.violates(code, text));
    }

    fn check_answers(&mut self) {
        let clients = self.world.clients.borrow().clone();
        let mut found = Vec::new();
        for (client, log) in self.world.plan.clients.iter().zip(clients) {
            match log.answer {
                Some(Ok(_)) if run_of(self.world, client).is_none() => {
                    found.push(("lost", format!("an acknowledged submission has no run: {:?}", client.document)));
                }
                Some(Ok(_) | Err(SubmitError::IdInUse | SubmitError::JobIdInUse { .. })) | None => {}
                Some(Err(error)) => found.push(("refused", format!("{error}"))),
            }
        }
        found.into_iter().for_each(|(code, text)| self.violates(code, text));
    }

    fn end_is_explained(&self, run: &RunFacts, wrong: &mut impl FnMut(&'static str, String)) {
        let Some(end) = &run.progress.finished else { return };
        let has_failed = run.progress.jobs.iter().any(|job| job.phase == JobPhase::Failed);
        let ran = |phase: JobPhase| run.progress.count(phase);
        match end.outcome {
            RunOutcome::Succeeded if has_failed || ran(JobPhase::Cancelled) > 0 => {
                wrong("false-end", "it succeeded although not every job did".to_owned());
            }
            RunOutcome::Succeeded => {}
            RunOutcome::Failed => {
                let first = run.entries.iter().find_map(|entry| match &entry.record {
                    Record::JobFailed { job, failure, .. } => Some((run.job(*job).step.text(), failure)),
                    _ => None,
                });
                let cause = end.cause.as_ref().map(|cause| (cause.step.as_deref().unwrap_or(""), &cause.failure));
                if first.is_none() || first != cause {
                    wrong("false-cause", format!("{cause:?} is its cause, {first:?} failed first"));
                }
            }
            RunOutcome::Cancelled => {
                let same = |client: &&crate::sim::plan::Client| {
                    run_of(self.world, client).is_some_and(|of| of.id == run.summary.id)
                };
                let mut wishes = self.world.plan.clients.iter().filter(same).flat_map(|client| &client.wishes);
                if !wishes.any(|(_, verb)| *verb == Verb::Cancel) {
                    wrong("false-end", "nobody wanted it to be cancelled".to_owned());
                }
            }
            RunOutcome::Stopped => self.deadline_passed(run, end.elapsed_ms as Time, wrong),
        }
        let seen = run.end().map_or(0, |entry| entry.tick) - run.entries.first().map_or(0, |entry| entry.tick);
        if (seen - end.elapsed_ms).abs() > 10_000 {
            wrong("false-time", format!("it says {} ms, the journal says {seen} ms", end.elapsed_ms));
        }
    }

    fn deadline_passed(&self, run: &RunFacts, elapsed: Time, wrong: &mut impl FnMut(&'static str, String)) {
        let limit = run.plan.playbook.options.deadline.map_or(Time::MAX, |limit| limit.as_millis() as Time);
        let paused = run.progress.pauses(run.end().map_or(0, |end| end.tick)).as_millis() as Time;
        // a pause is heard when its commit is, which may take its time
        let heard = paused.saturating_sub(if paused > 0 { 6 * SECOND } else { 0 });
        if elapsed < limit.saturating_add(heard) {
            wrong("early-timeout", format!("stopped after {elapsed} ms, the deadline is {limit} ms, paused {paused}"));
        }
        let away: Time = self.world.plan.crashes.iter().map(|crash| crash.away).sum();
        if elapsed > limit.saturating_add(paused + away + MINUTE) {
            wrong("late-timeout", format!("stopped after {elapsed} ms, the deadline is {limit} ms"));
        }
    }
}

fn one_end(run: &RunFacts, wrong: &mut impl FnMut(&'static str, String)) {
    let count = |wanted: fn(&Record) -> bool| run.entries.iter().filter(|entry| wanted(&entry.record)).count();
    let ends = count(|record| matches!(record, Record::AnalysisFinished { .. }));
    if ends != 1 {
        wrong("not-one-end", format!("it has {ends} ends"));
    }
    let settled = count(|record| *record == Record::Settled);
    if settled != 1 {
        wrong("not-settled", format!("it is settled {settled} times"));
    }
    let Some(end) = run.end() else { return };
    let work = run.entries.iter().filter(|entry| entry.seq > end.seq).find(|entry| {
        !matches!(entry.record, Record::Delivered { .. } | Record::Settled | Record::Begun | Record::Queued)
            && !matches!(entry.record, Record::PauseAsked | Record::ResumeAsked | Record::CancelAsked)
            && !matches!(entry.record, Record::Warning { .. })
    });
    if let Some(work) = work {
        wrong("work-after-end", format!("{:?}", work.record));
    }
}

fn each_job_ends_once(run: &RunFacts, wrong: &mut impl FnMut(&'static str, String)) {
    for job in 0..run.plan.graph.len() {
        let ends = run.entries.iter().filter(|entry| match entry.record {
            Record::JobSucceeded { job: of, .. }
            | Record::JobFailed { job: of, .. }
            | Record::JobSkipped { job: of }
            | Record::JobCancelled { job: of, .. } => of == job,
            _ => false,
        });
        let ends = ends.count();
        let may_be_silent = run.plan.playbook.options.on_failure == OnFailure::Stop || run.progress.cancel_asked;
        if ends > 1 || (ends == 0 && run.progress.finished.is_none() && !may_be_silent) {
            wrong("not-one-end", format!("job {job} has {ends} ends"));
        }
        let attempts = run.job(job).retry.as_ref().map_or(1, |retry| retry.attempts);
        if run.progress.jobs[job].attempt > attempts {
            wrong("too-many-attempts", format!("job {job}: {} of {attempts}", run.progress.jobs[job].attempt));
        }
    }
}

fn the_state_is_the_fold(run: &RunFacts, wrong: &mut impl FnMut(&'static str, String)) {
    let jobs = run.plan.graph.len();
    let mut twice = RunProgress::new(jobs);
    for entry in &run.entries {
        for _ in 0..2 {
            twice.apply(entry).expect("it could be applied before");
        }
    }
    twice.warnings.clone_from(&run.progress.warnings);
    if twice != run.progress {
        wrong("fold", "applying records twice changes the state".to_owned());
    }
}
