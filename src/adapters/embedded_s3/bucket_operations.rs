//! The operations on buckets. Every bucket belongs to the one owner of the one key.

use s3s::dto::{
    Bucket, CreateBucketInput, CreateBucketOutput, DeleteBucketInput, DeleteBucketOutput, GetBucketLocationInput,
    GetBucketLocationOutput, HeadBucketInput, HeadBucketOutput, ListBucketsInput, ListBucketsOutput, Owner,
};

use super::failure::Failure;
use super::rows;
use super::store::{Store, timestamp};

const REGION: &str = "us-east-1";

/// The owner of everything.
pub(super) fn owner() -> Owner {
    Owner { display_name: Some("diastema".to_owned()), id: Some("diastema".to_owned()) }
}

impl Store {
    /// Creates a bucket; a location constraint is accepted and means nothing here.
    pub(super) async fn bucket_create(&self, input: CreateBucketInput) -> Result<CreateBucketOutput, Failure> {
        let location = format!("/{}", input.bucket);
        self.writer.change(move |transaction, _| rows::create_bucket(transaction, &input.bucket)).await?;
        Ok(CreateBucketOutput { location: Some(location) })
    }

    /// Deletes an empty bucket.
    pub(super) async fn bucket_delete(&self, input: DeleteBucketInput) -> Result<DeleteBucketOutput, Failure> {
        let change =
            self.writer.change(move |transaction, garbage| rows::delete_bucket(transaction, garbage, &input.bucket));
        change.await?;
        Ok(DeleteBucketOutput {})
    }

    /// Tells whether a bucket exists.
    pub(super) async fn bucket_head(&self, input: HeadBucketInput) -> Result<HeadBucketOutput, Failure> {
        self.read(move |connection, _| rows::expect_bucket(connection, &input.bucket)).await?;
        Ok(HeadBucketOutput { bucket_region: Some(REGION.to_owned()), ..HeadBucketOutput::default() })
    }

    /// Tells where a bucket is: no constraint is how S3 spells us-east-1.
    pub(super) async fn bucket_location(
        &self,
        input: GetBucketLocationInput,
    ) -> Result<GetBucketLocationOutput, Failure> {
        self.read(move |connection, _| rows::expect_bucket(connection, &input.bucket)).await?;
        Ok(GetBucketLocationOutput::default())
    }

    /// Lists the buckets; without a limit all at once.
    pub(super) async fn bucket_list(&self, input: ListBucketsInput) -> Result<ListBucketsOutput, Failure> {
        let found = self.read(|connection, _| rows::buckets(connection)).await?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.continuation_token.unwrap_or_default();
        let limit = input.max_buckets.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let mut matching =
            found.into_iter().filter(|(name, _)| name.starts_with(&prefix) && (after.is_empty() || *name > after));
        let buckets: Vec<Bucket> = matching
            .by_ref()
            .take(limit)
            .map(|(name, created)| Bucket {
                bucket_region: Some(REGION.to_owned()),
                creation_date: Some(timestamp(created)),
                name: Some(name),
            })
            .collect();
        let last = buckets.last().and_then(|bucket| bucket.name.clone());
        Ok(ListBucketsOutput {
            continuation_token: last.filter(|_| matching.next().is_some()),
            buckets: Some(buckets),
            owner: Some(owner()),
            prefix: input.prefix,
        })
    }
}
