//! A journal in memory: decides like the real one, keeps what was written, and can be held back or broken.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::clock::Instant;
use tokio::sync::{oneshot, watch};

use super::end::End;
use crate::store::record::RunOutcome;
use crate::store::{
    Acceptance, Entry, IdempotencyKey, Journal, JournalError, Millis, Receipt, Record, RunProgress, Submission,
};

/// A [`Journal`] for tests. Clones share the same journal.
#[derive(Clone)]
pub struct MemoryJournal {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
}

pub(super) struct State {
    /// The tick at which the journal last began to count, and when that was.
    began: (Millis, Instant),
    pub(super) written: Vec<Entry>,
    pub(super) runs: Vec<Run>,
    /// Owner of each job id, and the services it was sent to.
    job_ids: HashMap<String, (String, BTreeSet<&'static str>)>,
    /// Run of each tenant's idempotency key, and what was asked for under it.
    keys: HashMap<(String, IdempotencyKey), (i64, [u8; 32])>,
    mode: Mode,
    /// Runs that have lost a record: nothing more is written about them.
    broken: BTreeSet<i64>,
    /// What waits to become durable, in order.
    held: Vec<Held>,
}

/// Why a record after a lost one is refused.
const GAP: &str = "an earlier record of the run could not be written";

/// One accepted run; its key is its position, counted from 1.
pub(super) struct Run {
    pub(super) submission: Submission,
    pub(super) number: u32,
    /// How it ended, if it has.
    pub(super) ended: Option<RunOutcome>,
    pub(super) reused_ids: BTreeSet<usize>,
}

#[derive(Clone, PartialEq)]
enum Mode {
    AtOnce,
    Holding,
    Failing(String),
}

enum Held {
    Accept(Box<Submission>, oneshot::Sender<Result<Acceptance, JournalError>>),
    Append(Box<Entry>, oneshot::Sender<Result<u64, JournalError>>),
    ReadBack(i64, oneshot::Sender<Result<Vec<Entry>, JournalError>>),
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryJournal {
    /// An empty journal whose receipts are ready at once.
    pub fn new() -> Self {
        let state = State {
            began: (0, Instant::now()),
            written: Vec::new(),
            runs: Vec::new(),
            job_ids: HashMap::new(),
            keys: HashMap::new(),
            mode: Mode::AtOnce,
            broken: BTreeSet::new(),
            held: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), changed: watch::channel(()).0 }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock shows this tick now and goes on from there: a new life of the process, on another runtime.
    pub fn goes_on_at(&self, tick: Millis) {
        self.state().began = (tick, Instant::now());
    }

    /// From now on nothing becomes durable until it is released.
    pub fn hold(&self) {
        self.state().mode = Mode::Holding;
    }

    /// Makes the oldest `count` commands that wait durable.
    pub fn release(&self, count: usize) {
        let mut state = self.state();
        let count = count.min(state.held.len());
        let released: Vec<Held> = state.held.drain(..count).collect();
        released.into_iter().for_each(|held| state.commit(held));
        drop(state);
        self.changed.send_replace(());
    }

    /// Forgets what waits, as a process does that dies: nobody gets an answer.
    pub fn forget_held(&self) {
        self.state().held.clear();
    }

    /// How many commands wait to become durable.
    pub fn waiting(&self) -> usize {
        self.state().held.len()
    }

    /// How many records are durable: the position of the last one.
    pub fn durable(&self) -> u64 {
        self.state().written.len() as u64
    }

    /// Makes everything durable that waits, and everything that comes at once.
    pub fn release_all(&self) {
        self.state().mode = Mode::AtOnce;
        self.release(usize::MAX);
    }

    /// From now on nothing can be written, until [`release_all`](Self::release_all); what waits is refused too. A run
    /// that has lost a record stays refused for ever.
    pub fn fail(&self, why: &str) {
        let mut state = self.state();
        state.mode = Mode::Failing(why.to_owned());
        for held in std::mem::take(&mut state.held) {
            state.refuse(held, why);
        }
    }

    /// The oldest `count` commands that wait cannot be written.
    pub fn lose(&self, count: usize, why: &str) {
        let mut state = self.state();
        let count = count.min(state.held.len());
        let lost: Vec<Held> = state.held.drain(..count).collect();
        lost.into_iter().for_each(|held| state.refuse(held, why));
    }

    /// Records that are durable, in order.
    pub fn entries(&self) -> Vec<Entry> {
        self.state().written.clone()
    }

    /// Records that were appended and are held back, in order.
    pub fn held(&self) -> Vec<Record> {
        let records = |held: &Held| match held {
            Held::Accept(..) => Some(Record::Accepted),
            Held::Append(entry, _) => Some(entry.record.clone()),
            Held::ReadBack(..) => None,
        };
        self.state().held.iter().filter_map(records).collect()
    }

    /// Durable records of a run.
    pub fn records(&self, run_id: i64) -> Vec<Record> {
        self.state().entries(run_id).into_iter().map(|entry| entry.record).collect()
    }

    /// Key of the newest run of an analysis.
    pub fn newest_run(&self, id: &str) -> Option<i64> {
        let key = id.to_lowercase();
        self.state().runs.iter().rposition(|run| run.submission.id_key == key).map(|at| at as i64 + 1)
    }

    /// The state of a run of so many jobs, folded from its durable records.
    ///
    /// # Panics
    /// When a record names a job that the run does not have.
    pub fn progress(&self, run_id: i64, jobs: usize) -> RunProgress {
        RunProgress::fold(jobs, &self.state().entries(run_id)).expect("records name jobs of their run")
    }

    /// How a run ended, if it did.
    pub fn end_of(&self, run_id: i64) -> Option<End> {
        self.records(run_id).into_iter().find_map(|record| match record {
            Record::AnalysisFinished { outcome, cause, elapsed_ms } => {
                Some(End { outcome, cause, elapsed: std::time::Duration::from_millis(elapsed_ms as u64) })
            }
            _ => None,
        })
    }

    /// Runs that were accepted and have records or notices to deliver, or jobs to do.
    pub fn unsettled(&self) -> Vec<i64> {
        let state = self.state();
        let settled =
            |run_id: i64| state.written.iter().any(|entry| entry.run_id == run_id && entry.record == Record::Settled);
        (1..=state.runs.len() as i64).filter(|run_id| !settled(*run_id)).collect()
    }

    /// Waits until the durable records satisfy a condition; answers whether they did within the patience of tests.
    pub async fn wait_until(&self, mut condition: impl FnMut(&Self) -> bool) -> bool {
        let mut changes = self.changed.subscribe();
        let waiting = async {
            while !condition(self) {
                // the sender lives in `self`
                drop(changes.changed().await);
            }
        };
        actix::clock::timeout(super::PATIENCE, waiting).await.is_ok()
    }
}

impl State {
    pub(super) fn entries(&self, run_id: i64) -> Vec<Entry> {
        self.written.iter().filter(|entry| entry.run_id == run_id).cloned().collect()
    }

    fn entry(&self, run_id: i64, record: Record) -> Entry {
        let tick = self.tick();
        Entry { seq: 0, run_id, at: tick, tick, record }
    }

    fn tick(&self) -> Millis {
        let (tick, since) = self.began;
        tick + since.elapsed().as_millis() as Millis
    }

    fn write(&mut self, mut entry: Entry) -> u64 {
        entry.seq = self.written.len() as u64 + 1;
        if let Record::AnalysisFinished { outcome, .. } = entry.record
            && let Some(run) = self.runs.get_mut(entry.run_id as usize - 1)
        {
            run.ended = Some(outcome);
        }
        self.written.push(entry);
        self.written.len() as u64
    }

    fn refuse(&mut self, held: Held, why: &str) {
        let error = JournalError::Write(why.to_owned());
        match held {
            Held::Accept(_, reply) => drop(reply.send(Err(error))),
            Held::Append(entry, reply) => {
                self.broken.insert(entry.run_id);
                drop(reply.send(Err(error)));
            }
            // what cannot be written can still be read
            Held::ReadBack(run_id, reply) => drop(reply.send(Ok(self.entries(run_id)))),
        }
    }

    fn commit(&mut self, held: Held) {
        // nobody may be waiting for a receipt
        match held {
            Held::Append(ref entry, _) if self.broken.contains(&entry.run_id) => self.refuse(held, GAP),
            Held::Accept(submission, reply) => {
                let acceptance = self.decide(&submission);
                drop(reply.send(Ok(acceptance)));
            }
            Held::Append(entry, reply) => {
                let seq = self.write(*entry);
                drop(reply.send(Ok(seq)));
            }
            Held::ReadBack(run_id, reply) => drop(reply.send(Ok(self.entries(run_id)))),
        }
    }

    /// What the submission's key says already.
    fn answered(&self, submission: &Submission) -> Option<Acceptance> {
        let key = submission.idempotency_key.clone()?;
        let (run_id, request) = *self.keys.get(&(submission.tenant.clone(), key))?;
        let run = self.runs.get(run_id as usize - 1)?;
        let number = run.number;
        let theirs = &run.submission;
        let same =
            (theirs.space, &theirs.id_key, request) == (submission.space, &submission.id_key, submission.request);
        Some(match run.ended {
            _ if !same => Acceptance::KeyReused,
            Some(outcome) => Acceptance::Ended { run_id, number, outcome },
            None => Acceptance::Running { run_id, number },
        })
    }

    fn decide(&mut self, submission: &Submission) -> Acceptance {
        let decided = self.answered(submission).unwrap_or_else(|| self.decide_by_id(submission));
        if let Acceptance::New { run_id, .. } | Acceptance::Running { run_id, .. } = &decided
            && let Some(key) = submission.idempotency_key.clone()
        {
            self.keys.insert((submission.tenant.clone(), key), (*run_id, submission.request));
        }
        decided
    }

    fn decide_by_id(&mut self, submission: &Submission) -> Acceptance {
        let same_id =
            |run: &Run| (run.submission.space, &run.submission.id_key) == (submission.space, &submission.id_key);
        let at = self.runs.iter().rposition(same_id);
        let number = match at.map(|at| (at, &self.runs[at])) {
            Some((_, run)) if run.submission.tenant != submission.tenant => return Acceptance::IdInUse,
            Some((at, run))
                if run.ended.is_none() && run.submission.digest == submission.digest && submission.rerun.is_none() =>
            {
                return Acceptance::Running { run_id: at as i64 + 1, number: run.number };
            }
            Some((_, run)) if run.ended.is_none() => return Acceptance::IdInUse,
            Some((_, run)) => run.number + 1,
            None => 1,
        };
        if submission.follows.is_some_and(|newest| newest + 1 != number) {
            return Acceptance::IdInUse;
        }
        if !submission.has_room {
            return Acceptance::NoRoom;
        }
        let foreign = |sent: &&crate::store::SentJobId| {
            self.job_ids.get(&sent.key).is_some_and(|(owner, _)| *owner != submission.tenant)
        };
        if let Some(sent) = submission.job_ids.iter().find(foreign) {
            return Acceptance::JobIdInUse { job: sent.job };
        }
        let mut reused_ids = BTreeSet::new();
        for sent in &submission.job_ids {
            let (_, services) =
                self.job_ids.entry(sent.key.clone()).or_insert_with(|| (submission.tenant.clone(), BTreeSet::new()));
            if !services.insert(sent.service) && sent.has_wire_id {
                reused_ids.insert(sent.job);
            }
        }
        let run = Run { submission: submission.clone(), number, ended: None, reused_ids: reused_ids.clone() };
        self.runs.push(run);
        let run_id = self.runs.len() as i64;
        let accepted = self.entry(run_id, submission.rerun.clone().unwrap_or(Record::Accepted));
        self.write(accepted);
        Acceptance::New { run_id, number, reused_ids }
    }
}

impl Journal for MemoryJournal {
    fn accept(&self, submission: Submission) -> Receipt<Acceptance> {
        let mut state = self.state();
        let receipt = match state.mode.clone() {
            Mode::AtOnce => Receipt::ready(state.decide(&submission)),
            Mode::Failing(why) => Receipt::Ready(Some(Err(JournalError::Write(why)))),
            Mode::Holding => {
                let (reply, receipt) = oneshot::channel();
                state.held.push(Held::Accept(Box::new(submission), reply));
                Receipt::Pending(receipt)
            }
        };
        drop(state);
        self.changed.send_replace(());
        receipt
    }

    fn read_back(&self, run_id: i64) -> Receipt<Vec<Entry>> {
        let mut state = self.state();
        match state.mode {
            Mode::AtOnce | Mode::Failing(_) => Receipt::ready(state.entries(run_id)),
            Mode::Holding => {
                let (reply, receipt) = oneshot::channel();
                state.held.push(Held::ReadBack(run_id, reply));
                Receipt::Pending(receipt)
            }
        }
    }

    fn tick(&self) -> Millis {
        self.state().tick()
    }

    fn append(&self, run_id: i64, record: Record) -> Receipt<u64> {
        let mut state = self.state();
        let entry = state.entry(run_id, record);
        let refusal = |why: &str| Receipt::Ready(Some(Err(JournalError::Write(why.to_owned()))));
        let receipt = match state.mode.clone() {
            _ if state.broken.contains(&run_id) => refusal(GAP),
            Mode::AtOnce => Receipt::ready(state.write(entry)),
            Mode::Failing(why) => {
                state.broken.insert(run_id);
                refusal(&why)
            }
            Mode::Holding => {
                let (reply, receipt) = oneshot::channel();
                state.held.push(Held::Append(Box::new(entry), reply));
                Receipt::Pending(receipt)
            }
        };
        drop(state);
        self.changed.send_replace(());
        receipt
    }
}
