//! How many runs are open, per tenant and in all: accepted, or about to be, and not both over and told.
//!
//! What an ended run still has to tell takes memory and disk like a run that goes on, so it keeps its place: a database or a
//! web application that is away cannot let the outboxes grow without bound, submissions are refused before that.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use crate::metrics;
use crate::playbook::TenantId;

/// All places that are taken. Clones share them.
#[derive(Debug, Default, Clone)]
pub struct Places(Rc<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: Cell<usize>,
    /// Of them, those of runs that are over and have something left to tell.
    untold: Cell<usize>,
    of_tenants: RefCell<HashMap<TenantId, usize>>,
}

/// The place of one run, as long as it lives.
#[derive(Debug)]
pub struct Place {
    places: Places,
    tenant: TenantId,
    is_over: Cell<bool>,
}

impl Places {
    /// One more place for this tenant, whatever the limits say.
    pub fn take(&self, tenant: &TenantId) -> Place {
        let Taken { all, of_tenants, .. } = &*self.0;
        all.set(all.get() + 1);
        *of_tenants.borrow_mut().entry(tenant.clone()).or_default() += 1;
        self.show();
        Place { places: self.clone(), tenant: tenant.clone(), is_over: Cell::new(false) }
    }

    /// Places that are taken.
    pub(super) fn all(&self) -> usize {
        self.0.all.get()
    }

    /// Those of one tenant.
    pub(super) fn of(&self, tenant: &TenantId) -> usize {
        self.0.of_tenants.borrow().get(tenant).copied().unwrap_or(0)
    }

    /// Tenants that have a place, in no order.
    pub(super) fn tenants(&self) -> Vec<TenantId> {
        self.0.of_tenants.borrow().keys().cloned().collect()
    }

    fn show(&self) {
        let untold = self.0.untold.get();
        metrics::analyses_open(self.all() - untold);
        metrics::analyses_untold(untold);
    }
}

impl Place {
    /// The run has ended; it keeps its place until it is told.
    pub(super) fn is_over(&self) {
        if !self.is_over.replace(true) {
            let untold = &self.places.0.untold;
            untold.set(untold.get() + 1);
            self.places.show();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Taken { all, untold, of_tenants } = &*self.places.0;
        all.set(all.get() - 1);
        untold.set(untold.get() - usize::from(self.is_over.get()));
        let mut of_tenants = of_tenants.borrow_mut();
        if let Some(count) = of_tenants.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                of_tenants.remove(&self.tenant);
            }
        }
        self.places.show();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_until_it_is_dropped_and_nobody_is_remembered_for_ever() {
        let (places, tenant) = (Places::default(), TenantId::parse("aaa").expect("a legal tenant"));
        let (one, two) = (places.take(&tenant), places.take(&tenant));
        one.is_over();
        assert_eq!((places.all(), places.of(&tenant), places.0.untold.get()), (2, 2, 1));
        drop(one);
        assert_eq!((places.all(), places.of(&tenant), places.0.untold.get()), (1, 1, 0));
        drop(two);
        assert!(places.0.of_tenants.borrow().is_empty());
    }
}
