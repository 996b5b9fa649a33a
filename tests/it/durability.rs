//! Intent before effect: with a journal that is held back nothing may follow from what is not durable.

use orchestrator::engine::messages::SubmitError;
use orchestrator::ports::Delivery;
use orchestrator::store::{Journal, Record};
use orchestrator::testing::{ScriptedRunner, TestEngine, Told, graph_of, quiet};

use crate::secs;

#[actix::test]
async fn a_submission_is_answered_when_its_acceptance_is_durable() {
    let engine = TestEngine::new(&ScriptedRunner::new());
    engine.journal().hold();
    let sketch = graph_of("1 -> 2");
    let answer = {
        let mut submitted = std::pin::pin!(engine.submit(&sketch));
        assert!(actix::clock::timeout(secs(100), &mut submitted).await.is_err());
        assert_eq!(engine.journal().held(), [Record::Accepted]);
        engine.journal().release_all();
        submitted.await
    };
    assert!(answer.unwrap().is_new);
    engine.outcome("a1").await;
    engine.finish().await;
}

#[actix::test]
async fn no_job_starts_before_its_intent_is_durable() {
    let jobs = ScriptedRunner::new();
    jobs.step("1").succeeds_after(secs(1));
    let engine = TestEngine::new(&jobs);
    engine.submit(&graph_of("1 -> 2")).await.unwrap();
    engine.journal().hold();
    actix::clock::sleep(secs(1000)).await;
    assert_eq!(jobs.steps(), ["1"], "the data set needs no intent");
    let intent = |record: &Record| matches!(record, Record::JobStarting { job: 1, attempt: 1, .. });
    assert!(engine.journal().held().iter().any(intent));
    engine.journal().release_all();
    engine.outcome("a1").await;
    assert!(jobs.only("2").started >= secs(1000));
    engine.finish().await;
}

#[actix::test]
async fn successors_are_told_before_the_completion_is_durable_but_the_outside_is_not() {
    let jobs = ScriptedRunner::new();
    jobs.tells_milestones().step("2").succeeds_after(secs(5));
    let engine = TestEngine::new(&jobs);
    engine.submit(&graph_of("1 -> 2 -> 3")).await.unwrap();
    actix::clock::sleep(secs(1)).await;
    engine.journal().hold();
    actix::clock::sleep(secs(100)).await;
    let held = engine.journal().held();
    let place = |wanted: fn(&Record) -> bool| held.iter().position(wanted).unwrap();
    let done = place(|record| matches!(record, Record::JobSucceeded { job: 1, .. }));
    let intent = place(|record| matches!(record, Record::JobStarting { job: 2, .. }));
    assert!(done < intent, "an intent is never durable before the completions it builds on");
    assert_eq!(jobs.notices(), ["accepted", "1 succeeded"]);
    engine.journal().release(done + 1);
    quiet().await;
    assert_eq!(jobs.notices(), ["accepted", "1 succeeded", "2 succeeded"]);
    assert_eq!(jobs.steps(), ["1", "2"]);
    engine.journal().release_all();
    engine.outcome("a1").await;
    engine.finish().await;
}

#[actix::test]
async fn the_final_notice_waits_for_the_final_record() {
    let jobs = ScriptedRunner::new();
    jobs.tells_milestones().step("2").succeeds_after(secs(5));
    let engine = TestEngine::new(&jobs);
    engine.submit(&graph_of("1 -> 2")).await.unwrap();
    actix::clock::sleep(secs(1)).await;
    engine.journal().hold();
    actix::clock::sleep(secs(100)).await;
    assert!(!jobs.notices().contains(&"finished well".to_owned()));
    engine.journal().release_all();
    engine.outcome("a1").await;
    quiet().await;
    assert_eq!(jobs.notices().last().unwrap(), "finished well");
    engine.finish().await;
}

#[actix::test]
async fn a_notice_goes_out_after_the_records_of_its_milestone_and_records_wait_for_no_notice() {
    let jobs = ScriptedRunner::new();
    jobs.tells_milestones().deliveries_take(secs(1));
    let engine = TestEngine::new(&jobs);
    let end = engine.run(&graph_of("1 -> 2 -> 3")).await;
    assert_eq!(end.elapsed.as_secs(), 0, "jobs wait for no delivery");
    engine.journal().wait_until(|journal| journal.unsettled().is_empty()).await;
    let at = |number: u32, record: bool| {
        let is_record = |told: &&Told| matches!(told.delivery, Delivery::Record(_)) == record && told.number == number;
        jobs.told().iter().find(is_record).unwrap().at.as_secs()
    };
    // five milestones: records leave after 1, 2, 3, ... seconds, each notice a second after its record
    for number in 1..=5 {
        assert_eq!((at(number, true), at(number, false)), (u64::from(number), u64::from(number) + 1));
    }
    engine.finish().await;
}

/// The web application is slow, and the analysis is run again meanwhile: the old run's words come before the new one's.
#[actix::test]
async fn what_a_run_has_to_tell_goes_before_the_first_word_of_the_next_run_of_its_analysis() {
    let jobs = ScriptedRunner::new();
    jobs.tells_milestones().deliveries_take(secs(10));
    let engine = TestEngine::new(&jobs);
    for id in ["a1", "a1", "b1"] {
        engine.run(&graph_of("1 -> 2").id(id)).await;
    }
    engine.journal().wait_until(|journal| journal.unsettled().is_empty()).await;
    for is_notice in [false, true] {
        let told = jobs.told();
        let of = |id: &'static str| {
            let is_it =
                move |told: &&Told| told.analysis == id && matches!(told.delivery, Delivery::Notice(_)) == is_notice;
            told.iter().filter(is_it).map(|told| (told.number, told.at)).collect::<Vec<_>>()
        };
        let numbers: Vec<u32> = of("a1").iter().map(|(number, _)| *number).collect();
        let each = u32::try_from(numbers.len() / 2).unwrap();
        assert_eq!(numbers, (1..=each).chain(1..=each).collect::<Vec<_>>(), "one run after the other");
        assert!(of("b1")[0].1 <= of("a1")[0].1, "another analysis does not wait: {:?}", jobs.told());
    }
    engine.finish().await;
}

/// The second run has no words of its own in this lane.
#[actix::test]
async fn a_run_with_nothing_to_tell_lets_nobody_pass_those_before_it() {
    let jobs = ScriptedRunner::new();
    let engine = TestEngine::new(&jobs);
    jobs.tells_milestones().deliveries_take(secs(10));
    engine.run(&graph_of("1 -> 2")).await;
    jobs.tells_nothing();
    engine.run(&graph_of("1 -> 2")).await;
    jobs.tells_milestones();
    engine.run(&graph_of("1 -> 2")).await;
    engine.journal().wait_until(|journal| journal.unsettled().is_empty()).await;
    let records = jobs.told().into_iter().filter(|told| matches!(told.delivery, Delivery::Record(_)));
    let numbers: Vec<u32> = records.map(|told| told.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 1, 2, 3, 4], "the third run's words come after the first run's");
    engine.finish().await;
}

#[actix::test]
async fn a_submission_that_cannot_be_written_is_refused_and_not_counted() {
    let engine = TestEngine::new(&ScriptedRunner::new());
    engine.journal().fail("no space left");
    let refused = engine.submit(&graph_of("1 -> 2")).await;
    assert!(matches!(refused, Err(SubmitError::NotDurable(_))), "{refused:?}");
    engine.finish().await;
}

#[actix::test]
async fn a_job_whose_intent_cannot_be_written_fails_without_having_started_and_nothing_hangs() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").succeeds_after(secs(5));
    let engine = TestEngine::new(&jobs);
    engine.submit(&graph_of("1 -> 2 -> 3; 1 -> 4")).await.unwrap();
    actix::clock::sleep(secs(1)).await;
    engine.journal().fail("no space left");
    actix::clock::sleep(secs(100)).await;
    assert!(!jobs.steps().contains(&"3".to_owned()), "its intent is not durable");
    let milestones: Vec<String> = jobs.milestones().into_iter().map(|(_, text)| text).collect();
    assert_eq!(milestones.last().unwrap(), "finished badly");
    assert!(jobs.living_runs().is_empty(), "nothing hangs");
}

#[actix::test]
async fn an_intent_that_is_refused_while_it_waits_fails_its_job() {
    let jobs = ScriptedRunner::new();
    jobs.step("1").succeeds_after(secs(1));
    let engine = TestEngine::new(&jobs);
    engine.submit(&graph_of("1 -> 2")).await.unwrap();
    engine.journal().hold();
    actix::clock::sleep(secs(5)).await;
    engine.journal().fail("no space left");
    actix::clock::sleep(secs(1)).await;
    assert_eq!(jobs.steps(), ["1"]);
    let milestones: Vec<String> = jobs.milestones().into_iter().map(|(_, text)| text).collect();
    assert_eq!(milestones.last().unwrap(), "finished badly");
    assert!(jobs.living_runs().is_empty());
}

#[actix::test]
async fn an_analysis_that_lost_a_record_never_ends_well_even_if_the_journal_recovers() {
    let jobs = ScriptedRunner::new();
    jobs.tells_milestones().step("2").succeeds_after(secs(5));
    let engine = TestEngine::new(&jobs);
    engine.submit(&graph_of("1 -> 2 -> 3")).await.unwrap();
    actix::clock::sleep(secs(1)).await;
    engine.journal().hold();
    actix::clock::sleep(secs(100)).await;
    let held = engine.journal().held();
    let completion = held.iter().position(|record| matches!(record, Record::JobSucceeded { job: 1, .. })).unwrap();
    engine.journal().release(completion);
    let before = engine.journal().records(1).len();
    engine.journal().lose(1, "no space left");
    engine.journal().release_all();
    actix::clock::sleep(secs(100)).await;
    assert_eq!(engine.journal().records(1).len(), before, "the records of a run have no gaps");
    assert_eq!(jobs.steps(), ["1", "2"], "nothing is built on what was lost");
    assert_eq!(jobs.milestones().last().unwrap().1, "finished badly");
    assert!(!jobs.notices().iter().any(|text| text.starts_with("finished")), "{:?}", jobs.notices());
    assert!(jobs.living_runs().is_empty());
}

#[actix::test]
async fn a_run_is_read_back_after_what_was_held_before() {
    let engine = TestEngine::new(&ScriptedRunner::new());
    engine.submit(&graph_of("1 -> 2")).await.unwrap();
    quiet().await;
    let (journal, before) = (engine.journal(), engine.journal().records(1).len());
    journal.hold();
    drop(journal.append(1, Record::Begun));
    let mut read = std::pin::pin!(journal.read_back(1));
    drop(journal.append(1, Record::Begun));
    assert!(actix::clock::timeout(secs(100), &mut read).await.is_err());
    journal.release(2);
    assert_eq!(read.await.unwrap().len(), before + 1);
    journal.release_all();
    assert_eq!(journal.read_back(1).await.unwrap().len(), before + 2);
}
