//! The line for the retry budget: tenants take turns, so that one whose jobs all fail does not keep the second attempts
//! of others waiting.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use actix::clock::{Instant, sleep};
use futures::future::{Either, ready};
use tokio::sync::oneshot;

use super::retry::RetryBudget;
use super::turns::FairLine;
use crate::playbook::TenantId;

/// Between two looks while somebody waits, at most: first attempts fill the store, too, and the budget may be changed.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The budget and who waits for it. Clones are the same line; all live on one thread.
#[derive(Clone)]
pub struct RetryLine {
    inner: Rc<RefCell<Inner>>,
}

struct Inner {
    budget: RetryBudget,
    line: FairLine<oneshot::Sender<RetryToken>>,
    /// Whether somebody looks after the line.
    is_served: bool,
}

/// Leave to begin one retry. Dropped unspent, somebody else may have it.
pub struct RetryToken {
    line: Weak<RefCell<Inner>>,
}

impl RetryToken {
    /// The retry begins.
    pub fn spend(mut self) {
        self.line = Weak::new();
    }
}

impl Drop for RetryToken {
    fn drop(&mut self) {
        if let Some(line) = self.line.upgrade() {
            line.borrow_mut().budget.give_back();
        }
    }
}

impl RetryLine {
    /// An empty line before a full store.
    pub fn new(per_second: f64) -> Self {
        let budget = RetryBudget::new(per_second, Instant::now());
        Self { inner: Rc::new(RefCell::new(Inner { budget, line: FairLine::default(), is_served: false })) }
    }

    /// So many retries per second from now on, in the long run.
    pub fn set_rate(&self, per_second: f64) {
        self.inner.borrow_mut().budget.set_rate(per_second, Instant::now());
    }

    /// A first attempt at a service begins.
    pub fn on_first_attempt(&self) {
        self.inner.borrow_mut().budget.on_first_attempt();
    }

    /// Waits for the tenant's turn; those of it with a higher priority come first. Whoever drops the future has left.
    pub fn token(&self, tenant: &TenantId, priority: u8) -> impl Future<Output = Option<RetryToken>> + use<> {
        let mut inner = self.inner.borrow_mut();
        if inner.line.is_empty() && inner.budget.take(Instant::now()) {
            return Either::Left(ready(Some(self.new_token())));
        }
        let (grant, granted) = oneshot::channel();
        inner.line.add(tenant, priority, grant);
        if !std::mem::replace(&mut inner.is_served, true) {
            actix::spawn(self.clone().serve());
        }
        Either::Right(async move { granted.await.ok() })
    }

    /// How many of a tenant wait for a token.
    pub fn waiting_of(&self, tenant: &TenantId) -> usize {
        self.inner.borrow().line.of(tenant).map_or(0, BTreeMap::len)
    }

    fn new_token(&self) -> RetryToken {
        RetryToken { line: Rc::downgrade(&self.inner) }
    }

    /// Hands out tokens until nobody waits.
    async fn serve(self) {
        while let Some(wait) = self.hand_out() {
            sleep(wait.min(LONGEST_WAIT)).await;
        }
    }

    /// Hands out what is there; answers when to look again, if somebody still waits.
    fn hand_out(&self) -> Option<Duration> {
        loop {
            let next = {
                let mut inner = self.inner.borrow_mut();
                if inner.line.is_empty() {
                    inner.is_served = false;
                    return None;
                }
                let now = Instant::now();
                if !inner.budget.take(now) {
                    return Some(inner.budget.until_next(now));
                }
                inner.line.next(|_| true)
            };
            let token = self.new_token();
            // whoever has left gives it back
            if let Some(next) = next {
                drop(next.send(token));
            }
        }
    }
}
