//! The last seconds of the process: nothing new is taken, what is open is answered.

use std::future::Future;
use std::time::Duration;

use futures::future::{Either, select};
use tokio::sync::watch;

/// Whether the process is about to stop.
#[derive(Debug)]
pub struct Draining {
    begun: watch::Sender<bool>,
    linger: Duration,
}

impl Draining {
    /// Not yet. `linger`: how long requests that are open then may still take to arrive.
    pub fn new(linger: Duration) -> Self {
        Self { begun: watch::channel(false).0, linger }
    }

    /// From now on.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        *self.begun.borrow()
    }

    /// The outcome of `work`, or `None` when the process cannot wait for it any longer.
    pub(super) async fn cut_short<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut begun = self.begun.subscribe();
        let over = async {
            // the sender lives in `self`
            drop(begun.wait_for(|begun| *begun).await);
            actix_web::rt::time::sleep(self.linger).await;
        };
        match select(std::pin::pin!(work), std::pin::pin!(over)).await {
            Either::Left((outcome, _)) => Some(outcome),
            Either::Right(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn work_is_cut_short_a_while_after_the_process_is_told_to_stop_and_not_before() {
        tokio::time::pause();
        let draining = Draining::new(Duration::from_secs(1));
        let after = |seconds| async move {
            actix_web::rt::time::sleep(Duration::from_secs(seconds)).await;
            seconds
        };
        assert_eq!(draining.cut_short(after(3600)).await, Some(3600));
        assert!(!draining.has_begun());
        draining.begin();
        assert!(draining.has_begun());
        assert_eq!(draining.cut_short(std::future::ready(1)).await, Some(1));
        assert_eq!(draining.cut_short(after(2)).await, None);
    }
}
