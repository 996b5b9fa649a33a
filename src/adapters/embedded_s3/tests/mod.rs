//! Tests of the endpoint as its clients see it: real sockets, real files, rust-s3 as client.
//! This file is the harness.

mod buckets;
mod durability;
mod listings;
mod objects;
mod uploads;

use std::path::{Path, PathBuf};

use s3::creds::Credentials;
use s3::error::S3Error;
use s3::{Bucket, BucketConfiguration, Region};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use uuid::Uuid;

use super::{EmbeddedS3, Settings};
use crate::adapters::secret::Secret;

/// A running endpoint over a directory that goes away with it.
struct Endpoint {
    server: Option<EmbeddedS3>,
    directory: Directory,
}

struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

impl Endpoint {
    fn start() -> Self {
        s3::set_retries(0);
        let directory = Directory(std::env::temp_dir().join(format!("embedded-s3-{}", Uuid::new_v4())));
        let server = EmbeddedS3::start(settings(&directory.0)).unwrap();
        Self { server: Some(server), directory }
    }

    fn restart(&mut self, between: impl FnOnce(&Path)) {
        self.server.take().unwrap().stop();
        between(&self.directory.0);
        self.server = Some(EmbeddedS3::start(settings(&self.directory.0)).unwrap());
    }

    /// Names of the content files there are.
    fn files(&self) -> Vec<String> {
        let content = std::fs::read_dir(self.directory.0.join("content")).unwrap();
        content.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Waits until only `count` content files are left: replaced ones are removed behind the
    /// client's back.
    async fn files_settle_at(&self, count: usize) {
        for _ in 0..200 {
            if self.files().len() == count {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("{} content files, not {count}", self.files().len());
    }

    fn region(&self) -> Region {
        let address = self.server.as_ref().unwrap().address();
        Region::Custom { region: "us-east-1".to_owned(), endpoint: format!("http://{address}") }
    }

    fn bucket(&self, name: &str) -> Box<Bucket> {
        Bucket::new(name, self.region(), keys("secret")).unwrap().with_path_style()
    }

    async fn create(&self, name: &str) -> Result<u16, S3Error> {
        let configuration = BucketConfiguration::default();
        Bucket::create_with_path_style(name, self.region(), keys("secret"), configuration)
            .await
            .map(|created| created.response_code)
    }

    async fn with_bucket() -> (Self, Box<Bucket>) {
        let endpoint = Self::start();
        assert_eq!(endpoint.create("bucket").await.unwrap(), 200);
        let bucket = endpoint.bucket("bucket");
        (endpoint, bucket)
    }
}

/// Sends the head of a presigned PUT of `key` with the given further header lines.
async fn start_put(bucket: &Bucket, key: &str, further: &str) -> TcpStream {
    let url = bucket.presign_put(key, 60, None, None).await.unwrap();
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!("PUT /{path} HTTP/1.1\r\nhost: {address}\r\n{further}\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

fn settings(directory: &Path) -> Settings {
    Settings {
        directory: directory.to_owned(),
        access_key: "access".to_owned(),
        secret_key: Secret::new("secret"),
        guest: Some(("guest".to_owned(), Secret::new("of-guests"))),
        address: "127.0.0.1:0".parse().unwrap(),
    }
}

fn keys(secret: &str) -> Credentials {
    Credentials::new(Some("access"), Some(secret), None, None, None).unwrap()
}

/// Checks that a request was refused with this status and S3 code.
#[track_caller]
fn refused<T>(result: Result<T, S3Error>, status: u16, code: &str) {
    match result {
        Err(S3Error::HttpFailWithBody(found, body)) => {
            assert_eq!(found, status, "{body}");
            assert!(body.contains(&format!("<Code>{code}</Code>")), "{body}");
        }
        Err(other) => panic!("refused with {other:?}"),
        Ok(_) => panic!("not refused"),
    }
}
