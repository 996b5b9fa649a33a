//! Services that hold a call instead of answering it, over real sockets: no call lasts longer than its limit, whatever has
//! come of the answer by then, and none brings more into memory than an answer may have.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use orchestrator::adapters::address::Address;
use orchestrator::adapters::http_client::CallLimits;
use orchestrator::adapters::services::{HttpServices, ServiceAddresses};
use orchestrator::playbook::job::Service;
use orchestrator::ports::{CallError, JobServices};
use serde_json::json;
use tokio::time::Instant;

/// What one answer may take in these tests.
const LIMIT: Duration = Duration::from_millis(400);

fn services(address: SocketAddr) -> HttpServices {
    let address = Address::new(address.ip().to_string(), address.port());
    let addresses = ServiceAddresses { data: address.clone(), function: address.clone(), automl: address };
    HttpServices::new(addresses, &CallLimits { connect: LIMIT, first_byte: LIMIT, answer: LIMIT })
}

/// A server that does this with each connection, in a thread of its own, until the client hangs up.
pub(super) fn server(act: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let act = Arc::new(act);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, act) = (connection.unwrap(), Arc::clone(&act));
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                drop(connection.read(&mut request));
                // the client hangs up in the middle
                drop(act(&mut connection));
                drop(connection.read(&mut request));
            });
        }
    });
    address
}

/// Asks, starts and cancels there: each ends in time, with this word.
#[track_caller]
fn ends_in_time(name: &str, since: Instant, answer: &Result<orchestrator::ports::Answer, CallError>) {
    assert!(matches!(answer, Err(CallError::NoAnswer { .. })), "{name}: {answer:?}");
    let took = since.elapsed();
    assert!(took < LIMIT * 3 / 2, "{name}: {took:?}");
}

async fn holds(name: &str, address: SocketAddr) {
    let services = services(address);
    let since = Instant::now();
    let asked = services.get(Service::Join, "join/progress?id=1").await;
    ends_in_time(name, since, &asked);
    let since = Instant::now();
    let started = services.post(Service::Function, "function", &json!({}), None).await;
    ends_in_time(name, since, &started);
    let since = Instant::now();
    let cancelled = services.delete(Service::Join, "join/1").await;
    ends_in_time(name, since, &cancelled);
}

/// Row: service hangs. A stopped process (SIGSTOP): the system takes connections for it, and nobody reads them.
#[actix::test]
async fn a_stopped_service_holds_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    holds("stopped", listener.local_addr().unwrap()).await;
}

/// The same when it has begun to answer.
#[actix::test]
async fn a_service_that_stops_in_the_middle_of_its_answer_holds_nobody() {
    let head: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":";
    for (name, part) in [("in the head", &head[..20]), ("after the head", &head[..40]), ("in the body", head)] {
        let address = server(move |connection| {
            connection.write_all(part)?;
            connection.read(&mut [0]).map(|_| ())
        });
        holds(name, address).await;
    }
}

/// Row: service slow. One byte now and then keeps no call alive.
#[actix::test]
async fn a_service_that_trickles_holds_nobody() {
    let address = server(|connection| {
        connection.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        loop {
            connection.write_all(b"1\r\n \r\n")?;
            #[allow(clippy::disallowed_methods, reason = "a thread of the server's own, on the real clock")]
            std::thread::sleep(LIMIT / 8);
        }
    });
    holds("trickle", address).await;
}

/// The head of an answer has a limit of its own, also when it comes byte by byte; what follows it has the rest of the time.
#[actix::test]
async fn a_head_that_does_not_come_is_not_waited_for_as_long_as_an_answer_is() {
    let limits = CallLimits { connect: LIMIT, first_byte: LIMIT, answer: LIMIT * 25 };
    let asked = |address: SocketAddr| {
        let address = Address::new(address.ip().to_string(), address.port());
        let addresses = ServiceAddresses { data: address.clone(), function: address.clone(), automl: address };
        let services = HttpServices::new(addresses, &limits);
        async move { services.get(Service::Join, "join/progress?id=1").await }
    };
    let silent = server(|connection| connection.read(&mut [0]).map(|_| ()));
    let slow_head = server(|connection| {
        for byte in b"HTTP/1.1 200 OK\r\nx: ".iter().chain(std::iter::repeat(&b'x')) {
            connection.write_all(&[*byte])?;
            #[allow(clippy::disallowed_methods, reason = "a thread of the server's own, on the real clock")]
            std::thread::sleep(LIMIT / 20);
        }
        Ok(())
    });
    for (name, address) in [("silent", silent), ("slow head", slow_head)] {
        let since = Instant::now();
        ends_in_time(name, since, &asked(address).await);
    }
    let slow_body = server(|connection| {
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")?;
        for byte in b"ok" {
            #[allow(clippy::disallowed_methods, reason = "a thread of the server's own, on the real clock")]
            std::thread::sleep(LIMIT * 3 / 4);
            connection.write_all(&[*byte])?;
        }
        Ok(())
    });
    assert_eq!(asked(slow_body).await.map(|answer| answer.body), Ok("ok".to_owned()));
    // a head without an end is not read to it
    let endless_head = server(|connection| {
        connection.write_all(b"HTTP/1.1 200 OK\r\n")?;
        while connection.write_all(&b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(1024)).is_ok() {}
        Ok(())
    });
    assert!(asked(endless_head).await.is_err());
}

/// Row: redirects for ever, each one in time.
#[actix::test]
async fn a_service_that_sends_on_and_on_holds_nobody() {
    let address = server(|connection| {
        #[allow(clippy::disallowed_methods, reason = "a thread of the server's own, on the real clock")]
        std::thread::sleep(LIMIT * 2 / 3);
        connection.write_all(b"HTTP/1.1 307 X\r\nlocation: /again\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    });
    holds("redirects", address).await;
}

/// Row: huge reply. What is beyond the limit of an answer is not read, however long it goes on.
#[actix::test]
async fn an_answer_without_an_end_is_not_read_to_it() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let address = server(move |connection| {
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2147483648\r\n\r\n")?;
        let part = vec![b' '; 64 * 1024];
        while counter.load(Ordering::Relaxed) < 2 << 30 {
            connection.write_all(&part)?;
            counter.fetch_add(part.len(), Ordering::Relaxed);
        }
        Ok(())
    });
    let address = Address::new(address.ip().to_string(), address.port());
    let addresses = ServiceAddresses { data: address.clone(), function: address.clone(), automl: address };
    let services = HttpServices::new(addresses, &CallLimits::default());
    let answer = services.get(Service::Join, "join/progress?id=1").await;
    assert!(matches!(answer, Err(CallError::Unusable { .. })), "{answer:?}");
    let sent = sent.load(Ordering::Relaxed);
    // 4 MiB of an answer, and what the system keeps for the two ends of a connection
    assert!(sent <= 16 << 20, "{sent} bytes were taken");
}

/// Row: connection reset in the midst, or half-closed. It is no answer, at once.
#[actix::test]
async fn a_connection_that_is_reset_or_half_closed_in_the_midst_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let resets = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            // what was sent and not read makes the end of a connection a reset
            drop(connection.read(&mut [0]));
            drop(connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":"));
        }
    });
    let half_closes = server(|connection| {
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":")?;
        connection.shutdown(std::net::Shutdown::Write)
    });
    for (name, address) in [("reset", resets), ("half-closed", half_closes)] {
        holds(name, address).await;
    }
}

/// Row: slow replies. One that is slow and in time is an answer.
#[actix::test]
async fn a_slow_answer_in_time_counts() {
    let address = server(|connection| {
        for part in [b"HTTP/1.1 200 OK\r\n".as_slice(), b"content-length: 2\r\n\r\n", b"o", b"k"] {
            #[allow(clippy::disallowed_methods, reason = "a thread of the server's own, on the real clock")]
            std::thread::sleep(LIMIT / 10);
            connection.write_all(part)?;
        }
        Ok(())
    });
    let answer = services(address).get(Service::Join, "join/progress?id=1").await;
    assert_eq!(answer.map(|answer| answer.body), Ok("ok".to_owned()));
}

/// Row: a name that does not resolve. Nothing can have arrived: the start is repeated. (No resolver is asked for such a name.)
#[actix::test]
async fn a_name_that_does_not_resolve_is_no_connection() {
    let address = Address::new("a".repeat(64), 80);
    let addresses = ServiceAddresses { data: address.clone(), function: address.clone(), automl: address };
    let services = HttpServices::new(addresses, &CallLimits { connect: LIMIT, first_byte: LIMIT, answer: LIMIT });
    let answer = services.post(Service::Join, "join", &json!({}), None).await;
    assert!(matches!(answer, Err(CallError::NotConnected { .. })), "{answer:?}");
}
