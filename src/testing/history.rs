//! The reading side of the journal in memory: what the API and recovery read of the real one.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;

use super::MemoryJournal;
use super::journal::{Run, State};
use crate::playbook::Space;
use crate::store::recovery::{StoredEntry, StoredRun};
use crate::store::{Entry, Filter, History, JournalError, Millis, NewsEntry, Record, RunOutcome, RunSummary};

impl History for MemoryJournal {
    fn list(&self, filter: &Filter) -> Result<Vec<RunSummary>, JournalError> {
        let state = self.state();
        let wanted = |run: &RunSummary| {
            filter.tenants.as_ref().is_none_or(|tenants| tenants.contains(&run.tenant))
                && filter.state.as_ref().is_none_or(|state| run.state == *state)
                && filter.before.is_none_or(|before| run.run_id < before)
        };
        let newest_first = state.summaries().rev();
        let runs = newest_first.filter(|(space, run)| *space == filter.space && wanted(run));
        Ok(runs.map(|(_, run)| run).take(filter.limit as usize).collect())
    }

    fn find(&self, space: Space, id_key: &str, number: Option<u32>) -> Result<Option<RunSummary>, JournalError> {
        let state = self.state();
        let mut newest_first = state.summaries().rev();
        let found = newest_first.find(|(of, run)| {
            *of == space && run.id.to_lowercase() == id_key && number.is_none_or(|number| run.number == number)
        });
        Ok(found.map(|(_, run)| run))
    }

    fn is_bound(&self, space: Space, id_key: &str) -> Result<bool, JournalError> {
        self.find(space, id_key, None).map(|run| run.is_some())
    }

    fn entries_after(&self, run_id: i64, seq: u64) -> Result<Vec<Entry>, JournalError> {
        Ok(self.state().entries(run_id).into_iter().filter(|entry| entry.seq > seq).collect())
    }

    fn news(&self, after: u64, tenants: Option<&[String]>, limit: usize) -> Result<Vec<NewsEntry>, JournalError> {
        let state = self.state();
        let runs: HashMap<i64, (Space, RunSummary)> =
            state.summaries().map(|(space, run)| (run.run_id, (space, run))).collect();
        let newer = state.written.iter().filter(|entry| entry.seq > after).filter_map(|entry| {
            let (space, run) = runs.get(&entry.run_id)?;
            let RunSummary { id, number, tenant, .. } = run.clone();
            Some(NewsEntry { space: *space, id, number, tenant, entry: entry.clone() })
        });
        let wanted = |news: &NewsEntry| tenants.is_none_or(|tenants| tenants.contains(&news.tenant));
        Ok(newer.filter(wanted).take(limit).collect())
    }

    fn newest_entry(&self) -> Result<u64, JournalError> {
        Ok(self.state().written.last().map_or(0, |entry| entry.seq))
    }

    fn document(&self, run_id: i64) -> Result<Option<String>, JournalError> {
        let state = self.state();
        let run = usize::try_from(run_id - 1).ok().and_then(|at| state.runs.get(at));
        Ok(run.map(|run| run.submission.document.clone()))
    }

    fn let_go_since(&self, tick: Millis) -> Result<Vec<i64>, JournalError> {
        let ended = |record: &Record| match record {
            Record::JobFailed { .. } | Record::JobRetrying { .. } | Record::JobCancelled { .. } => true,
            Record::AnalysisFinished { outcome, .. } => *outcome != RunOutcome::Succeeded,
            _ => false,
        };
        let state = self.state();
        let recent = state.written.iter().filter(|entry| entry.tick >= tick && ended(&entry.record));
        Ok(recent.map(|entry| entry.run_id).collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn unsettled_runs(&self) -> Result<Vec<i64>, JournalError> {
        Ok(self.unsettled())
    }

    fn stored_runs(&self, keys: RangeInclusive<i64>) -> Result<Vec<StoredRun>, JournalError> {
        let state = self.state();
        let meant = |run: &RunSummary| !run.settled && keys.contains(&run.run_id);
        state.summaries().filter(|(_, run)| meant(run)).map(|(space, run)| state.stored(space, run)).collect()
    }
}

impl State {
    fn stored(&self, space: Space, run: RunSummary) -> Result<StoredRun, JournalError> {
        let text = |error: serde_json::Error| JournalError::Read(error.to_string());
        let store = |entry: Entry| {
            let record = serde_json::to_string(&entry.record).map_err(text)?;
            Ok(StoredEntry { seq: entry.seq, at: entry.at, tick: entry.tick, record })
        };
        Ok(StoredRun {
            run_id: run.run_id,
            space,
            number: run.number,
            reused_ids: serde_json::to_string(&run.reused_ids).map_err(text)?,
            has_ended: run.finished_at.is_some(),
            document: self.runs[run.run_id as usize - 1].submission.document.clone(),
            entries: self.entries(run.run_id).into_iter().map(store).collect::<Result<_, _>>()?,
            id: run.id,
        })
    }

    /// Every run, oldest first.
    fn summaries(&self) -> impl DoubleEndedIterator<Item = (Space, RunSummary)> {
        (1..)
            .zip(&self.runs)
            .map(|(run_id, run)| (run.submission.space, self.summary(run_id, run)))
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn summary(&self, run_id: i64, run: &Run) -> RunSummary {
        let entries = self.entries(run_id);
        let end = entries.iter().find_map(|entry| match &entry.record {
            Record::AnalysisFinished { outcome, cause, .. } => Some((entry.at, *outcome, cause.clone())),
            _ => None,
        });
        let begun = entries.iter().rev().find_map(|entry| match entry.record {
            Record::Queued => Some("queued"),
            Record::Begun => Some("running"),
            _ => None,
        });
        RunSummary {
            run_id,
            id: run.submission.id_text.clone(),
            number: run.number,
            tenant: run.submission.tenant.clone(),
            state: end.as_ref().map_or(begun.unwrap_or("running"), |(_, outcome, _)| outcome.as_str()).to_owned(),
            settled: entries.iter().any(|entry| entry.record == Record::Settled),
            accepted_at: entries.first().map_or(0, |entry| entry.at),
            finished_at: end.as_ref().map(|(at, ..)| *at),
            cause: end.and_then(|(_, _, cause)| cause).map(|cause| cause.failure.message),
            reused_ids: run.reused_ids.clone(),
        }
    }
}
