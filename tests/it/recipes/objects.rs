//! What the object store's adapter makes of real answers: what may pass, and what will be said again.

use orchestrator::adapters::address::Address;
use orchestrator::adapters::objects::{ObjectStoreSettings, S3Objects};
use orchestrator::adapters::secret::Secret;
use orchestrator::ports::{ObjectStore, StoreError};
use std::io::Write;
use std::time::Duration;

use super::silence::server;

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
        let store = S3Objects::new(ObjectStoreSettings {
            address: Address::new(address.ip().to_string(), address.port()),
            user: "u".to_owned(),
            pass: Secret::new("p"),
            answer: Duration::from_secs(5),
        })
        .expect("a client");
        let answers = [
            store.make_directory("metis", "a/").await.err(),
            store.delete("metis", "a/_SUCCESS").await.err(),
            store.list("metis", "a/").await.err(),
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
