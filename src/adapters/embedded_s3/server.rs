//! The network side of the endpoint: accepts connections, speaks HTTP/1 on them, checks the
//! signature against the key pairs. What an operation does is the store's business.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3ErrorCode, S3Result};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::store::Store;
use crate::adapters::secret::Secret;

/// How long running requests may take after the stop.
const GRACE: Duration = Duration::from_secs(10);

/// Largest form upload. Nobody here uses browser forms, and `s3s` holds them in memory before it
/// knows who sent them.
const FORM_LIMIT: u64 = 1 << 20;

/// What the guest may not do: it learns nothing of buckets that it was not told of, and takes none away.
const NOT_FOR_GUESTS: [&str; 2] = ["ListBuckets", "DeleteBucket"];

/// A key pair.
type Pair = (String, Secret);

struct Keys {
    owner: Pair,
    guest: Option<Pair>,
}

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let pair = std::iter::once(&self.owner).chain(&self.guest).find(|(known, _)| known == access_key);
        pair.map(|(_, secret)| SecretKey::from(secret.reveal())).ok_or_else(|| S3ErrorCode::InvalidAccessKeyId.into())
    }
}

/// Who may do what; the signature has been checked before.
struct Rights {
    owner: String,
}

#[async_trait::async_trait]
impl S3Access for Rights {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let who = context.credentials().map(|credentials| credentials.access_key.as_str());
        match who {
            Some(who) if who == self.owner => Ok(()),
            Some(_) if !NOT_FOR_GUESTS.contains(&context.s3_op().name()) => Ok(()),
            _ => Err(S3ErrorCode::AccessDenied.into()),
        }
    }
}

/// Puts protocol, signature check and rights before the store.
pub(super) fn service(store: Store, owner: Pair, guest: Option<Pair>) -> S3Service {
    let mut config = S3Config::default();
    config.post_object_max_file_size = FORM_LIMIT;
    let mut builder = S3ServiceBuilder::new(store);
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.set_access(Rights { owner: owner.0.clone() });
    builder.set_auth(Keys { owner, guest });
    builder.build()
}

/// Serves until the other side of `stop` is gone, then lets running requests finish.
pub(super) async fn serve(listener: TcpListener, service: S3Service, mut stop: watch::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            log::error!("object endpoint cannot listen: {error}");
            return;
        }
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, service.clone(), stop.clone()));
                }
                Err(error) => {
                    // Out of descriptors, most likely: accepting again at once would only spin.
                    log::warn!("object endpoint could not accept a connection: {error}");
                    sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            _ = stop.changed() => break,
        }
    }
    drop(listener);
    let finished = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        log::warn!("object endpoint stopped with {} connections still busy", connections.len());
    }
}

async fn converse(stream: TcpStream, service: S3Service, mut stop: watch::Receiver<()>) {
    // Answers are small and whole: waiting for more to send would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        log::debug!("object endpoint could not set TCP_NODELAY: {error}");
    }
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            _ = stop.changed(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        log::debug!("object endpoint lost a connection: {error}");
    }
}
