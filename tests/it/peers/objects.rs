//! An S3 server, moto or the embedded endpoint, and what tests ask of it.

use std::sync::OnceLock;

use dummy_services::S3Options;
use s3::creds::Credentials;
use s3::{Bucket, Region};
use test_peers::S3Server;

/// An S3 server that others run.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    pub(crate) port: u16,
}

impl Objects {
    /// The moto server that all tests of this binary share: buckets are named by tenants.
    pub(crate) fn moto() -> Self {
        static SHARED: OnceLock<S3Server> = OnceLock::new();
        Self { port: SHARED.get_or_init(S3Server::start).port() }
    }

    /// For the dummy services.
    pub(crate) fn options(&self) -> S3Options {
        let text = "diastema".to_owned();
        S3Options { host: "127.0.0.1".to_owned(), port: self.port, user: text.clone(), pass: text }
    }

    /// All keys of a bucket with a prefix, in listing order.
    pub(crate) fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let bucket = self.bucket(bucket);
        let listed = block_on(bucket.list(prefix.to_owned(), None)).expect("the bucket is there");
        listed.into_iter().flat_map(|page| page.contents).map(|object| object.key).collect()
    }

    /// Size and content type of an object.
    pub(crate) fn head(&self, bucket: &str, key: &str) -> (i64, String) {
        let (head, _) = block_on(self.bucket(bucket).head_object(key)).expect("the object is there");
        (head.content_length.unwrap_or(-1), head.content_type.unwrap_or_default())
    }

    /// Writes an object.
    pub(crate) fn put(&self, bucket: &str, key: &str, content: &[u8]) {
        block_on(self.bucket(bucket).put_object(key, content)).expect("the object can be written");
    }

    /// What an object holds, or why it cannot be had.
    pub(crate) fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, String> {
        let answer = block_on(self.bucket(bucket).get_object(key)).map_err(|error| error.to_string())?;
        Ok(answer.to_vec())
    }

    /// Makes a bucket, as somebody else would before us.
    pub(crate) fn make_bucket(&self, bucket: &str) {
        self.try_make_bucket(bucket).expect("the bucket can be made");
    }

    /// The same where it may be refused, with why.
    pub(crate) fn try_make_bucket(&self, bucket: &str) -> Result<(), String> {
        // a PUT of nothing at the bucket's own address
        block_on(self.bucket(bucket).put_object("/", &[])).map(drop).map_err(|error| error.to_string())
    }

    fn bucket(&self, name: &str) -> Box<Bucket> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        let region = Region::Custom { region: "us-east-1".to_owned(), endpoint };
        let credentials = Credentials::new(Some("diastema"), Some("diastema"), None, None, None).expect("credentials");
        Bucket::new(name, region, credentials).expect("a bucket").with_path_style()
    }
}

fn block_on<F: Future>(question: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(question)
}
