//! A start that may have happened twice must be announced as such: the one thing that the orchestrator is asked about.
//!
//! It forgets runs while the harness still plays, so it is asked as soon as a second start is seen: the announcement has
//! to be durable before that is sent.

use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::{Case, Findings};
use crate::http;
use crate::orchestrator::TOKEN;
use crate::world::World;

/// Between two looks at what there is to ask about.
const LOOK: Duration = Duration::from_millis(50);

/// Asks about second starts for ever, and keeps the answers.
pub(crate) async fn watch(world: Rc<World>) {
    loop {
        sleep(LOOK).await;
        // no borrow may be held while the orchestrator is asked
        let unsure = world.evidence.borrow().unsure.clone();
        for (index, run) in unsure {
            if let Some(announced) = announced(&world, &world.analyses[index].id, run).await {
                world.evidence.borrow_mut().announce(index, run, announced);
            }
        }
    }
}

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    for run in 1..=case.runs {
        let repeated = case.seen.repeated(run);
        if repeated == 0 {
            continue;
        }
        let announced = case.seen.announced.get(&run).copied().unwrap_or(0);
        findings.figures.owned_up += announced;
        if announced < repeated {
            let what = format!("{} run {run}: {repeated}, announced {announced}", case.name());
            findings.violation("started twice and not announced as ambiguous", what);
        }
    }
}

/// How often the orchestrator says of a run that a start was ambiguous; `None` without an answer.
async fn announced(world: &World, analysis: &str, run: u32) -> Option<usize> {
    let path = format!("/api/v1/analyses/{analysis}?run={run}");
    let answer = http::get(world.port, &path, TOKEN).await.ok().filter(|answer| answer.status == 200)?;
    let view: Value = serde_json::from_str(&answer.text).ok()?;
    let warnings = view["warnings"].as_array()?;
    Some(warnings.iter().filter(|warning| warning["error"] == "start-ambiguous").count())
}
