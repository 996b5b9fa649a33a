//! Puts a running orchestrator together: the only place that joins adapters to jobs and jobs to the engine.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::num::NonZero;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpServer, web};

use super::drain::LONGEST_ANSWER_SECONDS;
use super::exit::{Exit, Failure};
use super::files::connections_per_worker;
use super::recovery::{Order, Recovery};
use super::reload::Reloadable;
use super::storage_usage;
use crate::adapters::address::Address;
use crate::adapters::embedded_s3::{EmbeddedS3, EmbeddedS3Error, Settings as S3Settings};
use crate::adapters::frontend::WebApplication;
use crate::adapters::http_client::CallLimits;
use crate::adapters::objects::{ObjectStoreSettings, S3Objects};
use crate::adapters::presence::Listening;
use crate::adapters::records_mongo::MongoRecords;
use crate::adapters::services::{HttpServices, ServiceAddresses};
use crate::adapters::spark::{SparkComponent, SparkSettings};
use crate::audit::AuditLog;
use crate::config::{Config, Place, SparkKeys};
use crate::disk;
use crate::engine::EngineHandle;
use crate::http::{self, Door, Doorkeeper, Draining, IngestionTester, Outlook};
use crate::jobs::callbacks::Callbacks;
use crate::jobs::{JobPorts, PlatformJobs};
use crate::ports::{Datasets, JobRunner, LetGoStart, Outages, Records, StoreError};
use crate::store::documents::{EmbeddedDatasets, EmbeddedRecords};
use crate::store::let_go::let_go_functions;
use crate::store::{Journal, JournalError, Receipt, SqliteHistory, SqliteJournal};

/// Name of the file with the key of the secrets of callbacks.
const CALLBACK_KEY: &str = "callback.key";

/// What is open as long as the orchestrator runs.
pub(super) struct Stores {
    /// Where the object store is, embedded or not.
    pub(super) objects: Address,
    embedded: Option<EmbeddedS3>,
    journal: SqliteJournal,
    history: Arc<SqliteHistory>,
    _lock: File,
}

/// A running orchestrator.
pub(super) struct Stack {
    /// Stops the server.
    pub(super) server: ServerHandle,
    /// What the server's workers share.
    pub(super) door: web::Data<Door>,
    /// Where it listens.
    pub(super) url: String,
    pub(super) recovery: Recovery,
    /// What can be read again while it runs.
    pub(super) reloadable: Reloadable,
}

impl Stores {
    /// Opens the data directory and whatever is embedded.
    pub(super) fn open(config: &Config) -> Result<Self, Failure> {
        let directory = &config.data_dir;
        let cannot = |why: String| {
            Failure::new(Exit::Failed, format!("the data directory {} cannot be used: {why}", directory.display()))
        };
        disk::private_directory(directory).map_err(|error| cannot(error.to_string()))?;
        let lock = lock(directory).map_err(cannot)?;
        let file = directory.join("state.db");
        let journal =
            SqliteJournal::open_keeping(&file, config.retention.clone()).map_err(|error| cannot(error.to_string()))?;
        let history = Arc::new(SqliteHistory::open(&file));
        let (objects, embedded) = match &config.objects {
            Place::Server(address) => (address.clone(), None),
            Place::Embedded => {
                let endpoint = start_embedded(config).map_err(|error| cannot(error.to_string()))?;
                (Address::new(endpoint.address().ip().to_string(), endpoint.address().port()), Some(endpoint))
            }
        };
        Ok(Self { objects, embedded, journal, history, _lock: lock })
    }

    /// The reading side of the journal.
    pub(super) fn history(&self) -> Arc<SqliteHistory> {
        Arc::clone(&self.history)
    }

    /// Resolves when everything that the journal knows is on the disk.
    pub(super) fn flush(&self) -> Receipt<()> {
        self.journal.flush()
    }

    /// One line on which store is used and where.
    fn describe(&self, config: &Config) -> String {
        let directory = config.data_dir.display();
        let objects = match self.embedded {
            Some(_) => format!("objects embedded in {directory}/objects (S3 at http://{})", self.objects),
            None => format!("objects at http://{}", self.objects),
        };
        let records = match &config.records {
            Place::Embedded => format!("records embedded in {directory}/state.db"),
            Place::Server(address) => format!("records at mongodb://{address}"),
        };
        format!("journal in {directory}/state.db, {records}, {objects}")
    }
}

/// Starts the embedded object store where it was before, if it can: services that are at work have its address.
fn start_embedded(config: &Config) -> Result<EmbeddedS3, EmbeddedS3Error> {
    let remembered = config.data_dir.join("objects.port");
    let last: u16 = std::fs::read_to_string(&remembered).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let settings = |port| S3Settings {
        directory: config.data_dir.join("objects"),
        access_key: config.minio_user.clone(),
        secret_key: config.minio_pass.clone(),
        guest: match &config.spark_keys {
            SparkKeys::Separate(login) => Some((login.user.clone(), login.pass.clone())),
            SparkKeys::Own | SparkKeys::Empty => None,
        },
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
    };
    let endpoint = match EmbeddedS3::start(settings(last)) {
        Err(EmbeddedS3Error::Listen { .. }) if last != 0 => EmbeddedS3::start(settings(0))?,
        other => other?,
    };
    let port = endpoint.address().port().to_string();
    let remember = |mut file: File| file.set_len(0).and_then(|()| file.write_all(port.as_bytes()));
    if let Err(error) = disk::private_file(&remembered).and_then(remember) {
        log::warn!("{} cannot be written: {error}", remembered.display());
    }
    Ok(endpoint)
}

/// Listens on an address; IPv4 is preferred, as clients of `localhost` do.
pub(super) fn listen(address: &Address) -> std::io::Result<TcpListener> {
    let mut candidates: Vec<SocketAddr> = (address.host.as_str(), address.port).to_socket_addrs()?.collect();
    candidates.sort_by_key(SocketAddr::is_ipv6);
    TcpListener::bind(candidates.as_slice())
}

/// Two orchestrators on one journal would start everything twice.
fn lock(directory: &Path) -> Result<File, String> {
    let file = disk::private_file(&directory.join("lock")).map_err(|error| error.to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err("another orchestrator is using it; stop that one or set DATA_DIR".to_owned())
        }
        Err(TryLockError::Error(error)) => Err(error.to_string()),
    }
}

impl Stack {
    /// Starts everything; has to be called inside an actix system. Dropped before it is ready, what has not gone on does so
    /// after the next start.
    pub(super) async fn start(config: &Config, stores: &Stores, listener: TcpListener) -> Result<Self, Failure> {
        let failed = |why: String| Failure::new(Exit::Failed, why);
        let reloadable = Reloadable::read(config)?;
        let callbacks = callbacks(config).map_err(|error| failed(format!("callbacks cannot be taken: {error}")))?;
        let (for_jobs, journal, objects) = (config.clone(), stores.journal.clone(), stores.objects.clone());
        let unreadable = |error: JournalError| failed(error.to_string());
        let order = Order::read(&stores.history).map_err(unreadable)?;
        let (history, linger) = (stores.history.as_ref(), config.jobs.function_linger);
        let let_go = let_go_functions(history, journal.tick(), linger, &order.given_up()).map_err(unreadable)?;
        let outages = Outages::default();
        let parts = Parts { objects, callbacks: callbacks.clone(), outages: outages.clone(), let_go };
        let make_runner = move || make_runner(&for_jobs, &journal, parts);
        let audit = AuditLog::open(&config.data_dir, config.audit)
            .map_err(|error| failed(format!("the audit trail cannot be written: {error}")))?;
        let engine =
            EngineHandle::start(reloadable.limits.borrow().clone(), Arc::new(stores.journal.clone()), make_runner)
                .map_err(|error| failed(error.to_string()))?;
        let mut recovery = Recovery::start(order, stores.journal.clone(), stores.history(), engine.clone())
            .map_err(|error| failed(error.to_string()))?;
        recovery.wait_for_usual().await;
        let counted =
            S3Objects::new(object_store(config, stores.objects.clone())).map_err(|error| failed(error.to_string()))?;
        storage_usage::keep_counting(counted, stores.history(), reloadable.limits.subscribe(), engine.clone());
        let door = web::Data::new(Door {
            engine,
            journal: Arc::new(stores.journal.clone()),
            history: stores.history(),
            doorkeeper: Doorkeeper::new(Arc::clone(&reloadable.access), config.wrong_tokens),
            audit,
            checks: config.checks(),
            outages,
            draining: Draining::new(config.drain),
            body_timeout: config.body_timeout,
            metrics_for_everybody: config.listen.is_loopback(),
            callbacks,
            playbooks: http::api::PlaybookCache::default(),
        });
        let scheme = if reloadable.certificate.is_some() { "https" } else { "http" };
        let url = listener
            .local_addr()
            .map(|address| format!("{scheme}://{address}"))
            .map_err(|error| failed(error.to_string()))?;
        let (addresses, limits) = (service_addresses(config), config.calls.clone());
        let test_limits =
            CallLimits { first_byte: config.ingestion_test_timeout, answer: config.ingestion_test_timeout, ..limits };
        let shared = door.clone();
        let (for_outlook, places, datasets) = (config.clone(), stores.objects.clone(), stores.history());
        make_outlook(config, &places, &datasets).map_err(|error| failed(error.to_string()))?;
        let workers = std::thread::available_parallelism().map_or(2, NonZero::get);
        let server = HttpServer::new(move || {
            let services = Box::new(HttpServices::new(addresses.clone(), &test_limits));
            App::new()
                .app_data(shared.clone())
                .app_data(web::Data::new(IngestionTester { services }))
                .app_data(web::Data::new(
                    make_outlook(&for_outlook, &places, &datasets).expect("it could be made before"),
                ))
                .configure(http::configure)
        })
        .workers(workers)
        .max_connections(connections_per_worker(workers))
        .shutdown_timeout(LONGEST_ANSWER_SECONDS)
        .disable_signals();
        let server = match &reloadable.certificate {
            Some(certificate) => {
                let tls = certificate.server_config().map_err(|error| failed(error.to_string()))?;
                server.listen_rustls_0_23(listener, tls)
            }
            None => server.listen(listener),
        };
        let server = server.map_err(|error| failed(error.to_string()))?.run();
        let handle = server.handle();
        actix_web::rt::spawn(run(server));
        log::info!("listening on {url}; {}", stores.describe(config));
        Ok(Self { server: handle, door, url, recovery, reloadable })
    }
}

/// Nobody could submit or ask any more: a server that ends by itself ends the process.
async fn run(server: Server) {
    if let Err(error) = server.await {
        log::error!("the server has ended: {error}");
        std::process::exit(i32::from(Exit::Failed.code()));
    }
}

/// Services may call back where they can reach this program.
fn callbacks(config: &Config) -> std::io::Result<Option<Callbacks>> {
    match &config.public_url {
        Some(url) => Ok(Some(Callbacks::new(url, disk::key_file(&config.data_dir, CALLBACK_KEY)?))),
        None => Ok(None),
    }
}

/// What jobs have in common with the rest of the program.
struct Parts {
    objects: Address,
    callbacks: Option<Callbacks>,
    outages: Outages,
    let_go: Vec<LetGoStart>,
}

/// Runs on the engine's thread: clients belong to the thread that makes them.
fn make_runner(config: &Config, journal: &SqliteJournal, parts: Parts) -> Result<Rc<dyn JobRunner>, StoreError> {
    let Parts { objects, callbacks, outages, let_go } = parts;
    let records: Box<dyn Records> = match &config.records {
        Place::Embedded => Box::new(EmbeddedRecords::new(journal.clone())),
        Place::Server(address) => Box::new(mongo_records(config, address)?),
    };
    let mongo = match &config.records {
        Place::Embedded => Address::new("localhost", 27017),
        Place::Server(address) => address.clone(),
    };
    let (spark_user, spark_pass) = config.keys_for_spark();
    let spark = SparkSettings {
        address: config.spark.clone(),
        connect: config.calls.connect,
        minio: objects.clone(),
        minio_user: spark_user,
        minio_pass: spark_pass,
        mongo,
    };
    let store = object_store(config, objects);
    let ports = JobPorts {
        services: Box::new(HttpServices::new(service_addresses(config), &config.calls)),
        spark: Box::new(SparkComponent::new(spark)),
        objects: Box::new(S3Objects::new(store)?),
        records,
        announcements: Box::new(WebApplication::new(config.frontend.clone(), &config.calls)),
        outages,
    };
    let jobs = PlatformJobs::new(ports, config.jobs.clone()).holding(let_go);
    Ok(match callbacks {
        Some(callbacks) => Rc::new(jobs.with_callbacks(callbacks)),
        None => Rc::new(jobs),
    })
}

/// Whom preflights ask; clients belong to the thread that makes them.
fn make_outlook(config: &Config, objects: &Address, history: &Arc<SqliteHistory>) -> Result<Outlook, StoreError> {
    let datasets: Box<dyn Datasets> = match &config.records {
        Place::Embedded => Box::new(EmbeddedDatasets(Arc::clone(history))),
        Place::Server(address) => Box::new(mongo_records(config, address)?),
    };
    let presence = Listening::new(service_addresses(config), config.spark.clone(), config.calls.connect);
    let objects = S3Objects::new(object_store(config, objects.clone()))?;
    Ok(Outlook { datasets, objects: Box::new(objects), presence: Box::new(presence) })
}

fn mongo_records(config: &Config, address: &Address) -> Result<MongoRecords, StoreError> {
    let login = config.mongo_login.as_ref().map(|login| (login.user.clone(), login.pass.clone()));
    MongoRecords::new(address, login)
}

fn object_store(config: &Config, address: Address) -> ObjectStoreSettings {
    ObjectStoreSettings {
        address,
        user: config.minio_user.clone(),
        pass: config.minio_pass.clone(),
        answer: config.calls.answer,
    }
}

fn service_addresses(config: &Config) -> ServiceAddresses {
    ServiceAddresses { data: config.services.clone(), function: config.function.clone(), automl: config.automl.clone() }
}
