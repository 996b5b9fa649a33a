//! What is under way: the parts of an unfinished upload and the unfinished uploads of a bucket.

use s3s::dto::{
    ETag, Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput,
    MultipartUpload, Part, StorageClass,
};

use super::bucket_operations::owner;
use super::failure::Failure;
use super::list_operations::page_limit;
use super::store::{Store, timestamp};
use super::upload_rows::{self, PartRow, UploadName};

impl Store {
    /// Lists the parts received so far.
    pub(super) async fn upload_parts(&self, input: ListPartsInput) -> Result<ListPartsOutput, Failure> {
        let limit = page_limit(input.max_parts)?;
        let after = input.part_number_marker.unwrap_or(0);
        let name = UploadName { bucket: input.bucket, key: input.key, id: input.upload_id };
        let asked = name.clone();
        let found = self.read(move |connection, _| {
            upload_rows::headers(connection, &asked)?;
            upload_rows::parts(connection, &asked.id, after, i64::from(limit) + 1)
        });
        let (found, more) = cut(found.await?, limit);
        Ok(ListPartsOutput {
            bucket: Some(name.bucket),
            key: Some(name.key),
            upload_id: Some(name.id),
            owner: Some(owner()),
            initiator: Some(initiator()),
            storage_class: Some(standard()),
            max_parts: Some(limit),
            part_number_marker: input.part_number_marker,
            is_truncated: Some(more),
            next_part_number_marker: found.last().map(|part| part.number),
            parts: Some(found.into_iter().map(part).collect()),
            ..ListPartsOutput::default()
        })
    }

    /// Lists the unfinished uploads of a bucket; a delimiter is not applied.
    pub(super) async fn uploads_list(
        &self,
        input: ListMultipartUploadsInput,
    ) -> Result<ListMultipartUploadsOutput, Failure> {
        let limit = page_limit(input.max_uploads)?;
        let (bucket, prefix) = (input.bucket.clone(), input.prefix.clone().unwrap_or_default());
        let after_key = input.key_marker.clone().unwrap_or_default();
        // Without an id all uploads of the key are behind us: `~` follows every hex digit.
        let after_id = input.upload_id_marker.clone().unwrap_or_else(|| "~".to_owned());
        let found = self.read(move |connection, _| {
            upload_rows::list(connection, &bucket, &prefix, (&after_key, &after_id), i64::from(limit) + 1)
        });
        let (found, more) = cut(found.await?, limit);
        let last = found.last().filter(|_| more);
        Ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: input.prefix,
            key_marker: input.key_marker,
            upload_id_marker: input.upload_id_marker,
            max_uploads: Some(limit),
            is_truncated: Some(more),
            next_key_marker: last.map(|upload| upload.key.clone()),
            next_upload_id_marker: last.map(|upload| upload.id.clone()),
            uploads: Some(
                found
                    .into_iter()
                    .map(|upload| MultipartUpload {
                        key: Some(upload.key),
                        upload_id: Some(upload.id),
                        initiated: Some(timestamp(upload.started)),
                        owner: Some(owner()),
                        initiator: Some(initiator()),
                        storage_class: Some(standard()),
                        ..MultipartUpload::default()
                    })
                    .collect(),
            ),
            ..ListMultipartUploadsOutput::default()
        })
    }
}

fn initiator() -> Initiator {
    let owner = owner();
    Initiator { display_name: owner.display_name, id: owner.id }
}

fn standard() -> StorageClass {
    StorageClass::from_static(StorageClass::STANDARD)
}

fn part(row: PartRow) -> Part {
    Part {
        part_number: Some(row.number),
        size: Some(row.size),
        e_tag: Some(ETag::Strong(row.etag)),
        last_modified: Some(timestamp(row.modified)),
        ..Part::default()
    }
}

fn cut<T>(mut found: Vec<T>, limit: i32) -> (Vec<T>, bool) {
    let limit = usize::try_from(limit).expect("the limit was checked");
    let more = found.len() > limit;
    found.truncate(limit);
    (found, more && limit > 0)
}
