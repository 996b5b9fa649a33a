//! Every cell of the published truth table of `when`: by the pure rule, by every order of messages, by real actors.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use orchestrator::graph::EdgeId;
use orchestrator::graph::inputs::{EdgeOutcome, InputBuffer, JobOutput};
use orchestrator::graph::rules::{Tally, Verdict, verdict};
use orchestrator::playbook::When;
use orchestrator::ports::FailureKind;
use orchestrator::store::JobPhase;
use orchestrator::testing::{ScriptedRunner, TestEngine, graph_of};

const HEAD: &str = "| the two edges say |";

/// What one edge says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Nothing,
    Succeeded,
    Failed,
    PassedOver,
}

/// One cell.
#[derive(Debug, Clone)]
struct Cell {
    words: [Word; 2],
    rule: String,
    verdict: Verdict,
}

fn word(text: &str) -> Word {
    match text {
        "-" => Word::Nothing,
        "succeeded" => Word::Succeeded,
        "failed" => Word::Failed,
        "passed over" => Word::PassedOver,
        other => panic!("`{other}` is no word of an edge"),
    }
}

fn verdict_of(text: &str) -> Verdict {
    match text {
        "wait" => Verdict::Wait,
        "start" => Verdict::Start,
        "skip" => Verdict::Skip,
        other => panic!("`{other}` is no verdict"),
    }
}

fn when(rule: &str) -> When {
    match rule {
        "all-success" => When::AllSuccess,
        "all-done" => When::AllDone,
        "one-success" => When::OneSuccess,
        "one-failed" => When::OneFailed,
        "none-failed" => When::NoneFailed,
        other => panic!("`{other}` is no rule"),
    }
}

fn columns(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// The table as it is published.
fn cells() -> Vec<Cell> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let mut lines = text.lines().skip_while(|line| !line.starts_with(HEAD));
    let rules = columns(lines.next().expect("the table is published"))[1..].to_vec();
    let rows = lines.skip(1).take_while(|line| line.starts_with('|')).map(columns);
    let cells: Vec<Cell> = rows
        .flat_map(|row| {
            let (one, other) = row[0].split_once(" and ").expect("two edges");
            let words = [word(one), word(other)];
            let verdicts = rules.iter().zip(row[1..].to_vec());
            verdicts
                .map(move |(rule, verdict)| Cell { words, rule: (*rule).to_owned(), verdict: verdict_of(verdict) })
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(cells.len(), 50, "ten rows of five rules");
    cells
}

fn outcome(word: Word, edge: u32) -> Option<EdgeOutcome> {
    match word {
        Word::Nothing => None,
        Word::Succeeded => {
            let output = JobOutput { producer: edge as usize, path: String::new() };
            Some(EdgeOutcome::Succeeded(Arc::new(output)))
        }
        Word::Failed => Some(EdgeOutcome::Failed),
        Word::PassedOver => Some(if edge == 0 { EdgeOutcome::Skipped } else { EdgeOutcome::Cancelled }),
    }
}

#[test]
fn the_rule_says_what_the_table_says() {
    for cell in cells() {
        let count = |word| cell.words.iter().filter(|said| **said == word).count() as u32;
        let (succeeded, failed) = (count(Word::Succeeded), count(Word::Failed));
        let tally = Tally { edges: 2, succeeded, failed, passed_over: count(Word::PassedOver) };
        assert_eq!(verdict(when(&cell.rule), tally), cell.verdict, "{cell:?}");
    }
}

#[test]
fn a_buffer_settles_on_the_tables_verdict_in_every_order() {
    for cell in cells() {
        for order in [[0, 1], [1, 0]] {
            let mut buffer = InputBuffer::new(when(&cell.rule), [(EdgeId(0), 0), (EdgeId(1), 1)]);
            let said =
                order.into_iter().filter_map(|edge| Some((EdgeId(edge), outcome(cell.words[edge as usize], edge)?)));
            let verdicts: Vec<Verdict> = said.map(|(edge, outcome)| buffer.accept(edge, outcome).unwrap()).collect();
            let settled = verdicts.into_iter().find(|verdict| *verdict != Verdict::Wait).unwrap_or(Verdict::Wait);
            // a rule that settles at the first word does not see the second one
            let first = cells().into_iter().find(|other| {
                let said = cell.words[order[0] as usize];
                other.rule == cell.rule && other.words == [said, Word::Nothing]
            });
            let expected = first.map(|first| first.verdict).filter(|verdict| *verdict != Verdict::Wait);
            assert_eq!(settled, expected.unwrap_or(cell.verdict), "{cell:?} in the order {order:?}");
        }
    }
}

/// Jobs 1 and 2 feed job 3; a job is passed over when the one before it fails.
#[actix::test]
async fn actors_do_what_the_table_says() {
    let complete = |cell: &Cell| !cell.words.contains(&Word::Nothing);
    for cell in cells().into_iter().filter(complete) {
        let jobs = ScriptedRunner::new();
        let mut sketch = graph_of("a -> 1; b -> 2; 1,2 -> 3").goes_on_after_failures();
        sketch = sketch.member("3", "when", cell.rule.as_str());
        for (word, (before, step)) in cell.words.into_iter().zip([("a", "1"), ("b", "2")]) {
            match word {
                Word::PassedOver => jobs.step(before).fails_with(FailureKind::ServiceError, "no"),
                Word::Failed => jobs.step(step).fails_with(FailureKind::ServiceError, "no"),
                Word::Succeeded | Word::Nothing => continue,
            };
        }
        // with the rules that settle early, one input may be all there is: a function takes any number
        let sketch = sketch.member("3", "title", "function").member("3", "function", serde_json::json!({"args": []}));
        let engine = TestEngine::new(&jobs);
        engine.run(&sketch).await;
        let third = engine.progress(&sketch).jobs.last().map(|job| job.phase).unwrap();
        let expected = if cell.verdict == Verdict::Start { JobPhase::Succeeded } else { JobPhase::Skipped };
        assert_eq!(third, expected, "{cell:?}");
        engine.finish().await;
    }
}
