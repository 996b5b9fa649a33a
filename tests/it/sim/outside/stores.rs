//! The object store, the documents and the web application: what they keep is what the checks look at.

use std::collections::{BTreeMap, BTreeSet};

use orchestrator::playbook::Space;
use orchestrator::ports::{Applied, Notice, PipelineChange, RecordChange, RunSpec};
use serde_json::{Map, Value};

use crate::sim::plan::Time;

/// Bucket of the charts.
pub(in crate::sim) const GRAPH_BUCKET: &str = "diastemaviz";

/// Keys by bucket.
#[derive(Debug, Default)]
pub(in crate::sim) struct Objects {
    keys: BTreeSet<(String, String)>,
}

impl Objects {
    pub(in crate::sim) fn put(&mut self, bucket: &str, key: &str) {
        self.keys.insert((bucket.to_owned(), key.to_owned()));
    }

    pub(in crate::sim) fn delete(&mut self, bucket: &str, key: &str) {
        self.keys.remove(&(bucket.to_owned(), key.to_owned()));
    }

    pub(in crate::sim) fn has(&self, bucket: &str, key: &str) -> bool {
        self.keys.contains(&(bucket.to_owned(), key.to_owned()))
    }

    pub(in crate::sim) fn list(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let from = self.keys.range((bucket.to_owned(), prefix.to_owned())..);
        let same = from.take_while(|(of, key)| of == bucket && key.starts_with(prefix));
        same.map(|(_, key)| key.clone()).collect()
    }
}

/// A document and when it first came.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Document {
    pub(in crate::sim) tenant: String,
    pub(in crate::sim) collection: String,
    pub(in crate::sim) content: Map<String, Value>,
    /// The run that wrote it first.
    pub(in crate::sim) run_id: i64,
}

/// An entry in `UIDB.pipelines`.
#[derive(Debug, Clone, Default)]
pub(in crate::sim) struct Pipeline {
    pub(in crate::sim) status: Option<&'static str>,
    pub(in crate::sim) charts: BTreeMap<String, Vec<String>>,
    pub(in crate::sim) exec_speed: Option<i64>,
}

/// Both databases.
#[derive(Debug)]
pub(in crate::sim) struct Documents {
    embedded: bool,
    /// By id, in order of their first writing.
    pub(in crate::sim) results: Vec<([u8; 12], Document)>,
    pub(in crate::sim) pipelines: BTreeMap<String, Pipeline>,
    /// Features by organization, user and label.
    pub(in crate::sim) datasets: BTreeMap<(String, String, String), Option<Value>>,
    /// Parameters of Spark jobs by job id.
    pub(in crate::sim) parameters: BTreeMap<String, Map<String, Value>>,
    /// When the web application makes its entry for an analysis or a data set.
    entries: BTreeMap<String, Time>,
}

impl Documents {
    pub(super) fn new(embedded: bool) -> Self {
        Self {
            embedded,
            results: Vec::new(),
            pipelines: BTreeMap::new(),
            datasets: BTreeMap::new(),
            parameters: BTreeMap::new(),
            entries: BTreeMap::new(),
        }
    }

    /// The web application will have saved its entry by then.
    pub(in crate::sim) fn entry_comes(&mut self, id: &str, at: Time) {
        self.entries.entry(id.to_owned()).or_insert(at);
    }

    /// Applies a change; repeating it changes nothing more.
    pub(in crate::sim) fn apply(&mut self, run: &RunSpec, change: &RecordChange, now: Time) -> Applied {
        let playbook = &run.playbook;
        let id = playbook.id.text().to_owned();
        let is_there = self.embedded || self.entries.get(&id).is_some_and(|at| *at <= now);
        match change {
            RecordChange::Register | RecordChange::DeleteObject { .. } => {}
            RecordChange::Document { collection, id, document } => {
                let (tenant, collection) = (playbook.tenant.as_str().to_owned(), collection.as_str().to_owned());
                let found = self.results.iter_mut().find(|(known, _)| known == id);
                match found {
                    Some((_, known)) => known.content = document.clone(),
                    None => {
                        let content = document.clone();
                        self.results.push((*id, Document { tenant, collection, content, run_id: run.run_id }));
                    }
                }
            }
            _ if !is_there => return Applied::NoSuchEntry,
            RecordChange::Pipeline(change) => change_pipeline(self.pipelines.entry(id).or_default(), change),
            RecordChange::DatasetFeatures { organization, user, label, features } => {
                let key = (organization.clone(), user.clone(), label.clone());
                self.datasets.insert(key, Some(features.clone()));
            }
        }
        if matches!(change, RecordChange::Register) && playbook.space == Space::Analysis {
            self.pipelines.entry(playbook.id.text().to_owned()).or_default();
        }
        Applied::Done
    }
}

fn change_pipeline(pipeline: &mut Pipeline, change: &PipelineChange) {
    match change {
        PipelineChange::Visualization { label, paths } => drop(pipeline.charts.insert(label.clone(), paths.clone())),
        PipelineChange::Completed => pipeline.status = Some("completed"),
        PipelineChange::Error => {
            pipeline.status = Some(pipeline.status.filter(|status| *status == "completed").unwrap_or("error"));
        }
        PipelineChange::ExecSpeed { millis } => pipeline.exec_speed = Some(*millis),
    }
}

/// A notice that has arrived.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Arrived {
    pub(in crate::sim) event_id: String,
    pub(in crate::sim) text: String,
}

/// What the web application got, in order.
#[derive(Debug, Default)]
pub(in crate::sim) struct WebApplication {
    pub(in crate::sim) notices: Vec<Arrived>,
}

impl WebApplication {
    pub(in crate::sim) fn get(&mut self, notice: &Notice, event_id: &str) {
        self.notices.push(Arrived { event_id: event_id.to_owned(), text: notice.text.clone() });
    }
}
