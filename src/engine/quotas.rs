//! What the supervisor refuses, and limits that change while it works.

use actix::clock::Instant;
use actix::prelude::*;

use super::limits::EngineLimits;
use super::messages::{SetLimits, SubmitError, TakeStock};
use super::places::Place;
use super::supervisor::AnalysisSupervisor;
use crate::playbook::TenantId;
use crate::playbook::job::Service;

impl AnalysisSupervisor {
    /// Takes a place before the submission is durable, so that a burst cannot slip past the limits.
    pub(super) fn place_for(&mut self, tenant: &TenantId) -> Result<Place, SubmitError> {
        let (all, theirs) = (self.places.all(), self.places.of(tenant));
        if all >= self.limits.open_total {
            return Err(SubmitError::Busy { open: all });
        }
        if theirs >= self.limits.open_of(tenant) {
            return Err(SubmitError::TenantBusy { open: theirs });
        }
        let stored = self.stored_of(tenant);
        if let Some(most) = self.limits.stored_bytes_of(tenant).filter(|most| stored >= *most) {
            return Err(SubmitError::TenantFull { stored, most });
        }
        if let Some(per_second) = self.limits.submissions_of(tenant)
            && !self.rates.take(tenant, per_second, Instant::now())
        {
            return Err(SubmitError::TooFast { per_second });
        }
        Ok(self.places.take(tenant))
    }

    /// Bytes that a tenant had stored when they were last counted.
    pub(super) fn stored_of(&self, tenant: &TenantId) -> u64 {
        self.stored.get(tenant.as_str()).copied().unwrap_or(0)
    }
}

impl Handler<SetLimits> for AnalysisSupervisor {
    type Result = ();

    /// What is beyond a lower limit goes on; whoever a higher one has room for begins at once.
    fn handle(&mut self, message: SetLimits, ctx: &mut Self::Context) {
        let sweep = self.limits.sweep;
        self.limits = EngineLimits { sweep, ..message.limits };
        self.retries.set_rate(self.limits.retries_per_second);
        if let Some(slots) = self.limits.slots.clone() {
            self.runner.functions_at_once(slots.at(Service::Function));
            let granted = self.gate.set_limits(slots);
            self.let_in(granted);
        }
        self.begin_next(ctx);
    }
}

impl Handler<TakeStock> for AnalysisSupervisor {
    type Result = ();

    fn handle(&mut self, message: TakeStock, _: &mut Self::Context) {
        self.stored.extend(message.stored);
    }
}
