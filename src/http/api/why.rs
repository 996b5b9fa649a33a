//! `GET /api/v1/analyses/{id}/jobs/{step}/why`: what a job waits for, answered by its node.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::lookup::{Content, Known, RunQuery, job_at, read_query, read_run};
use crate::engine::standing::{Limit, Reached, Standing};
use crate::engine::why::{Obstacle, Why};
use crate::graph::JobIndex;
use crate::http::{ApiError, Caller, Door};
use crate::playbook::{Space, When};
use crate::store::{JobPhase, Millis, RunSummary, wall_clock};

/// Longest list of inputs that have not arrived.
const MOST_MISSING: usize = 20;

/// Says why a job does not go on, of the newest run of the id unless `?run=` names another.
pub(super) async fn why(
    request: HttpRequest,
    caller: Caller,
    path: web::Path<(String, String)>,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    let RunQuery { run: number } = read_query(&request)?;
    let (id, step) = path.into_inner();
    let (shared, space) = (door.clone(), **space);
    let read = web::block(move || {
        let Known { run, content } = read_run(&shared, &caller, space, &id, number)?;
        let content = content?;
        let job = job_at(&content.plan, &step)?;
        Ok::<_, ApiError>((run, content, job))
    });
    let (run, content, job) = read.await.map_err(|_| ApiError::draining())??;
    let has_ended = content.progress.jobs[job].phase.is_terminal() || run.finished_at.is_some();
    // one that ends at this moment is not asked any more
    let why = if has_ended { None } else { door.engine.why(run.run_id, job).await };
    Ok(HttpResponse::Ok().json(Asked { run: &run, content: &content, job, now: wall_clock() }.answer(why.as_ref())))
}

/// What is asked about, as the journal knew it just before.
struct Asked<'a> {
    run: &'a RunSummary,
    content: &'a Content,
    job: JobIndex,
    now: Millis,
}

impl Asked<'_> {
    fn answer(&self, why: Option<&Why>) -> Value {
        let Content { plan, progress, .. } = self.content;
        let (job, known) = (&plan.playbook.jobs[self.job], &progress.jobs[self.job]);
        let waits_for: Vec<Value> =
            why.map_or_else(Vec::new, |why| why.obstacles.iter().map(|obstacle| self.render(why, obstacle)).collect());
        let says: Vec<&str> = waits_for.iter().filter_map(|obstacle| obstacle["says"].as_str()).collect();
        let summary = if says.is_empty() { self.standing_alone(why) } else { says.join("; ") };
        let heard = |why: &Why| why.inputs.iter().filter(|(_, heard)| *heard).count();
        json!({
            "run": self.run.number,
            "step": job.step.text(),
            "title": job.kind.title(),
            "state": known.phase,
            "attempt": why.map_or(known.attempt, |why| why.attempt),
            "inputs": why.map(|why| json!({"arrived": heard(why), "of": why.inputs.len()})),
            "waits-for": waits_for,
            "summary": summary,
        })
    }

    /// A job that waits for nothing.
    fn standing_alone(&self, why: Option<&Why>) -> String {
        let known = &self.content.progress.jobs[self.job];
        match (why, known.phase) {
            (None, phase) if phase.is_terminal() => format!("nothing: it has {}", ended(phase)),
            (None, _) if self.run.finished_at.is_some() => "nothing: its analysis is over".to_owned(),
            (None, _) => "nothing: it has just ended".to_owned(),
            (Some(why), phase) => {
                let since = known.started_at.map(|since| format!(" for {}", self.since(since))).unwrap_or_default();
                let state = if phase == JobPhase::Waiting { "about to start" } else { phase.as_str() };
                format!("nothing: it is {state}{since}, attempt {}", why.attempt)
            }
        }
    }

    fn render(&self, why: &Why, obstacle: &Obstacle) -> Value {
        match obstacle {
            Obstacle::Inputs => self.inputs(why),
            Obstacle::RunLine(standing) => in_line("run-line", "the turn of its analysis to begin", standing),
            Obstacle::Slot(standing) => in_line("slot", "a slot", standing),
            Obstacle::Resumption => says("resumption", "its analysis to go on after the start of the orchestrator"),
            Obstacle::Wiring => says("set-up", "its analysis to be set up"),
            Obstacle::Pause => says("resume", "its analysis to be resumed: it is paused"),
            Obstacle::Drain => says("restart", "the next start of the orchestrator: it is about to stop"),
            Obstacle::BackOff(left) => {
                let mut shown =
                    says("back-off", &format!("the time before attempt {} to pass, {}", why.attempt, span(*left)));
                shown["left-ms"] = json!(left.as_millis() as u64);
                shown
            }
            Obstacle::RetryBudget { waiting } => {
                let text = format!(
                    "a retry for attempt {}, of which all analyses share so many a second: {waiting} jobs of its tenant do",
                    why.attempt
                );
                let mut shown = says("retry-budget", &text);
                shown["waiting"] = json!(waiting);
                shown
            }
        }
    }

    fn inputs(&self, why: &Why) -> Value {
        let missing: Vec<JobIndex> = why.inputs.iter().filter(|(_, heard)| !heard).map(|(from, _)| *from).collect();
        let when = self.content.plan.playbook.jobs[self.job].when;
        let shown: Vec<Value> = missing.iter().take(MOST_MISSING).map(|from| self.predecessor(*from)).collect();
        let first = missing.iter().take(3).map(|from| self.in_words(*from)).collect::<Vec<_>>().join(", ");
        let more = if missing.len() > 3 { format!(" and {} more", missing.len() - 3) } else { String::new() };
        let (of, rule) = (why.inputs.len(), rule(when));
        let text = format!("{} of {of} inputs: {first}{more}{rule}", missing.len());
        let mut rendered = says("inputs", &text);
        rendered["arrived"] = json!(of - missing.len());
        rendered["of"] = json!(of);
        rendered["when"] = json!(when.as_str());
        rendered["missing"] = json!(shown);
        rendered["missing-count"] = json!(missing.len());
        rendered
    }

    fn predecessor(&self, from: JobIndex) -> Value {
        let (job, known) = (&self.content.plan.playbook.jobs[from], &self.content.progress.jobs[from]);
        json!({
            "step": job.step.text(),
            "title": job.kind.title(),
            "state": known.phase,
            "attempt": known.attempt,
            "for-ms": known.started_at.map(|since| (self.now - since).max(0)),
        })
    }

    /// `step 4 (cleaning, running 3m10s)`
    fn in_words(&self, from: JobIndex) -> String {
        let (job, known) = (&self.content.plan.playbook.jobs[from], &self.content.progress.jobs[from]);
        let since = known.started_at.map(|since| format!(" {}", self.since(since))).unwrap_or_default();
        format!("step {} ({}, {}{since})", job.step.text(), job.kind.title(), known.phase.as_str())
    }

    fn since(&self, then: Millis) -> String {
        span(Duration::from_millis((self.now - then).max(0).unsigned_abs()))
    }
}

fn says(what: &str, text: &str) -> Value {
    json!({"what": what, "says": text})
}

fn in_line(what: &str, wanted: &str, standing: &Standing) -> Value {
    let limits = standing.reached.iter().map(limit_in_words).collect::<Vec<_>>().join(", ");
    let why = match (standing.closed, limits.is_empty()) {
        (true, _) => "nobody is let in before every analysis goes on after the start".to_owned(),
        (false, true) => "its turn comes".to_owned(),
        (false, false) => limits,
    };
    let mut shown = says(what, &format!("{wanted}: {why}; {} before it in its tenant's line", standing.ahead));
    let limits = standing
        .reached
        .iter()
        .map(|Reached { limit, used, most }| json!({"limit": name(*limit), "used": used, "most": most}));
    shown["limits"] = limits.collect();
    shown["closed"] = json!(standing.closed);
    shown["ahead"] = json!(standing.ahead);
    shown
}

fn name(limit: Limit) -> &'static str {
    match limit {
        Limit::Total => "total",
        Limit::Tenant => "tenant",
        Limit::Service => "service",
        Limit::Run => "max-parallel",
    }
}

/// `the service has 64 of 64`
fn limit_in_words(reached: &Reached) -> String {
    let Reached { limit, used, most } = reached;
    let who = match limit {
        Limit::Total => "all tenants together have",
        Limit::Tenant => "the tenant has",
        Limit::Service => "the service has",
        Limit::Run => "the max-parallel of its analysis has",
    };
    format!("{who} {used} of {most}")
}

/// Nothing for the usual rule.
fn rule(when: When) -> String {
    if when == When::default() { String::new() } else { format!(" (when: {})", when.as_str()) }
}

fn ended(phase: JobPhase) -> &'static str {
    match phase {
        JobPhase::Cancelled => "been cancelled",
        JobPhase::Skipped => "been skipped",
        phase => phase.as_str(),
    }
}

/// `3m10s`: the two largest units.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, 0) => format!("{} ms", time.as_millis()),
        (0, 0, 0, seconds) => format!("{seconds}s"),
        (0, 0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (0, hours, minutes, _) => format!("{hours}h{minutes:02}m"),
        (days, hours, _, _) => format!("{days}d{hours:02}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        let spans = [0, 900, 59_000, 190_000, 3_600_000, 90_000_000].map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(spans, ["0 ms", "900 ms", "59s", "3m10s", "1h00m", "1d01h"]);
    }

    #[test]
    fn a_line_says_which_limits_are_reached_and_how_many_come_before() {
        let reached = vec![
            Reached { limit: Limit::Service, used: 64, most: 64 },
            Reached { limit: Limit::Run, used: 2, most: 2 },
        ];
        let shown = in_line("slot", "a slot", &Standing { reached, closed: false, ahead: 3 });
        assert_eq!(
            shown["says"],
            "a slot: the service has 64 of 64, the max-parallel of its analysis has 2 of 2; 3 before it in its tenant's line"
        );
        assert_eq!(shown["limits"][1], json!({"limit": "max-parallel", "used": 2, "most": 2}));
    }
}
