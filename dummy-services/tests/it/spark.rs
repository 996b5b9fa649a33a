//! The framed socket.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use dummy_services::{Behaviour, Dummies, Fault, Kind, Options, start};

use crate::support::{with_behaviour, with_fault};

// Port 1 answers nobody: leaving the evidence fails at once, and the reply comes all the same.
const MESSAGE: &str = r#"{"job-id": "9", "column": "Ηλικία", "minio-port": "1", "minio-user": "u",
    "minio-pass": "p", "minio-output": "db/analysis-a/classified-9"}"#;

fn connect(dummies: &Dummies) -> TcpStream {
    let stream = TcpStream::connect(dummies.spark()).expect("the component listens");
    stream.set_read_timeout(Some(Duration::from_millis(700))).expect("a read limit can be set");
    stream
}

/// Sends a message; the reply, or `None` if none came.
fn send(dummies: &Dummies) -> Option<String> {
    let mut stream = connect(dummies);
    let frame = format!("{:<64}{MESSAGE}", MESSAGE.len());
    stream.write_all(frame.as_bytes()).ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    Some(reply)
}

#[test]
fn a_message_is_replied_and_remembered() {
    let dummies = start(Options::default()).unwrap();
    assert_eq!(send(&dummies).as_deref(), Some("Msg received"));
    let ledger = dummies.ledger();
    assert_eq!((ledger[0].service.as_str(), &ledger[0].body["column"]), ("SPARK", &serde_json::json!("Ηλικία")));
    assert_eq!(dummies.max_in_flight(Kind::Spark), 1);
}

#[test]
fn a_message_may_come_in_pieces() {
    let dummies = start(Options::default()).unwrap();
    let mut stream = connect(&dummies);
    for piece in format!("{:<64}{MESSAGE}", MESSAGE.len()).as_bytes().chunks(50) {
        stream.write_all(piece).unwrap();
        stream.flush().unwrap();
    }
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert_eq!(reply, "Msg received");
}

#[test]
fn faults_change_the_reply() {
    for fault in [Fault::NoReply, Fault::HalfFrame] {
        let dummies = with_fault(Kind::Spark, fault);
        assert_eq!(send(&dummies).unwrap_or_default(), "");
    }
    for fault in [Fault::NeverFinishes, Fault::BlackHole] {
        assert_eq!(send(&with_fault(Kind::Spark, fault)), None);
    }
    for fault in [Fault::NoSuccessFile, Fault::Error { message: None }] {
        assert_eq!(send(&with_fault(Kind::Spark, fault)).as_deref(), Some("Msg received"));
    }
}

#[test]
fn half_a_frame_can_be_limited_to_the_first() {
    let half = Behaviour { fault: Some(Fault::HalfFrame), fault_first: Some(1), ..Behaviour::default() };
    let dummies = with_behaviour(Kind::Spark, half);
    assert_eq!(send(&dummies).unwrap_or_default(), "");
    assert_eq!(send(&dummies).as_deref(), Some("Msg received"));
}

#[test]
fn a_broken_header_ends_the_connection() {
    let dummies = start(Options::default()).unwrap();
    let mut stream = connect(&dummies);
    stream.write_all(&[b'x'; 64]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    assert!(reply.is_empty());
    assert!(dummies.ledger().is_empty());
}
