//! A data service that fails every job and repeats what it was sent in whatever it says.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// How it fails a job, by the beginning of the job's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// 400 to the start, with everything in it.
    Refuses,
    /// 500 to the start, with everything in it.
    Breaks,
    /// Takes the job, then says `error` with everything in it.
    Fails,
    /// Takes the job, then says for ever that its own database is away, with everything in it.
    HasNoDatabase,
    /// Takes the job, then answers no JSON, with everything in it.
    Babbles,
    /// Takes the job and is at work for ever.
    Works,
}

impl How {
    fn of(id: &str) -> Self {
        match id.split('-').next().unwrap_or_default() {
            "refuses" => How::Refuses,
            "breaks" => How::Breaks,
            "fails" => How::Fails,
            "database" => How::HasNoDatabase,
            "babbles" => How::Babbles,
            _ => How::Works,
        }
    }
}

/// The service; ends with the process.
pub(super) struct Echo {
    pub(super) port: u16,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    /// The requests that started jobs, by their ids.
    starts: HashMap<String, String>,
    /// How often each was started.
    times: HashMap<String, usize>,
    /// Heads of all requests.
    heads: Vec<String>,
}

impl Echo {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let shared = Arc::clone(&heard);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let shared = Arc::clone(&shared);
                // the orchestrator may be killed in the middle
                std::thread::spawn(move || drop(converse(connection.unwrap(), &shared)));
            }
        });
        Self { port, heard }
    }

    /// What a job was started with, and how often.
    pub(super) fn start_of(&self, id: &str) -> Option<(String, usize)> {
        let heard = self.heard.lock().unwrap();
        Some((heard.starts.get(id)?.clone(), heard.times[id]))
    }

    /// Where a job may call back to.
    pub(super) fn callback_of(&self, id: &str) -> Option<String> {
        let (start, _) = self.start_of(id)?;
        let line = start.lines().find(|line| line.to_lowercase().starts_with("diastema-callback:"))?.to_owned();
        line.split_once("/api/").map(|(_, rest)| format!("/api/{}", rest.trim()))
    }

    /// The heads of all requests so far.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heard.lock().unwrap().heads.clone()
    }
}

fn converse(mut connection: TcpStream, heard: &Mutex<Heard>) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8(body).unwrap();
        let (status, text) = answer(&head, &body, heard);
        let length = text.len();
        write!(connection, "HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n\r\n{text}")?;
    }
}

fn answer(head: &str, body: &str, heard: &Mutex<Heard>) -> (u16, String) {
    let mut heard = heard.lock().unwrap();
    heard.heads.push(head.to_owned());
    let everything = format!("{head}\n{body}");
    if head.starts_with("POST") {
        let id = serde_json::from_str::<Value>(body).unwrap()["job-id"].as_str().unwrap_or("none").to_owned();
        *heard.times.entry(id.clone()).or_default() += 1;
        heard.starts.insert(id.clone(), everything.clone());
        return match How::of(&id) {
            How::Refuses => (400, format!("cannot take {everything}")),
            How::Breaks => (500, format!("cannot take {everything}")),
            _ => (200, "taken".to_owned()),
        };
    }
    let id = head.split("id=").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    let Some(start) = heard.starts.get(id) else {
        return (400, json!({"status": "error", "message": "Job ID doesn't exist"}).to_string());
    };
    // the body first: what is kept of a service's words is short
    let said = start.rsplit('\n').next().unwrap_or_default();
    match How::of(id) {
        How::Fails => (400, json!({"status": "error", "message": format!("cannot do {said}")}).to_string()),
        How::HasNoDatabase => {
            let message = format!("Failed to connect to database for {said}");
            (400, json!({"status": "error", "message": message}).to_string())
        }
        How::Babbles => (200, format!("at work on {said}")),
        _ => (200, json!({"status": "progress"}).to_string()),
    }
}
