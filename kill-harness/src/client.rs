//! The client: submits every analysis until it has an answer, as a real one would after a broken connection.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use crate::http::{self, Answer, NoAnswer};
use crate::orchestrator::TOKEN;
use crate::world::World;

/// Submissions at the same time.
const CLIENTS: usize = 6;

/// Between two tries. Short: a resubmission should come while its analysis still runs.
const RETRY: Duration = Duration::from_millis(40);

/// How the client is getting on.
#[derive(Debug, Default)]
pub(crate) struct Submissions {
    /// Index of the next analysis.
    next: Cell<usize>,
    /// Analyses that have an answer.
    answered: Cell<usize>,
    /// Answers that asked to come again later.
    pub(crate) put_off: Cell<u64>,
    /// Analyses that are held back: everything but so many of the first ones.
    held: Cell<usize>,
}

impl Submissions {
    /// Holds back all but the first so many.
    pub(crate) fn send_at_most(&self, world: &World, count: usize) {
        self.held.set(world.analyses.len().saturating_sub(count));
    }

    /// Whether every analysis has its answer.
    pub(crate) fn are_done(&self, world: &World) -> bool {
        self.answered.get() == world.analyses.len()
    }
}

/// Submits everything, never more than `in_flight` open ones at a time; ends when every analysis has its answer.
pub(crate) async fn submit_all(world: Rc<World>, in_flight: usize) {
    let client = || submit_some(Rc::clone(&world), in_flight);
    futures::future::join_all((0..CLIENTS).map(|_| client())).await;
}

async fn submit_some(world: Rc<World>, in_flight: usize) {
    let submissions = &world.submissions;
    loop {
        let analysis = submissions.next.get();
        if analysis == world.analyses.len() {
            return;
        }
        let is_held = analysis + submissions.held.get() >= world.analyses.len();
        if is_held || world.evidence.borrow().open() >= in_flight {
            sleep(Duration::from_millis(10)).await;
            continue;
        }
        submissions.next.set(analysis + 1);
        submit(&world, analysis).await;
        submissions.answered.set(submissions.answered.get() + 1);
    }
}

async fn submit(world: &World, analysis: usize) {
    let document = world.analyses[analysis].document(TOKEN).to_string();
    loop {
        match http::post(world.port, "/analysis", &document).await {
            Ok(Answer { status: 202, text }) => {
                let answer: Value = serde_json::from_str(&text).unwrap_or_default();
                let run = answer["run"].as_u64().and_then(|run| u32::try_from(run).ok()).unwrap_or(1);
                return world.evidence.borrow_mut().acknowledge(analysis, run);
            }
            Ok(Answer { status: 429 | 503, .. }) => {
                world.submissions.put_off.set(world.submissions.put_off.get() + 1);
                sleep(Duration::from_millis(250)).await;
            }
            Ok(Answer { status, text }) => {
                return world.evidence.borrow_mut().refuse(analysis, format!("{status} {text}"));
            }
            Err(NoAnswer::NotSent) => sleep(RETRY).await,
            Err(NoAnswer::Lost) => {
                world.evidence.borrow_mut().seen[analysis].unanswered += 1;
                sleep(RETRY).await;
            }
        }
    }
}
