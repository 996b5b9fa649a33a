//! The start of the process: runs of an earlier life go on where the journal says they were.

use std::rc::Rc;
use std::sync::Arc;

use actix::clock::Instant;
use actix::prelude::*;

use super::admission::Request;
use super::messages::{ResumeRuns, Ticket};
use super::supervisor::{AnalysisSupervisor, Ready};
use crate::chaos::{self, Point};
use crate::metrics;
use crate::ports::RunSpec;
use crate::store::Record;
use crate::store::recovery::OpenRun;

impl Handler<ResumeRuns> for AnalysisSupervisor {
    type Result = ();

    /// What was accepted once is not judged by limits again.
    fn handle(&mut self, message: ResumeRuns, ctx: &mut Self::Context) {
        let runs: Vec<Ready> = message.runs.into_iter().map(ready).collect();
        for run in &runs {
            self.runner.goes_on(&run.run);
            self.keep_slots(run);
        }
        runs.into_iter().for_each(|run| self.resume(run, ctx));
    }
}

impl AnalysisSupervisor {
    /// Services are at work on these jobs now: a job that has not begun must not get their slots first. Each is given back
    /// like every other slot, by its node or at the end of its run.
    fn keep_slots(&mut self, run: &Ready) {
        let playbook = &run.run.playbook;
        let at_work = run.before.jobs.iter().enumerate().filter(|(_, known)| known.may_be_at_work());
        for (job, _) in at_work {
            let Some(service) = playbook.jobs.get(job).and_then(|job| job.kind.service()) else { continue };
            let ticket = Ticket { run_id: run.run.run_id, job: job as u32 };
            let tenant = playbook.tenant.clone();
            let request = Request { ticket, tenant, service, max_parallel: playbook.options.max_parallel };
            if !self.gate.ask(request) {
                // its node will stand in line itself
                self.gate.release(ticket);
            }
        }
    }

    fn resume(&mut self, ready: Ready, ctx: &mut Context<Self>) {
        chaos::at(Point::K14);
        log::info!("{}: goes on", ready.run.log_prefix());
        self.open += 1;
        metrics::analyses_open(self.open);
        self.tenants.entry(ready.run.playbook.tenant.clone()).or_default().open += 1;
        drop(self.journal.append(ready.run.run_id, Record::Begun));
        self.begin(ready, ctx);
    }
}

fn ready(run: OpenRun) -> Ready {
    let OpenRun { run_id, number, plan, reused_ids, progress, age } = run;
    let here = Instant::now();
    let accepted = here.checked_sub(age).unwrap_or(here);
    let run = RunSpec { run_id, number, playbook: Arc::new(plan.playbook), accepted, reused_ids };
    Ready { run: Rc::new(run), graph: plan.graph, before: progress }
}
