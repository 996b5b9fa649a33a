//! The start of the process: runs of an earlier life go on where the journal says they were.

use std::rc::Rc;
use std::sync::Arc;

use actix::clock::Instant;
use actix::prelude::*;

use super::admission::Request;
use super::graph_actor::GraphActor;
use super::messages::{AwaitRuns, IsWired, KeepSlots, OpenGate, ResumeRuns, Ticket};
use super::supervisor::{AnalysisSupervisor, Ready};
use crate::chaos::{self, Point};
use crate::ports::RunSpec;
use crate::store::recovery::OpenRun;
use crate::store::{JobProgress, Record};

impl Handler<ResumeRuns> for AnalysisSupervisor {
    type Result = ResponseFuture<()>;

    /// What was accepted once is not judged by limits again.
    fn handle(&mut self, message: ResumeRuns, ctx: &mut Self::Context) -> Self::Result {
        let runs: Vec<Ready> = message.runs.into_iter().map(|run| self.ready(run)).collect();
        for run in &runs {
            self.runner.goes_on(&run.run);
            self.keep_slots(run);
        }
        let keys: Vec<i64> = runs.iter().map(|run| run.run.run_id).collect();
        runs.into_iter().for_each(|run| self.resume(run, ctx));
        let begun = |run_id| self.runs.get(run_id).map(|running| running.graph.clone());
        let graphs: Vec<Addr<GraphActor>> = keys.iter().filter_map(begun).collect();
        Box::pin(async move {
            for graph in graphs {
                // one that has ended has been wired
                while let Ok(false) = graph.send(IsWired).await {
                    tokio::task::yield_now().await;
                }
            }
        })
    }
}

impl Handler<KeepSlots> for AnalysisSupervisor {
    type Result = ();

    fn handle(&mut self, message: KeepSlots, _: &mut Self::Context) {
        let run = self.ready(message.run);
        self.runner.goes_on(&run.run);
        self.keep_slots(&run);
    }
}

impl Handler<AwaitRuns> for AnalysisSupervisor {
    type Result = ();

    fn handle(&mut self, message: AwaitRuns, _: &mut Self::Context) {
        self.gate.close();
        self.runner.awaits_runs();
        self.awaited = message.runs.into_iter().map(|run_id| (run_id, Vec::new())).collect();
    }
}

impl Handler<OpenGate> for AnalysisSupervisor {
    type Result = ();

    fn handle(&mut self, message: OpenGate, _: &mut Self::Context) {
        self.awaited.retain(|run_id, _| message.to_come.contains(run_id));
        self.runner.knows_all_runs();
        let granted = self.gate.open();
        self.let_in(granted);
    }
}

impl AnalysisSupervisor {
    /// What was accepted once has its place, whatever the limits say now.
    fn ready(&self, run: OpenRun) -> Ready {
        let OpenRun { run_id, number, plan, reused_ids, progress, age } = run;
        let here = Instant::now();
        let accepted = here.checked_sub(age).unwrap_or(here);
        let place = self.places.take(&plan.playbook.tenant);
        let run = RunSpec { run_id, number, playbook: Arc::new(plan.playbook), accepted, reused_ids };
        Ready { run: Rc::new(run), graph: plan.graph, before: progress, place }
    }

    /// Services are at work on these jobs now: a job that has not begun must not get their slots first. Each is given back
    /// like every other slot, by its node or at the end of its run.
    fn keep_slots(&mut self, run: &Ready) {
        let playbook = &run.run.playbook;
        let at_work = run.before.jobs.iter().enumerate().filter(|(_, known)| known.may_be_at_work());
        for (job, _) in at_work {
            let Some(service) = playbook.jobs.get(job).and_then(|job| job.kind.service()) else { continue };
            let ticket = Ticket { run_id: run.run.run_id, job: job as u32 };
            let tenant = playbook.tenant.clone();
            let (max_parallel, priority) = (playbook.options.max_parallel, playbook.options.priority);
            let since = Instant::now();
            self.gate.keep(Request { ticket, tenant, service, max_parallel, priority, since });
        }
    }

    fn resume(&mut self, ready: Ready, ctx: &mut Context<Self>) {
        chaos::at(Point::K14);
        log::info!("{}: goes on", ready.run.log_prefix());
        let run_id = ready.run.run_id;
        drop(self.journal.append(run_id, Record::Begun));
        let asked = self.awaited.remove(&run_id).unwrap_or_default();
        if ready.before.jobs.iter().any(JobProgress::may_be_at_work) {
            // in line it would keep its slots from the very runs that it waits for
            self.begin_now(ready, ctx);
        } else {
            self.begin(ready, ctx);
        }
        for (verb, seq) in asked {
            // it may have been read back before it was asked; one that is over has nothing to steer
            if let Err(error) = self.steer(run_id, verb, seq, ctx) {
                log::debug!("run={run_id}: {error}");
            }
        }
    }
}
