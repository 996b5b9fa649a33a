//! Lets runs of earlier lives of the process go on, so that one that ends the process each time cannot keep the others
//! from it.
//!
//! Runs are marked before they are touched and go on in batches. Whatever was marked when the process crashed goes on last
//! and alone the next time; a run that was alone in too many crashes does not go on but is ended as failed.
//!
//! Until all of them have named the slots that services are at work for, no job begins.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::rt::time::{Instant, sleep, timeout};
use tokio::sync::oneshot;

use crate::engine::EngineHandle;
use crate::metrics;
use crate::ports::{FailureKind, JobFailure};
use crate::store::record::{Cause, RunOutcome};
use crate::store::recovery::{OpenRun, StoredRun, lost, open_run, reported};
use crate::store::{History, Journal, JournalError, Record, SqliteHistory, SqliteJournal};

/// Runs that are marked together: a crash makes all of them suspects.
const BATCH: usize = 100;

/// A run that the process has crashed with so often while it was alone does not go on any more.
const MOST_CRASHES: u32 = 3;

/// How long a suspect must have lived, once its actors exist, before the next one's turn. Short: whoever ends the process from
/// outside meanwhile ends it for this run, too, and dozens of suspects may wait for their turns.
const MOMENT: Duration = Duration::from_millis(10);

/// How long the door stays closed at most while runs are taken up again. Suspects are not waited for.
const DOOR_PATIENCE: Duration = Duration::from_secs(10);

/// What happens to a suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    /// It goes on, but alone.
    Alone,
    /// It is ended as failed, and that is told in the usual way.
    EndAsFailed,
    /// Even that has ended the process: it is ended, and nobody is told.
    EndUntold,
}

/// In which order and how runs go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    usual: Vec<i64>,
    suspects: Vec<(i64, Treatment)>,
}

impl Order {
    /// What the journal says at the start of the process.
    ///
    /// *Errors*: it cannot be read.
    pub(super) fn read(history: &SqliteHistory) -> Result<Self, JournalError> {
        Ok(Self::of(history.unsettled_runs()?, &history.crashes()?))
    }

    /// Suspects come last, the less suspect ones first.
    fn of(open: Vec<i64>, crashes: &BTreeMap<i64, u32>) -> Self {
        let (mut suspects, usual): (Vec<_>, Vec<_>) = open.into_iter().partition(|run_id| crashes.contains_key(run_id));
        suspects.sort_by_key(|run_id| crashes[run_id]);
        let treat = |run_id: i64| match crashes[&run_id] {
            ..MOST_CRASHES => (run_id, Treatment::Alone),
            MOST_CRASHES => (run_id, Treatment::EndAsFailed),
            _ => (run_id, Treatment::EndUntold),
        };
        Self { usual, suspects: suspects.into_iter().map(treat).collect() }
    }

    /// Runs that do not go on but are ended.
    pub(super) fn given_up(&self) -> Vec<i64> {
        let ended = self.suspects.iter().filter(|(_, treatment)| *treatment != Treatment::Alone);
        ended.map(|(run_id, _)| *run_id).collect()
    }

    fn all(&self) -> impl Iterator<Item = i64> {
        self.usual.iter().copied().chain(self.suspects.iter().map(|(run_id, _)| *run_id))
    }
}

/// Runs being taken up again, on a thread of its own. Dropping it stops that; what has not gone on does so after the next
/// start, and is not suspected of anything.
pub(super) struct Recovery {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Closed when everything but the suspects has gone on.
    usual_done: oneshot::Receiver<()>,
}

impl Recovery {
    /// Begins to take up every run of which something is left to be done.
    ///
    /// *Errors*: the thread cannot be started.
    pub(super) fn start(
        order: Order,
        journal: SqliteJournal,
        history: Arc<SqliteHistory>,
        engine: EngineHandle,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (usual_are_at_work, usual_done) = oneshot::channel();
        let work = Work { journal, history, engine };
        let thread = std::thread::Builder::new()
            .name("recovery".to_owned())
            .spawn(move || work.run(order, usual_are_at_work, stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread), usual_done })
    }

    /// Waits, within limits, until everything but the suspects has gone on.
    pub(super) async fn wait_for_usual(&mut self) {
        // nothing is ever sent: the other end is dropped
        if timeout(DOOR_PATIENCE, &mut self.usual_done).await.is_err() {
            log::warn!("runs are still being taken up again; new ones are accepted from now on");
        }
    }
}

impl Drop for Recovery {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread that takes up runs again panicked");
        }
    }
}

/// What the thread works with.
struct Work {
    journal: SqliteJournal,
    history: Arc<SqliteHistory>,
    engine: EngineHandle,
}

impl Work {
    fn run(self, order: Order, usual_are_at_work: oneshot::Sender<()>, stopped: oneshot::Receiver<()>) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => return log::error!("no run goes on: {error}"),
        };
        self.engine.await_runs(order.all().collect());
        runtime.block_on(async {
            tokio::select! {
                () = self.take_up(order, usual_are_at_work) => self.engine.open_gate(Vec::new()),
                // the gate stays closed: the process is about to end
                _ = stopped => {}
            }
        });
        // in any case: a process that ends in order has not crashed
        drop(self.journal.mark_recovering(Vec::new()));
    }

    async fn take_up(&self, order: Order, usual_are_at_work: oneshot::Sender<()>) {
        let Order { usual, suspects } = order;
        let count = usual.len() + suspects.len();
        if count == 0 {
            return;
        }
        log::info!("{count} runs go on where they were");
        let since = Instant::now();
        self.usual_go_on(&usual).await;
        for (run_id, _) in suspects.iter().filter(|(_, treatment)| *treatment == Treatment::Alone) {
            self.mark(&[*run_id]).await;
            self.read(&[*run_id]).into_iter().for_each(|run| self.engine.keep_slots(run));
        }
        self.mark(&[]).await;
        self.engine.open_gate(suspects.iter().map(|(run_id, _)| *run_id).collect());
        drop(usual_are_at_work);
        for (run_id, treatment) in suspects {
            self.mark(&[run_id]).await;
            self.treat(run_id, treatment).await;
            sleep(MOMENT).await;
            self.forgive(run_id).await;
        }
        log::info!("{count} runs have gone on within {} ms", since.elapsed().as_millis());
    }

    /// While the engine is at one batch the next one is read, so both are marked.
    async fn usual_go_on(&self, usual: &[i64]) {
        let mut under_way = None;
        for (number, batch) in usual.chunks(BATCH).enumerate() {
            let first = number.saturating_sub(1) * BATCH;
            self.mark(&usual[first..number * BATCH + batch.len()]).await;
            let runs = self.read(batch);
            if let Some(before) = under_way.replace(self.hand_over(runs)) {
                before.await;
            }
        }
        if let Some(last) = under_way {
            last.await;
        }
    }

    /// Without its mark a batch goes on all the same: that it goes on matters more than what it may do.
    async fn mark(&self, runs: &[i64]) {
        if let Err(error) = self.journal.mark_recovering(runs.to_vec()).await {
            log::error!("runs go on unmarked: {error}");
        }
    }

    async fn forgive(&self, run_id: i64) {
        if let Err(error) = self.journal.forgive(run_id).await {
            log::error!("run={run_id}: its crashes are not forgotten: {error}");
        }
    }

    async fn treat(&self, run_id: i64, treatment: Treatment) {
        let ended = match treatment {
            Treatment::Alone => {
                log::warn!("run={run_id}: the process has crashed while it was recovered; it goes on alone");
                Ok(())
            }
            Treatment::EndAsFailed => {
                log::error!("run={run_id}: quarantined");
                self.end(run_id, treatment).await
            }
            Treatment::EndUntold => {
                log::error!("run={run_id}: settled without telling anybody: that has crashed the process, too");
                match self.end(run_id, treatment).await {
                    Ok(()) => self.journal.append(run_id, Record::Settled).await.map(drop),
                    Err(error) => Err(error),
                }
            }
        };
        match ended {
            Ok(()) if treatment == Treatment::EndUntold => {}
            Ok(()) => self.go_on(&[run_id]).await,
            Err(error) => log::error!("run={run_id}: it cannot be ended: {error}"),
        }
    }

    /// Ends a run as failed, if it has not ended. What its services are at work on is left to them, which its user can
    /// see; a run that crashes the process even here is ended without looking at its jobs.
    async fn end(&self, run_id: i64, treatment: Treatment) -> Result<(), JournalError> {
        let stored = self.history.stored_runs(run_id..=run_id)?;
        let Some(run) = stored.first().filter(|run| !run.has_ended) else { return Ok(()) };
        if treatment == Treatment::EndAsFailed
            && let Some(open) = reported(run, open_run(run, self.journal.tick()))
        {
            let jobs = open.progress.jobs.iter().enumerate();
            for (job, known) in jobs.filter(|(_, known)| known.may_be_at_work()) {
                let left_alone = Record::JobCancelled { job, attempt: known.attempt, may_still_run: true };
                drop(self.journal.append(run_id, left_alone));
            }
        }
        let failure = JobFailure::new(FailureKind::StoppedUnexpectedly, quarantine_notice());
        self.journal.append(run_id, self.failed(run, failure)).await?;
        metrics::quarantined();
        metrics::analysis_ended(RunOutcome::Failed.into());
        Ok(())
    }

    /// Hands runs over that go on; resolves when their actors exist. The ones of which a part is lost go on to their end.
    fn hand_over(&self, runs: Vec<OpenRun>) -> impl Future<Output = ()> + use<> {
        for run in runs.iter().filter(|run| run.progress.finished.is_none()) {
            if let Some(what) = &run.progress.unreadable {
                log::error!("run={}: it ends as failed, a part of it cannot be read back: {what}", run.run_id);
                metrics::unreadable();
            }
        }
        self.engine.resume(runs)
    }

    /// Lets these runs go on; resolves when their actors exist.
    async fn go_on(&self, runs: &[i64]) {
        self.hand_over(self.read(runs)).await;
    }

    /// What can be read of these runs. The others must not keep them from going on: one that nobody understands is over.
    fn read(&self, runs: &[i64]) -> Vec<OpenRun> {
        let (Some(&first), Some(&last)) = (runs.first(), runs.last()) else { return Vec::new() };
        let stored = self.history.stored_runs(first..=last).unwrap_or_else(|error| {
            log::error!("runs {first} to {last} cannot go on: {error}");
            Vec::new()
        });
        let now = self.journal.tick();
        let meant = stored.iter().filter(|run| runs.binary_search(&run.run_id).is_ok());
        meant
            .filter_map(|run| match open_run(run, now) {
                Ok(open) => Some(open),
                Err(error) => {
                    log::error!("{}={}: it is settled, and nobody is told: {error}", run.space.as_str(), run.id);
                    self.settle_untold(run);
                    None
                }
            })
            .collect()
    }

    /// Without its playbook nobody can be told anything about a run, nor any service. What is stored of it stays.
    fn settle_untold(&self, run: &StoredRun) {
        if !run.has_ended {
            let failure = lost("its playbook");
            drop(self.journal.append(run.run_id, self.failed(run, failure)));
            metrics::analysis_ended(RunOutcome::Failed.into());
        }
        drop(self.journal.append(run.run_id, Record::Settled));
        metrics::unreadable();
    }

    /// The last record of a run that goes no further.
    fn failed(&self, run: &StoredRun, failure: JobFailure) -> Record {
        let now = self.journal.tick();
        let accepted = run.entries.first().map_or(now, |entry| entry.tick);
        let cause = Some(Cause { step: None, failure });
        Record::AnalysisFinished { outcome: RunOutcome::Failed, cause, elapsed_ms: now - accepted }
    }
}

/// What its user is told.
fn quarantine_notice() -> String {
    format!(
        "The orchestrator crashed {MOST_CRASHES} times in a row while it took this analysis up again, so it was quarantined: \
         it has ended so that the others can go on. Rerun it; if that fails in the same way, report it with its playbook"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspects_come_last_and_the_less_suspect_ones_first() {
        let crashes = BTreeMap::from([(2, 4), (3, 0), (5, 3), (6, 2), (9, 1)]);
        let order = Order::of((1..=6).collect(), &crashes);
        assert_eq!(order.usual, [1, 4]);
        let expected =
            [(3, Treatment::Alone), (6, Treatment::Alone), (5, Treatment::EndAsFailed), (2, Treatment::EndUntold)];
        assert_eq!(order.suspects, expected);
    }
}
