//! A road to a neighbour that can be disturbed while it is in use: one listening port, one target, one fault at a time.

mod carry;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use test_peers::free_port;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

/// How soon a road that could not be opened is tried again.
const REOPEN: Duration = Duration::from_millis(50);

/// How a road misbehaves. Connections that are open when a fault comes up have it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not at all.
    None,
    /// Everything takes this much longer, in both directions.
    Delay(Duration),
    /// The connection is cut after so many bytes of what is sent.
    CutAfter(usize),
    /// The neighbour gets the whole request and does what it is asked; its answer is cut off. Answers to questions and
    /// redirects get through: what is lost is the answer to a start.
    LoseAnswers,
    /// Connections are accepted and reset.
    Reset,
    /// The neighbour's side is closed before the answer.
    HalfClose,
    /// Answers come byte by byte.
    Trickle,
    /// Instead of the answer comes something else.
    Garbage,
    /// An answer of many thousand bytes comes instead.
    Flood,
    /// Everything is accepted and nothing answered.
    BlackHole,
    /// Nobody listens any more; open connections go on.
    Refuse,
    /// Nobody listens, open connections are reset.
    Down,
}

/// What is shared with the connections.
struct Shared {
    to: SocketAddr,
    disturbed: AtomicU64,
}

/// A road.
pub(crate) struct Proxy {
    port: u16,
    fault: watch::Sender<Fault>,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Opens an undisturbed road.
    pub(crate) async fn start(to: SocketAddr) -> Result<Self, String> {
        let port = free_port();
        let listener = listen(port).await?;
        let (fault, seen) = watch::channel(Fault::None);
        let shared = Arc::new(Shared { to, disturbed: AtomicU64::new(0) });
        tokio::spawn(serve(listener, port, Arc::clone(&shared), seen));
        Ok(Self { port, fault, shared })
    }

    /// Where the orchestrator goes.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Misbehaves from now on.
    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Connections that met a fault.
    pub(crate) fn disturbed(&self) -> u64 {
        self.shared.disturbed.load(Ordering::Relaxed)
    }
}

async fn listen(port: u16) -> Result<TcpListener, String> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| format!("port {port}: {error}"))
}

async fn serve(listener: TcpListener, port: u16, shared: Arc<Shared>, mut fault: watch::Receiver<Fault>) {
    let mut listener = Some(listener);
    loop {
        if matches!(*fault.borrow_and_update(), Fault::Refuse | Fault::Down) {
            listener = None;
        } else if listener.is_none() {
            listener = listen(port).await.ok();
        }
        let Some(open) = &listener else {
            // looks again without a change as well: the port may not have been free at once
            if let Ok(Err(_)) = timeout(REOPEN, fault.changed()).await {
                return;
            }
            continue;
        };
        tokio::select! {
            changed = fault.changed() => if changed.is_err() { return },
            accepted = open.accept() => if let Ok((stream, _)) = accepted {
                tokio::spawn(carry::carry(stream, Arc::clone(&shared), fault.clone()));
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    /// A server that answers every connection's first bytes with `answer`.
    async fn server(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = [0; 64];
                if stream.read(&mut asked).await.is_ok_and(|read| read > 0) {
                    drop(stream.write_all(answer).await);
                }
            }
        });
        address
    }

    async fn ask(road: &Proxy, question: &[u8]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", road.port())).await?;
        stream.write_all(question).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn a_road_is_disturbed_and_mended() {
        let road = Proxy::start(server(b"HTTP/1.1 200 OK\r\n\r\n").await).await.unwrap();
        for _ in 0..2 {
            assert!(ask(&road, b"GET / HTTP/1.1\r\n\r\n").await.unwrap().starts_with("HTTP/1.1 200"));
            for fault in [Fault::Reset, Fault::CutAfter(3), Fault::Refuse, Fault::Down] {
                road.set(fault);
                let refused = || async { ask(&road, b"POST / HTTP/1.1\r\n\r\n").await };
                while matches!(refused().await, Ok(answer) if !answer.is_empty()) {
                    tokio::task::yield_now().await;
                }
            }
            road.set(Fault::None);
            while ask(&road, b"GET / HTTP/1.1\r\n\r\n").await.is_err() {
                tokio::task::yield_now().await;
            }
        }
        assert!(road.disturbed() > 0);
    }

    #[tokio::test]
    async fn only_answers_to_starts_are_lost() {
        let road = Proxy::start(server(b"HTTP/1.1 200 OK\r\n\r\n").await).await.unwrap();
        road.set(Fault::LoseAnswers);
        assert!(ask(&road, b"GET / HTTP/1.1\r\n\r\n").await.unwrap().starts_with("HTTP/1.1 200"));
        assert!(ask(&road, b"POST / HTTP/1.1\r\n\r\n").await.is_err());
        let redirecting = Proxy::start(server(b"HTTP/1.1 308 Permanent Redirect\r\n\r\n").await).await.unwrap();
        redirecting.set(Fault::LoseAnswers);
        assert!(ask(&redirecting, b"POST / HTTP/1.1\r\n\r\n").await.unwrap().starts_with("HTTP/1.1 308"));
    }

    #[tokio::test]
    async fn an_answer_comes_in_pieces_or_as_something_else() {
        let road = Proxy::start(server(b"HTTP/1.1 200 OK\r\n\r\n").await).await.unwrap();
        road.set(Fault::Trickle);
        assert_eq!(ask(&road, b"x").await.unwrap(), "HTTP/1.1 200 OK\r\n\r\n");
        road.set(Fault::Flood);
        assert!(ask(&road, b"x").await.unwrap().len() > 4096);
        road.set(Fault::HalfClose);
        assert_eq!(ask(&road, b"x").await.unwrap(), "");
    }
}
