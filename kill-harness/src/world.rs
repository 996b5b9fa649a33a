//! Everything around the orchestrator: services, stores and the way to them, which outlive it; and what was seen.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use dummy_services::{Dummies, Options};
use test_peers::{MongoServer, S3Server, free_port};
use tokio::time::{Instant, sleep};

use crate::client::Submissions;
use crate::enough::Moments;
use crate::evidence::{Evidence, Harm};
use crate::orchestrator::Recipe;
use crate::proxy::Proxy;
use crate::workload::{self, Analysis};

/// How often the ledger is read.
const READ: Duration = Duration::from_millis(25);

/// The neighbours, and the evidence.
pub(crate) struct World {
    pub(crate) analyses: Vec<Analysis>,
    pub(crate) evidence: RefCell<Evidence>,
    pub(crate) submissions: Submissions,
    /// When something was done, and whether that met any work.
    pub(crate) moments: RefCell<Moments>,
    pub(crate) dummies: Dummies,
    pub(crate) mongo: RefCell<Option<MongoServer>>,
    pub(crate) objects: S3Server,
    pub(crate) roads: Roads,
    /// Where the orchestrator listens.
    pub(crate) port: u16,
    pub(crate) mongo_port: u16,
    /// When something was last seen to happen.
    pub(crate) last_change: RefCell<Instant>,
}

/// The way to each neighbour, which can be disturbed.
pub(crate) struct Roads {
    pub(crate) data: Proxy,
    pub(crate) function: Proxy,
    pub(crate) automl: Proxy,
    pub(crate) spark: Proxy,
    pub(crate) front_end: Proxy,
    pub(crate) mongo: Proxy,
    pub(crate) objects: Proxy,
}

impl World {
    /// Starts every neighbour. `folder` keeps what they write.
    pub(crate) async fn start(analyses: Vec<Analysis>, folder: &Path) -> Result<Rc<Self>, String> {
        let options = Options { script: workload::script(&analyses), ..Options::default() };
        let dummies = dummy_services::start(options).map_err(|error| error.to_string())?;
        let (mongo_port, mongo_folder) = (free_port(), folder.join("mongo"));
        std::fs::create_dir_all(&mongo_folder).map_err(|error| error.to_string())?;
        let mongo = MongoServer::start(&mongo_folder, mongo_port);
        let objects = S3Server::start();
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let roads = Roads {
            data: Proxy::start(dummies.http()).await?,
            function: Proxy::start(dummies.http()).await?,
            automl: Proxy::start(dummies.http()).await?,
            spark: Proxy::start(dummies.spark()).await?,
            front_end: Proxy::start(dummies.http()).await?,
            mongo: Proxy::start(local(mongo_port)).await?,
            objects: Proxy::start(local(objects.port())).await?,
        };
        let world = Self {
            evidence: RefCell::new(Evidence::new(&analyses)),
            analyses,
            submissions: Submissions::default(),
            moments: RefCell::new(Moments::default()),
            dummies,
            mongo: RefCell::new(Some(mongo)),
            objects,
            roads,
            port: free_port(),
            mongo_port,
            last_change: RefCell::new(Instant::now()),
        };
        Ok(Rc::new(world))
    }

    /// How to start the orchestrator amid all this. Limits are short: what hangs has to end within a run.
    pub(crate) fn recipe(&self, binary: &Path, folder: &Path) -> Recipe {
        let roads = &self.roads;
        let places = [
            ("DIASTEMA_SERVICES", &roads.data),
            ("FUNCTION_SERVICE", &roads.function),
            ("AUTOML", &roads.automl),
            ("KUBERNETES", &roads.spark),
            ("DIASTEMA_FRONTEND", &roads.front_end),
            ("MONGO", &roads.mongo),
            ("MINIO", &roads.objects),
        ];
        let mut variables: Vec<(String, String)> = Vec::new();
        for (name, road) in places {
            variables.push((format!("{name}_HOST"), "127.0.0.1".to_owned()));
            variables.push((format!("{name}_PORT"), road.port().to_string()));
        }
        let limits = [
            ("POLL_INTERVAL_SECONDS", "0.5"),
            ("JOB_TIMEOUT_SECONDS", "300"),
            ("FUNCTION_SERVICE_LINGER_SECONDS", "2"),
            // runs are forgotten all the time, also while others of their id may still come
            ("RETENTION_RUNS", "30"),
            ("RETENTION_SWEEP_SECONDS", "0.2"),
            ("INGESTION_URL_POLICY", "any"),
        ];
        variables.extend(limits.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Recipe {
            binary: binary.to_owned(),
            data: folder.join("data"),
            port: self.port,
            log: folder.join("orchestrator.log"),
            variables,
            wrapper: Vec::new(),
        }
    }

    /// Reads the ledger for ever.
    pub(crate) async fn watch(self: Rc<Self>) {
        loop {
            self.look();
            sleep(READ).await;
        }
    }

    /// Reads the ledger once.
    pub(crate) fn look(&self) {
        let (entries, ends) = self.dummies.take_ledger();
        let changes = |entry: &dummy_services::LedgerEntry| !entry.service.starts_with("GET ");
        if !ends.is_empty() || entries.iter().any(changes) {
            self.last_change.replace(Instant::now());
        }
        self.evidence.borrow_mut().read(entries, ends);
    }

    /// Something is about to be done, or was done just now, whatever was under way by then.
    pub(crate) fn moment(&self, what: &'static str) {
        self.look();
        let is_at_work = self.evidence.borrow().open() > 0;
        self.moments.borrow_mut().count(what, is_at_work);
    }

    /// The orchestrator's process has ended, and nobody hears what it was waiting for.
    pub(crate) fn died(&self) {
        self.look();
        let now = self.evidence.borrow().now();
        self.evidence.borrow_mut().harm(Harm::Death, now);
    }

    /// Analyses whose every run has ended.
    pub(crate) fn over(&self) -> usize {
        self.evidence.borrow().over()
    }

    /// How long nothing has happened.
    pub(crate) fn quiet_for(&self) -> Duration {
        self.last_change.borrow().elapsed()
    }
}
