//! A probe stands where an actor would: it forwards every message it gets into a channel that the test reads.

use actix::WeakRecipient;
use actix::prelude::*;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The actor behind a [`Probe`].
struct Forwarder<M> {
    to: UnboundedSender<M>,
}

impl<M: Unpin + 'static> Actor for Forwarder<M> {
    type Context = Context<Self>;
}

impl<M: Message<Result = ()> + Unpin + 'static> Handler<M> for Forwarder<M> {
    type Result = ();

    fn handle(&mut self, message: M, _: &mut Self::Context) {
        // a test that has dropped its probe is not interested any more
        drop(self.to.send(message));
    }
}

/// An inbox for one kind of message, and what arrived in it.
pub struct Probe<M: Message<Result = ()> + Send + Unpin + 'static> {
    address: Addr<Forwarder<M>>,
    received: UnboundedReceiver<M>,
}

/// Starts a probe on the running system.
pub fn probe<M: Message<Result = ()> + Send + Unpin + 'static>() -> Probe<M> {
    let (to, received) = unbounded_channel();
    Probe { address: Forwarder { to }.start(), received }
}

impl<M: Message<Result = ()> + Send + Unpin + 'static> Probe<M> {
    /// The inbox, as actors hold those of their successors.
    pub fn recipient(&self) -> Recipient<M> {
        self.address.clone().recipient()
    }

    /// The inbox, as actors hold those of their parents.
    pub fn weak(&self) -> WeakRecipient<M> {
        self.address.downgrade().recipient()
    }

    /// The next message; waits for it.
    ///
    /// # Panics
    /// When nothing arrives within an hour of the test's clock.
    pub async fn next(&mut self) -> M {
        let waited = actix::clock::timeout(super::PATIENCE, self.received.recv()).await;
        waited.ok().flatten().expect("the probe received nothing")
    }

    /// Everything that has arrived by the time the system is quiet.
    pub async fn drain(&mut self) -> Vec<M> {
        super::quiet().await;
        std::iter::from_fn(|| self.received.try_recv().ok()).collect()
    }
}
