//! What clients submit: analyses of every shape and kind with every option, and ingestions.

use orchestrator::engine::messages::Verb;
use orchestrator::testing::{Dice, Shape};
use serde_json::{Map, Value, json};

use super::dice::Rolls;
use super::plan::{Client, HOUR, MINUTE, SECOND, Time};

/// Everybody who submits something, in order of time.
pub(super) fn clients(dice: &mut Dice) -> Vec<Client> {
    let tenants = if dice.odds(400) { vec!["Metis", "argos"] } else { vec!["metis"] };
    let mut clients: Vec<Client> = Vec::new();
    for number in 1..=dice.weighted(&[(25, 1), (25, 2), (20, 3), (15, 4), (15, 6)]) {
        let tenant = dice.one_of(&tenants);
        let at = if dice.odds(500) { dice.between(0, SECOND) } else { dice.spread(SECOND, 10 * MINUTE) };
        let again = dice.odds(120).then(|| clients.last()).flatten();
        let document = match again {
            // a double click, or the same analysis once more after it has ended
            Some(earlier) => earlier.document.clone(),
            None if dice.odds(100) => ingestion(dice, number, tenant),
            None => analysis(dice, number, tenant),
        };
        clients.push(Client { at, document, wishes: wishes(dice, at) });
    }
    clients.sort_by_key(|client| client.at);
    clients
}

fn wishes(dice: &mut Dice, at: Time) -> Vec<(Time, Verb)> {
    let mut later = |from: Time| from + dice.spread(10, HOUR);
    let (first, second) = (later(at), later(at));
    match dice.below(100) {
        0..6 => vec![(first, Verb::Cancel)],
        6..14 => vec![(first, Verb::Pause), (first + second - at, Verb::Resume)],
        14..17 => vec![(first, Verb::Pause), (first + second - at, Verb::Cancel)],
        _ => Vec::new(),
    }
}

fn ingestion(dice: &mut Dice, number: usize, tenant: &str) -> Map<String, Value> {
    let document = json!({
        "ingestion-id": format!("ing{number}"), "database-id": tenant, "user": "eva",
        "dataset-label": format!("People/{}", dice.below(3)),
        "ingestion_json": {"method": "GET", "url": "http://data.example.org/people.csv", "separator": ","},
    });
    document.as_object().cloned().unwrap_or_default()
}

fn analysis(dice: &mut Dice, number: usize, tenant: &str) -> Map<String, Value> {
    let (jobs, edges) = graph(dice);
    let id = format!("{}{number}", dice.one_of(&["a", "A", "0aF"]));
    let continues = dice.odds(400);
    let mut taken = Vec::new();
    let jobs: Vec<Value> = (0..jobs)
        .map(|at| {
            let from: Vec<usize> = edges.iter().filter(|(_, to)| *to == at).map(|(from, _)| from + 1).collect();
            let next: Vec<usize> = edges.iter().filter(|(from, _)| *from == at).map(|(_, to)| to + 1).collect();
            let mut job = kind(dice, &from, at);
            job.insert("step".to_owned(), json!(at + 1));
            job.insert("id".to_owned(), job_id(dice, &id, at, &mut taken));
            job.insert("from".to_owned(), if from.is_empty() { json!(0) } else { json!(from) });
            job.insert("next".to_owned(), if next.is_empty() { json!([0]) } else { json!(next) });
            ways_to_run(dice, &mut job, !from.is_empty() && continues);
            Value::Object(job)
        })
        .collect();
    let mut options = Map::new();
    if continues {
        options.insert("on-failure".to_owned(), json!("continue"));
    }
    if dice.odds(120) {
        options.insert("deadline-s".to_owned(), json!(dice.spread(60, 2 * 3_600)));
    }
    if dice.odds(150) {
        options.insert("max-parallel".to_owned(), json!(dice.between(1, 2)));
    }
    let document = json!({
        "analysis-id": id, "database-id": tenant, "jobs": jobs, "metadata": {"author": "eva"}, "options": options,
    });
    document.as_object().cloned().unwrap_or_default()
}

/// Number of jobs and edges between positions.
fn graph(dice: &mut Dice) -> (usize, Vec<(usize, usize)>) {
    let jobs = dice.between(2, 8) as usize;
    let shapes = [
        (20, Shape::Chain),
        (15, Shape::Diamond),
        (15, Shape::FanOut),
        (12, Shape::FanIn),
        (8, Shape::Ladder),
        (10, Shape::Layered { width: 2 }),
        (20, Shape::Random),
    ];
    let mut edges = dice.weighted(&shapes).edges(jobs, dice.roll());
    if let Some(edge) = edges.first().copied().filter(|_| dice.odds(150)) {
        // `from: [1, 1]`
        edges.insert(1, edge);
    }
    (jobs, edges)
}

/// A job that can do with these inputs.
fn kind(dice: &mut Dice, from: &[usize], at: usize) -> Map<String, Value> {
    let title = match from.len() {
        0 => dice.weighted(&[(80, "dataset"), (20, "function")]),
        1 => dice.weighted(&[
            (30, "cleaning"),
            (18, "function"),
            (12, "classification"),
            (6, "regression"),
            (8, "clustering"),
            (13, "visualization"),
            (13, "data-sink"),
        ]),
        _ => dice.weighted(&[(60, "data-join"), (40, "function")]),
    };
    let mut job = Map::new();
    let mut put = |name: &str, value: Value| drop(job.insert(name.to_owned(), value));
    put("title", json!(title));
    match title {
        "dataset" => put("label", json!(format!("Set/{at}"))),
        "cleaning" => put("max-shrink", json!(0.5)),
        "visualization" => put("label", json!(format!("chart.{at}"))),
        "data-join" => {
            put("column", json!("key"));
            put("join-type", json!("inner"));
        }
        "function" => {
            let args: Vec<Value> = from.iter().map(|step| json!({"feature": format!("f{step}")})).collect();
            put("function", json!({"expression": "x", "args": args}));
        }
        "classification" | "regression" | "clustering" => {
            put("column", json!("key"));
            put("algorithm", json!(dice.one_of(&["false", "kmeans", "linear regression"])));
            put("automl", json!(dice.odds(450)));
            if dice.odds(500) {
                put("params", json!({"max-trials": "5", "depth": at}));
            }
        }
        _ => {}
    }
    job
}

/// Mostly an id of its own; sometimes one that other analyses of anybody use, too.
fn job_id(dice: &mut Dice, analysis: &str, at: usize, taken: &mut Vec<usize>) -> Value {
    let shared = dice.below(4);
    if dice.odds(80) && !taken.contains(&shared) {
        taken.push(shared);
        return json!(format!("Shared-{shared}"));
    }
    match dice.below(3) {
        0 => json!(1_660_000_000_000_u64 + dice.roll() % 1_000_000_000_000),
        _ => json!(format!("{analysis}-J{at}")),
    }
}

fn ways_to_run(dice: &mut Dice, job: &mut Map<String, Value>, may_have_rule: bool) {
    if may_have_rule && dice.odds(350) {
        let rules = ["all-success", "all-done", "one-success", "one-failed", "none-failed"];
        job.insert("when".to_owned(), json!(dice.one_of(&rules)));
    }
    if dice.odds(300) {
        let (backoff, most) = (dice.between(0, 5), dice.between(1, 60));
        let attempts = dice.between(2, 3);
        let retry = json!({"attempts": attempts, "backoff-s": backoff, "max-backoff-s": most});
        job.insert("retry".to_owned(), retry);
    }
    if dice.odds(120) {
        job.insert("timeout-s".to_owned(), json!(dice.spread(30, 1_800)));
    }
}
