//! The running services: binds the ports in the caller's thread, serves them in a thread with an actix system of its
//! own, and hands out the [`Dummies`] handle.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
};

use actix_web::rt::{self, System};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use crate::{End, Kind, LedgerEntry, Options, Script, http, spark, state::State};

/// Why the services did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be used.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address that was asked for.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The thread cannot be started.
    #[error("cannot start a thread for the dummy services")]
    Thread(#[source] io::Error),
}

/// The running services. Dropping the handle stops them.
pub struct Dummies {
    http: SocketAddr,
    spark: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Dummies {
    /// Where the HTTP services listen; port 0 if they were not started.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where the Spark component listens; port 0 if it was not started.
    pub fn spark(&self) -> SocketAddr {
        self.spark
    }

    /// Everything that arrived, in order of arrival.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.state.ledger()
    }

    /// What arrived, and which jobs ended, since this was last asked. For long lives: what was taken is forgotten, the
    /// numbers go on.
    pub fn take_ledger(&self) -> (Vec<LedgerEntry>, Vec<End>) {
        self.state.take_ledger()
    }

    /// The front end's messages in order of arrival. *Shape*: `update: <text>`, `error: <text>`.
    pub fn notices(&self) -> Vec<String> {
        self.state.notices()
    }

    /// The most jobs of a kind that were at work at the same time: from the accepted start until the last answer is
    /// due.
    pub fn max_in_flight(&self, kind: Kind) -> usize {
        self.state.most_in_flight(kind)
    }

    /// Replaces the script for jobs that start from now on, and counts faults from 0 again.
    pub fn set_script(&self, script: Script) {
        self.state.set_script(script);
    }

    /// Stops the services: open connections are cut, and the ports are free when this returns.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Dummies {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(_panic)) = self.thread.take().map(JoinHandle::join) {
            log::error!("the thread of the dummy services panicked");
        }
    }
}

impl fmt::Debug for Dummies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dummies").field("http", &self.http).field("spark", &self.spark).finish_non_exhaustive()
    }
}

/// Starts the HTTP services and the Spark component; both listen when this returns.
///
/// # Errors
/// A port cannot be used, or no thread can be started.
pub fn start(options: Options) -> Result<Dummies, StartError> {
    let http = bind(&options, options.http_port)?;
    let spark = bind(&options, options.spark_port)?;
    run(options, Some(http), Some(spark))
}

/// Starts the HTTP services alone.
///
/// # Errors
/// The port cannot be used, or no thread can be started.
pub fn start_http(options: Options) -> Result<Dummies, StartError> {
    let http = bind(&options, options.http_port)?;
    run(options, Some(http), None)
}

/// Starts the Spark component alone.
///
/// # Errors
/// The port cannot be used, or no thread can be started.
pub fn start_spark(options: Options) -> Result<Dummies, StartError> {
    let spark = bind(&options, options.spark_port)?;
    run(options, None, Some(spark))
}

struct Bound {
    address: SocketAddr,
    listener: TcpListener,
}

fn bind(options: &Options, port: u16) -> Result<Bound, StartError> {
    let host = options.bind_host();
    let bind = || {
        let listener = TcpListener::bind((host, port))?;
        listener.set_nonblocking(true)?;
        Ok(Bound { address: listener.local_addr()?, listener })
    };
    bind().map_err(|source| StartError::Bind { address: format!("{host}:{port}"), source })
}

fn run(options: Options, http: Option<Bound>, spark: Option<Bound>) -> Result<Dummies, StartError> {
    // The store answers for itself: a repetition after a second would only blur the script's latencies.
    s3::set_retries(0);
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let address = |bound: &Option<Bound>| bound.as_ref().map_or(nowhere, |bound| bound.address);
    let (http_address, spark_address) = (address(&http), address(&spark));
    let state = Arc::new(State::new(options.script, options.s3));
    let (stop, stopped) = oneshot::channel();
    let serve = serve(Arc::clone(&state), http, spark, stopped);
    let thread = std::thread::Builder::new()
        .name("dummy-services".to_owned())
        .spawn(move || {
            if let Err(why) = System::new().block_on(serve) {
                log::error!("the dummy services ended: {why}");
            }
        })
        .map_err(StartError::Thread)?;
    Ok(Dummies { http: http_address, spark: spark_address, state, stop: Some(stop), thread: Some(thread) })
}

async fn serve(
    state: Arc<State>,
    http: Option<Bound>,
    spark: Option<Bound>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    if let Some(spark) = spark {
        let listener = tokio::net::TcpListener::from_std(spark.listener)?;
        rt::spawn(spark::serve(listener, Arc::clone(&state)));
    }
    let server = match http {
        Some(http) => {
            let server = http::server(http.listener, state)?;
            let handle = server.handle();
            rt::spawn(server);
            Some(handle)
        }
        None => None,
    };
    // The sender says nothing: it is dropped when the handle is.
    let _closed = stopped.await;
    if let Some(server) = server {
        server.stop(false).await;
    }
    Ok(())
}

/// Waits until the process is told to end, by Ctrl-C or SIGTERM. For binaries.
///
/// # Errors
/// The signals cannot be listened to.
pub fn wait_for_end() -> io::Result<()> {
    System::new().block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    })
}
