//! The five ports, in memory: each call is written down in its channel and answered by a script.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use actix::clock::Instant;
use futures::FutureExt;
use futures::future::{LocalBoxFuture, ready};
use orchestrator::jobs::JobPorts;
use orchestrator::playbook::job::Service;
use orchestrator::playbook::{BucketName, ObjectKey, TenantId};
use orchestrator::ports::{
    Announcements, Answer, Applied, CallError, JobServices, Notice, ObjectStore, PipelineChange, RecordChange, Records,
    RunSpec, SparkConnection, SparkJob, SparkSubmitter, StoreError,
};
use serde_json::{Map, Value, json};

/// What a service says to one request.
pub(in crate::recipes) type Said = Result<Answer, CallError>;

/// How the world behaves; what is not said here goes well.
#[derive(Default)]
pub(crate) struct Script {
    /// Answers by method and path, `POST join`, in order; the last one is given for ever.
    pub(super) answers: HashMap<String, VecDeque<Said>>,
    /// How long a job takes from its first start: before, every question is answered `progress`.
    pub(super) takes: Duration,
    /// What the Spark component does, in order; then everything goes well.
    pub(super) spark: VecDeque<Spark>,
    /// Objects in the graph bucket.
    pub(super) charts: Vec<&'static str>,
    /// What operations of the object store answer, in order; then everything goes well.
    pub(super) objects: VecDeque<StoreError>,
    /// What changes of records answer, in order; then everything goes well.
    pub(super) records: VecDeque<Result<Applied, StoreError>>,
    /// Whether the web application is there.
    pub(super) front_end_away: bool,
    /// Requests that are taken and never answered, by method and path.
    pub(super) hanging: BTreeSet<String>,
    /// How long each answer is on its way.
    pub(super) delay: Duration,
    /// The same for requests with these words in them; the first that fits counts.
    pub(super) delays: Vec<(&'static str, Duration)>,
}

/// One thing the Spark component may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Spark {
    NotThere,
    ClosesWithoutReply,
    RepliesWithoutEvidence,
    NeverReplies,
}

impl Script {
    /// Adds answers for a path.
    pub(super) fn answering(mut self, request: &str, said: impl IntoIterator<Item = Said>) -> Self {
        self.answers.entry(request.to_owned()).or_default().extend(said);
        self
    }

    /// Every answer takes a moment.
    pub(super) fn slow(self) -> Self {
        Self { delay: Duration::from_millis(5), ..self }
    }

    /// Requests like this are never answered.
    pub(super) fn hanging(mut self, request: &str) -> Self {
        self.hanging.insert(request.to_owned());
        self
    }
}

/// An answer with a status and a body.
pub(super) fn says(status: u16, body: &str) -> Said {
    Ok(Answer { status, body: body.to_owned() })
}

/// Nobody listens.
pub(super) fn nobody() -> Said {
    Err(CallError::NotConnected { to: "services:5001".to_owned(), why: "connection refused".to_owned() })
}

/// The connection breaks.
pub(super) fn broken() -> Said {
    Err(CallError::NoAnswer { to: "services:5001".to_owned(), why: "connection reset".to_owned() })
}

/// Something answers that is not to be listened to: too large, or a redirect to another server.
pub(super) fn unusable() -> Said {
    Err(CallError::Unusable { to: "services:5001".to_owned(), why: "the answer is too large".to_owned() })
}

#[derive(Default)]
struct Inner {
    script: Script,
    requests: Vec<String>,
    objects: Vec<String>,
    records: Vec<String>,
    notices: Vec<String>,
    /// Addresses at which services were asked to call, in order.
    callbacks: Vec<String>,
    /// Evidence that Spark has left.
    evidence: BTreeSet<String>,
    /// The first start at a service.
    started: Option<Instant>,
}

/// The world as the recipes see it.
#[derive(Clone)]
pub(crate) struct World {
    inner: Rc<RefCell<Inner>>,
}

impl World {
    pub(super) fn new(script: Script) -> Self {
        Self { inner: Rc::new(RefCell::new(Inner { script, ..Inner::default() })) }
    }

    pub(super) fn ports(&self) -> JobPorts {
        JobPorts {
            services: Box::new(self.clone()),
            spark: Box::new(self.clone()),
            objects: Box::new(self.clone()),
            records: Box::new(self.clone()),
            announcements: Box::new(self.clone()),
        }
    }

    /// Everything that was said, by channel; each bucket is a channel of its own, because records delete evidence while
    /// jobs go on.
    pub(super) fn transcript(&self) -> String {
        let inner = self.inner.borrow();
        let mut objects = inner.objects.clone();
        objects.sort_by_key(|line| line.split(',').next().map(str::to_owned));
        let channels = [
            ("requests", &inner.requests),
            ("objects", &objects),
            ("records", &inner.records),
            ("notices", &inner.notices),
        ];
        let mut text = String::new();
        for (name, lines) in channels {
            text.push_str(&format!("# {name}\n"));
            lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        }
        text
    }

    /// The notices in order, without their event ids.
    pub(super) fn notices(&self) -> Vec<String> {
        let inner = self.inner.borrow();
        inner
            .notices
            .iter()
            .map(|line| line.split_once(' ').map_or(line.as_str(), |(_, text)| text).to_owned())
            .collect()
    }

    /// The requests in order that begin like this.
    pub(super) fn requests(&self, prefix: &str) -> Vec<String> {
        self.inner.borrow().requests.iter().filter(|line| line.starts_with(prefix)).cloned().collect()
    }

    /// From now on requests like this are answered like that.
    pub(super) fn answers_now(&self, request: &str, said: VecDeque<Said>) {
        self.inner.borrow_mut().script.answers.insert(request.to_owned(), said);
    }

    /// What the Spark component does next, in order.
    pub(super) fn spark_now(&self, does: VecDeque<Spark>) {
        self.inner.borrow_mut().script.spark = does;
    }

    /// From now on every request is answered.
    pub(super) fn hangs_no_more(&self) {
        self.inner.borrow_mut().script.hanging.clear();
    }

    /// The web application is there from now on.
    pub(super) fn front_end_comes_back(&self) {
        self.inner.borrow_mut().script.front_end_away = false;
    }

    /// Spark has finished by itself.
    pub(super) fn leaves_evidence(&self, path: &str) {
        self.inner.borrow_mut().evidence.insert(path.to_owned());
    }

    /// Addresses at which services were asked to call, in order.
    pub(super) fn callbacks(&self) -> Vec<String> {
        self.inner.borrow().callbacks.clone()
    }

    /// The body of the only request that begins like this.
    #[track_caller]
    pub(super) fn body(&self, request: &str) -> Value {
        let found = self.requests(&format!("{request} "));
        assert_eq!(found.len(), 1, "{found:?}");
        serde_json::from_str(&found[0][request.len() + 1..]).expect("a JSON body")
    }

    fn ask(&self, line: String, key: String) -> LocalBoxFuture<'static, Said> {
        let mut inner = self.inner.borrow_mut();
        let of_its_own = inner.script.delays.iter().find(|(part, _)| line.contains(part)).map(|(_, delay)| *delay);
        let delay = of_its_own.unwrap_or(inner.script.delay);
        inner.requests.push(line);
        let started = *inner.started.get_or_insert_with(Instant::now);
        if inner.script.hanging.contains(&key) {
            return futures::future::pending().boxed_local();
        }
        if key.ends_with("/progress") && started.elapsed() < inner.script.takes {
            return ready(says(200, r#"{"status":"progress"}"#)).boxed_local();
        }
        let said = match inner.script.answers.get_mut(&key) {
            Some(queue) if queue.len() > 1 => queue.pop_front(),
            Some(queue) => queue.front().cloned(),
            None => None,
        };
        let said = said.unwrap_or_else(|| all_is_well(&key));
        match delay {
            Duration::ZERO => ready(said).boxed_local(),
            delay => actix::clock::sleep(delay).map(|()| said).boxed_local(),
        }
    }

    /// One line of the objects' channel, and what the store says to it.
    fn object(&self, line: String) -> Result<(), StoreError> {
        let mut inner = self.inner.borrow_mut();
        inner.objects.push(line);
        inner.script.objects.pop_front().map_or(Ok(()), Err)
    }
}

/// The platform's services when nothing goes wrong.
fn all_is_well(request: &str) -> Said {
    match request {
        "GET automl/progress" => says(
            200,
            r#"{"status":"complete","results":{"algorithm":"gbt","maxDepth":4,"stepSize":0.25,"lossType":"squared"},"exec-speed":17}"#,
        ),
        "GET data-ingesting" => says(200, r#"{"job-id":"x","ingested":true,"features":["id","age"]}"#),
        "POST function" => says(202, ""),
        _ if request.starts_with("POST") => says(200, "job submitted"),
        _ => says(200, r#"{"status":"complete"}"#),
    }
}

impl JobServices for World {
    fn post(&self, _: Service, path: &str, body: &Value, callback: Option<&str>) -> LocalBoxFuture<'static, Said> {
        self.inner.borrow_mut().callbacks.extend(callback.map(str::to_owned));
        self.ask(format!("POST {path} {body}"), format!("POST {path}"))
    }

    fn get(&self, _: Service, path: &str) -> LocalBoxFuture<'static, Said> {
        let name = match path.split_once('?') {
            Some((name, _)) => name,
            None => path.split('/').next().unwrap_or_default(),
        };
        self.ask(format!("GET {path}"), format!("GET {name}"))
    }

    fn delete(&self, _: Service, path: &str) -> LocalBoxFuture<'static, Said> {
        let name = path.split('/').next().unwrap_or_default();
        self.ask(format!("DELETE {path}"), format!("DELETE {name}"))
    }
}

impl SparkSubmitter for World {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Box<dyn SparkConnection>, CallError>> {
        let spark = &mut self.inner.borrow_mut().script.spark;
        let (to, why) = ("spark:6006".to_owned(), "closed".to_owned());
        let connected: Result<Box<dyn SparkConnection>, CallError> = match spark.front() {
            Some(Spark::NotThere) => {
                spark.pop_front();
                Err(CallError::NotConnected { to, why })
            }
            _ => Ok(Box::new(self.clone())),
        };
        ready(connected).boxed_local()
    }
}

impl SparkConnection for World {
    fn submit(self: Box<Self>, job: &SparkJob) -> LocalBoxFuture<'static, Result<String, CallError>> {
        let message = json!({
            "path": job.script, "algorithm": job.algorithm, "minio-input": job.input, "minio-output": job.output,
            "column": job.column, "job-id": job.job_id, "analysis-id": job.analysis_id,
        });
        let mut inner = self.inner.borrow_mut();
        inner.requests.push(format!("SPARK {message}"));
        let (to, why) = ("spark:6006".to_owned(), "closed".to_owned());
        let does = inner.script.spark.pop_front();
        if does.is_none() {
            inner.evidence.insert(format!("{}/_SUCCESS", job.output));
        }
        match does {
            Some(Spark::NotThere | Spark::ClosesWithoutReply) => {
                ready(Err(CallError::NoAnswer { to, why })).boxed_local()
            }
            Some(Spark::NeverReplies) => futures::future::pending().boxed_local(),
            Some(Spark::RepliesWithoutEvidence) | None => ready(Ok("Msg received".to_owned())).boxed_local(),
        }
    }
}

impl ObjectStore for World {
    fn make_directory(&self, bucket: &BucketName, key: &ObjectKey) -> LocalBoxFuture<'static, Result<(), StoreError>> {
        ready(self.object(format!("bucket {bucket}, PUT {key}"))).boxed_local()
    }

    fn delete(&self, bucket: &BucketName, key: &ObjectKey) -> LocalBoxFuture<'static, Result<(), StoreError>> {
        let done = self.object(format!("bucket {bucket}, DELETE {key}"));
        self.inner.borrow_mut().evidence.remove(&format!("{bucket}/{key}"));
        ready(done).boxed_local()
    }

    fn exists(&self, bucket: &BucketName, key: &ObjectKey) -> LocalBoxFuture<'static, Result<bool, StoreError>> {
        let done = self.object(format!("bucket {bucket}, HEAD {key}"));
        let there = self.inner.borrow().evidence.contains(&format!("{bucket}/{key}"));
        ready(done.map(|()| there)).boxed_local()
    }

    fn list(
        &self,
        bucket: &BucketName,
        prefix: &ObjectKey,
    ) -> LocalBoxFuture<'static, Result<Vec<String>, StoreError>> {
        let done = self.object(format!("bucket {bucket}, LIST {prefix}"));
        let keys = self.inner.borrow().script.charts.iter().map(|name| format!("{prefix}{name}")).collect();
        ready(done.map(|()| keys)).boxed_local()
    }
}

impl Records for World {
    fn apply(&self, run: &RunSpec, change: &RecordChange) -> LocalBoxFuture<'static, Result<Applied, StoreError>> {
        let line = record_line(run, change);
        let mut inner = self.inner.borrow_mut();
        inner.records.extend(line);
        let answer = match change {
            RecordChange::Register => None,
            _ => inner.script.records.pop_front(),
        };
        ready(answer.unwrap_or(Ok(Applied::Done))).boxed_local()
    }

    fn put_parameters(
        &self,
        _: &TenantId,
        document: &Map<String, Value>,
    ) -> LocalBoxFuture<'static, Result<(), StoreError>> {
        // in the channel of the requests, because it has to be there before the Spark message
        let document = Value::Object(document.clone());
        self.inner.borrow_mut().requests.push(format!("Diastema.datatoolkit {document}"));
        ready(Ok(())).boxed_local()
    }
}

/// What a change means to the database; entries of the web application are not made with a real one.
fn record_line(run: &RunSpec, change: &RecordChange) -> Option<String> {
    let (tenant, id) = (&run.playbook.tenant, run.playbook.id.text());
    let pipeline = format!("UIDB.pipelines where analysisid={id}:");
    Some(match change {
        RecordChange::Register | RecordChange::DeleteObject { .. } => return None,
        RecordChange::Document { collection, document, .. } => {
            format!("{tenant}.{collection} {}", Value::Object(document.clone()))
        }
        RecordChange::Pipeline(PipelineChange::Visualization { label, paths }) => {
            format!("{pipeline} visualization[{label:?}] = {}", json!(paths))
        }
        RecordChange::Pipeline(PipelineChange::Completed) => format!("{pipeline} status = \"completed\""),
        RecordChange::Pipeline(PipelineChange::Error) => format!("{pipeline} status = \"error\" unless completed"),
        RecordChange::Pipeline(PipelineChange::ExecSpeed { millis }) => {
            format!("{pipeline} performance.analysis-exec-speed = {millis}")
        }
        RecordChange::DatasetFeatures { organization, user, label, features } => {
            format!("UIDB.datasets where organization={organization} user={user} label={label}: features = {features}")
        }
    })
}

impl Announcements for World {
    fn announce(&self, notice: &Notice, event_id: &str) -> LocalBoxFuture<'static, Result<(), CallError>> {
        let mut inner = self.inner.borrow_mut();
        if inner.script.front_end_away {
            let (to, why) = ("web:5001".to_owned(), "connection refused".to_owned());
            return ready(Err(CallError::NotConnected { to, why })).boxed_local();
        }
        inner.notices.push(format!("{event_id} {}: {}", notice.kind.as_str(), notice.text));
        ready(Ok(())).boxed_local()
    }
}
