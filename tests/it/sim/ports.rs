//! The five ports over the simulated outside: every call passes an effect boundary before it leaves and after it has
//! arrived, and the faults of the world decide what becomes of it.

use std::rc::Rc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use orchestrator::jobs::JobPorts;
use orchestrator::playbook::job::Service;
use orchestrator::playbook::{BucketName, ObjectKey, TenantId};
use orchestrator::ports::{
    Announcements, Answer, Applied, CallError, JobServices, Notice, ObjectStore, RecordChange, Records, RunSpec,
    SparkConnection, SparkJob, SparkSubmitter, StoreError,
};
use serde_json::{Map, Value};

use super::dice::Rolls;
use super::life::{Fate, Life};
use super::outside::services::{Said, garbled, says};
use super::outside::spark::SparkRun;
use super::outside::{Outside, Start, party_of};
use super::plan::{Effect, Party};

/// The world as one life of the process sees it.
#[derive(Clone)]
struct Ports(Rc<Life>);

/// The ports of a life.
pub(super) fn ports(life: &Rc<Life>) -> JobPorts {
    let port = || Box::new(Ports(Rc::clone(life)));
    JobPorts { services: port(), spark: port(), objects: port(), records: port(), announcements: port() }
}

type Called<T> = LocalBoxFuture<'static, Result<T, CallError>>;
type Stored<T> = LocalBoxFuture<'static, Result<T, StoreError>>;

fn not_connected<T>(party: Party) -> Result<T, CallError> {
    Err(CallError::NotConnected { to: format!("{party:?}"), why: "connection refused".to_owned() })
}

fn no_answer<T>(party: Party) -> Result<T, CallError> {
    Err(CallError::NoAnswer { to: format!("{party:?}"), why: "connection reset".to_owned() })
}

impl Ports {
    fn outside<T>(&self, change: impl FnOnce(&mut Outside) -> T) -> T {
        let mut outside = self.0.world.outside.borrow_mut();
        outside.catch_up(self.0.now());
        change(&mut outside)
    }

    /// Writes a start into the ledger.
    fn called(&self, service: Service, wire_id: &str, analysis: Option<&str>, output: Option<&str>) -> usize {
        let life = &self.0;
        life.trace(format_args!("start {} {wire_id}", service.as_str()));
        let start = Start {
            service,
            wire_id: wire_id.to_owned(),
            analysis: analysis.map(str::to_owned),
            output: output.map(str::to_owned),
            called: life.now(),
            life: life.number,
            durable: life.world.journal.durable(),
            left: true,
            arrived: None,
            taken: false,
            answered: false,
        };
        self.outside(|outside| outside.called(start))
    }

    async fn start(self, service: Service, body: Value) -> Result<Answer, CallError> {
        let (life, party) = (&self.0, party_of(service));
        let text = |member: &str| body.get(member).and_then(Value::as_str);
        let wire_id = wire_id_of(service, &body);
        life.passes(Effect::Start).await;
        let output = text("minio-output").or_else(|| text("output"));
        let start = self.called(service, &wire_id, text("analysis-id"), output);
        let fate = life.fate(party);
        life.travel().await;
        let takes = match fate {
            Fate::Refused => {
                self.outside(|outside| {
                    outside.starts[start].left = false;
                    outside.unanswered(service, &wire_id, life.now());
                });
                life.trace(format_args!("refused {} {wire_id}", service.as_str()));
                return not_connected(party);
            }
            Fate::LostRequest => return self.lost(service, &wire_id, "request"),
            Fate::Silence => {
                life.give_up().await;
                return self.lost(service, &wire_id, "request");
            }
            Fate::Late(at) => {
                self.outside(|outside| outside.arrives_late(start, at));
                life.give_up().await;
                return self.lost(service, &wire_id, "late request");
            }
            Fate::LostReply => None,
            Fate::Answered(takes) => Some(takes),
        };
        let faults = &life.world.plan.faults;
        let is_data = party == Party::Data && service != Service::DataSink;
        let answer = if is_data && life.errs(faults.refused) {
            says(500, "<html>Internal Server Error</html>")
        } else if is_data && life.errs(faults.never_queued) {
            self.outside(|outside| outside.arrive_unqueued(start, life.now()))
        } else {
            self.outside(|outside| outside.arrive(start, life.now()))
        };
        life.passes(Effect::Start).await;
        life.travel().await;
        match takes {
            Some(takes) if life.await_answer(takes).await => {
                self.outside(|outside| outside.starts[start].answered = true);
                life.trace(format_args!("answer {} {wire_id}: {}", service.as_str(), answer.status));
                Ok(answer)
            }
            _ => self.lost(service, &wire_id, "reply"),
        }
    }

    fn lost<T>(&self, service: Service, wire_id: &str, what: &str) -> Result<T, CallError> {
        self.outside(|outside| outside.unanswered(service, wire_id, self.0.now()));
        self.0.trace(format_args!("lost {what} {} {wire_id}", service.as_str()));
        no_answer(party_of(service))
    }

    async fn ask(self, service: Service, path: String) -> Result<Answer, CallError> {
        let (life, party) = (&self.0, party_of(service));
        let wire_id = path.rsplit(['=', '/']).next().unwrap_or_default();
        life.passes(Effect::Ask).await;
        let fate = life.fate(party);
        life.travel().await;
        let takes = match fate {
            Fate::Refused => {
                self.outside(|outside| outside.unanswered(service, wire_id, life.now()));
                return not_connected(party);
            }
            Fate::LostRequest => return self.lost(service, wire_id, "question"),
            Fate::Silence | Fate::Late(_) => {
                life.give_up().await;
                return self.lost(service, wire_id, "question");
            }
            Fate::LostReply => return self.lost(service, wire_id, "answer"),
            Fate::Answered(takes) => takes,
        };
        let faults = &life.world.plan.faults;
        let said = if party == Party::Data && life.errs(faults.no_verdict) {
            self.outside(|outside| outside.unanswered(service, wire_id, life.now()));
            let text = r#"{"status":"error","message":"Failed to connect to database: timeout"}"#;
            return Ok(says(400, text));
        } else if life.errs(faults.garbled) {
            self.outside(|outside| outside.seen_of(service, wire_id).garbled += 1);
            Said::Answers(life.roll(garbled))
        } else {
            self.outside(|outside| life.roll(|dice| outside.asked(service, &path, life.now(), dice)))
        };
        life.passes(Effect::Ask).await;
        life.travel().await;
        match said {
            Said::Answers(answer) if life.await_answer(takes).await => {
                self.outside(|outside| outside.seen_of(service, wire_id).answers.push(life.now()));
                life.trace(format_args!("asked {path}: {} {}", answer.status, answer.body));
                Ok(answer)
            }
            Said::Answers(_) => self.lost(service, wire_id, "answer"),
            Said::Nothing => {
                life.give_up().await;
                self.lost(service, wire_id, "answer")
            }
        }
    }

    async fn cancel(self, service: Service, path: String) -> Result<Answer, CallError> {
        let (life, party) = (&self.0, party_of(service));
        let wire_id = path.rsplit('/').next().unwrap_or_default();
        life.passes(Effect::Ask).await;
        let fate = life.fate(party);
        life.travel().await;
        match fate {
            Fate::Refused => return not_connected(party),
            Fate::LostRequest => return no_answer(party),
            Fate::Silence | Fate::Late(_) => {
                life.give_up().await;
                return no_answer(party);
            }
            Fate::LostReply | Fate::Answered(_) => {}
        }
        let answer = self.outside(|outside| outside.cancelled(service, wire_id, life.now()));
        life.passes(Effect::Ask).await;
        life.trace(format_args!("cancel {path}: {} {}", answer.status, answer.body));
        if fate == Fate::LostReply { no_answer(party) } else { Ok(answer) }
    }

    async fn connect_to_spark(self) -> Result<Box<dyn SparkConnection>, CallError> {
        let life = &self.0;
        let fate = life.fate(Party::Spark);
        life.travel().await;
        if fate == Fate::Refused {
            self.outside(|outside| outside.unanswered(Service::Spark, "", life.now()));
            return not_connected(Party::Spark);
        }
        Ok(Box::new(ToSpark { ports: self, fate }))
    }

    async fn submit_spark(self, fate: Fate, job: SparkJob) -> Result<String, CallError> {
        let life = &self.0;
        life.passes(Effect::Start).await;
        let start = self.called(Service::Spark, &job.job_id, Some(&job.analysis_id), Some(&job.output));
        life.travel().await;
        match fate {
            Fate::Refused | Fate::LostRequest | Fate::Late(_) => {
                return self.lost(Service::Spark, &job.job_id, "message");
            }
            Fate::Silence => std::future::pending().await,
            Fate::LostReply | Fate::Answered(_) => {}
        }
        let run = self.outside(|outside| outside.begin_spark(start, life.now()));
        life.passes(Effect::Start).await;
        let SparkRun { ends, replies, .. } = run;
        let left = ends.map(|ends| ends.saturating_sub(life.now()));
        match left {
            Some(left) if fate == Fate::LostReply => {
                life.wait(life.roll(|dice| dice.between(0, left + 1_000))).await;
                self.lost(Service::Spark, &job.job_id, "reply")
            }
            Some(left) if replies => {
                life.wait(left + 1).await;
                self.outside(|outside| outside.starts[start].answered = true);
                life.trace(format_args!("spark replies {}", job.job_id));
                life.passes(Effect::Start).await;
                Ok("Msg received".to_owned())
            }
            _ => std::future::pending().await,
        }
    }

    /// One operation of a store: `change` happens, unless the store is away.
    async fn store<T>(
        self,
        effect: Effect,
        party: Party,
        what: String,
        change: impl FnOnce(&mut Outside) -> T,
    ) -> Result<T, StoreError> {
        let life = &self.0;
        let unavailable = |why: &str| {
            life.trace(format_args!("{party:?} unavailable ({why}): {what}"));
            Err(StoreError::Unavailable { store: "simulated store", why: why.to_owned() })
        };
        life.passes(effect).await;
        let fate = life.fate(party);
        life.travel().await;
        match fate {
            Fate::Refused | Fate::LostRequest => return unavailable("nobody answers"),
            Fate::Silence | Fate::Late(_) => {
                life.give_up().await;
                return unavailable("no answer");
            }
            Fate::LostReply | Fate::Answered(_) => {}
        }
        let done = self.outside(change);
        life.passes(effect).await;
        life.travel().await;
        if fate == Fate::LostReply || life.errs(life.world.plan.faults.store_lost_reply) {
            return unavailable("the reply is lost");
        }
        life.trace(format_args!("{party:?}: {what}"));
        Ok(done)
    }
}

/// The id that the service gets.
fn wire_id_of(service: Service, body: &Value) -> String {
    let id = match service {
        Service::DataSink => &body["data"]["data"],
        _ => &body["job-id"],
    };
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

impl JobServices for Ports {
    fn post(&self, service: Service, _: &str, body: &Value, _: Option<&str>) -> Called<Answer> {
        self.clone().start(service, body.clone()).boxed_local()
    }

    fn get(&self, service: Service, path: &str) -> Called<Answer> {
        self.clone().ask(service, path.to_owned()).boxed_local()
    }

    fn delete(&self, service: Service, path: &str) -> Called<Answer> {
        self.clone().cancel(service, path.to_owned()).boxed_local()
    }
}

impl SparkSubmitter for Ports {
    fn connect(&self) -> Called<Box<dyn SparkConnection>> {
        self.clone().connect_to_spark().boxed_local()
    }
}

/// A connection to Spark, with what becomes of the message on it.
struct ToSpark {
    ports: Ports,
    fate: Fate,
}

impl SparkConnection for ToSpark {
    fn submit(self: Box<Self>, job: &SparkJob) -> Called<String> {
        self.ports.submit_spark(self.fate, job.clone()).boxed_local()
    }
}

impl ObjectStore for Ports {
    fn make_directory(&self, bucket: &BucketName, key: &ObjectKey) -> Stored<()> {
        let (what, bucket, key) = (format!("PUT {bucket}/{key}"), bucket.clone(), key.clone());
        let put = move |outside: &mut Outside| outside.objects.put(bucket.as_str(), key.as_str());
        self.clone().store(Effect::Objects, Party::Objects, what, put).boxed_local()
    }

    fn delete(&self, bucket: &BucketName, key: &ObjectKey) -> Stored<()> {
        let (what, bucket, key) = (format!("DELETE {bucket}/{key}"), bucket.clone(), key.clone());
        let delete = move |outside: &mut Outside| outside.objects.delete(bucket.as_str(), key.as_str());
        self.clone().store(Effect::Objects, Party::Objects, what, delete).boxed_local()
    }

    fn exists(&self, bucket: &BucketName, key: &ObjectKey) -> Stored<bool> {
        let (what, bucket, key) = (format!("HEAD {bucket}/{key}"), bucket.clone(), key.clone());
        let has = move |outside: &mut Outside| outside.objects.has(bucket.as_str(), key.as_str());
        self.clone().store(Effect::Objects, Party::Objects, what, has).boxed_local()
    }

    fn list(&self, bucket: &BucketName, prefix: &ObjectKey) -> Stored<Vec<String>> {
        let (what, bucket, prefix) = (format!("LIST {bucket}/{prefix}"), bucket.clone(), prefix.clone());
        let list = move |outside: &mut Outside| outside.objects.list(bucket.as_str(), prefix.as_str());
        self.clone().store(Effect::Objects, Party::Objects, what, list).boxed_local()
    }
}

impl Records for Ports {
    fn apply(&self, run: &RunSpec, change: &RecordChange) -> Stored<Applied> {
        // the run as the port gets it may not outlive the call
        let run = RunSpec {
            run_id: run.run_id,
            number: run.number,
            playbook: run.playbook.clone(),
            accepted: run.accepted,
            reused_ids: run.reused_ids.clone(),
        };
        let (what, change, life) = (format!("run {} {change:?}", run.run_id), change.clone(), Rc::clone(&self.0));
        let apply = move |outside: &mut Outside| outside.documents.apply(&run, &change, life.now());
        self.clone().store(Effect::Records, Party::Records, what, apply).boxed_local()
    }

    fn put_parameters(&self, _: &TenantId, document: &Map<String, Value>) -> Stored<()> {
        let document = document.clone();
        let id = document.get("job-id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let what = format!("parameters of {id}");
        let put = move |outside: &mut Outside| drop(outside.documents.parameters.insert(id, document));
        self.clone().store(Effect::Records, Party::Records, what, put).boxed_local()
    }
}

impl Announcements for Ports {
    fn announce(&self, notice: &Notice, event_id: &str) -> Called<()> {
        let (port, notice, event_id) = (self.clone(), notice.clone(), event_id.to_owned());
        async move {
            let life = &port.0;
            life.passes(Effect::Notice).await;
            let fate = life.fate(Party::Web);
            life.travel().await;
            match fate {
                Fate::Refused => return not_connected(Party::Web),
                Fate::LostRequest => return no_answer(Party::Web),
                Fate::Silence | Fate::Late(_) => {
                    life.give_up().await;
                    return no_answer(Party::Web);
                }
                Fate::LostReply | Fate::Answered(_) => {}
            }
            life.trace(format_args!("notice {event_id}: {}", notice.text));
            port.outside(|outside| outside.web.get(&notice, &event_id));
            life.passes(Effect::Notice).await;
            if fate == Fate::LostReply { no_answer(Party::Web) } else { Ok(()) }
        }
        .boxed_local()
    }
}
