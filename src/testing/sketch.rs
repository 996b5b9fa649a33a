//! Playbooks from one line of text: `1,2 -> 3 -> 4,5 -> 6`.

use serde_json::{Map, Value, json};

use crate::graph::build::build;
use crate::graph::{JobGraph, Plan};
use crate::playbook::check::{CheckSettings, Limits};
use crate::playbook::job::RawJob;
use crate::playbook::{AnalysisId, DatasetLabel, Job, JobId, JobKind, Options, Playbook, Space, Step, TenantId, When};
use crate::store::Submission;

/// A playbook in the making.
#[derive(Debug, Clone)]
pub struct Sketch {
    id: String,
    tenant: String,
    options: Map<String, Value>,
    jobs: Vec<SketchedJob>,
}

/// One job of it.
#[derive(Debug, Clone)]
struct SketchedJob {
    step: String,
    title: Option<String>,
    from: Vec<usize>,
    next: Vec<usize>,
    members: Map<String, Value>,
}

/// Reads a graph: every job left of an arrow feeds every job right of it; `;` or a line break begins another chain.
///
/// A job without inputs is a dataset, one with one input a cleaning, one with more a data-join, unless its first mention
/// names a title: `2:function`. `1,1 -> 2` is two edges between the same jobs.
pub fn graph_of(text: &str) -> Sketch {
    let mut sketch = Sketch::new();
    for chain in text.split([';', '\n']).filter(|chain| !chain.trim().is_empty()) {
        let mut before: Vec<usize> = Vec::new();
        for group in chain.split("->") {
            let here: Vec<usize> = group.split(',').map(|name| sketch.mention(name.trim())).collect();
            for to in &here {
                for from in &before {
                    sketch.join(*from, *to);
                }
            }
            before = here;
        }
    }
    sketch
}

impl Sketch {
    fn new() -> Self {
        Self { id: "a1".to_owned(), tenant: "metis".to_owned(), options: Map::new(), jobs: Vec::new() }
    }

    /// Jobs `1` to `jobs`, joined by edges between positions from 0.
    pub fn from_edges(jobs: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut sketch = Self::new();
        sketch.jobs.extend((1..=jobs).map(|step| SketchedJob::new(&step.to_string())));
        for (from, to) in edges {
            sketch.join(from, to);
        }
        sketch
    }

    fn mention(&mut self, name: &str) -> usize {
        let (step, title) = name.split_once(':').map_or((name, None), |(step, title)| (step, Some(title)));
        let known = self.jobs.iter().position(|job| job.step == step);
        let at = known.unwrap_or_else(|| {
            self.jobs.push(SketchedJob::new(step));
            self.jobs.len() - 1
        });
        if let Some(title) = title {
            self.jobs[at].title = Some(title.to_owned());
        }
        at
    }

    fn join(&mut self, from: usize, to: usize) {
        self.jobs[from].next.push(to);
        self.jobs[to].from.push(from);
    }

    /// The analysis' id; `a1` unless told.
    pub fn id(mut self, id: &str) -> Self {
        self.id = id.to_owned();
        self
    }

    /// The tenant; `metis` unless told.
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.tenant = tenant.to_owned();
        self
    }

    /// A member of `options`.
    pub fn option(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.options.insert(name.to_owned(), value.into());
        self
    }

    /// Unaffected branches go on after a failure.
    pub fn goes_on_after_failures(self) -> Self {
        self.option("on-failure", "continue")
    }

    /// A member of one job: `when`, `timeout-s`, `id`, ...
    ///
    /// # Panics
    /// When there is no such step.
    pub fn member(mut self, step: &str, name: &str, value: impl Into<Value>) -> Self {
        let job = self.jobs.iter_mut().find(|job| job.step == step).expect("the sketch has this step");
        job.members.insert(name.to_owned(), value.into());
        self
    }

    /// Number of jobs.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether there are no jobs.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// The id that was given.
    pub fn analysis_id(&self) -> &str {
        &self.id
    }

    /// What the inputs of each job should be once all succeeded: step and the steps its `from` names.
    pub fn expected_inputs(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.jobs
            .iter()
            .map(|job| (job.step.as_str(), job.from.iter().map(|from| self.jobs[*from].step.as_str()).collect()))
    }

    /// The playbook as a client would send it, without its token.
    pub fn document(&self) -> Map<String, Value> {
        let jobs: Vec<Value> = self.jobs.iter().map(|job| Value::Object(self.job_document(job))).collect();
        let mut document = Map::new();
        document.insert("analysis-id".to_owned(), json!(self.id));
        document.insert("database-id".to_owned(), json!(self.tenant));
        document.insert("jobs".to_owned(), Value::Array(jobs));
        document.insert("metadata".to_owned(), json!({}));
        if !self.options.is_empty() {
            document.insert("options".to_owned(), Value::Object(self.options.clone()));
        }
        document
    }

    fn job_document(&self, job: &SketchedJob) -> Map<String, Value> {
        let steps = |of: &[usize]| of.iter().map(|at| json!(self.jobs[*at].step)).collect::<Vec<_>>();
        let mut document = Map::new();
        let mut put = |name: &str, value: Value| drop(document.insert(name.to_owned(), value));
        put("step", json!(job.step));
        put("id", json!(format!("{}-{}", self.id, job.step)));
        put("title", json!(job.title()));
        put("from", if job.from.is_empty() { json!(0) } else { Value::Array(steps(&job.from)) });
        put("next", Value::Array(steps(&job.next)));
        match job.title() {
            "dataset" => put("label", json!(format!("set{}", job.step))),
            "cleaning" => put("max-shrink", json!(0.5)),
            "data-join" => {
                put("column", json!("key"));
                put("join-type", json!("inner"));
            }
            "function" => put("function", json!({"expression": "x", "args": []})),
            "visualization" => put("label", json!(format!("chart{}", job.step))),
            "classification" | "regression" => {
                put("column", json!("key"));
                put("algorithm", json!("decision tree"));
            }
            _ => {}
        }
        document.extend(job.members.clone());
        document
    }

    /// The checked playbook and its graph, by the same code as every submission.
    ///
    /// # Panics
    /// When the playbook is refused, with the reasons.
    pub fn plan(&self) -> Plan {
        let limits = Limits { jobs: usize::MAX, edges: usize::MAX, ..Limits::default() };
        let settings = CheckSettings { limits, ..CheckSettings::default() };
        build(&self.document(), &settings).unwrap_or_else(|refusal| panic!("{:#?}", refusal.problems))
    }

    /// What the journal keeps of it.
    pub fn submission(&self, plan: &Plan) -> Submission {
        Submission::new(&plan.playbook, &self.document())
    }
}

impl SketchedJob {
    fn new(step: &str) -> Self {
        Self { step: step.to_owned(), title: None, from: Vec::new(), next: Vec::new(), members: Map::new() }
    }

    fn title(&self) -> &str {
        match (&self.title, self.from.len()) {
            (Some(title), _) => title,
            (None, 0) => "dataset",
            (None, 1) => "cleaning",
            (None, _) => "data-join",
        }
    }
}

/// A plan of so many cleanings (datasets where nothing comes in) without the way through JSON: for graphs past the
/// door's limits.
///
/// # Panics
/// When the edges form a cycle.
pub fn bare_plan(id: &str, jobs: usize, edges: &[(usize, usize)]) -> Plan {
    let graph = JobGraph::new(jobs, edges.iter().copied()).expect("the edges form no cycle");
    let job = |at: usize| {
        let inputs: Vec<usize> = graph.incoming(at).map(|(_, from)| from).collect();
        let kind = match inputs.len() {
            0 => JobKind::Dataset { label: DatasetLabel::parse("set").expect("a legal label") },
            _ => JobKind::Cleaning { max_shrink: None },
        };
        let name = (at + 1).to_string();
        Job {
            step: Step::parse(&name).expect("a number is a legal step"),
            id: JobId::parse(&name).expect("a number is a legal id"),
            kind,
            inputs,
            next: Vec::new(),
            timeout: None,
            retry: None,
            when: When::AllSuccess,
            raw: RawJob::default(),
        }
    };
    let playbook = Playbook {
        tenant: TenantId::parse("metis").expect("a legal tenant"),
        database_id: "metis".to_owned(),
        id: AnalysisId::parse(id).expect("a legal id"),
        space: Space::Analysis,
        jobs: (0..jobs).map(job).collect(),
        metadata: Value::Null,
        options: Options::default(),
    };
    Plan { playbook, graph, warnings: Vec::new() }
}
