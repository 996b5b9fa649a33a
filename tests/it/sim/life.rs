//! The world that outlives the process, and one life of the process in it: its clock, and where it dies.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::clock::{Instant, sleep};
use orchestrator::engine::messages::{Accepted, SubmitError};
use orchestrator::testing::{Dice, MemoryJournal};
use tokio::sync::Notify;

use super::dice::Rolls;
use super::outside::Outside;
use super::plan::{Crash, Effect, Party, Plan, Time};
use super::trace::Trace;

/// How long a caller waits for an answer (`ANSWER_TIMEOUT_SECONDS`).
const ANSWER_TIMEOUT: Time = 30_000;

/// Everything but the process.
pub(super) struct World {
    pub(super) plan: Plan,
    /// The disk.
    pub(super) journal: MemoryJournal,
    pub(super) outside: RefCell<Outside>,
    pub(super) clients: RefCell<Vec<ClientLog>>,
    pub(super) lives: RefCell<Vec<LifeLog>>,
    pub(super) boundaries: Cell<u64>,
    dice: RefCell<Dice>,
    trace: RefCell<Trace>,
}

/// What a client has got.
#[derive(Debug, Clone, Default)]
pub(super) struct ClientLog {
    /// The answer to its submission, once there was one.
    pub(super) answer: Option<Result<Accepted, SubmitError>>,
    /// When it was first sent.
    pub(super) sent: Option<Time>,
    /// How many of its wishes were answered, in order.
    pub(super) wishes: usize,
}

/// One life of the process.
#[derive(Debug, Clone, Copy)]
pub(super) struct LifeLog {
    pub(super) from: Time,
    pub(super) to: Time,
    /// At which boundary it died, if it did.
    pub(super) died_at: Option<Effect>,
    /// Jobs that had begun and not ended when it did.
    pub(super) running_jobs: usize,
}

impl World {
    /// The world of a plan before the first life.
    pub(super) fn new(plan: Plan, keeps_trace: bool) -> Self {
        Self {
            journal: MemoryJournal::new(),
            outside: RefCell::new(Outside::new(&plan)),
            clients: RefCell::new(vec![ClientLog::default(); plan.clients.len()]),
            lives: RefCell::default(),
            boundaries: Cell::default(),
            dice: RefCell::new(Dice::new(plan.seed ^ 0xD1CE)),
            trace: RefCell::new(Trace::new(keeps_trace)),
            plan,
        }
    }

    pub(super) fn trace_hash(&self) -> u64 {
        self.trace.borrow().hash()
    }

    pub(super) fn trace_lines(&self) -> Vec<String> {
        self.trace.borrow().lines().to_vec()
    }
}

/// One life of the process: from its start to its death or the end of the world.
pub(super) struct Life {
    pub(super) world: Rc<World>,
    pub(super) number: u32,
    base: Time,
    began: Instant,
    dead: Arc<AtomicBool>,
    death: Notify,
    ends: Option<Crash>,
    passed: RefCell<HashMap<Effect, u32>>,
    all_passed: Cell<u32>,
    died_at: Cell<Option<Effect>>,
}

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fate {
    /// Nobody listens.
    Refused,
    /// The connection is there, nothing is ever said, nothing is done.
    Silence,
    /// The connection breaks before the request has arrived.
    LostRequest,
    /// The caller gives up, then the request arrives at this time.
    Late(Time),
    /// It is done, the connection breaks before the answer.
    LostReply,
    /// It is done and answered after so long.
    Answered(Time),
}

impl Life {
    /// A life that begins now, at this time of the world. Has to be called on the paused clock of its own runtime.
    pub(super) fn begin(world: &Rc<World>, number: u32, base: Time, ends: Option<Crash>) -> Rc<Self> {
        Rc::new(Self {
            world: Rc::clone(world),
            number,
            base,
            began: Instant::now(),
            dead: Arc::default(),
            death: Notify::new(),
            ends,
            passed: RefCell::default(),
            all_passed: Cell::default(),
            died_at: Cell::default(),
        })
    }

    /// The time of the world.
    pub(super) fn now(&self) -> Time {
        self.base + self.began.elapsed().as_millis() as Time
    }

    /// Shared with what has to live on other threads by its type.
    pub(super) fn death_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.dead)
    }

    /// Resolves when the process dies.
    pub(super) async fn death(&self) -> Effect {
        loop {
            if let Some(effect) = self.died_at.get() {
                return effect;
            }
            self.death.notified().await;
        }
    }

    /// An effect boundary: resolves at once, or never, because the process dies there or is dead.
    pub(super) async fn passes(&self, effect: Effect) {
        if !self.survives(effect) {
            std::future::pending::<()>().await;
        }
    }

    fn survives(&self, effect: Effect) -> bool {
        if self.dead.load(Ordering::Relaxed) {
            return false;
        }
        self.world.boundaries.set(self.world.boundaries.get() + 1);
        let all = self.all_passed.get() + 1;
        self.all_passed.set(all);
        let of_kind = {
            let mut passed = self.passed.borrow_mut();
            let count = passed.entry(effect).or_default();
            *count += 1;
            *count
        };
        let dies = self.ends.is_some_and(|crash| match crash.effect {
            None => all == crash.nth,
            Some(wanted) => wanted == effect && of_kind == crash.nth,
        });
        if dies {
            self.dead.store(true, Ordering::Relaxed);
            self.died_at.set(Some(effect));
            self.death.notify_one();
            self.trace(format_args!("the process dies, {effect:?} {of_kind}, boundary {all}"));
        }
        !dies
    }

    /// Lets time pass.
    pub(super) async fn wait(&self, millis: Time) {
        sleep(Duration::from_millis(millis)).await;
    }

    /// Lets as much time pass as a short way over a network takes.
    pub(super) async fn travel(&self) {
        let way = self.roll(|dice| if dice.odds(30) { dice.spread(5, 800) } else { dice.between(0, 4) });
        if way > 0 {
            self.wait(way).await;
        }
    }

    /// Something that only chance decides.
    pub(super) fn roll<T>(&self, roll: impl FnOnce(&mut Dice) -> T) -> T {
        roll(&mut self.world.dice.borrow_mut())
    }

    /// Whether a fault of this rate happens now.
    pub(super) fn errs(&self, rate: usize) -> bool {
        rate > 0 && self.now() < self.world.plan.faults.until && self.roll(|dice| dice.odds(rate))
    }

    /// What becomes of a call that is made now.
    pub(super) fn fate(&self, party: Party) -> Fate {
        let (now, faults) = (self.now(), &self.world.plan.faults);
        let away = faults.outages.iter().find(|out| out.party == party && out.from <= now && now < out.to);
        if let Some(away) = away {
            return if away.silent { Fate::Silence } else { Fate::Refused };
        }
        if self.errs(faults.lost_request) {
            return Fate::LostRequest;
        }
        if self.errs(faults.late_request) {
            return Fate::Late(now + ANSWER_TIMEOUT + self.roll(|dice| dice.spread(1, 60_000)));
        }
        if self.errs(faults.lost_reply) {
            return Fate::LostReply;
        }
        let slow = self.errs(faults.slow);
        Fate::Answered(if slow { self.roll(|dice| dice.spread(1_000, ANSWER_TIMEOUT + 5_000)) } else { 0 })
    }

    /// Waits for an answer that never comes.
    pub(super) async fn give_up(&self) {
        self.wait(ANSWER_TIMEOUT).await;
    }

    /// Waits for a slow answer; false when it takes too long.
    pub(super) async fn await_answer(&self, takes: Time) -> bool {
        self.wait(takes.min(ANSWER_TIMEOUT)).await;
        takes < ANSWER_TIMEOUT
    }

    /// Writes a line of the trace.
    pub(super) fn trace(&self, text: std::fmt::Arguments<'_>) {
        let now = self.now();
        let mut trace = self.world.trace.borrow_mut();
        trace.add(format_args!("{:>4}.{:03} life {} {text}", now / 1_000, now % 1_000, self.number));
    }
}
