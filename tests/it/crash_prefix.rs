//! The files of the journal after a power cut: the log ends anywhere, its last part is torn or is somebody else's, a
//! checkpoint was half done. What was acknowledged before is there, nothing is there by half, and runs go on from it.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use orchestrator::engine::{EngineHandle, EngineLimits};
use orchestrator::ports::FailureKind;
use orchestrator::store::recovery::open_runs;
use orchestrator::store::{Entry, History, Journal, Record, SqliteHistory, SqliteJournal};
use orchestrator::testing::{Dice, ScriptedRunner, Sketch, graph_of};

use crate::sqlite::{Place, ended, submit};

/// Size of the header of a log, and of the header of each of its frames (the SQLite file format, section 4.1).
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The two files of a journal as they were at one moment.
#[derive(Clone)]
struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Files {
    fn of(place: &Place) -> Self {
        Self { database: fs::read(place.file()).unwrap(), log: fs::read(log_of(&place.file())).unwrap() }
    }

    fn page_size(&self) -> usize {
        match u16::from_be_bytes([self.database[16], self.database[17]]) {
            1 => 65_536,
            size => usize::from(size),
        }
    }

    /// Where each frame of the log lies.
    fn frames(&self) -> impl Iterator<Item = Range<usize>> {
        let size = FRAME_HEADER + self.page_size();
        (LOG_HEADER..self.log.len()).step_by(size).map(move |start| start..start + size)
    }

    /// The lengths of the log at which a transaction was complete: its last frame says how large the database is then.
    fn commits(&self) -> Vec<usize> {
        let is_last = |frame: &Range<usize>| self.log[frame.start + 4..frame.start + 8] != [0; 4];
        self.frames().filter(is_last).map(|frame| frame.end).collect()
    }

    /// A directory with these files.
    fn put(&self) -> Place {
        let place = Place::new();
        fs::write(place.file(), &self.database).unwrap();
        fs::write(log_of(&place.file()), &self.log).unwrap();
        place
    }
}

fn log_of(database: &Path) -> std::path::PathBuf {
    database.with_extension("db-wal")
}

/// What lies behind the place where the power went.
#[derive(Debug, Clone, Copy)]
enum Tail {
    /// The file ends there.
    Nothing,
    /// The file had been made longer.
    Zeros,
    /// Parts of other files.
    Noise,
    /// What belongs there, but one byte of it never arrived.
    OneByteWrong,
}

fn torn(files: &Files, at: usize, tail: Tail, dice: &mut Dice) -> Files {
    let mut torn = files.clone();
    match tail {
        Tail::Nothing => torn.log.truncate(at),
        Tail::Zeros => torn.log[at..].fill(0),
        Tail::Noise => torn.log[at..].fill_with(|| dice.below(256) as u8),
        Tail::OneByteWrong => {
            if let Some(byte) = torn.log.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
    }
    torn
}

/// Everything in the journal, as the next start reads it.
fn read(place: &Place, runs: i64) -> Vec<Entry> {
    drop(SqliteJournal::open(&place.file()).expect("the next start opens it"));
    let database = rusqlite::Connection::open(place.file()).unwrap();
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let history = SqliteHistory::open(&place.file());
    let mut entries: Vec<Entry> = (1..=runs).flat_map(|run| history.entries(run).unwrap()).collect();
    entries.sort_by_key(|entry| entry.seq);
    entries
}

/// Writes three runs; answers the files, everything that was written, and how much of it was acknowledged at which length
/// of the log.
async fn written() -> (Files, Vec<Entry>, Vec<(usize, usize)>) {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let length = || fs::metadata(log_of(&place.file())).unwrap().len() as usize;
    let (mut count, mut acknowledged) = (0, vec![(0, 0)]);
    for run in 1..=3 {
        let sketch = graph_of("1 -> 2").id(&format!("a{run}"));
        journal.accept(sketch.submission(&sketch.plan())).await.unwrap();
        count += 1;
        acknowledged.push((length(), count));
        for number in 0..12 {
            // some alone, some in company, some larger than a page
            let text = "x".repeat(if number % 5 == 0 { 9_000 } else { number * 10 });
            let warning = || Record::Warning { job: None, code: "w".to_owned(), text: text.clone() };
            let together = 1 + number % 3;
            let receipts: Vec<_> = (0..together).map(|_| journal.append(run, warning())).collect();
            for receipt in receipts {
                receipt.await.unwrap();
            }
            count += together;
            acknowledged.push((length(), count));
        }
    }
    let files = Files::of(&place);
    let entries = read(&files.put(), 3);
    assert_eq!(entries.len(), count);
    (files, entries, acknowledged)
}

#[actix::test]
async fn a_log_that_ends_anywhere_holds_what_was_acknowledged_and_nothing_by_half() {
    let (files, entries, acknowledged) = written().await;
    let mut dice = Dice::new(2_026);
    let ends: Vec<usize> = files.frames().map(|frame| frame.end).collect();
    let mut cuts: Vec<usize> = vec![0, 1, LOG_HEADER - 1, LOG_HEADER];
    cuts.extend(ends.iter().flat_map(|end| [end - 1, *end]));
    cuts.extend((0..100).map(|_| dice.below(files.log.len())));
    let tails = [Tail::Nothing, Tail::Zeros, Tail::Noise, Tail::OneByteWrong];
    for (number, at) in cuts.into_iter().enumerate() {
        let tail = tails[number % tails.len()];
        let found = read(&torn(&files, at, tail, &mut dice).put(), 3);
        assert!(found == entries[..found.len()], "{tail:?} at {at}: not a beginning of what was written");
        let (_, promised) = acknowledged.iter().rfind(|(length, _)| *length <= at).unwrap();
        assert!(found.len() >= *promised, "{tail:?} at {at}: {} of {promised} acknowledged records", found.len());
        // records that were handed in together may be committed apart
        let most = acknowledged.iter().find(|(length, _)| *length > at).map_or(entries.len(), |(_, count)| *count);
        assert!(found.len() <= most, "{tail:?} at {at}: {} records, at most {most} were written", found.len());
    }
}

#[actix::test]
async fn a_checkpoint_that_was_torn_loses_nothing() {
    let (before, entries, _) = written().await;
    let after = {
        let place = before.put();
        let database = rusqlite::Connection::open(place.file()).unwrap();
        database.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
        fs::read(place.file()).unwrap()
    };
    assert!(after.len() > before.database.len(), "it has moved pages");
    let page = before.page_size();
    for written in (0..after.len()).step_by(page / 2) {
        // so much of the new file has arrived; whole pages before, half a page at the end
        let mut torn = before.clone();
        torn.database.resize(after.len().min(before.database.len().max(written)), 0);
        torn.database[..written].copy_from_slice(&after[..written]);
        assert!(read(&torn.put(), 3) == entries, "{written} bytes of the checkpoint arrived");
    }
}

/// A life on the files of another: everything that is open goes on.
async fn next_life(place: &Place, jobs: &ScriptedRunner, ids: &[&str]) -> Vec<String> {
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let history = SqliteHistory::open(&place.file());
    let engine = EngineHandle::start_here(EngineLimits::default(), Arc::new(journal.clone()), Rc::new(jobs.clone()));
    engine.resume(open_runs(&history, journal.tick()).unwrap()).await;
    let mut states = Vec::new();
    for id in ids {
        if let Some(run) = history.find(orchestrator::playbook::Space::Analysis, id, None).unwrap() {
            ended(&history, id).await;
            let run = history.find(orchestrator::playbook::Space::Analysis, id, Some(run.number)).unwrap().unwrap();
            states.push(run.state);
        }
    }
    states
}

fn scripted() -> ScriptedRunner {
    let jobs = ScriptedRunner::new();
    jobs.step_of("a2", "3").fails_with(FailureKind::ServiceError, "it is broken");
    jobs
}

#[actix::test]
async fn from_every_commit_of_a_run_its_next_life_comes_to_the_same_end() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let history = SqliteHistory::open(&place.file());
    let (ids, jobs) = (["a1", "a2"], scripted());
    let sketches: [Sketch; 2] = [graph_of("1 -> 2,3 -> 4").id("a1"), graph_of("1 -> 2 -> 3 -> 4").id("a2")];
    let engine = EngineHandle::start_here(EngineLimits::default(), Arc::new(journal.clone()), Rc::new(jobs.clone()));
    for sketch in &sketches {
        submit(&engine, sketch).await.unwrap();
    }
    for id in ids {
        ended(&history, id).await;
    }
    let files = Files::of(&place);
    let commits = files.commits();
    // how many there are depends on who finds whom in line
    assert!(commits.len() > 4, "{commits:?}");
    for at in commits {
        let mut cut = files.clone();
        cut.log.truncate(at);
        let (place, jobs) = (cut.put(), scripted());
        let succeeded = {
            let entries = read(&place, 2);
            entries.iter().filter(|entry| matches!(entry.record, Record::JobSucceeded { .. })).count()
        };
        let states = next_life(&place, &jobs, &ids).await;
        assert!(
            ["succeeded", "failed"].iter().zip(&states).all(|(one, other)| one == other),
            "cut at {at}: {states:?}"
        );
        // job by job, at most what was not known to have succeeded is done again
        let most = sketches.iter().take(states.len()).map(Sketch::len).sum::<usize>() - succeeded;
        assert!(jobs.steps().len() <= most, "cut at {at}: {:?} after {succeeded} were done", jobs.steps());
    }
}
