//! The table of settings.

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
    "DIASTEMA_KEY_PREVIOUS" = "": "a second key that is as good as DIASTEMA_KEY, while clients change from one to the other";
    "TOKENS_FILE" = "": "file of token hashes with their tenants and roles; DIASTEMA_KEY opens nothing then";
    "ALLOW_SHARED_KEY" = "0": "`1` lets DIASTEMA_KEY in beside TOKENS_FILE: every tenant, every role";
    "TLS_CERTIFICATE" = "": "PEM file of the server's certificate and those behind it; with TLS_KEY the server speaks HTTPS";
    "TLS_KEY" = "": "PEM file of the private key of TLS_CERTIFICATE";
    "ALLOW_PLAIN_HTTP" = "0": "`1` lets tokens of TOKENS_FILE travel unencrypted when HOST is not loopback, behind a proxy that speaks TLS";
    "DATA_DIR" = "./data": "directory of everything embedded: journal, records, objects";
    "MINIO_HOST" = "localhost": "S3; embedded when neither MINIO_HOST nor MINIO_PORT is set";
    "MINIO_PORT" = "9000": "S3 port, plain HTTP, path style";
    "MINIO_USER" = "diastema": "S3 access key";
    "MINIO_PASS" = "diastema": "S3 secret key";
    "SPARK_MINIO_USER" = "": "S3 access key in messages to Spark; give it a key of its own with fewer rights (MINIO_USER when unset)";
    "SPARK_MINIO_PASS" = "": "its secret key; set both or neither";
    "SPARK_KEYS" = "send": "`empty` sends Spark empty keys, for a component that has its own";
    "MONGO_HOST" = "localhost": "MongoDB; embedded records when neither MONGO_HOST nor MONGO_PORT is set";
    "MONGO_PORT" = "27017": "MongoDB port";
    "MONGO_USER" = "": "MongoDB user, known to its database `admin`; no authentication when unset";
    "MONGO_PASS" = "": "its password; set both or neither";
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
    "FIRST_BYTE_TIMEOUT_SECONDS" = "30": "until the head of an HTTP answer is there, of ANSWER_TIMEOUT_SECONDS for all of it";
    "START_RETRY_SECONDS" = "30": "how long a start is repeated while nobody listens";
    "NO_ANSWER_SECONDS" = "300": "how long a running job may go without a usable answer";
    "JOB_TIMEOUT_SECONDS" = "86400": "how long one job may take";
    "INGESTION_TEST_TIMEOUT_SECONDS" = "60": "how long a test call of an ingestion may take";
    "STORE_WAIT_SECONDS" = "600": "how long a job waits for a store that is away";
    "DELIVERY_WAIT_SECONDS" = "86400": "how long a record is offered to a store that is away";
    "NOTICE_WAIT_SECONDS" = "86400": "how long a notice is offered to a web application that is away";
    "SERVICE_CONCURRENCY" = "64": "jobs in flight per service";
    "FUNCTION_SERVICE_CONCURRENCY" = "1": "jobs in flight at the function service, which mixes inputs above 1";
    "FUNCTION_SERVICE_LINGER_SECONDS" = "600": "how long the slot of a function that was let go is held while the service may be at work";
    "CANCELLABLE_SERVICES" = "": "services that understand `DELETE <endpoint>/<job id>`, with commas: `cleaning`, `join`, `function`, `automl`, `ingestion`";
    "CANCEL_TIMEOUT_SECONDS" = "10": "how long such a service may take to say that a cancelled job has stopped";
    "PUBLIC_URL" = "": "where services reach this server; when set, they may say by themselves that a job has ended";
    "TENANT_CONCURRENCY" = "256": "jobs in flight per tenant";
    "TOTAL_CONCURRENCY" = "1024": "jobs in flight in all";
    "TENANT_RUNNING_ANALYSES" = "1000": "running analyses per tenant; beyond: queued";
    "TOTAL_RUNNING_ANALYSES" = "10000": "running analyses in all; beyond: queued";
    "TENANT_OPEN_ANALYSES" = "20000": "accepted analyses per tenant that are unfinished or have something left to tell; beyond: 429";
    "TOTAL_OPEN_ANALYSES" = "50000": "the same over all tenants; beyond: 503";
    "LIMITS_FILE" = "": "file of limits, which wins over these variables and is read again at SIGHUP";
    "RETRIES_PER_SECOND" = "10": "second and later attempts of jobs per second, over all analyses, in the long run";
    "SWEEP_SECONDS" = "30": "between two looks at whether an analysis can go on by itself";
    "RETENTION_DAYS" = "30": "how long a finished run is kept once everything about it was told";
    "RETENTION_RUNS" = "100000": "finished runs that are kept; beyond, those that ended first are removed";
    "RETENTION_ID_DAYS" = "365": "how long ids that nobody has used keep their tenant and their count of runs";
    "RETENTION_SWEEP_SECONDS" = "60": "between two looks for what is to be removed";
    "SPARK_ARGUMENTS" = "safe": "`any` lifts the restriction of characters for a component that uses no shell";
    "INGESTION_URL_POLICY" = "no-loopback": "where ingestions may read from: `any`, `no-loopback` or `public-only`";
    "BODY_TIMEOUT_SECONDS" = "30": "how long the body of a request may take to arrive";
    "DRAIN_SECONDS" = "1": "how long the server still answers (503 to submissions) after it was told to stop";
    "WRONG_TOKENS" = "20": "wrong tokens in ten seconds from one address; beyond: 429 for further wrong ones";
    "AUDIT_LOG_MIB" = "64": "size from which on a new file of the audit trail is begun";
    "AUDIT_LOG_FILES" = "8": "files of the audit trail that are kept";
    "RUST_LOG" = "info": "log filter of env_logger";
}
