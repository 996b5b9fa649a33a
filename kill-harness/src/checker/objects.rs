//! The objects: every started job has its output directory, no evidence of a Spark job is left behind, every key is in
//! the bucket of its tenant.

use std::collections::{HashMap, HashSet};

use dummy_services::Kind as Service;
use s3::creds::Credentials;
use s3::{Bucket, Region};

use super::{Case, Findings};
use crate::contract;
use crate::workload::{Kind, TENANTS};
use crate::world::World;

/// Keys by bucket.
pub(super) type Objects = HashMap<String, HashSet<String>>;

/// Lists the tenants' buckets.
pub(super) async fn read(world: &World) -> Result<Objects, String> {
    let mut objects = Objects::new();
    for tenant in TENANTS.map(str::to_lowercase) {
        let keys = match bucket(world, &tenant)?.list(String::new(), None).await {
            Ok(pages) => pages.into_iter().flat_map(|page| page.contents).map(|object| object.key).collect(),
            // nobody has used it
            Err(s3::error::S3Error::HttpFailWithBody(404, _)) => HashSet::new(),
            Err(error) => return Err(error.to_string()),
        };
        objects.insert(tenant, keys);
    }
    Ok(objects)
}

/// A bucket, not over the road that is disturbed.
pub(crate) fn bucket(world: &World, name: &str) -> Result<Box<Bucket>, String> {
    let endpoint = format!("http://127.0.0.1:{}", world.objects.port());
    let region = Region::Custom { region: "us-east-1".to_owned(), endpoint };
    let credentials =
        Credentials::new(Some("diastema"), Some("diastema"), None, None, None).map_err(|error| error.to_string())?;
    Ok(Bucket::new(name, region, credentials).map_err(|error| error.to_string())?.with_path_style())
}

pub(super) fn check(case: &Case<'_>, objects: &Objects, findings: &mut Findings) {
    let Some(keys) = objects.get(&case.analysis.tenant()) else { return };
    let completed = contract::completed(&case.analysis.key());
    let is_complete = case.seen.notices.values().any(|run| run.values().any(|told| told.text == completed));
    for (index, job) in case.analysis.jobs.iter().enumerate() {
        let Some(directory) = case.analysis.directory(job) else { continue };
        let mut starts = case.seen.starts.iter().filter(|start| start.job == index);
        if starts.any(|start| start.service != Service::Automl) && !keys.contains(&format!("{directory}/")) {
            findings.violation("started without an output directory", case.job_name(index));
        }
        let is_spark = matches!(job.kind, Kind::Classification { .. });
        if is_spark && is_complete && keys.contains(&format!("{directory}/_SUCCESS")) {
            findings.violation("evidence of a Spark job left behind", case.job_name(index));
        }
    }
}
