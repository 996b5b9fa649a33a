//! What the outside was told: every document once, every notice at least once and in order, the right status.

use orchestrator::playbook::{JobKind, Space};
use orchestrator::store::record::RunOutcome;
use orchestrator::store::{JobPhase, Record};
use serde_json::Value;

use super::{Facts, RunFacts};
use crate::sim::plan::{HOUR, Party, Time};

impl Facts<'_> {
    pub(super) fn check_tellings(&mut self) {
        let mut found = Vec::new();
        for run in &self.runs {
            let mut wrong = |code: &'static str, text: String| found.push((code, format!("{}: {text}", run.name())));
            self.documents(run, &mut wrong);
            self.notices(run, &mut wrong);
            self.status(run, &mut wrong);
            self.evidence(run, &mut wrong);
            let given_up = run.progress.warnings.iter().find(|warning| warning.code == "delivery-given-up");
            if let Some(given_up) = given_up.filter(|_| self.web_was_away() < HOUR) {
                wrong("given-up", given_up.text.clone());
            }
        }
        found.into_iter().for_each(|(code, text)| self.violates(code, text));
    }

    fn web_was_away(&self) -> Time {
        let outages = self.world.plan.faults.outages.iter().filter(|outage| outage.party == Party::Web);
        outages.map(|outage| outage.to - outage.from).sum()
    }

    /// One document per job that has a result and one for the whole, in the order in which the jobs ended.
    fn documents(&self, run: &RunFacts, wrong: &mut impl FnMut(&'static str, String)) {
        let mut expected: Vec<String> = Vec::new();
        for entry in &run.entries {
            if let Record::JobSucceeded { job, .. } = entry.record
                && has_document(&run.job(job).kind)
            {
                expected.push(run.job(job).step.text().to_owned());
            }
        }
        if outcome(run) == Some(RunOutcome::Succeeded) && run.space == Space::Analysis {
            expected.push("metadata".to_owned());
        }
        let own = self.outside.documents.results.iter().filter(|(_, document)| document.run_id == run.summary.run_id);
        let about = |content: &serde_json::Map<String, Value>| match content.get("job-json") {
            Some(job) => job["step"].to_string(),
            None => "metadata".to_owned(),
        };
        let there: Vec<String> = own.clone().map(|(_, document)| about(&document.content)).collect();
        if there != expected {
            wrong("documents", format!("{there:?} are there, expected {expected:?}"));
        }
        let place = (run.summary.tenant.as_str(), format!("analysis_{}", run.summary.id.to_lowercase()));
        if own.clone().any(|(_, document)| (document.tenant.as_str(), &document.collection) != (place.0, &place.1)) {
            wrong("documents", format!("one is not in {place:?}"));
        }
    }

    fn notices(&self, run: &RunFacts, wrong: &mut impl FnMut(&'static str, String)) {
        let space = if run.space == Space::Ingestion { "ingestion/" } else { "" };
        let prefix = format!("{space}{}/{}/", run.summary.id, run.summary.number);
        let mut texts: Vec<(u32, &str)> = Vec::new();
        let mut first_in_order = true;
        for notice in &self.outside.web.notices {
            let number = notice.event_id.strip_prefix(&prefix).and_then(|number| number.parse().ok());
            match (number, texts.iter().find(|(known, _)| Some(*known) == number)) {
                (Some(_), Some((_, text))) if *text != notice.text => {
                    wrong("notices", format!("{} says two things: {text:?}, {:?}", notice.event_id, notice.text));
                }
                (Some(number), None) => {
                    first_in_order &= texts.last().is_none_or(|(last, _)| *last < number);
                    texts.push((number, &notice.text));
                }
                _ => {}
            }
        }
        let expected = expected_notices(run);
        let numbers: Vec<u32> = texts.iter().map(|(number, _)| *number).collect();
        let missing: Vec<u32> = (1..=expected).filter(|number| !numbers.contains(number)).collect();
        let were_given_up = run.progress.warnings.iter().filter(|warning| warning.code == "delivery-given-up").count();
        if missing.len() > were_given_up || numbers.iter().any(|number| *number > expected) {
            wrong("notices", format!("{expected} are expected, {texts:?} are there"));
        }
        if !first_in_order {
            wrong("notices", format!("out of order: {numbers:?}"));
        }
        let last = texts.last().map_or("", |(_, text)| text);
        let words =
            if outcome(run) == Some(RunOutcome::Succeeded) { "completed with ID" } else { "terminated with error" };
        if run.space == Space::Analysis && !last.contains(words) && were_given_up == 0 {
            wrong("notices", format!("the last one is {last:?}"));
        }
    }

    fn status(&self, run: &RunFacts, wrong: &mut impl FnMut(&'static str, String)) {
        let documents = &self.outside.documents;
        let succeeded = |other: &RunFacts| outcome(other) == Some(RunOutcome::Succeeded);
        if run.space == Space::Ingestion {
            let args = match &run.job(0).kind {
                JobKind::Ingestion(args) => args,
                _ => return wrong("status", "it is no ingestion".to_owned()),
            };
            let key = (run.plan.playbook.database_id.clone(), args.user.clone(), args.label.as_str().to_owned());
            if succeeded(run) && !documents.datasets.contains_key(&key) {
                wrong("status", "the data set has no features".to_owned());
            }
            return;
        }
        let of_same_id =
            self.runs.iter().filter(|other| other.space == run.space && other.summary.id == run.summary.id);
        let any_succeeded = of_same_id.clone().any(succeeded);
        let pipeline = documents.pipelines.get(&run.summary.id).cloned().unwrap_or_default();
        let expected = if any_succeeded { "completed" } else { "error" };
        if pipeline.status != Some(expected) || pipeline.exec_speed.is_some() != any_succeeded {
            wrong("status", format!("{pipeline:?}, expected {expected}"));
        }
        for (job, known) in run.plan.playbook.jobs.iter().zip(&run.progress.jobs) {
            if let JobKind::Visualization { label } = &job.kind
                && known.phase == JobPhase::Succeeded
                && !pipeline.charts.contains_key(label)
            {
                wrong("status", format!("the charts of {label} are missing"));
            }
        }
    }

    /// Evidence is deleted once its job's success is durable.
    fn evidence(&self, run: &RunFacts, wrong: &mut impl FnMut(&'static str, String)) {
        for (job, known) in run.plan.playbook.jobs.iter().zip(&run.progress.jobs) {
            let JobKind::Ml { .. } = &job.kind else { continue };
            let Some(output) = known.success.as_ref().map(|success| &success.output.path) else { continue };
            let runs = self.outside.spark.iter().filter(|spark| spark.output == *output).count();
            let (bucket, key) = output.split_once('/').unwrap_or(("", output));
            if runs == 1 && self.outside.objects.has(bucket, &format!("{key}/_SUCCESS")) {
                wrong("evidence-left", output.clone());
            }
        }
    }
}

fn outcome(run: &RunFacts) -> Option<RunOutcome> {
    run.progress.finished.as_ref().map(|end| end.outcome)
}

fn has_document(kind: &JobKind) -> bool {
    !matches!(kind, JobKind::Dataset { .. } | JobKind::DataSink | JobKind::Ingestion(_))
}

/// One per job that succeeded or failed, but data sets and ingestions say nothing when all is well; one for a cause that
/// is no job's; one at the end of an analysis.
fn expected_notices(run: &RunFacts) -> u32 {
    let jobs = run.plan.playbook.jobs.iter().zip(&run.progress.jobs);
    let of_jobs = jobs.filter(|(job, known)| match known.phase {
        JobPhase::Succeeded => !matches!(job.kind, JobKind::Dataset { .. } | JobKind::Ingestion(_)),
        phase => phase == JobPhase::Failed,
    });
    let cause = run.progress.finished.as_ref().and_then(|end| end.cause.as_ref());
    let no_job = cause.is_some_and(|cause| cause.step.is_none());
    of_jobs.count() as u32 + u32::from(no_job) + u32::from(run.space == Space::Analysis)
}
