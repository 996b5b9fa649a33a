//! Rows: the process stands still for minutes, because it is stopped or its machine is, so that all its timers are late at
//! once; the database is away for minutes.

use std::collections::VecDeque;
use std::time::Duration;

use orchestrator::jobs::JobSettings;
use orchestrator::ports::StoreError;
use orchestrator::store::Record;
use serde_json::{Value, json};
use tokio::time::{Instant, advance, sleep};

use super::ports::says;
use super::{Played, Script, around, begin};

const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// Two cleanings, one after the other.
fn document() -> Value {
    let mut document = around(json!({"title": "cleaning", "next": [3]}));
    document["jobs"][2] = json!({"step": 3, "id": 30, "title": "cleaning", "from": 2, "next": [4]});
    let jobs = document["jobs"].as_array_mut().expect("jobs");
    jobs.push(json!({"step": 4, "id": 40, "title": "data-sink", "from": 3, "next": [0]}));
    document
}

/// A service that takes a minute for its answer to a start, and then three looks to be done.
fn slow() -> Script {
    let (progress, complete) = (r#"{"status":"progress"}"#, r#"{"status":"complete"}"#);
    let looks = [progress, progress, complete, progress, progress, complete].map(|body| says(200, body));
    let script = Script::default().answering("GET data-cleaning/progress", looks);
    Script { delays: vec![("POST data-cleaning", Duration::from_secs(60))], ..script }
}

/// Everything that was said, but for the one number that tells the time.
fn timeless(played: &Played) -> Vec<String> {
    let mut lines: Vec<String> = played.transcript().lines().map(str::to_owned).collect();
    for line in &mut lines {
        if let Some(at) = line.find("exec-speed") {
            line.truncate(at);
        }
    }
    lines
}

/// Plays it with a standstill that begins after so long.
async fn standing_still_after(begins: Duration) -> Played {
    let playing = begin(&document(), slow(), JobSettings::default(), None).await;
    let stands_still = async {
        sleep(begins).await;
        advance(FIVE_MINUTES).await;
    };
    let (played, ()) = futures::join!(playing.plays_to_its_end(), stands_still);
    played
}

/// In the midst of a start, of a look, of a pause between looks.
#[actix::test]
async fn a_process_that_stood_still_for_five_minutes_goes_on_as_if_nothing_had_been() {
    let without = begin(&document(), slow(), JobSettings::default(), None).await.plays_to_its_end().await;
    for millis in [0, 30_000, 59_999, 60_000, 60_001, 60_007, 90_000, 120_010] {
        let since = Instant::now();
        let with = standing_still_after(Duration::from_millis(millis)).await;
        assert!(since.elapsed() >= FIVE_MINUTES);
        assert_eq!(timeless(&with), timeless(&without), "after {millis} ms");
        assert_eq!(with.world.requests("POST data-cleaning").len(), 2, "nothing is started twice");
        assert_eq!(with.world.requests("GET data-cleaning").len(), 6, "nobody is asked in a hurry");
        let odd = |record: &&Record| {
            matches!(record, Record::JobLostContact { .. } | Record::JobFailed { .. } | Record::Warning { .. })
        };
        assert_eq!(with.records.iter().find(odd), None, "after {millis} ms");
    }
}

fn elapsed_ms(played: &Played) -> i64 {
    let elapsed = |record: &Record| match record {
        Record::AnalysisFinished { elapsed_ms, .. } => Some(*elapsed_ms),
        _ => None,
    };
    played.records.iter().find_map(elapsed).expect("it has ended")
}

/// What was written to the database, each thing once: a try that failed is repeated before anything else is tried.
fn written(played: &Played) -> Vec<String> {
    let lines = timeless(played).into_iter().skip_while(|line| line != "# records").skip(1);
    let mut lines: Vec<String> = lines.take_while(|line| !line.starts_with('#')).collect();
    lines.dedup();
    lines
}

#[actix::test]
async fn database_down_for_ten_minutes_delays_no_job_and_loses_no_record() {
    let there = begin(&document(), slow(), JobSettings::default(), None).await.plays_to_its_end().await;
    let since = Instant::now();
    let away = StoreError::Unavailable { store: "the database", why: "no server".to_owned() };
    let records: VecDeque<_> = vec![Err(away); 220].into();
    let script = Script { records, ..slow() };
    let without = begin(&document(), script, JobSettings::default(), None).await.plays_to_its_end().await;
    assert!(since.elapsed() >= Duration::from_secs(600), "{:?}", since.elapsed());
    assert_eq!(elapsed_ms(&without) / 1_000, elapsed_ms(&there) / 1_000, "no job was delayed");
    assert_eq!(written(&without), written(&there), "every record, in order");
    assert_eq!(without.world.notices(), there.world.notices(), "every notice, in order");
    assert!(without.given_up().is_empty());
}
