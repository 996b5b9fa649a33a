//! What the object store's adapter makes of real answers: what may pass, and what will be said again.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use orchestrator::adapters::address::Address;
use orchestrator::adapters::objects::{ObjectStoreSettings, S3Objects};
use orchestrator::adapters::secret::Secret;
use orchestrator::playbook::{AnalysisId, BucketName, ObjectKey, Step, TenantId};
use orchestrator::ports::{ObjectStore, StoreError};

use super::silence::server;

fn store(address: SocketAddr) -> S3Objects {
    let settings = ObjectStoreSettings {
        address: Address::new(address.ip().to_string(), address.port()),
        user: "u".to_owned(),
        pass: Secret::new("p"),
        answer: Duration::from_secs(1),
    };
    S3Objects::new(settings).expect("a client")
}

/// Some bucket, and a directory in it.
fn place() -> (BucketName, ObjectKey) {
    let names = (TenantId::parse("metis"), AnalysisId::parse("a"), Step::parse("1"));
    let (Ok(tenant), Ok(analysis), Ok(step)) = names else { panic!("these are names") };
    (BucketName::of(&tenant), ObjectKey::output(&analysis, "clustered", &step))
}

/// Row: S3 answers 503 SlowDown, and 403.
#[actix::test]
async fn s3_503_may_pass_and_s3_403_will_be_said_again() {
    for (status, code, may_pass) in
        [(503, "SlowDown", true), (500, "InternalError", true), (429, "", true), (403, "AccessDenied", false)]
    {
        let body = format!("<Error><Code>{code}</Code><Resource>/secret</Resource></Error>");
        let address = server(move |connection| {
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            connection.write_all(format!("{head}{body}").as_bytes())
        });
        let (store, (bucket, key)) = (store(address), place());
        let answers = [
            store.make_directory(&bucket, &key).await.err(),
            store.delete(&bucket, &key.evidence()).await.err(),
            store.list(&bucket, &key).await.err(),
        ];
        for error in answers {
            let passes = match &error {
                Some(StoreError::Unavailable { .. }) => true,
                Some(StoreError::Refused { .. }) => false,
                None => panic!("{status} is no success"),
            };
            assert_eq!(passes, may_pass, "{status}: {error:?}");
            assert!(!format!("{error:?}").contains("/secret"), "{error:?}");
        }
    }
}

/// Row: S3's answer ends too early.
#[actix::test]
async fn s3_answers_that_end_too_early_may_pass() {
    let address = server(|connection| {
        let head =
            "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nconnection: close\r\n\r\n<?xml version=\"1.0\"?><ListBucketRes";
        connection.write_all(head.as_bytes())?;
        connection.shutdown(std::net::Shutdown::Both)
    });
    let (bucket, key) = place();
    let listed = store(address).list(&bucket, &key).await;
    assert!(matches!(listed, Err(StoreError::Unavailable { .. })), "{listed:?}");
}

/// Row: S3 is slow.
#[actix::test]
async fn s3_that_does_not_answer_in_time_may_pass() {
    let address = server(|connection| connection.read(&mut [0]).map(|_| ()));
    let since = std::time::Instant::now();
    let (bucket, key) = place();
    let found = store(address).exists(&bucket, &key.evidence()).await;
    assert!(matches!(found, Err(StoreError::Unavailable { .. })), "{found:?}");
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
}
