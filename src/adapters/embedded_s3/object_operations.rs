//! The operations that write or delete objects. A write makes its file durable first and then
//! lets the index row follow, in one step with forgetting the old file; readers that have the
//! old one open finish undisturbed.

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput, DeleteObjectOutput,
    DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag, MetadataDirective, PutObjectInput, PutObjectOutput,
};
use s3s::{S3ErrorCode, dto};

use super::conditions::Conditions;
use super::content::NewFile;
use super::failure::Failure;
use super::headers::{StoredHeaders, stored_headers};
use super::object_reads::with_content;
use super::receive::{Announced, Received, receive};
use super::rows::{self, ObjectRow};
use super::store::{Store, now, timestamp};

/// Keys in one `DeleteObjects` at most, as in S3.
const DELETE_LIMIT: usize = 1000;

impl Store {
    /// Stores an object; an object of no bytes is a row only.
    pub(super) async fn object_put(&self, mut input: PutObjectInput) -> Result<PutObjectOutput, Failure> {
        let headers = stored_headers!(input);
        let PutObjectInput { bucket, key, body, content_length, content_md5, if_match, if_none_match, .. } = input;
        if content_length != Some(0) {
            // Better to refuse now than after a gigabyte.
            let bucket = bucket.clone();
            self.read(move |connection, _| rows::expect_bucket(connection, &bucket)).await?;
        }
        let announced = Announced { length: content_length, md5: content_md5 };
        let Received { size, md5, file } = receive(&self.content, body, announced).await?;
        let conditions = Conditions { matches: if_match, differs: if_none_match, ..Conditions::default() };
        let row = ObjectRow { size, etag: hex::encode(md5), modified: now(), file: None, headers };
        let etag = row.etag.clone();
        self.commit_object(bucket, key, row, file, conditions).await?;
        Ok(PutObjectOutput { e_tag: Some(ETag::Strong(etag)), ..PutObjectOutput::default() })
    }

    /// Copies an object inside the store.
    pub(super) async fn object_copy(&self, mut input: CopyObjectInput) -> Result<CopyObjectOutput, Failure> {
        let CopySource::Bucket { bucket: from_bucket, key: from_key, .. } = input.copy_source.clone() else {
            return Err(S3ErrorCode::NotImplemented.into());
        };
        let replaces_headers =
            input.metadata_directive.as_ref().is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        if !replaces_headers && *from_bucket == *input.bucket && *from_key == *input.key {
            // A copy onto itself that changes nothing: S3 refuses it as a likely mistake.
            return Err(S3ErrorCode::InvalidRequest.into());
        }
        let conditions = Conditions {
            matches: input.copy_source_if_match.take(),
            differs: input.copy_source_if_none_match.take(),
            modified_since: input.copy_source_if_modified_since.take(),
            unmodified_since: input.copy_source_if_unmodified_since.take(),
        };
        let new_headers = replaces_headers.then(|| stored_headers!(input));
        let copied = self.read(move |connection, content| {
            with_content(connection, &from_bucket, &from_key, |row| {
                conditions.check_read(&row.etag, row.modified, S3ErrorCode::PreconditionFailed)?;
                Ok(row.file.as_deref().map(|name| content.duplicate(name)).transpose()?)
            })
        });
        let (mut row, file) = copied.await?;
        row.modified = now();
        row.headers = new_headers.unwrap_or(row.headers);
        let result = CopyObjectResult {
            e_tag: Some(ETag::Strong(row.etag.clone())),
            last_modified: Some(timestamp(row.modified)),
            ..CopyObjectResult::default()
        };
        self.commit_object(input.bucket, input.key, row, file, Conditions::default()).await?;
        Ok(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
    }

    /// Switches the row of an object over to its new content.
    async fn commit_object(
        &self,
        bucket: String,
        key: String,
        mut row: ObjectRow,
        file: Option<NewFile>,
        conditions: Conditions,
    ) -> Result<(), Failure> {
        let change = self.writer.change(move |transaction, garbage| {
            let old = rows::check_write(transaction, &bucket, &key, &conditions)?;
            row.file = file.map(NewFile::keep);
            rows::write(transaction, &bucket, &key, &row)?;
            garbage.extend(old);
            Ok(())
        });
        change.await
    }

    /// Deletes an object; one that is not there is fine.
    pub(super) async fn object_delete(&self, input: DeleteObjectInput) -> Result<DeleteObjectOutput, Failure> {
        let change = self
            .writer
            .change(move |transaction, garbage| rows::delete(transaction, garbage, &input.bucket, &[input.key]));
        change.await?;
        Ok(DeleteObjectOutput::default())
    }

    /// Deletes up to a thousand objects in one step.
    pub(super) async fn objects_delete(&self, input: DeleteObjectsInput) -> Result<DeleteObjectsOutput, Failure> {
        let dto::Delete { objects, quiet } = input.delete;
        if objects.is_empty() || objects.len() > DELETE_LIMIT {
            return Err(S3ErrorCode::MalformedXML.into());
        }
        let keys: Vec<String> = objects.into_iter().map(|object| object.key).collect();
        let deleted = keys.clone();
        let change =
            self.writer.change(move |transaction, garbage| rows::delete(transaction, garbage, &input.bucket, &keys));
        change.await?;
        let deleted = deleted.into_iter().map(|key| DeletedObject { key: Some(key), ..DeletedObject::default() });
        let deleted = (!quiet.unwrap_or(false)).then(|| deleted.collect());
        Ok(DeleteObjectsOutput { deleted, ..DeleteObjectsOutput::default() })
    }
}
