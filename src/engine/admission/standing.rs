//! Where somebody stands in line, and which limits keep him there.

use super::{Admission, Place};
use crate::engine::messages::Ticket;
use crate::engine::standing::{Limit, Reached, Standing};

impl Admission {
    /// Where a job stands that waits for a slot; `None` when it does not wait.
    pub fn standing(&self, ticket: Ticket) -> Option<Standing> {
        let Place { tenant, service, rank } = self.waiting.get(&ticket)?;
        let lines = self.lines.of(tenant).chain(self.narrow.parked());
        let here = lines.filter(|(at, _)| at == service).map(|(_, line)| line);
        let before = here.flat_map(|line| line.range(..rank)).filter(|(_, request)| request.tenant == *tenant);
        let ahead = before.count();
        let count = |used: Option<&usize>| used.copied().unwrap_or(0);
        let (in_flight, most) = self.narrow.use_of(ticket.run_id).unwrap_or((0, usize::MAX));
        let limits = [
            (Limit::Total, self.in_flight.len(), self.limits.total),
            (Limit::Tenant, count(self.by_tenant.get(tenant)), self.limits.of(tenant)),
            (Limit::Service, count(self.by_service.get(service)), self.limits.at(*service)),
            (Limit::Run, in_flight, most),
        ];
        Some(Standing { reached: Reached::among(limits), closed: self.closed, ahead })
    }

    /// Whether a job has a slot.
    pub fn has_slot(&self, ticket: Ticket) -> bool {
        self.in_flight.contains_key(&ticket)
    }
}
