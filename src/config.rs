//! Every setting: name, type, default, meaning. Nothing else in the program reads the environment.

mod limits_file;
mod reader;
mod settings;
mod start;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

pub use limits_file::LimitsError;
use reader::Reader;
pub use settings::{SETTINGS, Setting};

use crate::adapters::address::Address;
use crate::adapters::http_client::CallLimits;
use crate::adapters::secret::Secret;
use crate::adapters::tls::TlsFiles;
use crate::audit::Bounds;
use crate::engine::EngineLimits;
use crate::engine::admission::SlotLimits;
use crate::jobs::JobSettings;
use crate::playbook::check::CheckSettings;
use crate::playbook::ingestion_url::{UrlPolicy, UrlRule};
use crate::playbook::job::Service;
use crate::store::Retention;

/// Where the object store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this process, in the data directory.
    Embedded,
    /// A server.
    Server(Address),
}

/// A name with its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// User or access key.
    pub user: String,
    /// Password or secret key.
    pub pass: Secret,
}

/// Which S3 keys messages to Spark carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SparkKeys {
    /// The orchestrator's own: Spark can do all that the orchestrator can.
    Own,
    /// Keys for Spark alone.
    Separate(Login),
    /// None: the component has its own.
    Empty,
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
    /// A second key for everybody, while clients change from one to the other.
    pub key_previous: Option<Secret>,
    /// The file of token hashes.
    pub tokens_file: Option<PathBuf>,
    /// Whether the keys are good beside a token file.
    pub shared_key_allowed: bool,
    /// Whether tokens of a token file may travel unencrypted.
    pub plain_http_allowed: bool,
    /// Certificate and key, if the server speaks TLS.
    pub tls: Option<TlsFiles>,
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
    /// Who the orchestrator is to the database; nobody asks when absent.
    pub mongo_login: Option<Login>,
    /// What Spark reads and writes objects with.
    pub spark_keys: SparkKeys,
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
    /// How much the engine takes on, where the file of limits says nothing else.
    pub limits: EngineLimits,
    /// The file of limits.
    pub limits_file: Option<PathBuf>,
    /// What is kept of finished runs.
    pub retention: Retention,
    /// Where services reach this program; unset, they are not asked to call.
    pub public_url: Option<String>,
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
    /// How much of the audit trail is kept.
    pub audit: Bounds,
    /// Log filter.
    pub log: String,
}

/// Settings that cannot be used, all at once.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the configuration cannot be used:\n{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

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
            key_previous: reader.set("DIASTEMA_KEY_PREVIOUS").map(Secret::new),
            tokens_file: reader.file("TOKENS_FILE"),
            shared_key_allowed: reader.switch("ALLOW_SHARED_KEY"),
            plain_http_allowed: reader.switch("ALLOW_PLAIN_HTTP"),
            tls: reader.tls("TLS_CERTIFICATE", "TLS_KEY"),
            data_dir: PathBuf::from(reader.text("DATA_DIR")),
            objects: reader.place("MINIO_HOST", "MINIO_PORT"),
            minio_user: reader.text("MINIO_USER"),
            minio_pass: Secret::new(reader.text("MINIO_PASS")),
            records: reader.place("MONGO_HOST", "MONGO_PORT"),
            mongo_login: reader.login("MONGO_USER", "MONGO_PASS"),
            spark_keys: reader.spark_keys("SPARK_KEYS", "SPARK_MINIO_USER", "SPARK_MINIO_PASS"),
            services: reader.address("DIASTEMA_SERVICES_HOST", "DIASTEMA_SERVICES_PORT"),
            function: reader.address("FUNCTION_SERVICE_HOST", "FUNCTION_SERVICE_PORT"),
            automl: reader.address("AUTOML_HOST", "AUTOML_PORT"),
            frontend: reader.address("DIASTEMA_FRONTEND_HOST", "DIASTEMA_FRONTEND_PORT"),
            spark: reader.address("KUBERNETES_HOST", "KUBERNETES_PORT"),
            calls: CallLimits {
                connect: reader.seconds("CONNECT_TIMEOUT_SECONDS"),
                first_byte: reader.seconds("FIRST_BYTE_TIMEOUT_SECONDS"),
                answer: reader.seconds("ANSWER_TIMEOUT_SECONDS"),
            },
            jobs: JobSettings {
                poll_interval: reader.seconds("POLL_INTERVAL_SECONDS"),
                connect: reader.seconds("CONNECT_TIMEOUT_SECONDS"),
                start_retry: reader.seconds("START_RETRY_SECONDS"),
                no_answer: reader.seconds("NO_ANSWER_SECONDS"),
                job_timeout: reader.seconds("JOB_TIMEOUT_SECONDS"),
                store_wait: reader.seconds("STORE_WAIT_SECONDS"),
                delivery_wait: reader.seconds("DELIVERY_WAIT_SECONDS"),
                notice_wait: reader.seconds("NOTICE_WAIT_SECONDS"),
                function_concurrency: reader.count("FUNCTION_SERVICE_CONCURRENCY"),
                function_linger: reader.seconds("FUNCTION_SERVICE_LINGER_SECONDS"),
                cancellable: reader.cancellable("CANCELLABLE_SERVICES"),
                cancel_timeout: reader.seconds("CANCEL_TIMEOUT_SECONDS"),
            },
            limits: EngineLimits {
                slots: Some(SlotLimits {
                    total: reader.count("TOTAL_CONCURRENCY"),
                    per_tenant: reader.count("TENANT_CONCURRENCY"),
                    tenants: HashMap::new(),
                    per_service: reader.count("SERVICE_CONCURRENCY"),
                    services: HashMap::from([(Service::Function, reader.count("FUNCTION_SERVICE_CONCURRENCY"))]),
                }),
                open_per_tenant: reader.count("TENANT_OPEN_ANALYSES"),
                open_total: reader.count("TOTAL_OPEN_ANALYSES"),
                running_per_tenant: reader.count("TENANT_RUNNING_ANALYSES"),
                running_total: reader.count("TOTAL_RUNNING_ANALYSES"),
                submissions_per_second: None,
                stored_bytes: None,
                tenants: HashMap::new(),
                retries_per_second: reader.rate("RETRIES_PER_SECOND"),
                sweep: reader.period("SWEEP_SECONDS"),
            },
            limits_file: reader.set("LIMITS_FILE").map(PathBuf::from),
            retention: reader.retention(),
            public_url: reader.public_url("PUBLIC_URL"),
            ingestion_test_timeout: reader.seconds("INGESTION_TEST_TIMEOUT_SECONDS"),
            spark_arguments_any: reader.spark_arguments("SPARK_ARGUMENTS"),
            ingestion_urls: reader.url_policy("INGESTION_URL_POLICY"),
            body_timeout: reader.seconds("BODY_TIMEOUT_SECONDS"),
            drain: reader.seconds("DRAIN_SECONDS"),
            wrong_tokens: reader.number("WRONG_TOKENS"),
            audit: Bounds {
                bytes: (reader.count("AUDIT_LOG_MIB") as u64).saturating_mul(1024 * 1024),
                files: reader.count("AUDIT_LOG_FILES"),
            },
            log: reader.text("RUST_LOG"),
        }
    }

    /// How much the engine takes on now: the file of limits is read each time.
    ///
    /// *Errors*: the file cannot be used.
    pub fn limits_now(&self) -> Result<EngineLimits, LimitsError> {
        match &self.limits_file {
            Some(file) => limits_file::read(file, &self.limits),
            None => Ok(self.limits.clone()),
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

    /// The access key and secret key that messages to Spark carry.
    pub fn keys_for_spark(&self) -> (String, Secret) {
        match &self.spark_keys {
            SparkKeys::Own => (self.minio_user.clone(), self.minio_pass.clone()),
            SparkKeys::Separate(login) => (login.user.clone(), login.pass.clone()),
            SparkKeys::Empty => (String::new(), Secret::new("")),
        }
    }
}
