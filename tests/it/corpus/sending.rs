//! Sends what a case says, over sockets of its own.

use std::sync::Barrier;
use std::time::Duration;

use serde_json::Map;

use super::data::{Case, Piece};
use super::making::Names;
use crate::peers::{Answer, Connection, Server};

/// One request of a case: which case, to which path, with which names.
pub(super) struct Shot<'a> {
    pub(super) case: &'a Case,
    pub(super) path: String,
    pub(super) names: Names,
}

impl Shot<'_> {
    /// Everything that comes back.
    pub(super) fn send(&self, server: &Server) -> Vec<Answer> {
        let case = self.case;
        if !case.pieces.is_empty() {
            let mut connection = server.connect();
            say(&mut connection, &case.pieces, &self.names);
            return self.hear(connection);
        }
        if !case.at_once.is_empty() {
            return self.send_at_once(server);
        }
        let body = self.names.body(case, &self.path);
        let head = self.head(body.len());
        if case.hang_up {
            let mut connection = server.connect();
            connection.say(head.as_bytes());
            connection.say(&body[..body.len() / 2]);
            return Vec::new();
        }
        if case.pipelined > 0 {
            return self.pipeline(server, case.pipelined);
        }
        let once = || {
            let mut connection = server.connect();
            connection.say(head.as_bytes());
            connection.say(&body);
            self.hear(connection)
        };
        (0..case.times.max(1)).flat_map(|_| once()).collect()
    }

    fn hear(&self, mut connection: Connection) -> Vec<Answer> {
        let mut answer = connection.hear_if_any();
        if answer.as_ref().is_some_and(|answer| answer.status == 100) {
            answer = connection.hear_if_any();
        }
        if answer.is_some() && self.case.closes && !connection.is_closed() {
            return Vec::new();
        }
        answer.into_iter().collect()
    }

    /// Different documents, so that each is accepted for itself.
    fn pipeline(&self, server: &Server, count: usize) -> Vec<Answer> {
        let mut connection = server.connect();
        let mut all = Vec::new();
        for number in 0..count {
            let names = Names {
                number: format!("{}-p{number}", self.names.number),
                row: self.names.row,
                services: self.names.services.clone(),
                each: self.names.each.clone(),
            };
            let body = names.body(self.case, &self.path);
            all.extend(self.head(body.len()).into_bytes());
            all.extend(body);
        }
        std::thread::scope(|scope| {
            let mut mouth = connection.mouth();
            scope.spawn(move || mouth.say(&all));
            (0..count).map_while(|_| connection.hear_if_any()).collect()
        })
    }

    fn send_at_once(&self, server: &Server) -> Vec<Answer> {
        let changes: Vec<&Map<String, serde_json::Value>> = self.case.at_once.iter().collect();
        let barrier = Barrier::new(changes.len());
        let one = |more: &Map<String, serde_json::Value>| {
            let body = self.names.document(self.case, &self.path, more);
            let mut connection = server.connect();
            let (first, last) = body.as_bytes().split_at(body.len() - 1);
            connection.say(self.head(body.len()).as_bytes());
            connection.say(first);
            barrier.wait();
            connection.say(last);
            connection.hear()
        };
        std::thread::scope(|scope| {
            let asked: Vec<_> = changes.into_iter().map(|more| scope.spawn(|| one(more))).collect();
            asked.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    fn head(&self, length: usize) -> String {
        let method = self.case.method.as_deref().unwrap_or("POST");
        let usual = [("Content-Type", "application/json")];
        let usual = usual.iter().filter(|(name, _)| !self.case.headers.contains_key(*name));
        let mut lines: Vec<String> = usual.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let own = self.case.headers.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        lines.extend(own.map(|(name, value)| format!("{name}: {}\r\n", self.names.fill(value))));
        format!("{method} {} HTTP/1.1\r\nHost: x\r\n{}Content-Length: {length}\r\n\r\n", self.path, lines.concat())
    }
}

fn say(connection: &mut Connection, pieces: &[Piece], names: &Names) {
    for piece in pieces {
        match piece {
            Piece::Drip { drip, times, every_ms } => {
                for _ in 0..*times {
                    connection.say(drip.as_bytes());
                    std::thread::sleep(Duration::from_millis(*every_ms));
                }
            }
            other => connection.say(&names.bytes(other)),
        }
    }
}
