//! What services say by themselves about jobs (decision 28): which attempts are waited for, by the secret that their
//! service was given.
//!
//! A secret is the HMAC-SHA-256 of tenant, analysis, run, step and attempt under a key that never leaves the data
//! directory: it cannot be guessed, and it is the same after a restart. The recipe that waits registers it before its start
//! leaves; the door takes what is said, makes it durable, and wakes the recipe.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::sync::watch;

use super::answers;
use super::discreet::{discreet_verdict, secrets_of};
use crate::chaos::{self, Bug};
use crate::graph::JobIndex;
use crate::metrics;
use crate::playbook::Blot;
use crate::ports::{CallbackVerdict, RunSpec};

/// Attempts that are waited for at once; beyond, services are not told where to call and are asked only.
const MOST_AWAITED: usize = 100_000;

/// Attempts that are remembered after their end, so that a repeated word is answered as the first one was.
const MOST_REMEMBERED: usize = 10_000;

/// Earlier attempts of a job that are remembered when a later one begins.
const EARLIER_ATTEMPTS: u32 = 16;

/// What stands in the address: 32 bytes, in lower-case hex there.
type Secret = [u8; 32];

/// Every attempt that is waited for. Clones share it; usable from every thread.
#[derive(Clone)]
pub struct Callbacks {
    inner: Arc<Inner>,
}

struct Inner {
    public_url: String,
    key: [u8; 32],
    register: Mutex<Register>,
}

#[derive(Default)]
struct Register {
    awaited: HashMap<Secret, Entry>,
    past: HashMap<Secret, Past>,
    /// The past ones, oldest first.
    order: VecDeque<Secret>,
    tickets: u64,
}

struct Entry {
    of: AwaitedAttempt,
    /// Tells the registration from a later one of the same attempt.
    ticket: u64,
    /// What was said first: it stays what it was, whatever is said later.
    first: Option<CallbackVerdict>,
    /// The same once it is durable.
    wake: watch::Sender<Option<CallbackVerdict>>,
    /// What must not be repeated of what is said.
    secrets: Option<Blot>,
}

/// An attempt that is not waited for any more.
struct Past {
    of: AwaitedAttempt,
    /// Whether its service had its say, and no later attempt has begun since.
    answered: bool,
}

/// An attempt of which a service may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwaitedAttempt {
    /// Key of its run in the journal.
    pub run_id: i64,
    /// Which job.
    pub job: JobIndex,
    /// Which attempt.
    pub attempt: u32,
}

/// What became of a service's word.
#[derive(Debug)]
pub enum Taken<R> {
    /// It is the first, and being made durable: `confirm` it then.
    First(R, Word),
    /// It was said before and is durable: it has no effect.
    Repeated,
    /// Nobody waits for it: a wrong secret, or an attempt that is over.
    Unknown,
}

/// A word that was taken.
#[derive(Debug)]
pub struct Word(Secret);

impl Callbacks {
    /// Nobody is waited for yet. `public_url` is where services reach this program, without a path.
    pub fn new(public_url: &str, key: [u8; 32]) -> Self {
        let public_url = public_url.trim_end_matches('/').to_owned();
        Self { inner: Arc::new(Inner { public_url, key, register: Mutex::default() }) }
    }

    /// Whether an attempt with this secret is waited for, or was and its service may repeat itself. A word that comes too
    /// late is counted here.
    pub fn may_speak(&self, secret: &str) -> bool {
        let Some(secret) = read_secret(secret) else { return false };
        let register = self.register();
        if register.place_of(&secret).is_some() || register.past.get(&secret).is_some_and(|past| past.answered) {
            return true;
        }
        register.count_if_late(&secret);
        false
    }

    /// Takes what a service says. `write` makes it durable: it is called while the attempt is certainly open, so what it
    /// writes stands before the attempt's end.
    pub fn take<R>(
        &self,
        secret: &str,
        verdict: CallbackVerdict,
        write: impl FnOnce(AwaitedAttempt, CallbackVerdict) -> R,
    ) -> Taken<R> {
        let Some(secret) = read_secret(secret) else { return Taken::Unknown };
        let mut register = self.register();
        let Some(place) = register.place_of(&secret) else {
            if register.past.get(&secret).is_some_and(|past| past.answered) {
                return Taken::Repeated;
            }
            register.count_if_late(&secret);
            return Taken::Unknown;
        };
        let Some(entry) = register.awaited.get_mut(&place) else { return Taken::Unknown };
        if entry.wake.borrow().is_some() {
            return Taken::Repeated;
        }
        // one that is repeated before it is durable is written once more, and nobody is told before that is durable
        let verdict = discreet_verdict(verdict, entry.secrets.as_ref());
        let first = entry.first.get_or_insert(verdict).clone();
        Taken::First(write(entry.of, first), Word(place))
    }

    /// A word that was taken is durable: the recipe that waits for it goes on.
    pub fn confirm(&self, word: &Word) {
        let mut register = self.register();
        if let Some(entry) = register.awaited.get(&word.0) {
            entry.wake.send_replace(entry.first.clone());
        } else if let Some(past) = register.past.get_mut(&word.0) {
            past.answered = true;
        }
    }

    /// From now on an attempt is waited for; `None` when too many are. `before` is what its service had said in an earlier
    /// life of the process.
    pub(super) fn expect(
        &self,
        run: &RunSpec,
        job: JobIndex,
        attempt: u32,
        before: Option<CallbackVerdict>,
    ) -> Option<Awaited> {
        let (secret, secrets) = (self.secret(run, job, attempt), secrets_of(run.job(job)));
        let earlier: Vec<(u32, Secret)> = (attempt.saturating_sub(EARLIER_ATTEMPTS).max(1)..attempt)
            .map(|number| (number, self.secret(run, job, number)))
            .collect();
        let mut register = self.register();
        for (number, secret) in earlier {
            register.remember(secret, AwaitedAttempt { run_id: run.run_id, job, attempt: number }, false);
        }
        if register.awaited.len() >= MOST_AWAITED {
            log::warn!("{}: {MOST_AWAITED} callbacks are awaited, this job's service is asked only", run.log_prefix());
            return None;
        }
        register.tickets += 1;
        let ticket = register.tickets;
        let of = AwaitedAttempt { run_id: run.run_id, job, attempt };
        let (wake, verdict) = watch::channel(before.clone());
        register.awaited.insert(secret, Entry { of, ticket, first: before, wake, secrets });
        Some(Awaited { callbacks: self.clone(), secret, ticket, verdict })
    }

    /// Every field is preceded by its length, so that no two attempts can look the same.
    fn secret(&self, run: &RunSpec, job: JobIndex, attempt: u32) -> Secret {
        let playbook = &run.playbook;
        let (number, attempt) = (run.number.to_string(), attempt.to_string());
        let fields = [
            playbook.tenant.as_str(),
            // analyses and ingestions have ids of their own
            playbook.space.as_str(),
            playbook.id.key(),
            &number,
            run.job(job).step.key(),
            &attempt,
        ];
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.inner.key).expect("HMAC takes keys of any length");
        for field in fields {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn register(&self) -> MutexGuard<'_, Register> {
        self.inner.register.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Register {
    /// The attempt that a word with this secret is for.
    fn place_of(&self, secret: &Secret) -> Option<Secret> {
        if self.awaited.contains_key(secret) {
            return Some(*secret);
        }
        let past = self.past.get(secret).filter(|_| chaos::seeded(Bug::AcceptOldAttempt))?;
        let of_the_same_job = |entry: &Entry| (entry.of.run_id, entry.of.job) == (past.of.run_id, past.of.job);
        self.awaited.iter().find(|(_, entry)| of_the_same_job(entry)).map(|(secret, _)| *secret)
    }

    fn count_if_late(&self, secret: &Secret) {
        if let Some(past) = self.past.get(secret) {
            late_result_dropped(past.of);
        }
    }

    fn remember(&mut self, secret: Secret, of: AwaitedAttempt, answered: bool) {
        if self.past.insert(secret, Past { of, answered }).is_none() {
            self.order.push_back(secret);
        }
        if self.order.len() > MOST_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.past.remove(&oldest);
        }
    }
}

/// A service has spoken of an attempt that is over: that changes nothing.
fn late_result_dropped(of: AwaitedAttempt) {
    let AwaitedAttempt { run_id, job, attempt } = of;
    metrics::late_result_dropped();
    log::debug!("run={run_id} job={job}: a callback for attempt {attempt} came too late");
}

/// An attempt that waits for its service's word; waited for no more when dropped.
pub(super) struct Awaited {
    callbacks: Callbacks,
    secret: Secret,
    ticket: u64,
    verdict: watch::Receiver<Option<CallbackVerdict>>,
}

impl Awaited {
    /// Where the service may call.
    pub(super) fn address(&self) -> String {
        format!("{}/api/v1/callbacks/{}", self.callbacks.inner.public_url, hex::encode(self.secret))
    }

    /// Whether the service has had its say.
    pub(super) fn has_come(&self) -> bool {
        self.verdict.borrow().is_some()
    }

    /// Resolves when the service has had its say.
    pub(super) async fn verdict(&self) -> CallbackVerdict {
        let mut verdict = self.verdict.clone();
        let come = verdict.wait_for(Option::is_some).await.ok().and_then(|verdict| verdict.clone());
        match come {
            Some(verdict) => verdict,
            // another life of the same attempt waits in its place
            None => std::future::pending().await,
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let mut register = self.callbacks.register();
        if register.awaited.get(&self.secret).is_some_and(|entry| entry.ticket == self.ticket)
            && let Some(entry) = register.awaited.remove(&self.secret)
        {
            let answered = entry.wake.borrow().is_some();
            register.remember(self.secret, entry.of, answered);
        }
    }
}

/// What it means that a service reports an error, in its own words if it has any.
pub fn error(message: Option<&str>) -> CallbackVerdict {
    CallbackVerdict::Error { message: answers::error_text(message) }
}

fn read_secret(text: &str) -> Option<Secret> {
    let mut secret = [0; 32];
    hex::decode_to_slice(text, &mut secret).ok().map(|()| secret)
}
