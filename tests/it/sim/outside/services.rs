//! The data services, the function service and AutoML. Data services keep their jobs for ever and know each id once; the
//! function service looks at nothing, and an unknown id wedges it.

use orchestrator::playbook::job::Service;
use orchestrator::ports::Answer;
use orchestrator::testing::Dice;

use super::{Due, Outside, Start};
use crate::sim::dice::{Rolls, dice_of};
use crate::sim::plan::{MINUTE, SECOND, Time};

/// A job that a service has.
#[derive(Debug, Clone)]
pub(in crate::sim) struct ServiceJob {
    pub(in crate::sim) service: Service,
    pub(in crate::sim) wire_id: String,
    /// The start that brought it; absent for a job of somebody else.
    pub(in crate::sim) start: Option<usize>,
    /// Absent if it never ends.
    pub(in crate::sim) ends: Option<Time>,
    pub(in crate::sim) succeeds: bool,
    /// From then on the service does not know it any more.
    pub(in crate::sim) forgotten: Option<Time>,
}

/// What a service says to a question, or that it never says anything.
pub(in crate::sim) enum Said {
    Answers(Answer),
    Nothing,
}

/// Answers that make no sense.
const GARBLED: [&str; 6] = ["", "<html>Bad Gateway</html>", "[]", r#"{"status":5}"#, "NaN", r#"{"message":"x"}"#];

pub(in crate::sim) fn says(status: u16, body: &str) -> Answer {
    Answer { status, body: body.to_owned() }
}

pub(in crate::sim) fn garbled(dice: &mut Dice) -> Answer {
    says(dice.one_of(&[200, 200, 500, 502]), dice.one_of(&GARBLED))
}

impl Outside {
    /// A start is called for; answers its place in the ledger.
    pub(in crate::sim) fn called(&mut self, start: Start) -> usize {
        self.starts.push(start);
        self.starts.len() - 1
    }

    /// The request will arrive when nobody waits for it any more.
    pub(in crate::sim) fn arrives_late(&mut self, start: usize, at: Time) {
        self.schedule(at, Due::Arrives(start));
    }

    /// A start arrives; what the service answers. A data service that is in trouble writes the job down and does nothing.
    pub(in crate::sim) fn arrive(&mut self, start: usize, now: Time) -> Answer {
        self.starts[start].arrived = Some(now);
        let Start { service, wire_id, .. } = self.starts[start].clone();
        match service {
            Service::Cleaning | Service::Join | Service::Ingestion => self.data_job(start, service, &wire_id, now),
            Service::Function => {
                let at_work =
                    |job: &ServiceJob| job.service == Service::Function && job.ends.is_none_or(|end| end > now);
                let overlapping = self.jobs.iter().filter(|job| at_work(job)).filter_map(|job| job.start);
                self.overlaps.extend(overlapping.map(|older| (older, start)));
                self.take(start, now);
                says(202, "")
            }
            Service::Automl => {
                self.take(start, now);
                says(200, "AutoML job submitted")
            }
            Service::DataSink => {
                self.starts[start].taken = true;
                let listens = dice_of(self.seed, &format!("sink {wire_id}")).odds(700);
                if listens { says(200, "ok") } else { says(400, "Invalid JSON") }
            }
            Service::Spark => says(200, ""),
        }
    }

    fn data_job(&mut self, start: usize, service: Service, wire_id: &str, now: Time) -> Answer {
        let is_foreign = dice_of(self.seed, &format!("foreign {wire_id}")).odds(self.faults.foreign_ids);
        if is_foreign && !self.by_id.contains_key(&(service, wire_id.to_owned())) {
            let job = ServiceJob {
                service,
                wire_id: wire_id.to_owned(),
                start: None,
                ends: Some(0),
                succeeds: true,
                forgotten: None,
            };
            self.remember(job);
        }
        if self.find(service, wire_id, now).is_some() {
            return says(400, "Job ID already exists");
        }
        self.take(start, now);
        says(200, "job submitted")
    }

    /// The job was written down and never queued: it stays in progress for ever, and the caller gets an error (fact F9).
    pub(in crate::sim) fn arrive_unqueued(&mut self, start: usize, now: Time) -> Answer {
        let answer = self.arrive(start, now);
        if self.starts[start].taken {
            self.starts[start].taken = false;
            if let Some(job) = self.jobs.last_mut() {
                job.ends = None;
            }
            return says(500, "<html>Internal Server Error</html>");
        }
        answer
    }

    /// How long a job takes and how it ends is the job's own affair.
    fn take(&mut self, start: usize, now: Time) {
        self.starts[start].taken = true;
        let Start { service, wire_id, .. } = self.starts[start].clone();
        let mut dice = dice_of(self.seed, &format!("{} {wire_id}", service.as_str()));
        let longest = match service {
            Service::Function => self.longest_function,
            _ if dice.odds(50) => 50 * MINUTE,
            _ => 5 * MINUTE,
        };
        let takes = if dice.odds(150) { dice.spread(1, 20) } else { dice.spread(20, longest) };
        // the function service reports no errors, and one that never ends would hold its only slot
        let may_fail = service != Service::Function;
        let endless = dice.odds(self.faults.endless_jobs) && may_fail;
        let forgets = service != Service::Automl && may_fail && dice.odds(self.faults.forgotten_jobs);
        self.remember(ServiceJob {
            service,
            wire_id,
            start: Some(start),
            ends: (!endless).then_some(now + takes),
            succeeds: !(may_fail && dice.odds(self.faults.failing_jobs)),
            forgotten: forgets.then_some(now + takes / 2),
        });
    }

    fn remember(&mut self, job: ServiceJob) {
        let key = (job.service, job.wire_id.clone());
        self.by_id.entry(key).or_default().push(self.jobs.len());
        self.jobs.push(job);
    }

    /// The newest job by an id that the service still knows.
    fn find(&self, service: Service, wire_id: &str, now: Time) -> Option<&ServiceJob> {
        let known = self.by_id.get(&(service, wire_id.to_owned()))?;
        let newest = known.last().map(|at| &self.jobs[*at])?;
        newest.forgotten.is_none_or(|at| at > now).then_some(newest)
    }

    /// A question about a job or its result arrives.
    pub(in crate::sim) fn asked(&mut self, service: Service, path: &str, now: Time, dice: &mut Dice) -> Said {
        match path.split_once("/progress?id=") {
            Some((_, wire_id)) => self.progress(service, wire_id, now, dice),
            None => Said::Answers(self.result(path.rsplit('/').next().unwrap_or_default(), now)),
        }
    }

    fn progress(&mut self, service: Service, wire_id: &str, now: Time, dice: &mut Dice) -> Said {
        let Some(job) = self.find(service, wire_id, now).cloned() else {
            if service == Service::Function {
                self.violates("function-wedged", format!("{now}: the function service was asked about {wire_id}"));
                return Said::Nothing;
            }
            if service == Service::Automl && dice.odds(500) {
                return Said::Nothing;
            }
            self.seen_of(service, wire_id).unknown += 1;
            return Said::Answers(says(400, r#"{"status":"error","message":"Job ID doesn't exist"}"#));
        };
        let is_over = job.ends.is_some_and(|end| end <= now);
        let flaps = now < self.faults.until && dice.odds(self.faults.flapping);
        Said::Answers(match (is_over && !flaps, job.succeeds, service) {
            (false, ..) => says(200, r#"{"status":"progress"}"#),
            (true, false, _) => says(400, r#"{"status":"error","message":"no such column"}"#),
            (true, true, Service::Automl) => says(200, &chosen(self.seed, wire_id)),
            (true, true, _) => says(200, r#"{"status":"complete"}"#),
        })
    }

    /// A job is not wanted any more: it ends at once.
    pub(in crate::sim) fn cancelled(&mut self, service: Service, wire_id: &str, now: Time) -> Answer {
        if self.find(service, wire_id, now).is_none() {
            return says(404, r#"{"status":"error","message":"Job ID doesn't exist"}"#);
        }
        let newest = self.by_id.get(&(service, wire_id.to_owned())).and_then(|known| known.last().copied());
        if let Some(job) = newest.map(|at| &mut self.jobs[at])
            && job.ends.is_none_or(|end| end > now)
        {
            (job.ends, job.succeeds) = (Some(now), false);
        }
        says(204, "")
    }

    /// The result of an ingestion; a failed one has an empty body.
    fn result(&self, wire_id: &str, now: Time) -> Answer {
        match self.find(Service::Ingestion, wire_id, now) {
            Some(job) if job.succeeds && job.ends.is_some_and(|end| end <= now) => {
                says(200, r#"{"job-id":"x","ingested":true,"features":["id","age"]}"#)
            }
            _ => says(200, ""),
        }
    }
}

/// What AutoML chose; sometimes something that nobody knows.
fn chosen(seed: u64, wire_id: &str) -> String {
    let algorithm = dice_of(seed, wire_id).one_of(&["gbt", "kmeans", "no-such-thing"]);
    format!(
        r#"{{"status":"complete","results":{{"algorithm":"{algorithm}","maxDepth":4,"job-id":"evil"}},"exec-speed":17}}"#
    )
}

/// How long a Spark run takes.
pub(super) fn spark_takes(dice: &mut Dice) -> Time {
    dice.spread(SECOND, 8 * MINUTE)
}
