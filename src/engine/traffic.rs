//! Counts the messages between the actors of one run and what is under way in it (`graph/liveness.rs` judges them).

use std::cell::Cell;

use crate::graph::liveness::Vitals;
use crate::graph::node::{NodeState, Stage};

/// The counts of one run. All its actors live on one thread and share them.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    sent: Cell<u64>,
    received: Cell<u64>,
    busy: Cell<u32>,
    at_gate: Cell<u32>,
    held: Cell<u32>,
}

/// What a node has been counted as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CountedAs {
    busy: bool,
    at_gate: bool,
    held: bool,
}

impl Traffic {
    /// A message leaves an actor of the run for another one.
    pub fn sends(&self) {
        self.sent.set(self.sent.get() + 1);
    }

    /// It has arrived.
    pub fn receives(&self) {
        self.received.set(self.received.get() + 1);
    }

    /// So many messages need not arrive any more: their receiver has ended without them.
    pub fn writes_off(&self, messages: u32) {
        self.received.set(self.received.get() + u64::from(messages));
    }

    /// Messages that are on their way will never arrive.
    pub fn gives_up_what_is_on_its_way(&self) {
        self.received.set(self.received.get().max(self.sent.get()));
    }

    /// Counts a node as what it is now instead of what it was.
    pub fn recount(&self, was: CountedAs, state: &NodeState) -> CountedAs {
        let stage = state.stage();
        let is = CountedAs { busy: state.is_busy(), at_gate: stage == Stage::AtGate, held: stage == Stage::Held };
        adjust(&self.busy, was.busy, is.busy);
        adjust(&self.at_gate, was.at_gate, is.at_gate);
        adjust(&self.held, was.held, is.held);
        is
    }

    /// A service is being told about a job that has no node.
    pub fn begins_to_tell(&self) {
        self.busy.set(self.busy.get() + 1);
    }

    /// It has been told.
    pub fn has_told(&self) {
        self.busy.set(self.busy.get() - 1);
    }

    /// What is under way, with what the graph knows by itself.
    pub fn vitals(&self, paused: bool, open: usize) -> Vitals {
        let (sent, received) = (self.sent.get(), self.received.get());
        let (busy, at_gate, held) = (self.busy.get(), self.at_gate.get(), self.held.get());
        Vitals { sent, received, busy, at_gate, held, paused, open }
    }
}

fn adjust(count: &Cell<u32>, was: bool, is: bool) {
    match (was, is) {
        (false, true) => count.set(count.get() + 1),
        (true, false) => count.set(count.get() - 1),
        _ => {}
    }
}
