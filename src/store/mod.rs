//! The journal: what was accepted, intended and done, durable before anything follows from it.
//!
//! The port is [`Journal`] (writing) and [`History`] (reading); nothing above this folder may assume a single machine.
//! The implementation is SQLite behind one writer thread with group commit (`sqlite`, [`writer`], [`reader`]).

mod clock;
mod command;
pub mod documents;
pub mod fold;
mod gather;
mod idempotency;
pub mod let_go;
mod marks;
pub mod reader;
pub mod record;
pub mod recovery;
pub mod rerun;
mod retention;
mod schema;
mod seal;
mod space;
mod sqlite;
mod submission;
pub mod writer;

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::task::{Context, Poll};

use thiserror::Error;
use tokio::sync::oneshot;

pub use fold::{JobPhase, JobProgress, RunProgress};
pub use idempotency::IdempotencyKey;
pub use reader::{RunSummary, SqliteHistory};
pub use record::{Entry, Record, RunOutcome};
pub use recovery::StoredRun;
pub use retention::Retention;
pub use writer::{SqliteJournal, wall_clock};

use crate::playbook::Space;

/// Milliseconds: since the epoch for people, since some beginning for decisions, or between two moments.
pub type Millis = i64;

/// The writing side.
pub trait Journal: Send + Sync {
    /// Decides atomically what a submission is (new, the one that runs, a conflict) and writes a new one down.
    fn accept(&self, submission: Submission) -> Receipt<Acceptance>;

    /// Writes a record of a run. Records of one caller keep their order; dropping the receipt does not undo anything.
    /// After a record that could not be written, all later ones of its run are refused: its records have no gaps.
    fn append(&self, run_id: i64, record: Record) -> Receipt<u64>;

    /// Everything that was written about a run, in order, up to the last record that was queued before this call at least.
    fn read_back(&self, run_id: i64) -> Receipt<Vec<Entry>>;

    /// The present moment on the journal's own clock, which only goes forward, over restarts too. Its zero means nothing:
    /// only differences to other ticks do.
    fn tick(&self) -> Millis;

    /// Whether the last thing that was to be written could be.
    fn is_healthy(&self) -> bool {
        true
    }

    /// Bytes that it takes on the disk; 0 when it is not on a disk of this machine.
    fn disk_bytes(&self) -> u64 {
        0
    }
}

/// A submission on its way into the journal.
#[derive(Clone)]
pub struct Submission {
    /// Whose it is.
    pub tenant: String,
    /// Id space.
    pub space: Space,
    /// The id lower-cased: identity.
    pub id_key: String,
    /// The id as received.
    pub id_text: String,
    /// SHA-256 over what makes two submissions the same (neither token nor metadata).
    pub digest: [u8; 32],
    /// The document without its token, as JSON text.
    pub document: String,
    /// Ids that services will see.
    pub job_ids: Vec<SentJobId>,
    /// Wall-clock time of acceptance.
    pub at: Millis,
    /// The client's own word for this request: said again, it means the same run.
    pub idempotency_key: Option<IdempotencyKey>,
    /// SHA-256 over what makes two requests under one key the same: the digest, or what is repeated and from where.
    pub request: [u8; 32],
    /// Whether there is room for a new run; one that is there already needs none.
    pub has_room: bool,
    /// The first record of a run that repeats an earlier one; absent for a run of its own. It is always a new run.
    pub rerun: Option<Record>,
    /// Number of the run that has to be the newest of its id when this one is accepted, if that matters: what a rerun takes
    /// over may be overwritten by a run that nobody has looked at.
    pub follows: Option<u32>,
}

/// The id of a job that is sent to a service.
#[derive(Debug, Clone)]
pub struct SentJobId {
    /// Index of the job.
    pub job: usize,
    /// Name of the service.
    pub service: &'static str,
    /// The id lower-cased.
    pub key: String,
    /// Whether a second use of the id there needs a wire id of its own.
    pub has_wire_id: bool,
}

/// What a submission turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// A new run, durable by now.
    New {
        /// Key of the run.
        run_id: i64,
        /// 1, 2, 3, ... per id.
        number: u32,
        /// Jobs whose id this tenant has sent to the same service before.
        reused_ids: BTreeSet<usize>,
    },
    /// The same submission is already running.
    Running {
        /// Key of the run.
        run_id: i64,
        /// Its number.
        number: u32,
    },
    /// The same submission was accepted before, under the same key, and has ended.
    Ended {
        /// Key of the run.
        run_id: i64,
        /// Its number.
        number: u32,
        /// How it ended.
        outcome: RunOutcome,
    },
    /// The key was used for another submission.
    KeyReused,
    /// The id runs with other jobs, or belongs to another tenant: one answer for both. Or it has run since the caller looked
    /// at its newest run.
    IdInUse,
    /// A job's id belongs to another tenant.
    JobIdInUse {
        /// Index of the job.
        job: usize,
    },
    /// It would be a new run, and there is no room for one.
    NoRoom,
}

/// Why a record is not durable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JournalError {
    /// The store said no.
    #[error("the journal cannot be written: {0}")]
    Write(String),
    /// The store cannot be read.
    #[error("the journal cannot be read: {0}")]
    Read(String),
    /// The store cannot be opened.
    #[error("the journal in {path} cannot be opened: {why}")]
    Open {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The writer is gone.
    #[error("the journal's writer has stopped")]
    Closed,
}

/// Resolves when something is durable.
#[derive(Debug)]
pub enum Receipt<T> {
    /// Known at once.
    Ready(Option<Result<T, JournalError>>),
    /// Known after the next commit.
    Pending(oneshot::Receiver<Result<T, JournalError>>),
}

impl<T> Receipt<T> {
    /// A receipt that is durable already.
    pub fn ready(value: T) -> Self {
        Receipt::Ready(Some(Ok(value)))
    }
}

impl<T: Unpin> Future for Receipt<T> {
    type Output = Result<T, JournalError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Receipt::Ready(result) => Poll::Ready(result.take().unwrap_or(Err(JournalError::Closed))),
            Receipt::Pending(receiver) => {
                Pin::new(receiver).poll(cx).map(|result| result.unwrap_or(Err(JournalError::Closed)))
            }
        }
    }
}

/// The reading side, without any actor. Calls block: use them off the async threads.
pub trait History: Send + Sync {
    /// The newest runs first.
    fn list(&self, filter: &Filter) -> Result<Vec<RunSummary>, JournalError>;

    /// One run of an id, the newest when no number is given.
    fn find(&self, space: Space, id_key: &str, number: Option<u32>) -> Result<Option<RunSummary>, JournalError>;

    /// Whether an id belongs to anybody, also when its runs were removed.
    fn is_bound(&self, space: Space, id_key: &str) -> Result<bool, JournalError>;

    /// Everything that was written about a run, in order.
    fn entries(&self, run_id: i64) -> Result<Vec<Entry>, JournalError> {
        self.entries_after(run_id, 0)
    }

    /// What was written about a run after an entry, in order.
    fn entries_after(&self, run_id: i64, seq: u64) -> Result<Vec<Entry>, JournalError>;

    /// What was written after an entry about all runs of these tenants, in order, at most so much.
    fn news(&self, after: u64, tenants: Option<&[String]>, limit: usize) -> Result<Vec<NewsEntry>, JournalError>;

    /// Number of the newest entry of all, 0 when there is none.
    fn newest_entry(&self) -> Result<u64, JournalError>;

    /// The submitted document of a run, without its token.
    fn document(&self, run_id: i64) -> Result<Option<String>, JournalError>;

    /// Keys of the runs of which something is left to be done, oldest first.
    fn unsettled_runs(&self) -> Result<Vec<i64>, JournalError>;

    /// What is stored of the runs of which something is left to be done, from one key to another one.
    fn stored_runs(&self, keys: RangeInclusive<i64>) -> Result<Vec<StoredRun>, JournalError>;

    /// Runs in which, since this tick of the journal's clock, something ended otherwise than well.
    fn let_go_since(&self, tick: Millis) -> Result<Vec<i64>, JournalError>;
}

/// An entry with the run that it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct NewsEntry {
    /// Id space of the run.
    pub space: Space,
    /// The id as received.
    pub id: String,
    /// Number of the run.
    pub number: u32,
    /// Whose it is.
    pub tenant: String,
    /// What was written.
    pub entry: Entry,
}

/// Which runs to list.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Id space.
    pub space: Space,
    /// Only runs of these tenants.
    pub tenants: Option<Vec<String>>,
    /// Only runs in this state: `queued`, `running`, `succeeded`, `failed` or `stopped`.
    pub state: Option<String>,
    /// Only runs with a smaller run id (the cursor of the page before).
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}
