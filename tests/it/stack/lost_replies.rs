//! Row: a write is applied at the database, and its reply is lost. The write is repeated and harms nothing.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dummy_services::Script;
use mongodb::bson::doc;
use serde_json::json;

use super::{Stack, Stores};
use crate::peers::Mongo;

/// Hands everything on to a server; cuts the connection instead of the reply to some messages.
struct Cutter {
    port: u16,
    cuts: Arc<AtomicUsize>,
}

impl Cutter {
    /// In front of a port: the replies to the first `most` messages with this text in them are lost.
    fn start(server: u16, text: &'static str, most: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&cuts);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", server)).unwrap());
                let armed = Arc::new(AtomicBool::new(false));
                let (upward, downward) = ((client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client));
                let (arm, counter) = (Arc::clone(&armed), Arc::clone(&counter));
                let counted = Arc::clone(&counter);
                std::thread::spawn(move || {
                    hand_on(upward.0, upward.1, |message| {
                        let is_it = message.windows(text.len()).any(|part| part == text.as_bytes());
                        let cuts = is_it
                            && counted
                                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |cuts| {
                                    (cuts < most).then_some(cuts + 1)
                                })
                                .is_ok();
                        arm.fetch_or(cuts, Ordering::SeqCst);
                        true
                    });
                });
                std::thread::spawn(move || hand_on(downward.0, downward.1, |_| !armed.load(Ordering::SeqCst)));
            }
        });
        Self { port, cuts }
    }
}

/// Until one side hangs up, or a message is not to be handed on.
fn hand_on(mut from: TcpStream, mut to: TcpStream, mut judge: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 || !judge(&buffer[..read]) || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // the other side may be gone already
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}

#[test]
fn mongo_write_applied_and_its_reply_lost_is_repeated_harmlessly() {
    for (number, text) in ["analysis_cut-0", "pipelines"].into_iter().enumerate() {
        let (analysis, tenant, mongo) = (format!("Cut-{number}"), format!("cut-{number}"), Mongo::shared());
        let cutter = Cutter::start(mongo.port(), text, 5);
        mongo.deploy(&analysis, &tenant);
        let port = cutter.port.to_string();
        let stack = Stack::answering(Stores::Real, Script::default(), &[("MONGO_PORT", &port)]);
        let run = stack.play(&json!({
            "analysis-id": analysis, "database-id": tenant, "metadata": {"n": 1},
            "jobs": [
                {"step": 1, "id": format!("{tenant}-1"), "title": "dataset", "label": "d", "from": 0, "next": [2]},
                {"step": 2, "id": format!("{tenant}-2"), "title": "cleaning", "from": 1, "next": [3]},
                {"step": 3, "id": format!("{tenant}-3"), "title": "data-sink", "from": 2, "next": [0]},
            ],
        }));
        assert_eq!(run["state"], "succeeded", "{run:#}");
        assert!(cutter.cuts.load(Ordering::SeqCst) >= 2, "{text}: {:?}", cutter.cuts);
        let documents = mongo.find(&tenant, &format!("analysis_cut-{number}"), doc! {});
        let kinds: Vec<_> = documents.iter().map(|document| document.get_str("directory-kind").ok()).collect();
        assert_eq!((documents.len(), kinds[0]), (2, Some("cleaned-data")), "no duplicates: {documents:?}");
        let entry = mongo.pipeline(&analysis);
        assert_eq!(entry.get_str("status").ok(), Some("completed"));
        assert!(entry.get_document("performance").is_ok(), "{entry}");
        assert_eq!(stack.dummies.notices().len(), 3, "{:?}", stack.dummies.notices());
    }
}
