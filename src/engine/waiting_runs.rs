//! The runs that may not begin yet: their line, and what has been asked of them meanwhile.

use std::collections::BTreeMap;

use actix::prelude::*;

use super::run_line::{RunLine, Waiting};
use super::supervisor::{AnalysisSupervisor, Ready};
use crate::store::{Record, RunProgress};

/// Runs in line, and how many are going.
#[derive(Default)]
pub(super) struct WaitingRuns {
    pub(super) line: RunLine,
    /// A tree: a hash map of so many large values holds everybody up whenever it grows.
    ready: BTreeMap<i64, Ready>,
}

impl WaitingRuns {
    /// Changes what a run in line will know when it begins.
    pub(super) fn edit(&mut self, run_id: i64, edit: impl FnOnce(&mut RunProgress)) {
        if let Some(ready) = self.ready.get_mut(&run_id) {
            edit(&mut ready.before);
        }
    }

    /// A run in line.
    pub(super) fn of(&self, run_id: i64) -> Option<&Ready> {
        self.ready.get(&run_id)
    }

    /// Takes a run out of the line.
    pub(super) fn leave(&mut self, run_id: i64) -> Option<Ready> {
        self.line.leave(run_id);
        self.ready.remove(&run_id)
    }
}

impl AnalysisSupervisor {
    /// Starts a durable run now, or when there is room for it; answers whether it was now.
    pub(super) fn begin(&mut self, ready: Ready, ctx: &mut Context<Self>) -> bool {
        let (run_id, playbook) = (ready.run.run_id, &ready.run.playbook);
        let (tenant, priority) = (playbook.tenant.clone(), playbook.options.priority);
        let waiting = Waiting { run_id, tenant, priority, since: ready.run.accepted };
        if self.waiting.line.ask(waiting, &self.limits) {
            self.start(ready, ctx);
            return true;
        }
        drop(self.journal.append(run_id, Record::Queued));
        self.waiting.ready.insert(run_id, ready);
        false
    }

    /// Starts a durable run, whatever the limits say.
    pub(super) fn begin_now(&mut self, ready: Ready, ctx: &mut Context<Self>) {
        self.waiting.line.begins(&ready.run.playbook.tenant);
        self.start(ready, ctx);
    }

    /// Starts whom there is room for, in turns between tenants.
    pub(super) fn begin_next(&mut self, ctx: &mut Context<Self>) {
        while let Some(next) = self.waiting.line.next(&self.limits) {
            match self.waiting.ready.remove(&next.run_id) {
                Some(ready) => {
                    drop(self.journal.append(next.run_id, Record::Begun));
                    self.start(ready, ctx);
                }
                None => self.waiting.line.ends(&next.tenant),
            }
        }
    }
}
