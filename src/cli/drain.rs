//! How a running orchestrator stops: it takes no more work, answers what is open, writes down what it knows, and goes.
//!
//! Outside jobs are left alone; the next start goes on with them. Every step has a limit, so that nobody who hangs - a
//! client, a service, a store, the disk - can hold up the end: what is not on the disk by then is done again.

use std::time::Duration;

use actix_web::rt::SystemRunner;
use actix_web::rt::time::{sleep, timeout};
use futures::future::{Either, select};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::{Exit, Failure};
use super::stack::{Stack, Stores};
use crate::metrics;

/// How long requests that are being answered may take. The server looks once a second, so it may be one second more.
pub(super) const LONGEST_ANSWER_SECONDS: u64 = 3;

/// Until the engine has heard that nothing may start any more.
const ENGINE_PATIENCE: Duration = Duration::from_secs(1);

/// Until the server's threads have ended, beyond [`LONGEST_ANSWER_SECONDS`].
const SERVER_PATIENCE: Duration = Duration::from_secs(LONGEST_ANSWER_SECONDS + 2);

/// Until the journal has written what it holds.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(2);

/// Exit codes after a second signal, as shells give them for a process that the signal has ended.
const INTERRUPTED: i32 = 130;
const TERMINATED: i32 = 143;

/// SIGTERM and SIGINT, from the moment this was made on.
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Has to be called inside an actix system.
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new(Exit::Failed, format!("signals cannot be heard: {error}")))
        };
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// The next signal, as an exit code.
    pub(super) async fn next(&mut self) -> i32 {
        match select(std::pin::pin!(self.terminate.recv()), std::pin::pin!(self.interrupt.recv())).await {
            Either::Left(_) => TERMINATED,
            Either::Right(_) => INTERRUPTED,
        }
    }

    /// From now on the next signal ends the process at once; nothing that was promised is lost by that.
    fn exit_at_the_next(mut self) {
        actix_web::rt::spawn(async move {
            let code = self.next().await;
            log::warn!("told to stop again: the process ends at once");
            std::process::exit(code);
        });
    }
}

/// The engine stops the system when it cannot go on (its supervisor has panicked): nobody could submit any more, so the
/// process ends with the code that it gives.
pub(super) fn end_with(system: &SystemRunner) {
    let stopped = system.stop_future();
    system.runtime().spawn(async move {
        if let Ok(code) = stopped.await {
            std::process::exit(code);
        }
    });
}

impl Stack {
    /// Stops. `linger`: how long submissions are still answered, with 503, for clients and load balancers to see.
    pub(super) async fn drain(self, stores: &Stores, linger: Duration, signals: StopSignals) {
        signals.exit_at_the_next();
        drop(self.recovery);
        log::info!("stopping: no more work is taken, jobs at services are left alone and go on after the next start");
        metrics::draining();
        self.door.draining.begin();
        let engine = timeout(ENGINE_PATIENCE, self.door.engine.drain());
        let (heard, ()) = futures::join!(engine, sleep(linger));
        if heard.is_err() {
            log::warn!("the engine is too busy to hear that the process stops");
        }
        if timeout(SERVER_PATIENCE, self.server.stop(true)).await.is_err() {
            log::warn!("the server's threads do not end");
        }
        let trail = timeout(JOURNAL_PATIENCE, self.door.audit.flush());
        let (trail, journal) = futures::join!(trail, timeout(JOURNAL_PATIENCE, stores.flush()));
        if trail.is_err() {
            log::error!("the audit trail could not be written in time");
        }
        match journal {
            Ok(Ok(())) => log::info!("stopped; everything is on the disk"),
            Ok(Err(error)) => log::error!("stopped; {error}"),
            Err(_) => log::error!("stopped; the journal could not be written in time, the last work is done again"),
        }
    }
}
