//! Runs of an analysis leave their evidence at the same place, and the records of an earlier one may be late.

use std::rc::Rc;
use std::time::Duration;

use orchestrator::playbook::ObjectKey;
use orchestrator::playbook::job::Service;
use orchestrator::ports::{Delivery, DeliveryResult, JobCall, JobRunner, RecordChange, RunSpec};
use serde_json::json;

use super::around;
use super::attempt::{Life, known, run_of};
use super::ports::{Script, Spark};

const KEY: &str = "analysis-0af/clustered-2/_SUCCESS";
const EVIDENCE: &str = "metis/analysis-0af/clustered-2/_SUCCESS";

/// Two runs of one analysis.
fn runs() -> [Rc<RunSpec>; 2] {
    let first = run_of(&around(json!({"title": "clustering", "timeout-s": 100})));
    let second = RunSpec {
        run_id: 2,
        number: 2,
        playbook: first.playbook.clone(),
        accepted: first.accepted,
        reused_ids: Default::default(),
    };
    [first, Rc::new(second)]
}

async fn outbox_deletes(life: &Life, run: &Rc<RunSpec>) {
    let playbook = &run.playbook;
    let key = ObjectKey::output(&playbook.id, "clustered", &playbook.jobs[1].step).evidence();
    let delete = Delivery::Record(RecordChange::DeleteObject { key });
    assert_eq!(life.jobs.deliver(Rc::clone(run), 1, delete).await, DeliveryResult::Delivered);
}

fn deletions(life: &Life) -> usize {
    life.world.transcript().lines().filter(|line| *line == format!("bucket metis, DELETE {KEY}")).count()
}

#[actix::test]
async fn a_late_outbox_leaves_the_evidence_of_the_next_run_alone() {
    let life = Life::new(Script::default());
    let [first, second] = runs();
    life.run(life.call(&first, 1)).await.expect("it succeeds");
    assert_eq!(deletions(&life), 1, "before the start");
    life.world.spark_now([Spark::NeverReplies].into());
    let late = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        life.world.leaves_evidence(EVIDENCE);
        outbox_deletes(&life, &first).await;
    };
    let (ended, ()) = futures::join!(life.run(life.call(&second, 1)), late);
    ended.expect("its evidence is there");
    assert_eq!(deletions(&life), 2, "before each start, and none by the late outbox");
    outbox_deletes(&life, &second).await;
    outbox_deletes(&life, &first).await;
    assert_eq!(deletions(&life), 4, "nobody needs it any more");
}

#[actix::test]
async fn a_late_outbox_leaves_the_evidence_of_the_next_run_alone_after_a_restart() {
    let life = Life::new(Script::default());
    let [first, second] = runs();
    life.jobs.goes_on(&first);
    life.jobs.goes_on(&second);
    life.world.leaves_evidence(EVIDENCE);
    outbox_deletes(&life, &first).await;
    let call = JobCall { known: vec![known(Service::Spark, "20", false)], ..life.call(&second, 1) };
    life.run(call).await.expect("its evidence is there");
    assert_eq!(deletions(&life), 0);
    outbox_deletes(&life, &second).await;
    assert_eq!(deletions(&life), 1);
}

#[actix::test]
async fn the_outbox_of_the_only_run_deletes_its_evidence() {
    let life = Life::new(Script::default());
    let [first, _] = runs();
    life.run(life.call(&first, 1)).await.expect("it succeeds");
    outbox_deletes(&life, &first).await;
    assert_eq!(deletions(&life), 2);
}

#[actix::test]
async fn nothing_is_deleted_before_all_runs_of_earlier_lives_are_known() {
    let life = Life::new(Script::default());
    let [first, second] = runs();
    life.jobs.awaits_runs();
    life.jobs.goes_on(&first);
    life.world.leaves_evidence(EVIDENCE);
    let next_portion = async {
        tokio::task::yield_now().await;
        life.jobs.goes_on(&second);
        life.jobs.knows_all_runs();
    };
    futures::join!(outbox_deletes(&life, &first), next_portion);
    assert_eq!(deletions(&life), 0);
    outbox_deletes(&life, &second).await;
    assert_eq!(deletions(&life), 1);
}
