//! The smallest HTTP client that can also say things which proper clients cannot.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Host and port.
    pub(crate) address: String,
}

/// What came back.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }

    /// A header's value, empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

impl Server {
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    pub(crate) fn get_with(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, &[("Authorization", &format!("Bearer {token}"))], "")
    }

    /// Posts JSON.
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, &[("Content-Type", "application/json")], body)
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut connection = self.connect();
        connection.say(self.request(method, path, headers, body).as_bytes());
        connection.hear()
    }

    /// Posts JSON to a server that may have gone; `None` when it has, with or without the request.
    pub(crate) fn post_if_there(&self, path: &str, body: &str) -> Option<Answer> {
        let mut connection = Connection::open(&self.address).ok()?;
        connection.say(self.request("POST", path, &[("Content-Type", "application/json")], body).as_bytes());
        connection.hear_if_any()
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = if method == "GET" && body.is_empty() {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{headers}{length}\r\n{body}", self.address)
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.address).unwrap_or_else(|error| panic!("{}: {error}", self.address))
    }
}

/// One connection, for requests piece by piece.
pub(crate) struct Connection {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Connection {
    fn open(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, rest: Vec::new() })
    }

    /// How long the next answer is waited for.
    pub(crate) fn wait_only(&self, limit: Duration) {
        self.stream.set_read_timeout(Some(limit)).expect("a limit can be set");
    }

    /// Sends bytes; a server that has closed already is fine, its answer is what counts.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    /// The next answer. *Panics* when none comes.
    #[track_caller]
    pub(crate) fn hear(&mut self) -> Answer {
        let answer = self.hear_if_any();
        answer.unwrap_or_else(|| panic!("closed without an answer: {:?}", String::from_utf8_lossy(&self.rest)))
    }

    /// The next answer, if one comes.
    pub(crate) fn hear_if_any(&mut self) -> Option<Answer> {
        let head_end = loop {
            if let Some(at) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            if !self.read_more() {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&self.rest[..head_end]).into_owned();
        self.rest.drain(..head_end + 4);
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer { status: status.expect("a status line"), headers, text: String::new() };
        let body = match answer.header("content-length").parse::<usize>() {
            Ok(length) => {
                while self.rest.len() < length && self.read_more() {}
                self.rest.drain(..length.min(self.rest.len())).collect()
            }
            Err(_) if answer.header("transfer-encoding") == "chunked" => self.hear_chunks(),
            Err(_) => Vec::new(),
        };
        answer.text = String::from_utf8_lossy(&body).into_owned();
        Some(answer)
    }

    /// The same connection for somebody who speaks while others listen.
    pub(crate) fn mouth(&self) -> Self {
        Self { stream: self.stream.try_clone().expect("a socket can be shared"), rest: Vec::new() }
    }

    /// Whether the server has closed, within the patience of this connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        while self.read_more() {}
        self.rest.is_empty()
    }

    fn hear_chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                if let Some(at) = self.rest.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                if !self.read_more() {
                    return body;
                }
            };
            let size = String::from_utf8_lossy(&self.rest[..line_end]).trim().to_owned();
            let size = usize::from_str_radix(&size, 16).unwrap_or(0);
            while self.rest.len() < line_end + 2 + size + 2 && self.read_more() {}
            body.extend(self.rest.drain(..line_end + 2 + size + 2).skip(line_end + 2).take(size));
            if size == 0 {
                return body;
            }
        }
    }

    fn read_more(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.rest.extend_from_slice(&buffer[..read]);
                true
            }
        }
    }
}
