//! A start that may have happened twice must be announced as such: the one thing that the orchestrator is asked about.

use dummy_services::Kind as Service;
use serde_json::Value;

use super::{Case, Findings};
use crate::http;
use crate::orchestrator::TOKEN;
use crate::world::World;

pub(super) async fn check(world: &World, case: &Case<'_>, findings: &mut Findings) {
    for run in 1..=case.runs {
        for service in [Service::Function, Service::Automl] {
            let repeated = repeated_jobs(case, run, service);
            if repeated == 0 {
                continue;
            }
            let announced = announced(world, &case.analysis.id, run).await;
            findings.figures.owned_up += announced;
            if announced < repeated {
                let what = format!("{} run {run}: {repeated} at {service}, announced {announced}", case.name());
                findings.violation("started twice and not announced as ambiguous", what);
            }
        }
    }
}

/// Starts beyond the first of each attempt.
fn repeated_jobs(case: &Case<'_>, run: u32, service: Service) -> usize {
    let starts = case.seen.starts.iter().filter(|start| start.service == service);
    let of_run =
        starts.filter_map(|start| start.which.filter(|which| which.run == run).map(|which| (start.job, which)));
    let mut attempts: Vec<(usize, u32)> = of_run.map(|(job, which)| (job, which.attempt)).collect();
    let all = attempts.len();
    attempts.sort_unstable();
    attempts.dedup();
    all - attempts.len()
}

async fn announced(world: &World, analysis: &str, run: u32) -> usize {
    let path = format!("/api/v1/analyses/{analysis}?run={run}");
    let Ok(answer) = http::get(world.port, &path, TOKEN).await else { return 0 };
    let view: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let warnings = view["warnings"].as_array().map_or(&[][..], Vec::as_slice);
    warnings.iter().filter(|warning| warning["error"] == "start-ambiguous").count()
}
