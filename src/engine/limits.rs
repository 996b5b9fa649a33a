//! How much the engine takes on (decision 23). Waiting is the default, refusing the last resort.

use std::collections::HashMap;
use std::time::Duration;

use super::admission::SlotLimits;
use super::run_line::RunLimits;
use crate::playbook::TenantId;

/// Every limit of the engine; they may change while it runs.
#[derive(Debug, Clone)]
pub struct EngineLimits {
    /// Jobs in flight; `None` removes the gate, for benches.
    pub slots: Option<SlotLimits>,
    /// Accepted runs that have not ended, per tenant; beyond: refused.
    pub open_per_tenant: usize,
    /// The same over all tenants.
    pub open_total: usize,
    /// Runs of a tenant with living actors; beyond: queued.
    pub running_per_tenant: usize,
    /// The same over all tenants.
    pub running_total: usize,
    /// New runs of a tenant per second, in the long run; beyond: refused.
    pub submissions_per_second: Option<f64>,
    /// Bytes that a tenant may have stored before its new runs are refused.
    pub stored_bytes: Option<u64>,
    /// Tenants for which something else holds. Their jobs in flight are in `slots`.
    pub tenants: HashMap<TenantId, OwnLimits>,
    /// Second and later attempts of jobs that may begin per second, over all runs, in the long run.
    pub retries_per_second: f64,
    /// Between two looks at whether a run can go on by itself. Read at the start only.
    pub sweep: Duration,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            slots: Some(SlotLimits::default()),
            open_per_tenant: 20_000,
            open_total: 50_000,
            running_per_tenant: 1_000,
            running_total: 10_000,
            submissions_per_second: None,
            stored_bytes: None,
            tenants: HashMap::new(),
            retries_per_second: 10.0,
            sweep: Duration::from_secs(30),
        }
    }
}

/// What holds for one tenant instead of what holds for all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OwnLimits {
    /// Instead of `open_per_tenant`.
    pub open: Option<usize>,
    /// Instead of `running_per_tenant`.
    pub running: Option<usize>,
    /// Instead of `submissions_per_second`.
    pub submissions_per_second: Option<f64>,
    /// Instead of `stored_bytes`.
    pub stored_bytes: Option<u64>,
}

impl EngineLimits {
    fn own(&self, tenant: &TenantId) -> OwnLimits {
        self.tenants.get(tenant).copied().unwrap_or_default()
    }

    /// Most accepted runs of a tenant that have not ended.
    pub fn open_of(&self, tenant: &TenantId) -> usize {
        self.own(tenant).open.unwrap_or(self.open_per_tenant)
    }

    /// Most runs of a tenant with living actors.
    pub fn running_of(&self, tenant: &TenantId) -> usize {
        self.own(tenant).running.unwrap_or(self.running_per_tenant)
    }

    /// New runs of a tenant per second; `None` for any number.
    pub fn submissions_of(&self, tenant: &TenantId) -> Option<f64> {
        self.own(tenant).submissions_per_second.or(self.submissions_per_second)
    }

    /// Bytes that a tenant may have stored; `None` for any number.
    pub fn stored_bytes_of(&self, tenant: &TenantId) -> Option<u64> {
        self.own(tenant).stored_bytes.or(self.stored_bytes)
    }
}

impl RunLimits for EngineLimits {
    fn in_all(&self) -> usize {
        self.running_total
    }

    fn of(&self, tenant: &TenantId) -> usize {
        self.running_of(tenant)
    }
}
