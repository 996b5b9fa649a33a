//! The operations of multipart uploads. Parts are content files of their own; completing joins
//! them into one, and only then does the object appear and the upload vanish, in one commit.

use md5::{Digest, Md5};
use s3s::S3ErrorCode;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CompletedPart, CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, UploadPartInput, UploadPartOutput,
};
use uuid::Uuid;

use super::conditions::Conditions;
use super::content::NewFile;
use super::failure::Failure;
use super::headers::{StoredHeaders, stored_headers};
use super::receive::{Announced, Received, receive};
use super::rows::{self, ObjectRow};
use super::store::{Store, now};
use super::upload_rows::{self, PartRow, UploadName};

/// Parts of an upload at most, as in S3.
const PARTS_LIMIT: i32 = 10_000;

/// Bytes of every part but the last at least, as in S3.
const SMALLEST_PART: i64 = 5 << 20;

impl Store {
    /// Starts an upload.
    pub(super) async fn upload_create(
        &self,
        mut input: CreateMultipartUploadInput,
    ) -> Result<CreateMultipartUploadOutput, Failure> {
        let headers = stored_headers!(input);
        let name = UploadName { bucket: input.bucket, key: input.key, id: Uuid::new_v4().simple().to_string() };
        let output = CreateMultipartUploadOutput {
            bucket: Some(name.bucket.clone()),
            key: Some(name.key.clone()),
            upload_id: Some(name.id.clone()),
            ..CreateMultipartUploadOutput::default()
        };
        self.writer.change(move |transaction, _| upload_rows::create(transaction, &name, &headers)).await?;
        Ok(output)
    }

    /// Receives a part.
    pub(super) async fn upload_part_put(&self, input: UploadPartInput) -> Result<UploadPartOutput, Failure> {
        if !(1..=PARTS_LIMIT).contains(&input.part_number) {
            return Err(S3ErrorCode::InvalidArgument.into());
        }
        let name = UploadName { bucket: input.bucket, key: input.key, id: input.upload_id };
        let asked = name.clone();
        self.read(move |connection, _| upload_rows::headers(connection, &asked)).await?;
        let announced = Announced { length: input.content_length, md5: input.content_md5 };
        let Received { size, md5, file } = receive(&self.content, input.body, announced).await?;
        let etag = hex::encode(md5);
        let mut part = PartRow { number: input.part_number, size, etag: etag.clone(), modified: now(), file: None };
        let change = self.writer.change(move |transaction, garbage| {
            upload_rows::headers(transaction, &name)?;
            part.file = file.map(NewFile::keep);
            upload_rows::put_part(transaction, garbage, &name.id, &part)
        });
        change.await?;
        Ok(UploadPartOutput { e_tag: Some(ETag::Strong(etag)), ..UploadPartOutput::default() })
    }

    /// Joins the parts into the object.
    pub(super) async fn upload_complete(
        &self,
        input: CompleteMultipartUploadInput,
    ) -> Result<CompleteMultipartUploadOutput, Failure> {
        let wanted = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let name = UploadName { bucket: input.bucket, key: input.key, id: input.upload_id };
        let asked = name.clone();
        let joined = self.read(move |connection, content| {
            let headers = upload_rows::headers(connection, &asked)?;
            let received = upload_rows::parts(connection, &asked.id, 0, PARTS_LIMIT.into())?;
            let parts = chosen_parts(&wanted, &received)?;
            let size = parts.iter().map(|part| part.size).sum();
            let file = (size > 0).then(|| content.join(parts.iter().filter_map(|part| part.file.as_deref())));
            let row = ObjectRow { size, etag: joined_etag(&parts)?, modified: now(), file: None, headers };
            Ok((row, file.transpose()?))
        });
        let (mut row, file) = joined.await?;
        let output = CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", name.bucket, name.key)),
            bucket: Some(name.bucket.clone()),
            key: Some(name.key.clone()),
            e_tag: Some(ETag::Strong(row.etag.clone())),
            ..CompleteMultipartUploadOutput::default()
        };
        let conditions = Conditions { matches: input.if_match, differs: input.if_none_match, ..Conditions::default() };
        let change = self.writer.change(move |transaction, garbage| {
            upload_rows::headers(transaction, &name)?;
            let old = rows::check_write(transaction, &name.bucket, &name.key, &conditions)?;
            row.file = file.map(NewFile::keep);
            rows::write(transaction, &name.bucket, &name.key, &row)?;
            upload_rows::remove(transaction, garbage, &name.id)?;
            garbage.extend(old);
            Ok(())
        });
        change.await?;
        Ok(output)
    }

    /// Gives an upload up.
    pub(super) async fn upload_abort(
        &self,
        input: AbortMultipartUploadInput,
    ) -> Result<AbortMultipartUploadOutput, Failure> {
        let name = UploadName { bucket: input.bucket, key: input.key, id: input.upload_id };
        let change = self.writer.change(move |transaction, garbage| {
            upload_rows::headers(transaction, &name)?;
            upload_rows::remove(transaction, garbage, &name.id)
        });
        change.await?;
        Ok(AbortMultipartUploadOutput::default())
    }
}

/// Finds the parts that the client lists among those received.
fn chosen_parts<'a>(wanted: &[CompletedPart], received: &'a [PartRow]) -> Result<Vec<&'a PartRow>, Failure> {
    if wanted.is_empty() {
        return Err(S3ErrorCode::MalformedXML.into());
    }
    let mut chosen: Vec<&PartRow> = Vec::with_capacity(wanted.len());
    for part in wanted {
        let number = part.part_number.ok_or(S3ErrorCode::MalformedXML)?;
        if chosen.last().is_some_and(|last| last.number >= number) {
            return Err(S3ErrorCode::InvalidPartOrder.into());
        }
        if chosen.last().is_some_and(|last| last.size < SMALLEST_PART) {
            return Err(S3ErrorCode::EntityTooSmall.into());
        }
        let place = received.binary_search_by_key(&number, |row| row.number).map_err(|_| S3ErrorCode::InvalidPart)?;
        let row = &received[place];
        if part.e_tag.as_ref().is_some_and(|etag| etag.value() != row.etag) {
            return Err(S3ErrorCode::InvalidPart.into());
        }
        chosen.push(row);
    }
    Ok(chosen)
}

/// The usual form: MD5 of the parts' MD5s, and how many there are.
fn joined_etag(parts: &[&PartRow]) -> Result<String, Failure> {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(hex::decode(&part.etag).map_err(|_| S3ErrorCode::InvalidPart)?);
    }
    Ok(format!("{}-{}", hex::encode(md5.finalize()), parts.len()))
}
