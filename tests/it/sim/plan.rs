//! One seed, one world: who submits what and when, what goes wrong outside, where the process dies.

use std::collections::BTreeSet;
use std::time::Duration;

use orchestrator::engine::messages::Verb;
use orchestrator::jobs::{CAN_BE_CANCELLABLE, JobSettings};
use orchestrator::testing::Dice;
use serde_json::{Map, Value};

use super::dice::Rolls;
use super::playbooks;

/// Milliseconds since the world began.
pub(super) type Time = u64;

pub(super) const SECOND: Time = 1_000;
pub(super) const MINUTE: Time = 60 * SECOND;
pub(super) const HOUR: Time = 60 * MINUTE;

/// Everything that is decided before the world begins.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) clients: Vec<Client>,
    pub(super) faults: Faults,
    /// Where each life of the process ends; the last life is not in the list.
    pub(super) crashes: Vec<Crash>,
    pub(super) settings: JobSettings,
    /// Whether the entries in `UIDB` are the program's own; otherwise a web application makes them.
    pub(super) embedded_records: bool,
    /// Jobs that take longer end with the function's slot being given up (`function_linger`).
    pub(super) longest_function: Time,
}

/// Somebody who submits a document, again until it is acknowledged, and then may ask for more.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) at: Time,
    pub(super) document: Map<String, Value>,
    pub(super) wishes: Vec<(Time, Verb)>,
}

/// A moment at which the process dies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Crash {
    /// Which boundaries count; all when absent.
    pub(super) effect: Option<Effect>,
    /// The how-manieth of them in the life, from 1.
    pub(super) nth: u32,
    /// How long the process is away.
    pub(super) away: Time,
    /// How much of what was not yet durable is so all the same, of a thousand.
    pub(super) survives: usize,
}

/// The sorts of effects at whose boundaries the process can die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Effect {
    /// The answer to a submission leaves.
    Answer,
    /// A transaction of the journal.
    Commit,
    /// Something is started at a service.
    Start,
    /// A service is asked.
    Ask,
    /// The object store.
    Objects,
    /// The documents.
    Records,
    /// The web application.
    Notice,
}

impl Effect {
    pub(super) const ALL: [Effect; 7] =
        [Effect::Answer, Effect::Commit, Effect::Start, Effect::Ask, Effect::Objects, Effect::Records, Effect::Notice];
}

/// Parties that can be away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Party {
    Data,
    Function,
    Automl,
    Spark,
    Objects,
    Records,
    Web,
}

/// What goes wrong outside. Rates are per thousand calls and end with `until`.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    pub(super) until: Time,
    pub(super) outages: Vec<Outage>,
    /// The request never arrives.
    pub(super) lost_request: usize,
    /// It arrives long after the caller has given up.
    pub(super) late_request: usize,
    /// It was done, and nobody hears of it.
    pub(super) lost_reply: usize,
    /// An answer takes seconds.
    pub(super) slow: usize,
    /// An answer makes no sense.
    pub(super) garbled: usize,
    /// A finished job is said to be at work.
    pub(super) flapping: usize,
    /// The service's own database is away.
    pub(super) no_verdict: usize,
    /// A start is refused with 500, after the job was written down: it stays in progress for ever (fact F9).
    pub(super) never_queued: usize,
    /// A start is refused.
    pub(super) refused: usize,
    /// A job fails, of a thousand.
    pub(super) failing_jobs: usize,
    /// A job never ends, of a thousand.
    pub(super) endless_jobs: usize,
    /// Spark replies and leaves no evidence, of a thousand.
    pub(super) no_evidence: usize,
    /// A data service forgets a job that it has, of a thousand.
    pub(super) forgotten_jobs: usize,
    /// A store has done it and says that it is away.
    pub(super) store_lost_reply: usize,
    /// The data service has jobs of somebody else under ids that we use, of a thousand.
    pub(super) foreign_ids: usize,
}

/// A time in which somebody is away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    pub(super) party: Party,
    pub(super) from: Time,
    pub(super) to: Time,
    /// Connections are accepted and nothing is ever said.
    pub(super) silent: bool,
}

impl Plan {
    /// The world of a seed.
    pub(super) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let clients = playbooks::clients(&mut dice);
        let faults = faults(&mut dice);
        let mut crashes = Vec::new();
        for _ in 0..dice.weighted(&[(25, 0), (30, 1), (20, 2), (15, 3), (10, 5)]) {
            crashes.push(crash(&mut dice));
        }
        let settings = JobSettings {
            poll_interval: Duration::from_secs(dice.weighted(&[(50, 2), (30, 10), (20, 60)])),
            job_timeout: Duration::from_secs(dice.one_of(&[15 * 60, 3_600, 4 * 3_600])),
            cancellable: if dice.odds(400) { CAN_BE_CANCELLABLE.into() } else { BTreeSet::new() },
            ..JobSettings::default()
        };
        let longest_function = settings.function_linger.as_millis() as Time * 8 / 10;
        let mut plan =
            Self { seed, clients, faults, crashes, settings, embedded_records: dice.odds(400), longest_function };
        if !plan.crashes.is_empty() {
            // after a crash nobody could tell a foreign job from our own start
            plan.faults.foreign_ids = 0;
        }
        plan
    }
}

fn crash(dice: &mut Dice) -> Crash {
    let effect = if dice.odds(300) { None } else { Some(dice.one_of(&Effect::ALL)) };
    Crash {
        effect,
        nth: dice.spread(1, if effect.is_none() { 400 } else { 60 }) as u32,
        away: dice.spread(10, 10 * MINUTE),
        survives: if dice.odds(500) { 0 } else { dice.below(1_001) },
    }
}

fn faults(dice: &mut Dice) -> Faults {
    let roughness = dice.weighted(&[(20, 0), (40, 1), (30, 3), (10, 8)]);
    let mut rate = |most: usize| if roughness > 0 && dice.odds(600) { dice.below(most * roughness) } else { 0 };
    let mut faults = Faults {
        until: 0,
        outages: Vec::new(),
        lost_request: rate(10),
        late_request: rate(6),
        lost_reply: rate(10),
        slow: rate(20),
        garbled: rate(8),
        flapping: rate(20),
        no_verdict: rate(8),
        never_queued: rate(6),
        refused: rate(6),
        failing_jobs: rate(20),
        endless_jobs: rate(8),
        no_evidence: rate(30),
        forgotten_jobs: rate(6),
        store_lost_reply: rate(20),
        foreign_ids: rate(30),
    };
    faults.until = dice.spread(MINUTE, 3 * HOUR);
    for _ in 0..dice.below(2 * roughness + 1) {
        let outage = outage(dice, faults.until);
        faults.outages.push(outage);
    }
    faults
}

fn outage(dice: &mut Dice, until: Time) -> Outage {
    let parties =
        [Party::Data, Party::Function, Party::Automl, Party::Spark, Party::Objects, Party::Records, Party::Web];
    let from = dice.spread(SECOND, until);
    let to = (from + dice.spread(SECOND, 40 * MINUTE)).min(until);
    Outage { party: dice.one_of(&parties), from, to: to.max(from), silent: dice.odds(400) }
}
