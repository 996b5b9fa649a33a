//! Follows a run to its end: redrawn in place on a terminal, one plain line per state change otherwise.

use std::collections::HashMap;
use std::time::Duration;

use console::{Style, Term};
use serde_json::Value;

use super::client::ApiClient;
use super::exit::{CommandResult, Exit, Failure};
use super::output;
use crate::store::writer::wall_clock;

/// Between two looks; a large run is looked at less often.
const QUICK: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_secs(1);
const LARGE: usize = 500;

/// States of jobs that somebody is busy with.
const UNDER_WAY: &[&str] = &["starting", "running", "lost-contact", "retrying"];

/// Which run is followed.
pub(super) struct Watched<'a> {
    /// `analyses` or `ingestions`.
    pub(super) collection: &'a str,
    pub(super) id: &'a str,
    pub(super) number: Option<u64>,
    /// Whether to wait until every record and notice has left, too.
    pub(super) until_settled: bool,
}

/// Follows the run; answers its last state.
pub(super) async fn watch(client: &ApiClient, watched: &Watched<'_>) -> Result<Value, Failure> {
    let term = Term::stderr();
    let mut painter = if term.is_term() { Painter::Screen { term, drawn: 0 } } else { Painter::Lines(HashMap::new()) };
    loop {
        let run = client.run(watched.collection, watched.id, watched.number).await?;
        painter.paint(&run);
        let over = !run["finished-at"].is_null() && (!watched.until_settled || run["settled"] == true);
        if over {
            return Ok(run);
        }
        let large = run["jobs"].as_array().is_some_and(|jobs| jobs.len() > LARGE);
        actix::clock::sleep(if large { SLOW } else { QUICK }).await;
    }
}

/// The exit code of a run that is over, with its cause on stderr.
pub(super) fn verdict(run: &Value) -> CommandResult {
    match text(run, "state") {
        "succeeded" => Ok(Exit::Succeeded),
        state => {
            let step = run["cause"]["step"].as_str().map(|step| format!("step {step}: ")).unwrap_or_default();
            let failure = &run["cause"]["failure"];
            let why = failure["message"].as_str().unwrap_or("no cause was recorded");
            output::note(&format!("{state}: {step}{why}"));
            Ok(match state {
                "cancelled" => Exit::Cancelled,
                "stopped" => Exit::DeadlinePassed,
                _ => Exit::Failed,
            })
        }
    }
}

/// How progress is shown.
enum Painter {
    /// Redrawn in place; remembers how many lines it has drawn.
    Screen { term: Term, drawn: usize },
    /// One line per change; remembers each job's last state.
    Lines(HashMap<String, String>),
}

impl Painter {
    fn paint(&mut self, run: &Value) {
        match self {
            Painter::Screen { term, drawn } => {
                let (height, width) = term.size();
                let lines = screen(run, usize::from(height).saturating_sub(2).max(3), usize::from(width));
                // a terminal that cannot be redrawn shows the lines below each other
                drop(term.clear_last_lines(*drawn));
                for line in &lines {
                    drop(term.write_line(line));
                }
                *drawn = lines.len();
            }
            Painter::Lines(known) => {
                for job in jobs(run) {
                    let step = text(job, "step").to_owned();
                    let state = format!("{} {}", text(job, "state"), job["attempt"].as_u64().unwrap_or(0).max(1));
                    if known.get(&step) != Some(&state) {
                        output::note(&change_line(run, job));
                        known.insert(step, state);
                    }
                }
                let state = text(run, "state").to_owned();
                if known.get("") != Some(&state) {
                    output::note(&format!("{} state={state}", run_name(run)));
                    known.insert(String::new(), state);
                }
            }
        }
    }
}

fn change_line(run: &Value, job: &Value) -> String {
    let (step, title, state) = (text(job, "step"), text(job, "title"), text(job, "state"));
    let mut line = format!("{} step={step} title={title} state={state}", run_name(run));
    if let Some(attempt) = job["attempt"].as_u64().filter(|attempt| *attempt > 1) {
        line.push_str(&format!(" attempt={attempt}"));
    }
    if job["reused"] == true {
        line.push_str(" reused=true");
    }
    if job["may-still-run"] == true {
        line.push_str(" note=\"service may still run\"");
    }
    if let Some(message) = job["failure"]["message"].as_str() {
        line.push_str(&format!(" cause={message:?}"));
    }
    line
}

/// A job's state with what belongs to it, for people.
fn state_in_words(job: &Value) -> String {
    match text(job, "state") {
        "succeeded" if job["reused"] == true => "succeeded (in an earlier run)".to_owned(),
        "cancelled" if job["may-still-run"] == true => "cancelled (service may still run)".to_owned(),
        "lost-contact" => "lost contact".to_owned(),
        "retrying" => match job["retry-at"].as_i64() {
            Some(at) => format!("retrying (attempt {} in {} s)", job["attempt"], (at - wall_clock()).max(0) / 1000),
            None => "retrying".to_owned(),
        },
        state => state.to_owned(),
    }
}

/// The whole picture in at most `height` lines: header, then failed, running and next jobs, the rest as counts.
fn screen(run: &Value, height: usize, width: usize) -> Vec<String> {
    let mut lines = vec![header(run)];
    let mut listed = Vec::new();
    for states in [&["failed"][..], UNDER_WAY, &["cancelled"], &["succeeded", "skipped"], &["waiting"]] {
        listed.extend(jobs(run).filter(|job| states.contains(&text(job, "state"))));
    }
    let total = listed.len();
    let room = height.saturating_sub(2);
    listed.truncate(room);
    if total <= room {
        // everything fits: keep the playbook's order, so that nothing jumps
        listed = jobs(run).collect();
    }
    lines.extend(listed.iter().map(|job| job_line(job)));
    if total > room {
        lines.push(format!("  ... and {} more jobs", total - room));
    }
    lines.iter().map(|line| console::truncate_str(line, width.max(20), "…").into_owned()).collect()
}

fn header(run: &Value) -> String {
    let count = |state: &str| run["counts"][state].as_u64().unwrap_or(0);
    let total = jobs(run).count().max(1) as u64;
    let ended = count("succeeded") + count("failed") + count("skipped") + count("cancelled");
    let state = if run["cancelling"] == true { "cancelling" } else { text(run, "state") };
    let share = format!("{}%", 100 * ended / total);
    let counts: Vec<String> = [
        ("ok", "succeeded"),
        ("running", "running"),
        ("starting", "starting"),
        ("retrying", "retrying"),
        ("out of contact", "lost-contact"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
        ("waiting", "waiting"),
    ]
    .iter()
    .filter(|(_, state)| count(state) > 0)
    .map(|(word, state)| format!("{} {word}", count(state)))
    .collect();
    format!("{} {} {share} | {}", run_name(run), style_of(state).apply_to(state).bold(), counts.join(", "))
}

fn job_line(job: &Value) -> String {
    let state = text(job, "state");
    let glyph = match state {
        "succeeded" => "✓",
        "failed" => "✗",
        "running" | "starting" => "▶",
        "retrying" => "↻",
        "lost-contact" => "?",
        "skipped" | "cancelled" => "-",
        _ => "·",
    };
    let took = match (job["started-at"].as_i64(), job["finished-at"].as_i64()) {
        (Some(start), Some(end)) => format!(" {} ms", end - start),
        _ => String::new(),
    };
    let inputs: Vec<&str> = job["inputs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let from = if inputs.is_empty() { String::new() } else { format!(" <- {}", inputs.join(", ")) };
    let cause = job["failure"]["message"].as_str().map(|message| format!(": {message}")).unwrap_or_default();
    let (step, title) = (text(job, "step"), text(job, "title"));
    let words = state_in_words(job);
    format!("  {} {step:>4} {title:<15} {words:<9}{took}{from}{cause}", style_of(state).apply_to(glyph))
}

fn style_of(state: &str) -> Style {
    match state {
        "succeeded" => Style::new().green(),
        "failed" => Style::new().red(),
        "running" | "starting" => Style::new().cyan(),
        "paused" | "retrying" | "lost-contact" | "cancelling" | "cancelled" => Style::new().yellow(),
        _ => Style::new(),
    }
    .for_stderr()
}

fn run_name(run: &Value) -> String {
    let (noun, member) =
        if run.get("ingestion-id").is_some() { ("ingestion", "ingestion-id") } else { ("analysis", "analysis-id") };
    format!("{noun}={} run={}", text(run, member), run["run"])
}

fn jobs(run: &Value) -> impl Iterator<Item = &Value> {
    run["jobs"].as_array().into_iter().flatten()
}

/// A text member, empty when absent.
pub(super) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(states: &[&str]) -> Value {
        let jobs: Vec<Value> = states
            .iter()
            .enumerate()
            .map(|(at, state)| json!({"step": at.to_string(), "title": "cleaning", "state": state, "inputs": []}))
            .collect();
        json!({"analysis-id": "a", "run": 1, "state": "running", "jobs": jobs, "counts": {"succeeded": 1, "waiting": 99}})
    }

    #[test]
    fn the_screen_is_never_taller_than_asked_and_keeps_what_matters() {
        let mut states = vec!["waiting"; 99];
        states.insert(50, "failed");
        let lines = screen(&run(&states), 10, 80);
        assert_eq!(lines.len(), 10);
        assert!(lines[1].contains("failed"), "{lines:?}");
        assert!(lines[9].contains("and 92 more jobs"), "{lines:?}");
    }

    #[test]
    fn states_are_said_in_words_with_what_people_have_to_know() {
        let job = |state: &str, more: Value| {
            let mut job = json!({"step": "1", "title": "cleaning", "state": state, "attempt": 2});
            job.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            job
        };
        let cancelled = job("cancelled", json!({"may-still-run": true}));
        assert_eq!(state_in_words(&cancelled), "cancelled (service may still run)");
        assert!(
            change_line(&run(&[]), &cancelled).ends_with(r#"state=cancelled attempt=2 note="service may still run""#)
        );
        assert_eq!(state_in_words(&job("cancelled", json!({}))), "cancelled");
        let soon = job("retrying", json!({"retry-at": wall_clock() + 60_500, "failure": {"message": "no \"x\""}}));
        assert_eq!(state_in_words(&soon), "retrying (attempt 2 in 60 s)");
        assert!(change_line(&run(&[]), &soon).ends_with(r#"state=retrying attempt=2 cause="no \"x\"""#));
        assert_eq!(state_in_words(&job("lost-contact", json!({}))), "lost contact");
        assert_eq!(state_in_words(&job("succeeded", json!({"reused": true}))), "succeeded (in an earlier run)");
    }

    #[test]
    fn the_exit_code_says_how_the_run_ended() {
        let ended = |state: &str| verdict(&json!({"state": state, "cause": {"failure": {"message": "why"}}})).ok();
        assert_eq!(ended("succeeded"), Some(Exit::Succeeded));
        assert_eq!(ended("failed"), Some(Exit::Failed));
        assert_eq!(ended("cancelled"), Some(Exit::Cancelled));
        assert_eq!(ended("stopped"), Some(Exit::DeadlinePassed));
    }

    #[test]
    fn a_narrow_terminal_cuts_lines() {
        assert!(screen(&run(&["waiting"]), 10, 20).iter().all(|line| console::measure_text_width(line) <= 20));
    }
}
