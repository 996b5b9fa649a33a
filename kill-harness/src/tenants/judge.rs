//! Looks at everything that was written, sent, told and answered, and asks of each piece whose it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use serde_json::Value;

use super::plan::{Common, Contest, Submission, TENANTS};
use super::{Answered, Seen};
use crate::checker::{bucket, client};
use crate::http;
use crate::orchestrator::TOKEN;
use crate::world::World;

/// Charts of all tenants are in one bucket, by the ids of jobs.
const CHARTS: &str = "diastemaviz";

/// What was looked at, and what was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// *Shape*: name, text.
    pub(crate) lines: Vec<(&'static str, String)>,
    /// By what is violated.
    pub(crate) violations: BTreeMap<&'static str, Vec<String>>,
}

impl Findings {
    fn violation(&mut self, what: &'static str, example: impl Into<String>) {
        self.violations.entry(what).or_default().push(example.into());
    }

    fn line(&mut self, name: &'static str, text: String) {
        self.lines.push((name, text));
    }
}

/// Whose everything is, by what was accepted.
#[derive(Default)]
struct Owners {
    /// By the key of the analysis.
    analyses: HashMap<String, String>,
    /// By the id of the job, in lower case.
    jobs: HashMap<String, String>,
}

impl Owners {
    fn of(contests: &[Contest], seen: &Seen) -> Self {
        let mut owners = Self::default();
        for (who, _) in seen.answers.iter().filter(|(_, answer)| answer.status == 202) {
            let side = &contests[who.0].sides[who.1];
            owners.analyses.insert(side.key(), side.owner());
            owners.jobs.extend(side.job_ids().into_iter().map(|id| (id.to_lowercase(), side.owner())));
        }
        owners
    }

    fn analysis(&self, key: &str) -> &str {
        self.analyses.get(&key.to_lowercase()).map_or("nobody", String::as_str)
    }

    fn job(&self, id: &str) -> &str {
        self.jobs.get(&id.to_lowercase()).map_or("nobody", String::as_str)
    }
}

/// Judges a run.
///
/// *Errors*: a store or the API cannot be read.
pub(crate) async fn judge(world: &World, contests: &[Contest], seen: &Seen) -> Result<Findings, String> {
    let mut findings = Findings::default();
    let owners = Owners::of(contests, seen);
    answers(contests, seen, &mut findings);
    requests(seen, &owners, &mut findings);
    notices(seen, &owners, &mut findings);
    objects(world, &owners, &mut findings).await?;
    documents(world, &owners, &mut findings).await?;
    api(world, contests, seen, &owners, &mut findings).await?;
    Ok(findings)
}

/// Who comes second is told that it is in use, in the same words whatever is behind it.
fn answers(contests: &[Contest], seen: &Seen, findings: &mut Findings) {
    let (mut accepted, mut refused) = (0, BTreeMap::<(Common, String), usize>::new());
    for (number, contest) in contests.iter().enumerate() {
        let answers = [0, 1].map(|side| seen.answers.get(&(number, side)));
        let [Some(one), Some(other)] = answers else {
            findings.violation("without an answer", format!("contest {number}"));
            continue;
        };
        let statuses = BTreeSet::from([one.status, other.status]);
        let expected =
            if contest.common == Common::Labels { BTreeSet::from([202]) } else { BTreeSet::from([202, 409]) };
        if statuses != expected {
            findings.violation("decided wrongly", format!("{:?}: {one:?}, {other:?}", contest.common));
        }
        accepted += [one, other].into_iter().filter(|answer| answer.status == 202).count();
        for Answered { text, .. } in [one, other].into_iter().filter(|answer| answer.status == 409) {
            *refused.entry((contest.common, text.clone())).or_default() += 1;
            let names_somebody = TENANTS.iter().any(|tenant| text.to_lowercase().contains(&tenant.to_lowercase()));
            if names_somebody {
                findings.violation("a refusal names a tenant", text);
            }
        }
    }
    findings.line("analyses", format!("{} submitted, {accepted} accepted", 2 * contests.len()));
    for common in [Common::AnalysisId, Common::JobIds, Common::Everything] {
        let mut of_these = refused.iter().filter(|((what, _), _)| *what == common);
        let (words, count) = (of_these.clone().count(), of_these.clone().map(|(_, count)| count).sum::<usize>());
        let text = of_these.next().map_or("", |((_, text), _)| text.as_str());
        findings.line("refused", format!("{count} for {common:?} with {words} answer: {text}"));
        // the place in it says which job, which is the first one
        if words > 1 {
            findings.violation("refused in several ways", format!("{common:?}"));
        }
    }
}

/// Every text in a value.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
        Value::Object(object) => object.values().for_each(|value| texts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whom a value names: by paths, by marks, by ids.
fn named(value: &Value, owners: &Owners) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut found = Vec::new();
    texts(value, &mut found);
    for text in found {
        let first = text.split('/').next().unwrap_or_default().to_lowercase();
        names.extend(TENANTS.iter().map(|tenant| tenant.to_lowercase()).find(|tenant| *tenant == first));
    }
    let id = |member: &str| value.get(member).and_then(Value::as_str);
    names.extend(id("analysis-id").map(|id| owners.analysis(id).to_owned()));
    names.extend(id("job-id").map(|id| owners.job(id).to_owned()));
    names
}

fn requests(seen: &Seen, owners: &Owners, findings: &mut Findings) {
    for (place, body) in &seen.requests {
        let names = named(body, owners);
        if names.len() != 1 || names.contains("nobody") {
            findings.violation("a request of several tenants, or nobody's", format!("{place} {names:?}: {body}"));
        }
    }
    findings.line("requests", format!("{} to services and Spark", seen.requests.len()));
}

fn notices(seen: &Seen, owners: &Owners, findings: &mut Findings) {
    for (event, text) in &seen.notices {
        let key = event.split('/').next().unwrap_or_default();
        // number 0 announces refusals, which nobody but its sender has a run of
        let of_a_run = event.split('/').nth(1) != Some("0");
        if of_a_run && owners.analysis(key) == "nobody" {
            findings.violation("a notice about nobody's analysis", format!("{event}: {text}"));
        }
        if TENANTS.iter().any(|tenant| text.to_lowercase().contains(&tenant.to_lowercase())) {
            findings.violation("a notice names a tenant", text);
        }
    }
    for (key, events) in seen.ends.iter().filter(|(_, events)| events.len() != 1) {
        findings.violation("not ended exactly once", format!("{key}: {events:?}"));
    }
    findings.line("notices", format!("{}, {} of them last ones", seen.notices.len(), seen.ends.len()));
}

async fn objects(world: &World, owners: &Owners, findings: &mut Findings) -> Result<(), String> {
    let mut count = 0;
    for tenant in TENANTS.map(str::to_lowercase) {
        let pages = bucket(world, &tenant)?.list(String::new(), None).await.map_err(|error| error.to_string())?;
        for key in pages.into_iter().flat_map(|page| page.contents).map(|object| object.key) {
            count += 1;
            let analysis = key.strip_prefix("analysis-").and_then(|rest| rest.split('/').next()).unwrap_or_default();
            if owners.analysis(analysis) != tenant {
                findings.violation("a foreign key", format!("{tenant}/{key}"));
            }
        }
    }
    findings.line("objects", format!("{count} in {} buckets", TENANTS.len()));
    Ok(())
}

async fn documents(world: &World, owners: &Owners, findings: &mut Findings) -> Result<(), String> {
    let client = client(world)?;
    let read = |database: String, collection: String| {
        let collection = client.database(&database).collection::<Document>(&collection);
        async move {
            let found = collection.find(doc! {}).await.map_err(|error| error.to_string())?;
            found.try_collect::<Vec<Document>>().await.map_err(|error| error.to_string())
        }
    };
    let mut count = 0;
    for tenant in TENANTS.map(str::to_lowercase) {
        let names = client.database(&tenant).list_collection_names().await.map_err(|error| error.to_string())?;
        for collection in names {
            let analysis = collection.strip_prefix("analysis_").unwrap_or_default();
            if owners.analysis(analysis) != tenant {
                findings.violation("a foreign collection", format!("{tenant}.{collection}"));
            }
            for document in read(tenant.clone(), collection.clone()).await? {
                count += 1;
                let json = plain(&document);
                let names = named(&json, owners);
                // a chart's path begins with the bucket that all share
                let is_own = names.iter().all(|name| *name == tenant) && !names.is_empty();
                let job = json["job-json"]["id"].as_str().map(|id| owners.job(id));
                if !is_own || job.is_some_and(|owner| owner != tenant) {
                    findings.violation("a foreign document", format!("{tenant}.{collection}: {json}"));
                }
            }
        }
    }
    for document in read("Diastema".to_owned(), "datatoolkit".to_owned()).await? {
        count += 1;
        let json = plain(&document);
        if named(&json, owners).len() != 1 {
            findings.violation("foreign parameters", json.to_string());
        }
    }
    for document in read("UIDB".to_owned(), "pipelines".to_owned()).await? {
        let json = plain(&document);
        let (id, tenant) = (json["analysisid"].as_str().unwrap_or_default(), json["databaseid"].as_str());
        let is_the_winners = tenant.map(str::to_lowercase).as_deref() == Some(owners.analysis(id));
        let was_touched = json.get("status").is_some() || json.get("performance").is_some();
        count += usize::from(was_touched);
        if was_touched && !is_the_winners {
            findings.violation("a foreign pipeline was changed", json.to_string());
        }
        let charts = json["visualization"]["Chart"].as_array().cloned().unwrap_or_default();
        for path in charts.iter().filter_map(Value::as_str) {
            let job = path.strip_prefix(CHARTS).and_then(|rest| rest.split('/').nth(1)).unwrap_or_default();
            if owners.job(job) != owners.analysis(id) {
                findings.violation("a foreign chart", format!("{id}: {path}"));
            }
        }
    }
    findings.line("documents", count.to_string());
    Ok(())
}

fn plain(document: &Document) -> Value {
    serde_json::to_value(document).unwrap_or_default()
}

/// What the API shows of each tenant, and of what a loser asked for.
async fn api(
    world: &World,
    contests: &[Contest],
    seen: &Seen,
    owners: &Owners,
    findings: &mut Findings,
) -> Result<(), String> {
    let ask = async |path: String| {
        let answer = http::get(world.port, &path, TOKEN).await.map_err(|error| format!("{path}: {error:?}"))?;
        serde_json::from_str::<Value>(&answer.text).map_err(|error| format!("{path}: {error}: {}", answer.text))
    };
    let mut count = 0;
    for tenant in TENANTS {
        let mut cursor = String::new();
        loop {
            let page = ask(format!("/api/v1/analyses?tenant={tenant}&limit=500{cursor}")).await?;
            for run in page["items"].as_array().into_iter().flatten() {
                count += 1;
                let id = run["analysis-id"].as_str().unwrap_or_default();
                if owners.analysis(id) != tenant.to_lowercase() {
                    findings.violation("a foreign run in a list", format!("{tenant}: {run}"));
                }
            }
            match page["next-cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
    }
    findings.line("API", format!("{count} runs in the lists of {} tenants", TENANTS.len()));
    let mut looked_at = 0;
    let losers = seen.answers.iter().filter(|(_, answer)| answer.status == 409);
    for side in losers.map(|(who, _)| &contests[who.0].sides[who.1]).step_by(5) {
        let run = ask(format!("/api/v1/analyses/{}", side.id)).await?;
        looked_at += 1;
        if is_shown_as(&run, side) {
            findings.violation("a refused analysis is shown", run.to_string());
        }
    }
    findings.line("", format!("{looked_at} refused ones looked for"));
    Ok(())
}

/// Whether what is shown is the refused submission, and not the one that has its id, or none.
fn is_shown_as(run: &Value, refused: &Submission) -> bool {
    run["tenant"].as_str() == Some(refused.owner().as_str())
}
