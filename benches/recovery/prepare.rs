//! A data directory as a killed process leaves it: analyses of ten jobs in every state of progress, most of what they had
//! to tell told, every tenth with a job at work.

use std::path::Path;

use orchestrator::ports::SuccessDetails;
use orchestrator::store::record::Lane;
use orchestrator::store::{Acceptance, Journal, Record, SqliteJournal};
use orchestrator::testing::Shape;

const JOBS: usize = 10;
const TENANTS: usize = 20;

/// Writes them; answers the number of records.
pub(super) fn open_analyses(file: &Path, count: usize) -> usize {
    let journal = SqliteJournal::open(file).unwrap();
    let mut records = 0;
    futures::executor::block_on(async {
        let mut last = None;
        for number in 0..count {
            let shape = Shape::ALL[number % Shape::ALL.len()];
            let sketch = shape.sketch(JOBS, number as u64).id(&format!("a{number}"));
            let sketch = sketch.tenant(&format!("tenant{}", number % TENANTS));
            let accepted = journal.accept(sketch.submission(&sketch.plan())).await.unwrap();
            let Acceptance::New { run_id, .. } = accepted else { panic!("{accepted:?}") };
            for record in history(number) {
                last = Some(journal.append(run_id, record));
                records += 1;
            }
        }
        last.unwrap().await.unwrap();
    });
    records + count
}

/// The first jobs are done, in the order of their edges; the next one is at work in every tenth run.
fn history(number: usize) -> Vec<Record> {
    let done = number % JOBS;
    let mut records = Vec::new();
    let told = |lane, number| Record::Delivered { lane, number, given_up: None };
    records.push(told(Lane::Records, 1));
    for job in 0..done {
        if job > 0 {
            records.extend(start(number, job));
        }
        records.push(Record::JobSucceeded {
            job,
            attempt: 1,
            producer: job,
            path: format!("tenant{}/analysis-a{number}/cleaned-{job}", number % TENANTS),
            details: SuccessDetails::default(),
        });
        records.push(told(Lane::Records, job as u32 + 2));
        records.push(told(Lane::Notices, job as u32 + 1));
    }
    if done > 0 && (number / JOBS).is_multiple_of(10) {
        records.extend(start(number, done));
    }
    records
}

fn start(number: usize, job: usize) -> [Record; 2] {
    let service = "cleaning".to_owned();
    let wire_id = format!("a{number}-{job}");
    [
        Record::JobStarting { job, attempt: 1, service: service.clone(), wire_id, details: SuccessDetails::default() },
        Record::JobStartAcknowledged { job, attempt: 1, service },
    ]
}
