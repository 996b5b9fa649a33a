//! What is acknowledged is on the disk, and whose an id is, is decided with it: of two tenants that come at once exactly one
//! gets the id.

use orchestrator::playbook::Space;
use orchestrator::store::{Acceptance, History, Journal, Receipt, SqliteHistory, SqliteJournal, Submission};
use orchestrator::testing::{Sketch, graph_of};

use crate::sqlite::Place;

fn submission(sketch: &Sketch) -> Submission {
    sketch.submission(&sketch.plan())
}

/// Hands in both at once, so that the writer finds them together.
async fn race(journal: &SqliteJournal, one: &Sketch, other: &Sketch) -> [Acceptance; 2] {
    let both = [submission(one), submission(other)];
    // records of nobody keep the writer busy until both are there
    let busy: Vec<Receipt<u64>> = (0..200).map(|_| journal.append(0, orchestrator::store::Record::Begun)).collect();
    let [one, other] = both.map(|submission| journal.accept(submission));
    futures::future::join_all(busy).await;
    [one.await.expect("it is decided"), other.await.expect("it is decided")]
}

fn winners(decided: &[Acceptance; 2]) -> usize {
    decided.iter().filter(|acceptance| matches!(acceptance, Acceptance::New { .. })).count()
}

#[actix::test]
async fn what_is_acknowledged_is_committed() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let history = SqliteHistory::open(&place.file());
    for round in 0..20 {
        let id = format!("a{round}");
        let accepted = journal.accept(submission(&graph_of("1 -> 2").id(&id))).await.unwrap();
        assert!(matches!(accepted, Acceptance::New { .. }));
        // another connection sees what is committed and nothing else
        assert!(history.find(Space::Analysis, &id, None).unwrap().is_some(), "{id}");
    }
}

#[actix::test]
async fn an_analysis_id_goes_to_one_of_two_tenants() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    for round in 0..20 {
        let id = format!("a{round}");
        let one = graph_of("1 -> 2").id(&id).tenant("tenant-a");
        let other = graph_of("1 -> 2").id(&id).tenant("tenant-b");
        let decided = race(&journal, &one, &other).await;
        assert_eq!(winners(&decided), 1, "{decided:?}");
        assert!(decided.contains(&Acceptance::IdInUse), "{decided:?}");
    }
}

#[actix::test]
async fn a_job_id_goes_to_one_of_two_tenants() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    for round in 0..20 {
        let job = format!("job-{round}");
        let one = graph_of("1 -> 2").id(&format!("a{round}")).tenant("tenant-a").member("2", "id", job.as_str());
        let other = graph_of("1 -> 2").id(&format!("b{round}")).tenant("tenant-b").member("2", "id", job.as_str());
        let decided = race(&journal, &one, &other).await;
        assert_eq!(winners(&decided), 1, "{decided:?}");
        assert!(decided.contains(&Acceptance::JobIdInUse { job: 1 }), "{decided:?}");
    }
}
