//! The audit trail: who submitted or changed what, and what became of it.
//!
//! One JSON object per line in `audit.log` of the data directory, appended by a thread of its own: nobody waits for the
//! disk. Neither payloads nor tokens are in it. The journal is what runs depend on; the trail follows it, a moment behind.

mod file;
mod refusals;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::{io, thread};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::oneshot;

use file::BoundedFile;
pub use file::Bounds;
use refusals::{Listing, Refusals};

/// Events that may wait for the disk; beyond, they are counted as lost.
const MOST_WAITING: usize = 20_000;

/// Events that are written at once.
const BATCH: usize = 256;

/// What becomes of a request.
pub const ACCEPTED: &str = "accepted";
/// See [`ACCEPTED`].
pub const REFUSED: &str = "refused";
/// See [`ACCEPTED`].
pub const UNANSWERED: &str = "unanswered";

/// Something that somebody was let in for and wanted to change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Name of the token.
    pub token: String,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// What was asked: `submit`, `cancel`, ...
    pub verb: String,
    /// Method and path of the route, variables in braces.
    pub route: String,
    /// The `database-id` as it was sent, or the tenant of the run.
    pub tenant: Option<String>,
    /// The id as it was sent.
    pub id: Option<String>,
    /// Number of the run that was made or changed.
    pub run: Option<u32>,
    /// SHA-256 of the document without its token, as the journal keeps it.
    pub sha256: Option<String>,
    /// [`ACCEPTED`], [`REFUSED`], or [`UNANSWERED`] when the client had gone.
    pub decision: &'static str,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// Code of the refusal.
    pub code: Option<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    #[serde(flatten)]
    event: &'a Event,
}

#[derive(Serialize)]
struct Loss {
    at: String,
    lost: u64,
}

/// What stands for refusals that are not listed.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Unlisted<'a> {
    at: String,
    token: &'a str,
    refusals_not_listed: u64,
}

enum Message {
    Line(String),
    Flush(oneshot::Sender<()>),
}

/// Writes the trail.
#[derive(Debug)]
pub struct AuditLog {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
    refusals: Refusals,
}

impl AuditLog {
    /// Appends to the trail of a directory, within bounds.
    ///
    /// # Errors
    /// The file cannot be opened, or its thread cannot be started.
    pub fn open(directory: &Path, bounds: Bounds) -> io::Result<Self> {
        let file = BoundedFile::open(directory, bounds)?;
        let (queue, waiting) = sync_channel(MOST_WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer { file, lost: Arc::clone(&lost), is_failing: false };
        thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&waiting))?;
        Ok(Self { queue, lost, refusals: Refusals::default() })
    }

    /// Writes an event down. Does not wait: when the disk cannot follow, the trail says how many events are missing.
    pub fn record(&self, event: &Event) {
        if event.decision == REFUSED {
            let Listing { listed, unlisted_before } = self.refusals.count(&event.token);
            if unlisted_before > 0 {
                self.send(&Unlisted { at: now(), token: &event.token, refusals_not_listed: unlisted_before });
            }
            if !listed {
                return;
            }
        }
        self.send(&Line { at: now(), event });
    }

    fn send(&self, line: &impl Serialize) {
        let line = match serde_json::to_string(line) {
            Ok(line) => line,
            Err(error) => return log::error!("an audit event cannot be written: {error}"),
        };
        match self.queue.try_send(Message::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until everything that was recorded is on the disk.
    pub async fn flush(&self) {
        for (token, unlisted) in self.refusals.take_unlisted() {
            self.send(&Unlisted { at: now(), token: &token, refusals_not_listed: unlisted });
        }
        let (done, written) = oneshot::channel();
        let queue = self.queue.clone();
        let asked = tokio::task::spawn_blocking(move || queue.send(Message::Flush(done))).await;
        if matches!(asked, Ok(Ok(()))) && written.await.is_err() {
            log::error!("the audit trail's thread has ended");
        }
    }
}

struct Writer {
    file: BoundedFile,
    lost: Arc<AtomicU64>,
    is_failing: bool,
}

impl Writer {
    fn run(mut self, waiting: &Receiver<Message>) {
        while let Ok(first) = waiting.recv() {
            let (mut lines, mut flushed) = (Vec::new(), Vec::new());
            for message in std::iter::once(first).chain(waiting.try_iter().take(BATCH)) {
                match message {
                    Message::Line(line) => lines.push(line),
                    Message::Flush(done) => flushed.push(done),
                }
            }
            self.write(&lines);
            if !flushed.is_empty()
                && let Err(error) = self.file.sync()
            {
                log::error!("the audit trail is not on the disk: {error}");
            }
            for done in flushed {
                if done.send(()).is_err() {
                    log::debug!("who waited for the audit trail has gone");
                }
            }
        }
    }

    /// A trail that cannot be written says so once, and how much is missing when it can be written again.
    fn write(&mut self, lines: &[String]) {
        let missing = self.lost.swap(0, Ordering::Relaxed);
        let loss = (missing > 0).then(|| serde_json::to_string(&Loss { at: now(), lost: missing }).unwrap_or_default());
        match self.file.append(loss.iter().chain(lines)) {
            Ok(()) => self.is_failing = false,
            Err(error) => {
                self.lost.fetch_add(missing + lines.len() as u64, Ordering::Relaxed);
                if !std::mem::replace(&mut self.is_failing, true) {
                    log::error!("the audit trail cannot be written: {error}");
                }
            }
        }
    }
}

fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use serde_json::Value;

    use super::*;

    fn directory() -> PathBuf {
        let directory = std::env::temp_dir().join(format!("audit-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&directory).unwrap();
        directory
    }

    fn lines(directory: &Path) -> Vec<Value> {
        let text = fs::read_to_string(directory.join("audit.log")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn an_event_is_one_line_whatever_is_in_it() {
        let directory = directory();
        let trail = AuditLog::open(&directory, Bounds { bytes: 1 << 20, files: 2 }).unwrap();
        for id in ["a", "a\nb\r{\"token\":\"forged\"}", "\u{2028}\u{85}\u{1b}[2J", "\"}\n"] {
            trail.record(&Event { token: "t".to_owned(), id: Some(id.to_owned()), ..Event::default() });
        }
        trail.flush().await;
        let written = lines(&directory);
        assert_eq!(written.len(), 4);
        assert!(written.iter().all(|line| line["token"] == "t"), "{written:#?}");
        assert_eq!(written[1]["id"], "a\nb\r{\"token\":\"forged\"}");
        assert!(written[0]["at"].as_str().unwrap().ends_with('Z'));
        fs::remove_dir_all(&directory).unwrap();
    }

    #[tokio::test]
    async fn a_trail_that_could_not_be_written_says_how_much_is_missing() {
        let directory = directory();
        let trail = AuditLog::open(&directory, Bounds { bytes: 1, files: 2 }).unwrap();
        let event = Event { token: "t".to_owned(), ..Event::default() };
        trail.record(&event);
        trail.flush().await;
        // the next line needs a new file, which cannot be made where there is no directory
        fs::rename(&directory, directory.with_extension("away")).unwrap();
        for _ in 0..3 {
            trail.record(&event);
        }
        trail.flush().await;
        fs::rename(directory.with_extension("away"), &directory).unwrap();
        trail.record(&event);
        trail.flush().await;
        let written = lines(&directory);
        assert_eq!((written.len(), &written[0]["lost"]), (2, &Value::from(3)), "{written:#?}");
        fs::remove_dir_all(&directory).unwrap();
    }
}
