//! Finished runs do not stay for ever: what goes, when, and in which steps.
//!
//! A run goes when it has settled (it has ended, and every record and notice has left) and is too old or one too many.
//! First its row: the id keeps tenant and count of runs in `ids`, the run is noted in `forgotten`, its idempotency keys go
//! with it, all in one transaction. Then its records, a piece at a time; then the note; then free space. Whatever is left
//! undone by the end of the process is found by the first round after the next start. The newest run and the newest
//! record stay, whatever their age, so that no number is given twice. So does, for its time, a run that has let go of a
//! function: the slot of that is held over restarts.

mod removal;
#[cfg(test)]
mod tests;

use std::time::Duration;

use rusqlite::Connection;

use super::clock::Clock;
use super::sqlite::in_transaction;
use super::{Millis, let_go, space};
use crate::chaos::{self, Point};
use crate::metrics;
use removal::MOST_ROWS;
pub(super) use removal::{SCHEMA, known_id, tenants};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Between two pieces while nothing else is to be written.
const BREATH: Duration = Duration::from_millis(2);

/// Rows that may be removed for each command of others that was written: as a round cannot fall behind, the file cannot
/// grow for ever under load.
const ROWS_PER_COMMAND: usize = 2;

/// Most document bytes of the runs that are struck off in one transaction.
const MOST_BYTES: u64 = 1024 * 1024;

/// What is kept of finished runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// How long a run is kept once it has settled.
    pub age: Duration,
    /// Settled runs that are kept.
    pub runs: u64,
    /// How long an id that is not used keeps its tenant and its count of runs.
    pub ids: Duration,
    /// How long a service may be at work on a function that was let go of: its run is kept for so long, too, because nothing
    /// else tells the next start that the slot is taken.
    pub linger: Duration,
    /// Between two rounds.
    pub sweep: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            age: 30 * DAY,
            runs: 100_000,
            ids: 365 * DAY,
            linger: Duration::from_secs(600),
            sweep: Duration::from_secs(60),
        }
    }
}

/// A settled run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settled {
    run_id: i64,
    /// By the journal's clock.
    at: Millis,
    /// Of its document.
    bytes: u64,
}

impl Retention {
    /// How many runs are too many.
    fn beyond(&self, settled: u64) -> u64 {
        settled.saturating_sub(self.runs)
    }

    /// How many of these runs go now. `oldest` are those that settled first, in that order; `beyond` runs are too many.
    fn due(&self, oldest: &[Settled], beyond: u64, now: Millis) -> usize {
        let kept_since = now.saturating_sub(millis(self.age));
        let mut bytes = 0;
        let goes = |(place, run): &(usize, &Settled)| {
            bytes += run.bytes;
            let is_due = (*place as u64) < beyond || run.at < kept_since;
            is_due && (*place == 0 || bytes <= MOST_BYTES)
        };
        oldest.iter().enumerate().take_while(goes).count()
    }

    /// Ids last used before this tick are free again. `oldest` is when the oldest run that is still there was accepted: its
    /// ids and those of all later ones are in use.
    fn ids_kept_since(&self, oldest: Option<Millis>, now: Millis) -> Millis {
        now.saturating_sub(millis(self.ids)).min(oldest.unwrap_or(Millis::MAX))
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// What a round does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Records of forgotten runs.
    Records,
    /// The notes of forgotten runs, whose records are gone.
    Notes,
    /// Runs that are due.
    Runs,
    /// Ids that nobody has used.
    Ids,
    /// Free pages.
    Space,
    /// The write-ahead log.
    Log,
}

/// One round, from what was left undone to the last page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Round {
    step: Step,
    /// Runs that are too many.
    beyond: u64,
    /// Whether anything was there to be removed.
    has_removed: bool,
}

/// Removes what is not kept any more, in pieces between other work. Lives on the writer's thread.
pub(super) struct Keeper {
    retention: Retention,
    clock: Clock,
    round: Option<Round>,
    next_round: Millis,
    /// Rows that may be removed beside other work.
    credit: usize,
}

impl Keeper {
    /// The first round begins at once.
    pub(super) fn new(retention: Retention, clock: Clock) -> Self {
        let next_round = clock.tick();
        Self { retention, clock, round: None, next_round, credit: 0 }
    }

    /// How long the writer may wait for other work before the next piece.
    pub(super) fn rest(&self) -> Duration {
        match self.round {
            Some(_) => BREATH,
            None => Duration::from_millis(self.next_round.saturating_sub(self.clock.tick()).max(0).unsigned_abs()),
        }
    }

    /// So many commands of others were written.
    pub(super) fn has_seen(&mut self, commands: usize) {
        if self.rest() <= BREATH {
            self.credit = self.credit.saturating_add(commands * ROWS_PER_COMMAND);
        }
    }

    /// Whether a piece is to be done although other work waits.
    pub(super) fn is_owed(&self) -> bool {
        self.credit >= MOST_ROWS as usize && self.rest() <= BREATH
    }

    /// One piece, in a transaction of its own.
    ///
    /// *Errors*: the round is given up then; the next one goes on where it was.
    pub(super) fn work(&mut self, connection: &mut Connection) -> rusqlite::Result<()> {
        self.credit = self.credit.saturating_sub(MOST_ROWS as usize);
        let done = self.piece(connection, self.clock.tick());
        match done {
            Ok(Some(round)) => self.round = Some(round),
            Ok(None) | Err(_) => {
                self.round = None;
                self.credit = 0;
                self.next_round = self.clock.tick().saturating_add(millis(self.retention.sweep));
            }
        }
        done.map(|_| ())
    }

    /// What the round is after this piece; none when it is over.
    fn piece(&self, connection: &mut Connection, now: Millis) -> rusqlite::Result<Option<Round>> {
        let round = match self.round {
            Some(round) => round,
            None => {
                let beyond = self.retention.beyond(removal::settled(connection)?);
                Round { step: Step::Records, beyond, has_removed: false }
            }
        };
        let removed = match round.step {
            Step::Records => in_transaction(connection, removal::remove_records)?,
            Step::Notes => in_transaction(connection, removal::remove_notes)?,
            Step::Runs => self.strike_off(connection, round.beyond, now)?,
            Step::Ids => in_transaction(connection, |db| {
                let since = self.retention.ids_kept_since(removal::oldest_acceptance(db)?, now);
                removal::remove_ids(db, since)
            })?,
            Step::Space => usize::from(in_transaction(connection, space::give_back)?),
            Step::Log => {
                if round.has_removed {
                    chaos::at(Point::K13d);
                    space::cut_log(connection)?;
                }
                return Ok(None);
            }
        };
        match round.step {
            Step::Records if removed > 0 => chaos::at(Point::K13c),
            Step::Runs if removed > 0 => {
                chaos::at(Point::K13b);
                metrics::runs_forgotten(removed);
            }
            _ => {}
        }
        Ok(Some(round.after(removed)))
    }

    /// Strikes runs off that are due; answers how many.
    fn strike_off(&self, connection: &mut Connection, beyond: u64, now: Millis) -> rusqlite::Result<usize> {
        in_transaction(connection, |db| {
            let oldest = removal::oldest_settled(db)?;
            let due = self.retention.due(&oldest, beyond, now);
            let since = now.saturating_sub(millis(self.retention.linger));
            let mut struck = 0;
            for run in &oldest[..due] {
                if run.at >= since && let_go::lingers(db, run.run_id, since)? {
                    continue;
                }
                removal::strike_off(db, run.run_id)?;
                struck += 1;
            }
            if struck > 0 {
                chaos::at(Point::K13a);
            }
            Ok(struck)
        })
    }
}

impl Round {
    /// The round after a step that has removed so much.
    fn after(self, removed: usize) -> Self {
        let step = match (self.step, removed) {
            (Step::Records, 0) => Step::Notes,
            (Step::Notes, _) => Step::Runs,
            (Step::Runs, 0) => Step::Ids,
            (Step::Runs, _) => Step::Records,
            (Step::Ids, 0) => Step::Space,
            (Step::Space, 0) => Step::Log,
            (same, _) => same,
        };
        let struck = if self.step == Step::Runs { removed as u64 } else { 0 };
        Self { step, beyond: self.beyond.saturating_sub(struck), has_removed: self.has_removed || removed > 0 }
    }
}
