//! Rows of the fault matrix about the Spark component, over real sockets: whatever it says or does not say, the evidence
//! decides. No wrong success.

use std::rc::Rc;
use std::time::Duration;

use orchestrator::adapters::address::Address;
use orchestrator::adapters::secret::Secret;
use orchestrator::adapters::spark::{SparkComponent, SparkSettings};
use orchestrator::jobs::{JobPorts, JobSettings, PlatformJobs};
use orchestrator::ports::{FailureKind, JobFailure, JobRunner};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::around;
use super::attempt::{Life, run_of};
use super::ports::{Script, World};

const EVIDENCE: &str = "metis/analysis-0af/clustered-2/_SUCCESS";

/// What the component does with a message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    ClosesAfterTheHeader,
    ClosesBeforeTheReply,
    RepliesByteByByte,
    RepliesTooMuch,
    RepliesGarbage,
    Resets,
    NeverReplies,
    Replies,
}

/// Every one, and the failure when there is no evidence.
const ALL: [(Does, FailureKind); 8] = [
    (Does::ClosesAfterTheHeader, FailureKind::OutcomeUnknown),
    (Does::ClosesBeforeTheReply, FailureKind::OutcomeUnknown),
    (Does::RepliesByteByByte, FailureKind::ServiceError),
    (Does::RepliesTooMuch, FailureKind::ServiceError),
    (Does::RepliesGarbage, FailureKind::ServiceError),
    (Does::Resets, FailureKind::OutcomeUnknown),
    (Does::NeverReplies, FailureKind::TimedOut),
    (Does::Replies, FailureKind::ServiceError),
];

async fn take(mut connection: TcpStream, does: Does, world: World, works: bool) -> std::io::Result<()> {
    let mut header = [0; 64];
    connection.read_exact(&mut header).await?;
    if works {
        world.leaves_evidence(EVIDENCE);
    }
    if does == Does::ClosesAfterTheHeader {
        return Ok(());
    }
    let length: usize = String::from_utf8_lossy(&header).trim().parse().expect("a length");
    connection.read_exact(&mut vec![0; length]).await?;
    match does {
        Does::ClosesBeforeTheReply => connection.shutdown().await,
        Does::RepliesByteByByte => {
            for byte in b"Msg received" {
                connection.write_all(&[*byte]).await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        }
        Does::RepliesTooMuch => connection.write_all(&[b'x'; 100_000]).await,
        Does::RepliesGarbage => connection.write_all(b"\xff\xfe\x00<html>500").await,
        // the end of the connection is a reset then
        Does::Resets => connection.set_zero_linger(),
        Does::NeverReplies => std::future::pending().await,
        Does::Replies => connection.write_all(b"Msg received").await,
        Does::ClosesAfterTheHeader => Ok(()),
    }
}

/// What comes of a job whose component does this, and whose work is done or not.
async fn verdict(does: Does, works: bool) -> Result<String, JobFailure> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let world = World::new(Script::default());
    let fake = world.clone();
    actix::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            // the client may be gone first
            drop(take(connection, does, fake.clone(), works).await);
        }
    });
    let settings = SparkSettings {
        address: Address::new("127.0.0.1", port),
        connect: Duration::from_secs(5),
        minio: Address::new("minio", 9000),
        minio_user: String::new(),
        minio_pass: Secret::new(""),
        mongo: Address::new("mongo", 27017),
    };
    let ports = JobPorts { spark: Box::new(SparkComponent::new(settings)), ..world.ports() };
    let jobs = PlatformJobs::new(ports, JobSettings::default());
    let life = Life { world, jobs, log: Rc::default() };
    let run = run_of(&around(json!({"title": "clustering", "timeout-s": 0.5})));
    let ended = life.jobs.run(life.call(&run, 1)).await;
    ended.map(|success| success.output.path.clone())
}

#[actix::test]
async fn k8s_component_whatever_it_says_there_is_no_success_without_evidence() {
    for (does, kind) in ALL {
        let failure = verdict(does, false).await.expect_err("no evidence, no success");
        assert_eq!(failure.kind, kind, "{does:?}: {failure}");
    }
}

#[actix::test]
async fn k8s_component_whatever_it_does_not_say_the_evidence_counts() {
    for (does, _) in ALL {
        let path = verdict(does, true).await;
        assert_eq!(path.as_deref(), Ok("metis/analysis-0af/clustered-2"), "{does:?}");
    }
}
