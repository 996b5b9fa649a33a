//! The object store as the services see it: directories of CSV files, named `bucket/key/without/slash`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use s3::{Bucket, Region, creds::Credentials, error::S3Error};

use crate::{
    S3Options,
    table::{Table, TableError},
};

/// How long one request may take: the store is near, and its absence must not look like work.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);

/// Why data cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("`{0}` is not a path of bucket and key")]
    Path(String),
    #[error("no data in `{0}`")]
    NoData(String),
    #[error("object store: {0}")]
    S3(#[from] S3Error),
    #[error("`{path}`: {source}")]
    Table { path: String, source: TableError },
}

/// One object store. Buckets are kept, because each has connections of its own.
pub(crate) struct Store {
    options: S3Options,
    buckets: Mutex<HashMap<String, Arc<Bucket>>>,
}

impl Store {
    pub(crate) fn new(options: S3Options) -> Self {
        Self { options, buckets: Mutex::default() }
    }

    /// The table in a directory: all its `*.csv` objects below each other, in order of their keys.
    pub(crate) async fn read(&self, path: &str) -> Result<Table, StoreError> {
        let (bucket, key) = split(path)?;
        let bucket = self.bucket(bucket)?;
        let pages = bucket.list(format!("{key}/"), None).await?;
        let mut keys: Vec<String> = pages.into_iter().flat_map(|page| page.contents).map(|object| object.key).collect();
        keys.retain(|key| key.ends_with(".csv"));
        keys.sort();
        let mut tables = Vec::new();
        for key in keys {
            let object = bucket.get_object(&key).await?;
            let text = String::from_utf8_lossy(object.as_slice()).into_owned();
            tables.push(Table::parse(&text).map_err(|source| StoreError::Table { path: key, source })?);
        }
        if tables.is_empty() { Err(StoreError::NoData(path.to_owned())) } else { Ok(Table::stacked(&tables)) }
    }

    /// Writes a table into a directory.
    pub(crate) async fn write(&self, path: &str, name: &str, table: &Table) -> Result<(), StoreError> {
        let text = table.to_csv().map_err(|source| StoreError::Table { path: path.to_owned(), source })?;
        self.put(path, name, text.as_bytes(), "text/csv").await
    }

    /// Writes an object into a directory.
    pub(crate) async fn put(
        &self,
        path: &str,
        name: &str,
        content: &[u8],
        content_type: &str,
    ) -> Result<(), StoreError> {
        let (bucket, key) = split(path)?;
        self.bucket(bucket)?.put_object_with_content_type(format!("{key}/{name}"), content, content_type).await?;
        Ok(())
    }

    /// Makes sure that a bucket exists.
    pub(crate) async fn create_bucket(&self, name: &str) -> Result<(), StoreError> {
        // A PUT of nothing at the bucket's own address is what creates it. The crate's own call adds a
        // LocationConstraint, which some stores refuse for the region that all of them sign with.
        match self.bucket(name)?.put_object("/", &[]).await {
            Ok(_) | Err(S3Error::HttpFailWithBody(409, _)) => Ok(()),
            Err(why) => Err(why.into()),
        }
    }

    fn bucket(&self, name: &str) -> Result<Arc<Bucket>, StoreError> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(name) {
            return Ok(Arc::clone(bucket));
        }
        let endpoint = format!("http://{}:{}", self.options.host, self.options.port);
        let region = Region::Custom { region: "us-east-1".to_owned(), endpoint };
        let credentials = Credentials::new(Some(&self.options.user), Some(&self.options.pass), None, None, None)
            .map_err(S3Error::from)?;
        let bucket = Bucket::new(name, region, credentials)?.with_path_style().with_request_timeout(REQUEST_LIMIT)?;
        let bucket: Arc<Bucket> = Arc::from(bucket);
        buckets.insert(name.to_owned(), Arc::clone(&bucket));
        Ok(bucket)
    }
}

/// Splits a path into bucket and key.
fn split(path: &str) -> Result<(&str, &str), StoreError> {
    match path.trim_matches('/').split_once('/') {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok((bucket, key)),
        _ => Err(StoreError::Path(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_bucket_and_a_key() {
        assert_eq!(split("db/analysis-a/cleaned-2").unwrap(), ("db", "analysis-a/cleaned-2"));
        assert_eq!(split("/db/datasets/people/").unwrap(), ("db", "datasets/people"));
        assert!(split("db").is_err());
        assert!(split("").is_err());
    }
}
