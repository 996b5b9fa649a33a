//! The object store through rust-s3: path style, buckets made on first use and remembered.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use reqwest::Proxy;
use s3::command::Command;
use s3::creds::Credentials;
use s3::error::S3Error;
use s3::request::Request;
use s3::request::tokio_backend::ReqwestRequest;
use s3::serde_types::Object;
use s3::{Bucket, BucketConfiguration, Region};

use super::address::Address;
use super::secret::Secret;
use crate::playbook::{BucketName, ObjectKey};
use crate::ports::{ObjectStore, StoreError};

const STORE: &str = "the object store";

/// Most keys of one listing: nobody looks at more charts, and they are kept in memory.
const MOST_KEYS: usize = 20_000;

/// Nobody can listen on this port.
const NOWHERE: &str = "http://127.0.0.1:0";

/// Longest error code that is repeated.
const LONGEST_CODE: usize = 64;

/// Where the object store is and who we are there.
#[derive(Debug, Clone)]
pub struct ObjectStoreSettings {
    /// Its address; plain HTTP.
    pub address: Address,
    /// Access key.
    pub user: String,
    /// Secret key.
    pub pass: Secret,
    /// Until one answer is there.
    pub answer: Duration,
}

/// Any S3.
pub struct S3Objects {
    inner: Rc<Inner>,
}

struct Inner {
    address: Address,
    region: Region,
    credentials: Credentials,
    answer: Duration,
    /// One client per bucket: each has its own connections.
    buckets: RefCell<HashMap<String, Arc<Bucket>>>,
    /// Buckets that are known to be there.
    made: RefCell<HashSet<String>>,
}

impl S3Objects {
    /// A client of the store.
    ///
    /// *Errors*: credentials that cannot be used.
    pub fn new(settings: ObjectStoreSettings) -> Result<Self, StoreError> {
        let ObjectStoreSettings { address, user, pass, answer } = settings;
        let credentials = Credentials::new(Some(&user), Some(pass.reveal()), None, None, None)
            .map_err(|error| StoreError::Refused { store: STORE, why: error.to_string() })?;
        // retries are ours, with our own limits
        s3::set_retries(0);
        let region = Region::Custom { region: "us-east-1".to_owned(), endpoint: format!("http://{address}") };
        let inner =
            Inner { address, region, credentials, answer, buckets: RefCell::default(), made: RefCell::default() };
        Ok(Self { inner: Rc::new(inner) })
    }

    /// Bytes of all objects in a bucket, counted by listing it; 0 when there is no such bucket.
    ///
    /// *Errors*: the store does not answer, or refuses.
    pub async fn stored_bytes(&self, bucket: &BucketName) -> Result<u64, StoreError> {
        let mut bytes = 0_u64;
        let add = |page: Vec<Object>| {
            bytes = page.iter().fold(bytes, |sum, object| sum.saturating_add(object.size));
            Ok(())
        };
        self.inner.each_page(bucket.as_str(), "", add).await?;
        Ok(bytes)
    }
}

impl Inner {
    fn bucket(&self, name: &str) -> Result<Arc<Bucket>, StoreError> {
        if let Some(bucket) = self.buckets.borrow().get(name) {
            return Ok(Arc::clone(bucket));
        }
        let bucket = Bucket::new(name, self.region.clone(), self.credentials.clone())
            .and_then(|bucket| bucket.set_proxy(only_to(&self.address)))
            .and_then(|bucket| bucket.with_path_style().with_request_timeout(self.answer))
            .map_err(|error| failed(&error))?;
        let bucket: Arc<Bucket> = Arc::from(bucket);
        self.buckets.borrow_mut().insert(name.to_owned(), Arc::clone(&bucket));
        Ok(bucket)
    }

    async fn make_bucket(&self, name: &str) -> Result<(), StoreError> {
        if self.made.borrow().contains(name) {
            return Ok(());
        }
        let bucket = self.bucket(name)?;
        // not `Bucket::create`, which sends a location constraint that the standard region must not have
        let command = Command::CreateBucket { config: BucketConfiguration::private() };
        let request = ReqwestRequest::new(&bucket, "", command).await.map_err(|error| failed(&error))?;
        match request.response_data(false).await {
            Ok(_) | Err(S3Error::HttpFailWithBody(409, _)) => {}
            Err(error) => return Err(failed(&error)),
        }
        self.made.borrow_mut().insert(name.to_owned());
        Ok(())
    }

    async fn make_directory(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        self.make_bucket(bucket).await?;
        let put = self.bucket(bucket)?.put_object_with_content_type(key, &[], "application/octet-stream").await;
        match put {
            Ok(_) => Ok(()),
            Err(error) => {
                // somebody may have removed the bucket that we remember
                self.made.borrow_mut().remove(bucket);
                Err(failed(&error))
            }
        }
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        match self.bucket(bucket)?.delete_object(key).await {
            Ok(_) | Err(S3Error::HttpFailWithBody(404, _)) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn exists(&self, bucket: &str, key: &str) -> Result<bool, StoreError> {
        match self.bucket(bucket)?.head_object(key).await {
            Ok((_, status)) => Ok((200..300).contains(&status)),
            Err(S3Error::HttpFailWithBody(404, _)) => Ok(false),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut keys = Vec::new();
        let add = |page: Vec<Object>| {
            keys.extend(page.into_iter().map(|object| object.key));
            if keys.len() > MOST_KEYS {
                let why = format!("there are more than {MOST_KEYS} objects in one place");
                return Err(StoreError::Refused { store: STORE, why });
            }
            Ok(())
        };
        self.each_page(bucket, prefix, add).await?;
        Ok(keys)
    }

    /// Hands over the objects of a listing page by page; none when there is no such bucket.
    async fn each_page(
        &self,
        bucket: &str,
        prefix: &str,
        mut take: impl FnMut(Vec<Object>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (bucket, mut next) = (self.bucket(bucket)?, None);
        loop {
            let page = match bucket.list_page(prefix.to_owned(), None, next, None, None).await {
                Ok((page, _)) => page,
                Err(S3Error::HttpFailWithBody(404, _)) => return Ok(()),
                Err(error) => return Err(failed(&error)),
            };
            take(page.contents)?;
            next = page.next_continuation_token.filter(|_| page.is_truncated);
            if next.is_none() {
                return Ok(());
            }
        }
    }
}

impl ObjectStore for S3Objects {
    fn make_directory(&self, bucket: &BucketName, key: &ObjectKey) -> LocalBoxFuture<'static, Result<(), StoreError>> {
        let (inner, bucket, key) = (Rc::clone(&self.inner), bucket.clone(), key.clone());
        async move { inner.make_directory(bucket.as_str(), key.as_str()).await }.boxed_local()
    }

    fn delete(&self, bucket: &BucketName, key: &ObjectKey) -> LocalBoxFuture<'static, Result<(), StoreError>> {
        let (inner, bucket, key) = (Rc::clone(&self.inner), bucket.clone(), key.clone());
        async move { inner.delete(bucket.as_str(), key.as_str()).await }.boxed_local()
    }

    fn exists(&self, bucket: &BucketName, key: &ObjectKey) -> LocalBoxFuture<'static, Result<bool, StoreError>> {
        let (inner, bucket, key) = (Rc::clone(&self.inner), bucket.clone(), key.clone());
        async move { inner.exists(bucket.as_str(), key.as_str()).await }.boxed_local()
    }

    fn list(
        &self,
        bucket: &BucketName,
        prefix: &ObjectKey,
    ) -> LocalBoxFuture<'static, Result<Vec<String>, StoreError>> {
        let (inner, bucket, prefix) = (Rc::clone(&self.inner), bucket.clone(), prefix.clone());
        async move { inner.list(bucket.as_str(), prefix.as_str()).await }.boxed_local()
    }
}

/// The client follows redirects, and cannot be told not to: those that lead to another server find nobody there. It does not
/// look for a proxy in the environment either.
fn only_to(address: &Address) -> Proxy {
    let (host, port) = (address.host.trim_matches(['[', ']']).to_lowercase(), address.port);
    Proxy::custom(move |url| {
        let same_host = url.host_str().is_some_and(|to| to.trim_matches(['[', ']']) == host);
        let stays = same_host && url.port_or_known_default() == Some(port);
        (!stays).then_some(NOWHERE)
    })
}

/// 4xx other than "too many" will be said again; everything else may pass.
fn failed(error: &S3Error) -> StoreError {
    match error {
        S3Error::HttpFailWithBody(status, body) => by_status(*status, body),
        other => StoreError::Unavailable { store: STORE, why: other.to_string() },
    }
}

fn by_status(status: u16, body: &str) -> StoreError {
    let why = format!("it answered {status} {}", error_code(body));
    match status {
        400..=407 | 409..=428 => StoreError::Refused { store: STORE, why },
        _ => StoreError::Unavailable { store: STORE, why },
    }
}

/// The error code in S3's XML; the rest of the body may name keys and hosts.
fn error_code(body: &str) -> &str {
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let is_a_code = |code: &&str| code.len() <= LONGEST_CODE && code.chars().all(|c| c.is_ascii_alphanumeric());
    code.filter(is_a_code).unwrap_or_default()
}
