//! A node before the gate: asks for the slot of its next attempt, gets it, gives it back; or is held by a pause.

use actix::prelude::*;

use super::messages::{Nudge, ResumeJob, SlotGranted, SlotReleased, SlotWanted, Ticket};
use super::node_actor::NodeActor;
use crate::chaos;
use crate::graph::node::Stage;

impl NodeActor {
    /// Counts the node as what it has become, and gives back a slot that it does not need any more.
    pub(super) fn settle(&mut self) {
        self.counted_as = self.context.traffic.recount(self.counted_as, &self.state);
        if self.holds_ticket && !self.state.needs_slot() {
            self.holds_ticket = false;
            let gate = self.context.gate.as_ref().and_then(|gate| gate.released.upgrade());
            if let Some(gate) = gate.filter(|_| !chaos::drops_messages()) {
                gate.do_send(SlotReleased { ticket: self.ticket() });
            }
        }
    }

    /// Jobs that call nobody need no slot.
    pub(super) fn ask_for_slot(&mut self, ctx: &mut Context<Self>) {
        let service = self.context.run.job(self.job).kind.service();
        let gate = self.context.gate.as_ref().and_then(|gate| gate.wanted.upgrade());
        match (service, gate) {
            (Some(service), Some(gate)) => {
                self.holds_ticket = true;
                gate.do_send(SlotWanted { ticket: self.ticket(), service, reply: ctx.address().recipient() });
            }
            _ => {
                let step = self.state.on_slot(self.context.paused.get());
                self.act_on(step, None, ctx);
            }
        }
    }

    pub(super) fn ticket(&self) -> Ticket {
        Ticket { run_id: self.run_id(), job: self.job as u32 }
    }
}

impl Handler<SlotGranted> for NodeActor {
    type Result = ();

    fn handle(&mut self, _: SlotGranted, ctx: &mut Self::Context) {
        let step = self.state.on_slot(self.context.paused.get());
        self.act_on(step, None, ctx);
    }
}

impl Handler<ResumeJob> for NodeActor {
    type Result = ();

    fn handle(&mut self, _: ResumeJob, ctx: &mut Self::Context) {
        let step = self.state.on_resumed();
        self.act_on(step, None, ctx);
    }
}

impl Handler<Nudge> for NodeActor {
    type Result = ();

    /// Asking twice is harmless, and an answer that was lost comes again. So does the end of a pause.
    fn handle(&mut self, _: Nudge, ctx: &mut Self::Context) {
        match self.state.stage() {
            Stage::AtGate => self.ask_for_slot(ctx),
            Stage::Held if !self.context.paused.get() => {
                let step = self.state.on_resumed();
                self.act_on(step, None, ctx);
            }
            _ => {}
        }
    }
}
