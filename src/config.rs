//! Every setting: name, type, default, meaning. Nothing else in the program reads the environment.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::adapters::address::Address;
use crate::adapters::http_client::CallLimits;
use crate::adapters::secret::Secret;
use crate::engine::EngineLimits;
use crate::engine::admission::SlotLimits;
use crate::jobs::JobSettings;
use crate::playbook::check::CheckSettings;
use crate::playbook::ingestion_url::{UrlPolicy, UrlRule};
use crate::playbook::job::Service;

/// One row of the table of settings.
pub struct Setting {
    /// Name of the environment variable.
    pub name: &'static str,
    /// Default as text, empty for none.
    pub default: &'static str,
    /// What it means, with its unit.
    pub meaning: &'static str,
}

macro_rules! settings {
    ($($name:literal = $default:literal: $meaning:literal;)*) => {
        /// Every environment variable; the README's table is compared with this.
        pub const SETTINGS: &[Setting] = &[$(Setting { name: $name, default: $default, meaning: $meaning }),*];
    };
}

settings! {
    "HOST" = "localhost": "address to listen on";
    "PORT" = "5000": "port to listen on";
    "DIASTEMA_KEY" = "diastema-key": "token that playbooks and API calls must carry; has to be set when HOST is not loopback";
    "DATA_DIR" = "./data": "directory of everything embedded: journal, records, objects";
    "MINIO_HOST" = "localhost": "S3; embedded when neither MINIO_HOST nor MINIO_PORT is set";
    "MINIO_PORT" = "9000": "S3 port, plain HTTP, path style";
    "MINIO_USER" = "diastema": "S3 access key";
    "MINIO_PASS" = "diastema": "S3 secret key";
    "MONGO_HOST" = "localhost": "MongoDB; embedded records when neither MONGO_HOST nor MONGO_PORT is set";
    "MONGO_PORT" = "27017": "MongoDB port, no authentication";
    "DIASTEMA_SERVICES_HOST" = "localhost": "data services: cleaning, join, ingestion, data-sink";
    "DIASTEMA_SERVICES_PORT" = "5001": "their port";
    "FUNCTION_SERVICE_HOST" = "localhost": "function service";
    "FUNCTION_SERVICE_PORT" = "5001": "its port";
    "AUTOML_HOST" = "localhost": "AutoML service";
    "AUTOML_PORT" = "5001": "its port";
    "DIASTEMA_FRONTEND_HOST" = "localhost": "web application, path /messages";
    "DIASTEMA_FRONTEND_PORT" = "5001": "its port";
    "KUBERNETES_HOST" = "localhost": "Spark component, framed TCP";
    "KUBERNETES_PORT" = "6006": "its port";
    "POLL_INTERVAL_SECONDS" = "2": "longest wait between two looks at a running job";
    "CONNECT_TIMEOUT_SECONDS" = "5": "until a connection stands";
    "ANSWER_TIMEOUT_SECONDS" = "30": "until one HTTP answer is there";
    "START_RETRY_SECONDS" = "30": "how long a start is repeated while nobody listens";
    "NO_ANSWER_SECONDS" = "300": "how long a running job may go without a usable answer";
    "JOB_TIMEOUT_SECONDS" = "86400": "how long one job may take";
    "INGESTION_TEST_TIMEOUT_SECONDS" = "60": "how long a test call of an ingestion may take";
    "STORE_WAIT_SECONDS" = "600": "how long a job waits for a store that is away";
    "DELIVERY_WAIT_SECONDS" = "86400": "how long a record is offered to a store that is away";
    "NOTICE_WAIT_SECONDS" = "3600": "how long a notice is offered to a web application that is away";
    "SERVICE_CONCURRENCY" = "64": "jobs in flight per service";
    "FUNCTION_SERVICE_CONCURRENCY" = "1": "jobs in flight at the function service, which mixes inputs above 1";
    "FUNCTION_SERVICE_LINGER_SECONDS" = "600": "how long the slot of a function that was let go is held while the service may be at work";
    "TENANT_CONCURRENCY" = "256": "jobs in flight per tenant";
    "TOTAL_CONCURRENCY" = "1024": "jobs in flight in all";
    "TENANT_RUNNING_ANALYSES" = "1000": "running analyses per tenant; beyond: queued";
    "TENANT_OPEN_ANALYSES" = "20000": "accepted and unfinished analyses per tenant; beyond: 429";
    "TOTAL_OPEN_ANALYSES" = "50000": "accepted and unfinished analyses in all; beyond: 503";
    "SPARK_ARGUMENTS" = "safe": "`any` lifts the restriction of characters for a component that uses no shell";
    "INGESTION_URL_POLICY" = "no-loopback": "where ingestions may read from: `any`, `no-loopback` or `public-only`";
    "BODY_TIMEOUT_SECONDS" = "30": "how long the body of a request may take to arrive";
    "DRAIN_SECONDS" = "1": "how long the server still answers (503 to submissions) after it was told to stop";
    "WRONG_TOKENS" = "20": "wrong tokens in ten seconds from one address; beyond: 429 for further wrong ones";
    "RUST_LOG" = "info": "log filter of env_logger";
}

/// Where the object store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this process, in the data directory.
    Embedded,
    /// A server.
    Server(Address),
}

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: Address,
    /// Whether `PORT` was set; `demo` looks for a free port otherwise.
    pub port_is_set: bool,
    /// The token.
    pub key: Secret,
    /// Whether `DIASTEMA_KEY` was set.
    pub key_is_set: bool,
    /// Directory of everything embedded.
    pub data_dir: PathBuf,
    /// The object store.
    pub objects: Place,
    /// Its access key.
    pub minio_user: String,
    /// Its secret key.
    pub minio_pass: Secret,
    /// The records.
    pub records: Place,
    /// Data services.
    pub services: Address,
    /// Function service.
    pub function: Address,
    /// AutoML.
    pub automl: Address,
    /// Web application.
    pub frontend: Address,
    /// Spark component.
    pub spark: Address,
    /// Limits of outgoing calls.
    pub calls: CallLimits,
    /// Patience of jobs.
    pub jobs: JobSettings,
    /// How much the engine takes on.
    pub limits: EngineLimits,
    /// How long a test call of an ingestion may take.
    pub ingestion_test_timeout: Duration,
    /// Whether any text may be a Spark argument.
    pub spark_arguments_any: bool,
    /// Where ingestions may read from.
    pub ingestion_urls: UrlPolicy,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// How long the server still answers after it was told to stop.
    pub drain: Duration,
    /// Wrong tokens in ten seconds from one address until further ones are answered 429.
    pub wrong_tokens: usize,
    /// Log filter.
    pub log: String,
}

/// Settings that cannot be used, all at once.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the configuration cannot be used:\n{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// Reads settings by name and collects what is wrong.
struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn set(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|text| !text.trim().is_empty())
    }

    fn text(&self, name: &str) -> String {
        let default = SETTINGS.iter().find(|setting| setting.name == name).map_or("", |setting| setting.default);
        self.set(name).unwrap_or_else(|| default.to_owned())
    }

    fn number<T: FromStr<Err: Display> + Default>(&mut self, name: &str) -> T {
        let text = self.text(name);
        text.trim().parse().unwrap_or_else(|error| {
            self.faults.push(format!("  {name}={text}: {error}; give a decimal number"));
            T::default()
        })
    }

    /// A number of things at once: none would be a wait for ever.
    fn count(&mut self, name: &str) -> usize {
        let count = self.number(name);
        if count == 0 {
            self.faults.push(format!("  {name}=0: nothing would ever run; give 1 or more"));
        }
        count
    }

    fn seconds(&mut self, name: &str) -> Duration {
        let seconds: f64 = self.number(name);
        Duration::try_from_secs_f64(seconds).unwrap_or_else(|error| {
            self.faults.push(format!("  {name}={seconds}: {error}; give seconds"));
            Duration::ZERO
        })
    }

    fn spark_arguments(&mut self, name: &str) -> bool {
        let text = self.text(name);
        if !matches!(text.as_str(), "any" | "safe") {
            self.faults.push(format!("  {name}={text}: give `safe` or `any`"));
        }
        text == "any"
    }

    fn url_policy(&mut self, name: &str) -> UrlPolicy {
        match self.text(name).as_str() {
            "any" => UrlPolicy::Any,
            "no-loopback" => UrlPolicy::NoLoopback,
            "public-only" => UrlPolicy::PublicOnly,
            other => {
                self.faults.push(format!("  {name}={other}: give `any`, `no-loopback` or `public-only`"));
                UrlPolicy::default()
            }
        }
    }

    fn address(&mut self, host: &str, port: &str) -> Address {
        Address::new(self.text(host).trim(), self.number(port))
    }

    fn place(&mut self, host: &str, port: &str) -> Place {
        let embedded = self.set(host).is_none() && self.set(port).is_none();
        if embedded { Place::Embedded } else { Place::Server(self.address(host, port)) }
    }
}

impl Config {
    /// The configuration of this process' environment.
    ///
    /// *Errors*: every setting that cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        Self::from_lookup(&|name| std::env::var(name).ok())
    }

    /// The configuration from any source of settings; empty texts count as not set.
    ///
    /// *Errors*: every setting that cannot be used.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader { lookup, faults: Vec::new() };
        let config = Self::read(&mut reader);
        if reader.faults.is_empty() { Ok(config) } else { Err(ConfigError(reader.faults)) }
    }

    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            listen: reader.address("HOST", "PORT"),
            port_is_set: reader.set("PORT").is_some(),
            key: Secret::new(reader.text("DIASTEMA_KEY")),
            key_is_set: reader.set("DIASTEMA_KEY").is_some(),
            data_dir: PathBuf::from(reader.text("DATA_DIR")),
            objects: reader.place("MINIO_HOST", "MINIO_PORT"),
            minio_user: reader.text("MINIO_USER"),
            minio_pass: Secret::new(reader.text("MINIO_PASS")),
            records: reader.place("MONGO_HOST", "MONGO_PORT"),
            services: reader.address("DIASTEMA_SERVICES_HOST", "DIASTEMA_SERVICES_PORT"),
            function: reader.address("FUNCTION_SERVICE_HOST", "FUNCTION_SERVICE_PORT"),
            automl: reader.address("AUTOML_HOST", "AUTOML_PORT"),
            frontend: reader.address("DIASTEMA_FRONTEND_HOST", "DIASTEMA_FRONTEND_PORT"),
            spark: reader.address("KUBERNETES_HOST", "KUBERNETES_PORT"),
            calls: CallLimits {
                connect: reader.seconds("CONNECT_TIMEOUT_SECONDS"),
                answer: reader.seconds("ANSWER_TIMEOUT_SECONDS"),
            },
            jobs: JobSettings {
                poll_interval: reader.seconds("POLL_INTERVAL_SECONDS"),
                start_retry: reader.seconds("START_RETRY_SECONDS"),
                no_answer: reader.seconds("NO_ANSWER_SECONDS"),
                job_timeout: reader.seconds("JOB_TIMEOUT_SECONDS"),
                store_wait: reader.seconds("STORE_WAIT_SECONDS"),
                delivery_wait: reader.seconds("DELIVERY_WAIT_SECONDS"),
                notice_wait: reader.seconds("NOTICE_WAIT_SECONDS"),
                function_concurrency: reader.count("FUNCTION_SERVICE_CONCURRENCY"),
                function_linger: reader.seconds("FUNCTION_SERVICE_LINGER_SECONDS"),
            },
            limits: EngineLimits {
                slots: Some(SlotLimits {
                    total: reader.count("TOTAL_CONCURRENCY"),
                    per_tenant: reader.count("TENANT_CONCURRENCY"),
                    per_service: reader.count("SERVICE_CONCURRENCY"),
                    services: HashMap::from([(Service::Function, reader.count("FUNCTION_SERVICE_CONCURRENCY"))]),
                }),
                open_per_tenant: reader.count("TENANT_OPEN_ANALYSES"),
                open_total: reader.count("TOTAL_OPEN_ANALYSES"),
                running_per_tenant: reader.count("TENANT_RUNNING_ANALYSES"),
            },
            ingestion_test_timeout: reader.seconds("INGESTION_TEST_TIMEOUT_SECONDS"),
            spark_arguments_any: reader.spark_arguments("SPARK_ARGUMENTS"),
            ingestion_urls: reader.url_policy("INGESTION_URL_POLICY"),
            body_timeout: reader.seconds("BODY_TIMEOUT_SECONDS"),
            drain: reader.seconds("DRAIN_SECONDS"),
            wrong_tokens: reader.number("WRONG_TOKENS"),
            log: reader.text("RUST_LOG"),
        }
    }

    /// How submissions are judged.
    pub fn checks(&self) -> CheckSettings {
        let mut own = vec![&self.listen, &self.services, &self.function, &self.automl, &self.frontend, &self.spark];
        own.extend([&self.objects, &self.records].into_iter().filter_map(|place| match place {
            Place::Embedded => None,
            Place::Server(address) => Some(address),
        }));
        let own_services = own.into_iter().map(|address| (address.host.clone(), address.port)).collect();
        CheckSettings {
            spark_arguments_any: self.spark_arguments_any,
            ingestion_urls: UrlRule { policy: self.ingestion_urls, own_services },
            ..CheckSettings::default()
        }
    }

    /// What must not be started, and why (decision 24).
    pub fn refusal(&self) -> Option<String> {
        let open = !self.listen.is_loopback();
        (open && !self.key_is_set).then(|| {
            format!(
                "{} can be reached from outside: set DIASTEMA_KEY to a key of your own, or HOST to localhost",
                self.listen
            )
        })
    }

    /// What the operator should know at start.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.listen.is_loopback() {
            warnings.push(format!("plain HTTP on {}: put a TLS proxy in front of it", self.listen));
            if self.key.reveal() == "diastema-key" {
                warnings.push("DIASTEMA_KEY is the platform's published default, everybody knows it".to_owned());
            }
        }
        if self.objects == Place::Embedded {
            let users = [
                ("the data services", &self.services),
                ("the function service", &self.function),
                ("AutoML", &self.automl),
                ("Spark", &self.spark),
            ];
            for (name, address) in users {
                if !address.is_loopback() {
                    warnings.push(format!(
                        "the embedded object store is on loopback, but {name} will look for it from {address}: set MINIO_HOST"
                    ));
                }
            }
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(settings: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let settings: HashMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::from_lookup(&|name| settings.get(name).cloned())
    }

    #[test]
    fn defaults_are_the_contracts() {
        let config = config(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "localhost:5000");
        assert_eq!(config.spark.to_string(), "localhost:6006");
        assert_eq!((config.objects, config.records), (Place::Embedded, Place::Embedded));
        assert_eq!(config.jobs.poll_interval, Duration::from_secs(2));
        assert_eq!(config.jobs.job_timeout, JobSettings::default().job_timeout);
    }

    #[test]
    fn one_variable_of_a_store_makes_it_real_with_the_contracts_default_for_the_other() {
        let config = config(&[("MONGO_PORT", "27018"), ("MINIO_HOST", "minio")]).unwrap();
        assert_eq!(config.records, Place::Server(Address::new("localhost", 27018)));
        assert_eq!(config.objects, Place::Server(Address::new("minio", 9000)));
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let error = config(&[("PORT", "x"), ("JOB_TIMEOUT_SECONDS", "-1"), ("HOST", "h")]).unwrap_err();
        assert_eq!(error.0.len(), 2, "{error}");
        assert!(error.to_string().contains("PORT=x"));
    }

    #[test]
    fn an_open_door_without_a_key_is_refused() {
        assert!(config(&[("HOST", "0.0.0.0")]).unwrap().refusal().is_some());
        assert!(config(&[("HOST", "0.0.0.0"), ("DIASTEMA_KEY", "k")]).unwrap().refusal().is_none());
        assert!(config(&[("HOST", "127.0.0.1")]).unwrap().refusal().is_none());
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = config(&[("DIASTEMA_KEY", "canary-1"), ("MINIO_PASS", "canary-2")]).unwrap();
        assert!(!format!("{config:?}").contains("canary"));
    }
}
