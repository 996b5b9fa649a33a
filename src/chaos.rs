//! Places where the process dies on demand, and faults that are put in on demand: how tests prove that they can fail.
//!
//! Debug builds only. `KILL_AT=k5` ends the process the first time it passes that place, `KILL_AT=k5:3` the third time;
//! `SEEDED_BUG=4` puts in one fault; `POISON=jobs:a1` makes one analysis end the process. A release knows none of these,
//! and every function here is nothing there.

/// A place where `KILL_AT` can end the process, named after the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// An acceptance is written and not committed.
    K0,
    /// An acceptance is committed, nobody has been told.
    K1,
    /// A new run is known to be accepted, none of its actors exists.
    K2,
    /// An intent is durable, nothing has been sent.
    K3,
    /// A start has been sent and answered, the answer has not been looked at.
    K4,
    /// The answer to a start was read and not written down.
    K5,
    /// Between two looks at a running job.
    K6,
    /// The end of a job was seen and not written down.
    K7,
    /// A milestone is durable, its record has not gone out.
    K8,
    /// A record has gone out, that is not written down.
    K9,
    /// A notice has gone out, that is not written down.
    K10,
    /// A job's success is durable, nothing that its successors do is.
    K11,
    /// The end of an analysis is durable, nothing that follows from it has gone out.
    K12,
    /// Finished runs are struck off and noted as forgotten, that is not committed.
    K13a,
    /// That is committed, all their records are still there.
    K13b,
    /// A piece of the records of forgotten runs is gone, their note is still there.
    K13c,
    /// Everything about forgotten runs is gone, the log of the journal has not been cut.
    K13d,
    /// A run of an earlier life of the process is about to go on.
    K14,
    /// The header of a Spark message has been sent, its body has not.
    K15a,
    /// A Spark message has been sent in full.
    K15b,
    /// The evidence of a Spark job was seen, its success not written down.
    K15c,
    /// The success of a Spark job is durable, its evidence is still there.
    K15d,
}

impl Point {
    /// Every place.
    pub const ALL: [Point; 22] = [
        Point::K0,
        Point::K1,
        Point::K2,
        Point::K3,
        Point::K4,
        Point::K5,
        Point::K6,
        Point::K7,
        Point::K8,
        Point::K9,
        Point::K10,
        Point::K11,
        Point::K12,
        Point::K13a,
        Point::K13b,
        Point::K13c,
        Point::K13d,
        Point::K14,
        Point::K15a,
        Point::K15b,
        Point::K15c,
        Point::K15d,
    ];

    /// The name that `KILL_AT` takes.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// A fault that `SEEDED_BUG` can put in. Each has to be found by a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// 1: the journal acknowledges before it commits.
    AcknowledgeBeforeCommit = 1,
    /// 2: a start is not written down before it is sent.
    NoIntent,
    /// 3: a start of an earlier life of the process is sent again without asking.
    BlindRepost,
    /// 4: a job waits for as many messages as it has predecessors, not edges.
    CountNodesNotEdges,
    /// 5: an edge that speaks twice counts twice.
    CountRepeatedEdges,
    /// 6: the evidence of a Spark job is deleted before its success is durable.
    DeleteEvidenceEarly,
    /// 7: the reply of the Spark component is taken for success.
    TrustSparkReply,
    /// 8: a job may take for ever.
    NoTimeLimit,
    /// 9: the result of an earlier attempt counts.
    AcceptOldAttempt,
    /// 10: a document gets another id each time it is written.
    RandomDocumentIds,
    /// 11: whose an id is, is looked up outside the transaction that takes it.
    OwnershipOutsideTransaction,
    /// 12: foreign letters are folded in tenants' names.
    UnicodeLowering,
    /// 13: a renamed file is not made durable in its folder.
    RenameWithoutDirectorySync,
    /// 14: the function service gets two jobs at once.
    TwoFunctionsAtOnce,
}

impl Bug {
    /// Every fault, the first one is number 1.
    pub const ALL: [Bug; 14] = [
        Bug::AcknowledgeBeforeCommit,
        Bug::NoIntent,
        Bug::BlindRepost,
        Bug::CountNodesNotEdges,
        Bug::CountRepeatedEdges,
        Bug::DeleteEvidenceEarly,
        Bug::TrustSparkReply,
        Bug::NoTimeLimit,
        Bug::AcceptOldAttempt,
        Bug::RandomDocumentIds,
        Bug::OwnershipOutsideTransaction,
        Bug::UnicodeLowering,
        Bug::RenameWithoutDirectorySync,
        Bug::TwoFunctionsAtOnce,
    ];
}

/// What of an analysis ends the process when `POISON=<dose>:<analysis id>` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dose {
    /// Beginning its jobs.
    Jobs,
    /// Touching it at all, even to tell that it is over.
    Everything,
}

#[cfg(debug_assertions)]
pub use armed::{
    announce, at, die, drop_messages_on_this_thread, drops_messages, due, poison, seed_on_this_thread, seeded,
};
#[cfg(not(debug_assertions))]
pub use unarmed::{
    announce, at, die, drop_messages_on_this_thread, drops_messages, due, poison, seed_on_this_thread, seeded,
};

#[cfg(debug_assertions)]
mod armed {
    use std::cell::Cell;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{Bug, Dose, Point};

    /// Exit code for a variable that names nothing (`EX_USAGE`): a test with it would prove nothing.
    const USAGE_EXIT: i32 = 64;

    /// What the environment asks for.
    struct Orders {
        /// Where to end the process, and at which passage.
        kill_at: Option<(Point, u32)>,
        bug: Option<Bug>,
        /// What of which analysis ends the process.
        poison: Option<(Dose, String)>,
    }

    thread_local! {
        static DROPS_HERE: Cell<bool> = const { Cell::new(false) };
        static BUG_HERE: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Ends the process if this is where and when it shall die.
    pub fn at(point: Point) {
        if due(point) {
            die();
        }
    }

    /// Ends the process without unwinding or flushing anything.
    pub fn die() {
        std::process::abort();
    }

    /// Counts a passage of the place; true when the process shall die at this one. For places that have to do half of
    /// something before they [`die`].
    pub fn due(point: Point) -> bool {
        static PASSAGES: AtomicU32 = AtomicU32::new(0);
        match orders().kill_at {
            Some((wanted, passage)) if wanted == point => PASSAGES.fetch_add(1, Ordering::Relaxed) + 1 == passage,
            _ => false,
        }
    }

    /// Ends the process if it shall not get over so much of this analysis.
    pub fn poison(dose: Dose, analysis: &str) {
        if orders().poison.as_ref().is_some_and(|(wanted, id)| *wanted == dose && id == analysis) {
            die();
        }
    }

    /// Whether the fault is put in.
    pub fn seeded(bug: Bug) -> bool {
        orders().bug == Some(bug) || BUG_HERE.get() == Some(bug)
    }

    /// Puts in a fault, or takes it out again, for what runs on this thread only: tests run side by side.
    pub fn seed_on_this_thread(bug: Option<Bug>) {
        BUG_HERE.set(bug);
    }

    /// Whether the actors of this thread lose every message that tells of the end of a job or of a slot given back, and every
    /// order to stop or to go on.
    pub fn drops_messages() -> bool {
        DROPS_HERE.get()
    }

    /// From now on the actors of this thread lose such messages, or do not any more.
    pub fn drop_messages_on_this_thread(drops: bool) {
        DROPS_HERE.set(drops);
    }

    /// Says in the log what is armed; ends the process if the environment names something that does not exist.
    pub fn announce() {
        let Orders { kill_at, bug, poison } = orders();
        if let Some((point, passage)) = kill_at {
            log::warn!("the process will die at passage {passage} of {}", point.name());
        }
        if let Some(bug) = bug {
            log::warn!("a fault was put in on purpose: {bug:?}");
        }
        if let Some((dose, analysis)) = poison {
            log::warn!("analysis {analysis} ends the process: {dose:?}");
        }
    }

    fn orders() -> &'static Orders {
        static ORDERS: OnceLock<Orders> = OnceLock::new();
        ORDERS.get_or_init(|| Orders {
            kill_at: read("KILL_AT", kill_at),
            bug: read("SEEDED_BUG", bug),
            poison: read("POISON", dose),
        })
    }

    fn read<T>(name: &str, parse: fn(&str) -> Option<T>) -> Option<T> {
        #[expect(clippy::disallowed_methods, reason = "debug builds only: it is no setting of the program")]
        let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
        let parsed = parse(&text);
        if parsed.is_none() {
            log::error!("{name}={text} names nothing");
            std::process::exit(USAGE_EXIT);
        }
        parsed
    }

    fn kill_at(text: &str) -> Option<(Point, u32)> {
        let (name, passage) = text.split_once(':').unwrap_or((text, "1"));
        let point = Point::ALL.into_iter().find(|point| point.name() == name)?;
        passage.parse().ok().filter(|passage| *passage > 0).map(|passage| (point, passage))
    }

    fn dose(text: &str) -> Option<(Dose, String)> {
        let (dose, analysis) = text.split_once(':')?;
        let dose = match dose {
            "jobs" => Dose::Jobs,
            "everything" => Dose::Everything,
            _ => return None,
        };
        Some((dose, analysis.to_owned()))
    }

    fn bug(text: &str) -> Option<Bug> {
        let number: usize = text.parse().ok()?;
        Bug::ALL.get(number.checked_sub(1)?).copied()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_place_is_named_with_or_without_a_passage() {
            assert_eq!(kill_at("k0"), Some((Point::K0, 1)));
            assert_eq!(kill_at("k15d:7"), Some((Point::K15d, 7)));
            for nothing in ["", "k99", "k5:0", "k5:x", "K5"] {
                assert_eq!(kill_at(nothing), None, "{nothing}");
            }
        }

        #[test]
        fn a_fault_has_its_number() {
            for bug_of_all in Bug::ALL {
                assert_eq!(bug(&(bug_of_all as usize).to_string()), Some(bug_of_all));
            }
            assert_eq!((bug("0"), bug("15"), bug("one")), (None, None, None));
        }

        #[test]
        fn a_fault_of_one_thread_is_not_another_threads() {
            seed_on_this_thread(Some(Bug::NoIntent));
            assert!(seeded(Bug::NoIntent) && !seeded(Bug::BlindRepost));
            assert!(!std::thread::spawn(|| seeded(Bug::NoIntent)).join().unwrap());
            seed_on_this_thread(None);
            assert!(!seeded(Bug::NoIntent));
        }
    }
}

#[cfg(not(debug_assertions))]
mod unarmed {
    use super::{Bug, Dose, Point};

    /// Nothing.
    #[inline(always)]
    pub const fn poison(_: Dose, _: &str) {}

    /// Nothing.
    #[inline(always)]
    pub const fn at(_: Point) {}

    /// Nothing.
    #[inline(always)]
    pub const fn die() {}

    /// Never.
    #[inline(always)]
    pub const fn due(_: Point) -> bool {
        false
    }

    /// Never.
    #[inline(always)]
    pub const fn seeded(_: Bug) -> bool {
        false
    }

    /// Nothing.
    #[inline(always)]
    pub const fn seed_on_this_thread(_: Option<Bug>) {}

    /// Never.
    #[inline(always)]
    pub const fn drops_messages() -> bool {
        false
    }

    /// Nothing.
    #[inline(always)]
    pub const fn drop_messages_on_this_thread(_: bool) {}

    /// Nothing.
    #[inline(always)]
    pub const fn announce() {}
}
