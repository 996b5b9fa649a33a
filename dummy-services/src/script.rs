//! What each job does: how long it takes, how often it answers `progress`, how it fails. The same types are read from a
//! JSON file. A script never draws lots: the n-th job of a key always behaves the same.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A family of jobs, and the service that does them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `/data-cleaning`.
    Cleaning,
    /// `/join`.
    Join,
    /// `/function`.
    Function,
    /// `/data-ingesting`, its `/test` included.
    Ingestion,
    /// `/data-sink`.
    DataSink,
    /// `/visualization`.
    Visualization,
    /// `/automl`.
    Automl,
    /// The TCP component.
    Spark,
    /// `/messages` of the front end; every message counts as a job.
    Messages,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 9] = [
        Kind::Cleaning,
        Kind::Join,
        Kind::Function,
        Kind::Ingestion,
        Kind::DataSink,
        Kind::Visualization,
        Kind::Automl,
        Kind::Spark,
        Kind::Messages,
    ];

    /// The kind's name in scripts and flags.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Cleaning => "cleaning",
            Kind::Join => "join",
            Kind::Function => "function",
            Kind::Ingestion => "ingestion",
            Kind::DataSink => "data-sink",
            Kind::Visualization => "visualization",
            Kind::Automl => "automl",
            Kind::Spark => "spark",
            Kind::Messages => "messages",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = || Kind::ALL.map(Kind::name).join(", ");
        Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("unknown kind `{text}`, one of: {}", known()))
    }
}

/// A way to misbehave. A fault that makes no sense for a kind (a missing `_SUCCESS` of a join) changes nothing there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The start is answered with status 500; the job is not remembered.
    Http500OnStart,
    /// The start is accepted and the job runs, but the connection is cut instead of an answer.
    CutOnStart,
    /// The job fails: `progress` answers status `error` with HTTP 400. Spark: no work and no `_SUCCESS`, but its usual
    /// reply.
    Error {
        /// The text of `message`; without one the member is missing from the answer.
        #[serde(default)]
        message: Option<String>,
    },
    /// The job's last `progress` answer is no JSON.
    NotJson,
    /// The job's last `progress` answer has no `status`.
    NoStatus,
    /// The job's last `progress` request is cut instead of answered.
    CutOnProgress,
    /// `progress` for ever; Spark: no reply, the connection stays open.
    NeverFinishes,
    /// The start is read and never answered, and nothing runs; nor is a later question about the job answered.
    BlackHole,
    /// Spark works, then closes without a reply.
    NoReply,
    /// Spark works and replies, but leaves no `_SUCCESS`.
    NoSuccessFile,
    /// Spark closes after reading the header, before it reads the message.
    HalfFrame,
}

impl Fault {
    /// Whether the fault changes anything for jobs of this kind.
    pub(crate) fn applies_to(&self, kind: Kind) -> bool {
        use Fault::*;
        match self {
            BlackHole => true,
            NoReply | NoSuccessFile | HalfFrame => kind == Kind::Spark,
            Http500OnStart | CutOnStart => kind != Kind::Spark,
            Error { .. } => !matches!(kind, Kind::DataSink | Kind::Messages),
            NeverFinishes => !matches!(kind, Kind::DataSink | Kind::Messages),
            NotJson | NoStatus | CutOnProgress => !matches!(kind, Kind::DataSink | Kind::Messages | Kind::Spark),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    /// Reads the name of a fault; `error:TEXT` is an error with a message.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("error", message)) => Ok(Fault::Error { message: Some(message.to_owned()) }),
            None if text == "error" => Ok(Fault::Error { message: None }),
            _ => serde_json::from_value(serde_json::Value::from(text)).map_err(|why| why.to_string()),
        }
    }
}

/// How one job behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Behaviour {
    /// The job takes at least this long. *Units*: milliseconds.
    pub latency_ms: u64,
    /// At least so many `progress` answers come before the last one, also when the job is done earlier.
    pub progress_answers: u32,
    /// Every HTTP answer about the job is held back this long. *Units*: milliseconds.
    pub answer_delay_ms: u64,
    /// How the job misbehaves.
    pub fault: Option<Fault>,
    /// Only the first so many jobs that this behaviour was chosen for are faulty; `None`: all of them.
    pub fault_first: Option<u32>,
    /// The service says by itself how the job ended, to the address in the start's header `Diastema-Callback` if there is
    /// one. Spark and single requests never do.
    pub calls_back: bool,
}

/// What each job does. The most specific entry wins as a whole: the job's own, then its kind's, then the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Script {
    /// For jobs without an entry of their own.
    pub default: Behaviour,
    /// For all jobs of a kind.
    pub kinds: BTreeMap<Kind, Behaviour>,
    /// For one job, by its id as the service receives it, in lower case. It holds for every service that meets the id.
    pub jobs: BTreeMap<String, Behaviour>,
}

/// Which entry of a script was chosen. A job's entry counts its faults per service, because one id may visit AutoML and
/// Spark.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Job(String, Kind),
    Kind(Kind),
    Default,
}

impl Script {
    /// The entry for a job. *Shape*: `id` is absent for requests without one.
    pub(crate) fn entry(&self, kind: Kind, id: Option<&str>) -> (Key, &Behaviour) {
        let id = id.map(str::to_lowercase);
        if let Some((id, behaviour)) = id.and_then(|id| self.jobs.get(&id).map(|behaviour| (id, behaviour))) {
            return (Key::Job(id, kind), behaviour);
        }
        match self.kinds.get(&kind) {
            Some(behaviour) => (Key::Kind(kind), behaviour),
            None => (Key::Default, &self.default),
        }
    }

    /// The entry of a kind, made from the default if there is none yet.
    pub(crate) fn kind_mut(&mut self, kind: Kind) -> &mut Behaviour {
        self.kinds.entry(kind).or_insert_with(|| self.default.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_entry_wins() {
        let text = r#"{"default": {"latency-ms": 1}, "kinds": {"join": {"latency-ms": 2}}, "jobs": {"a": {"latency-ms": 3, "fault": "black-hole"}}}"#;
        let script: Script = serde_json::from_str(text).unwrap();
        assert_eq!(script.entry(Kind::Join, Some("A")).1.latency_ms, 3);
        assert_eq!(script.entry(Kind::Join, Some("b")).1.latency_ms, 2);
        assert_eq!(script.entry(Kind::Cleaning, None).1.latency_ms, 1);
        assert_eq!(script.jobs["a"].fault, Some(Fault::BlackHole));
    }

    #[test]
    fn faults_have_names() {
        assert_eq!("http500-on-start".parse(), Ok(Fault::Http500OnStart));
        assert_eq!("error:no disk: full".parse(), Ok(Fault::Error { message: Some("no disk: full".to_owned()) }));
        assert!("nonsense".parse::<Fault>().is_err());
        let in_a_file: Fault = serde_json::from_str(r#"{"error": {"message": "x"}}"#).unwrap();
        assert_eq!(in_a_file, Fault::Error { message: Some("x".to_owned()) });
    }

    #[test]
    fn every_kind_reads_its_own_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
