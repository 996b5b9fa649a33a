//! One connection over a road.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Fault, Shared};

/// What comes instead of an answer; no HTTP, no JSON, and not `Msg received`.
const GARBAGE: &[u8] = b"\x16\x03\x01\x00{{{<html>\xff\xfe";

/// More than anybody reads of a reply of the Spark component.
const FLOOD: usize = 8192;

/// The connection is over at once, in both directions.
struct Cut;

type Outcome = Result<(), Cut>;

impl From<io::Error> for Cut {
    fn from(_: io::Error) -> Self {
        Cut
    }
}

/// What both directions of a connection know.
struct Connection<'a> {
    shared: &'a Shared,
    fault: watch::Receiver<Fault>,
    /// Whether the last request was a `POST`, or no HTTP at all.
    asks_for_work: AtomicBool,
    was_disturbed: AtomicBool,
}

/// Carries everything both ways until an end or a fault.
pub(super) async fn carry(mut client: TcpStream, shared: Arc<Shared>, fault: watch::Receiver<Fault>) {
    let connection = Connection {
        shared: &shared,
        fault,
        asks_for_work: AtomicBool::new(true),
        was_disturbed: AtomicBool::new(false),
    };
    if connection.fault() == Fault::Reset {
        connection.disturb();
        return reset(&client);
    }
    let Ok(mut server) = TcpStream::connect(shared.to).await else { return reset(&client) };
    // small pieces must not wait for each other
    drop(client.set_nodelay(true));
    drop(server.set_nodelay(true));
    let cut = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let both = async {
            tokio::try_join!(connection.forth(from_client, to_server), connection.back(from_server, to_client))
        };
        tokio::select! {
            done = both => done.is_err(),
            () = connection.closed_by_fault() => true,
        }
    };
    if cut {
        reset(&client);
        reset(&server);
    }
}

/// Closing it will send a reset instead of a proper end.
fn reset(stream: &TcpStream) {
    drop(stream.set_zero_linger());
}

impl Connection<'_> {
    fn fault(&self) -> Fault {
        *self.fault.borrow()
    }

    fn disturb(&self) {
        if !self.was_disturbed.swap(true, Ordering::Relaxed) {
            self.shared.disturbed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Resolves when a fault has come up that no open connection survives.
    async fn closed_by_fault(&self) {
        let mut fault = self.fault.clone();
        let ends = |fault: &Fault| matches!(fault, Fault::Reset | Fault::Down);
        if fault.wait_for(ends).await.is_err() {
            std::future::pending::<()>().await;
        }
        self.disturb();
    }

    /// What the orchestrator sends.
    async fn forth(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Outcome {
        let mut buffer = vec![0; 16 * 1024];
        let mut sent = 0;
        loop {
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                return Ok(to.shutdown().await?);
            }
            let chunk = &buffer[..read];
            self.asks_for_work.store(!chunk.starts_with(b"GET "), Ordering::Relaxed);
            match self.fault() {
                Fault::CutAfter(most) if sent + read > most => {
                    self.disturb();
                    to.write_all(&chunk[..most.saturating_sub(sent)]).await?;
                    return Err(Cut);
                }
                Fault::Delay(time) => {
                    self.disturb();
                    sleep(time).await;
                }
                Fault::BlackHole => {
                    self.disturb();
                    continue;
                }
                _ => {}
            }
            sent += read;
            to.write_all(chunk).await?;
        }
    }

    /// What the neighbour answers.
    async fn back(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Outcome {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                return Ok(to.shutdown().await?);
            }
            let chunk = &buffer[..read];
            let fault = self.fault();
            if fault != Fault::None {
                self.disturb();
            }
            match fault {
                Fault::LoseAnswers if self.is_the_answer_to_a_start(chunk) => return Err(Cut),
                Fault::Delay(time) => sleep(time).await,
                Fault::BlackHole => continue,
                Fault::HalfClose => {
                    to.shutdown().await?;
                    continue;
                }
                Fault::Garbage => {
                    to.write_all(GARBAGE).await?;
                    return Ok(to.shutdown().await?);
                }
                Fault::Flood => {
                    to.write_all(&vec![b'x'; FLOOD]).await?;
                    return Ok(to.shutdown().await?);
                }
                Fault::Trickle => {
                    for byte in chunk {
                        to.write_all(&[*byte]).await?;
                        sleep(Duration::from_millis(1)).await;
                    }
                    continue;
                }
                _ => {}
            }
            to.write_all(chunk).await?;
        }
    }

    fn is_the_answer_to_a_start(&self, answer: &[u8]) -> bool {
        self.asks_for_work.load(Ordering::Relaxed) && !answer.starts_with(b"HTTP/1.1 308")
    }
}
