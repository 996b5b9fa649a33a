//! Answers that the orchestrator does not listen to, from a service that says exactly what it is told: too large ones, and
//! redirects to other servers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use dummy_services::Script;
use serde_json::json;

use super::{PATIENCE, Stack, Stores};

/// A service that takes every job and answers every question with these bytes. Ends with the process.
struct Parrot {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Parrot {
    fn start(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                // a reader may hang up in the middle of too large an answer
                drop(Self::answer(connection.unwrap(), &answer, &log));
            }
        });
        Self { port, asked }
    }

    fn answer(mut connection: TcpStream, answer: &[u8], log: &Mutex<Vec<String>>) -> std::io::Result<()> {
        let mut reader = BufReader::new(connection.try_clone()?);
        let (mut request, mut length) = (String::new(), 0);
        reader.read_line(&mut request)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        let is_start = request.starts_with("POST");
        log.lock().unwrap().push(request.trim().to_owned());
        let taken: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ntaken";
        connection.write_all(if is_start { taken } else { answer })
    }
}

fn too_large() -> Vec<u8> {
    let body = format!(r#"{{"status":"complete","padding":"{}"}}"#, "x".repeat(5 * 1024 * 1024));
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

fn elsewhere(port: u16) -> Vec<u8> {
    let to = format!("http://127.0.0.1:{port}/data-cleaning/progress?id=x");
    format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .into_bytes()
}

#[test]
fn too_large_answers_and_redirects_to_other_servers_fail_a_job_at_the_third() {
    let complete = b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\nConnection: close\r\n\r\n{\"status\":\"complete\"}";
    let other = Parrot::start(complete.to_vec());
    for (analysis, answer) in [("Too-Large", too_large()), ("Elsewhere", elsewhere(other.port))] {
        let service = Parrot::start(answer);
        let variables = [("DIASTEMA_SERVICES_PORT", service.port.to_string())];
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        let stack = Stack::answering(Stores::Embedded, Script::default(), &variables);
        let playbook = json!({
            "analysis-id": analysis, "database-id": "unusable",
            "jobs": [
                {"step": 1, "id": 1, "title": "dataset", "label": "d", "from": 0, "next": [2]},
                {"step": 2, "id": 2, "title": "cleaning", "from": 1, "next": [0]},
            ],
        });
        stack.orchestrator.submit(&playbook);
        let run = stack.orchestrator.settled("analyses", analysis, PATIENCE);
        assert_eq!((&run["state"], &run["cause"]["failure"]["kind"]), (&json!("failed"), &json!("bad-answer")));
        let asked = service.asked.lock().unwrap().clone();
        assert_eq!(asked.iter().filter(|request| request.starts_with("GET")).count(), 3, "{asked:?}");
        let first = format!("error: The cleaning service gave an unusable answer for the analysis with ID: {analysis}");
        assert_eq!(stack.dummies.notices().first(), Some(&first));
    }
    assert!(other.asked.lock().unwrap().is_empty(), "nobody follows a redirect to another server");
}
