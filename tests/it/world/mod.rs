//! A run as a value: the pure machines of the product with everything around them that the actors add, the journal, the
//! outside and the client, in one hashable state whose every possible next step can be listed.
//!
//! `node` and `run` are the shells of `src/engine/node_actor.rs` and `graph_actor.rs` (with `steering.rs`, `healing.rs`,
//! `wiring.rs`), line by line over the same functions; `attempt` is `src/jobs/recipe.rs` and `spark.rs`. `random` draws worlds
//! and walks through them, `explorer` goes through all of a small one.
//!
//! Simpler than the real thing: one run, no time (a wait may end at any moment), no documents or notices. More hostile: the
//! messages of different senders come in any order, each service may end its job at any moment.

mod actions;
mod attempt;
mod book;
mod explorer;
mod invariants;
mod node;
mod outside;
mod post;
mod random;
mod run;
mod shapes;
mod small;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use orchestrator::chaos::Bug;
use orchestrator::engine::admission::SlotLimits;
use orchestrator::engine::messages::Verb;
use orchestrator::graph::{JobGraph, JobIndex};
use orchestrator::playbook::job::Service;
use orchestrator::playbook::{OnFailure, When};
use orchestrator::store::{Record, RunProgress};

use book::{Book, Pending};
use outside::Outside;
use run::Run;

/// Faults of the rules that a world stands on: each has to be found, on random ways and in small worlds.
const BUGS: [Bug; 6] = [
    Bug::AcknowledgeBeforeCommit,
    Bug::NoIntent,
    Bug::BlindRepost,
    Bug::CountNodesNotEdges,
    Bug::CountRepeatedEdges,
    Bug::AcceptOldAttempt,
];

/// What a world is made of; nothing in it changes.
#[derive(Debug, Clone)]
struct Setting {
    graph: JobGraph,
    jobs: Vec<JobSetting>,
    on_failure: OnFailure,
    /// `None`: every slot is granted at once.
    slots: Option<SlotLimits>,
    /// Most jobs in flight.
    max_parallel: Option<usize>,
    /// Whether services may end a job badly.
    may_fail: bool,
    /// Whether the client still has to submit it.
    begins_with_submission: bool,
    /// Whether a commit may take only a part of what waits, time passes and the whole journal is kept.
    fine: bool,
    /// Whether only the words of a job's end get lost and doubled, or every message.
    only_words_get_lost: bool,
}

/// One job of it.
#[derive(Debug, Clone)]
struct JobSetting {
    when: When,
    attempts: u32,
    /// Who does it; nobody for a data set.
    service: Option<Service>,
    /// What its `from` names.
    inputs: Vec<JobIndex>,
}

/// What may still go wrong, or be asked for by people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Faults {
    crashes: u8,
    /// Starts whose answer, or the start itself, gets lost or is late.
    lost_replies: u8,
    duplicates: u8,
    drops: u8,
    cancels: u8,
    pauses: u8,
    /// Actors that die.
    panics: u8,
    /// Attempts that reach their time limit while the service is at work.
    time_limits: u8,
    deadlines: u8,
}

/// Where the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Life {
    /// Nobody has submitted it, or nobody remembers that.
    Unknown,
    /// The acceptance is on its way to the disk.
    Accepting(Pending),
    /// It has actors.
    Living,
    /// It has said its final word.
    Over,
}

/// Everything.
#[derive(Debug, Clone)]
struct World {
    setting: Arc<Setting>,
    faults: Faults,
    book: Book,
    outside: Outside,
    life: Life,
    /// Whether the client was told that its submission is accepted.
    client_was_told: bool,
    /// Verbs that are on their way through the journal to the run.
    asked: Vec<(Verb, Pending)>,
    run: Run,
    deadline_passed: bool,
    /// The first thing that must never happen and did.
    wrong: Option<&'static str>,
}

impl World {
    fn new(setting: Arc<Setting>, faults: Faults) -> Self {
        let jobs = setting.jobs.len();
        let before = Arc::new(RunProgress::nothing());
        let run = Run::new(&setting, before);
        let mut world = Self {
            book: Book::new(jobs, setting.fine),
            faults,
            outside: Outside::default(),
            life: Life::Unknown,
            client_was_told: false,
            asked: Vec::new(),
            run,
            deadline_passed: false,
            wrong: None,
            setting,
        };
        if !world.setting.begins_with_submission {
            world.submit();
            world.commit(1);
            world.begin();
        }
        world
    }

    fn jobs(&self) -> usize {
        self.setting.jobs.len()
    }

    fn submit(&mut self) {
        self.life = Life::Accepting(self.book.append(Record::Accepted));
    }

    /// The acceptance is durable: the client is told, the actors begin.
    fn begin(&mut self) {
        self.client_was_told = true;
        self.start_life(Arc::new(RunProgress::nothing()));
    }

    /// The first records of what waits reach the disk.
    fn commit(&mut self, records: usize) {
        for _ in 0..records {
            self.book.commit_one();
            if let Life::Accepting(pending) = &mut self.life {
                pending.step();
            }
            self.asked.iter_mut().for_each(|(_, pending)| pending.step());
            self.run.on_commit(&self.book.durable);
        }
    }

    /// The process dies with everything that is not on the disk, and is started again.
    fn crash(&mut self, kept: usize) {
        self.commit(kept);
        self.book.forget_the_rest();
        self.asked.clear();
        if self.book.accepted {
            let durable = Arc::clone(&self.book.durable);
            self.start_life(durable);
            return;
        }
        self.life = Life::Unknown;
        self.run = Run::new(&self.setting, Arc::new(RunProgress::nothing()));
        if self.client_was_told {
            self.finds("I1: a run that its client was told of is lost");
        }
    }

    /// Whether the run has ended and everything about it is on the disk.
    fn is_over(&self) -> bool {
        self.life == Life::Over && self.book.tail.is_empty()
    }

    fn finds(&mut self, wrong: &'static str) {
        self.wrong.get_or_insert(wrong);
    }
}

impl Hash for World {
    /// What decides about the future: the kept journal and the clock do not.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.faults, &self.outside, self.life, self.client_was_told, &self.asked).hash(state);
        (self.deadline_passed, self.wrong).hash(state);
        self.book.hash(state);
        if self.life == Life::Living {
            self.run.hash(state);
        }
    }
}
