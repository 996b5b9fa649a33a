//! Row: the web application is down, slow or answers 500. No job waits for it, and no notice is lost.

use std::time::Duration;

use orchestrator::jobs::JobSettings;
use orchestrator::ports::{JobRunner, Notice, NoticeKind};
use orchestrator::store::Record;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::attempt::Life;
use super::{Played, Script, around, begin};

/// Three jobs that take a minute each, and a sink.
fn document() -> Value {
    let mut document = around(json!({"title": "cleaning", "next": [3]}));
    let middle = |step: u32, next: u32| json!({"step": step, "id": step * 10, "title": "cleaning", "from": step - 1, "next": [next]});
    document["jobs"][2] = middle(3, 4);
    let jobs = document["jobs"].as_array_mut().expect("jobs");
    jobs.push(middle(4, 5));
    jobs.push(json!({"step": 5, "id": 50, "title": "data-sink", "from": 4, "next": [0]}));
    document
}

fn script(front_end_away: bool) -> Script {
    let minute = Duration::from_secs(60);
    Script { front_end_away, delays: vec![("POST data-cleaning", minute)], ..Script::default() }
}

fn elapsed_ms(played: &Played) -> i64 {
    let elapsed = |record: &Record| match record {
        Record::AnalysisFinished { elapsed_ms, .. } => Some(*elapsed_ms),
        _ => None,
    };
    played.records.iter().find_map(elapsed).expect("it has ended")
}

#[actix::test]
async fn front_end_down_for_ten_minutes_delays_no_job_and_loses_no_notice() {
    let there = begin(&document(), script(false), JobSettings::default(), None).await.plays_to_its_end().await;
    let since = Instant::now();
    let playing = begin(&document(), script(true), JobSettings::default(), None).await;
    let world = playing.world.clone();
    let comes_back = async {
        sleep(Duration::from_secs(600)).await;
        assert!(world.notices().is_empty());
        world.front_end_comes_back();
    };
    let (away, ()) = futures::join!(playing.plays_to_its_end(), comes_back);
    assert_eq!(elapsed_ms(&away), elapsed_ms(&there), "no job was delayed");
    assert!(elapsed_ms(&away) >= 180_000);
    // every notice once, in order, with the event ids that they have without an outage
    assert_eq!(away.transcript(), there.transcript());
    assert_eq!(away.world.notices().len(), 5, "{:?}", away.world.notices());
    assert!(away.given_up().is_empty());
    assert!((600..610).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
}

#[actix::test]
async fn refusals_of_the_same_id_are_different_events() {
    let life = Life::new(Script::default());
    let notice = |text: &str| Notice { kind: NoticeKind::Error, text: text.to_owned() };
    for why in ["no room", "a cycle"] {
        life.jobs.announce_refusal("0aF".to_owned(), vec![notice(why), notice("terminated")]).await;
    }
    let transcript = life.world.transcript();
    let told: Vec<(&str, &str)> = transcript.lines().filter_map(|line| line.split_once(" error: ")).collect();
    let texts: Vec<&str> = told.iter().map(|(_, text)| *text).collect();
    assert_eq!(texts, ["no room", "terminated", "a cycle", "terminated"]);
    let number = |at: usize| told[at].0.strip_prefix("0aF/0/").and_then(|number| number.parse::<u64>().ok()).unwrap();
    assert_eq!((number(1), number(3)), (number(0) + 1, number(2) + 1), "in order");
    assert!(number(2).abs_diff(number(0)) > 1, "none of the first is said again: {told:?}");
}
