//! The operations that read single objects. The row, the opening of its file and the first piece
//! of content are one step off the async thread.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Connection;
use s3s::S3ErrorCode;
use s3s::dto::{self, ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput};

use super::conditions::Conditions;
use super::content::ContentFolder;
use super::failure::Failure;
use super::headers::{answer_object, default_content_type};
use super::rows::{self, ObjectRow};
use super::send::Outgoing;
use super::store::{Store, timestamp};

impl Store {
    /// Answers an object or a range of it.
    pub(super) async fn object_get(&self, input: GetObjectInput) -> Result<GetObjectOutput, Failure> {
        expect_only_version(input.version_id.as_deref())?;
        let conditions = Conditions {
            matches: input.if_match,
            differs: input.if_none_match,
            modified_since: input.if_modified_since,
            unmodified_since: input.if_unmodified_since,
        };
        let (bucket, key, wanted) = (input.bucket, input.key, input.range);
        let opened = self.read(move |connection, content| {
            with_content(connection, &bucket, &key, |row| {
                conditions.check_read(&row.etag, row.modified, S3ErrorCode::NotModified)?;
                let range = range(wanted, row.size)?;
                let body = match &row.file {
                    Some(name) => Some(first_piece(content, name, &range)?),
                    None => None,
                };
                Ok((range, body))
            })
        });
        let (row, (range, body)) = opened.await?;
        let mut output = GetObjectOutput {
            body: body.map(|(first, rest)| rest.body(first)),
            content_length: Some(length(&range)),
            content_range: wanted.map(|_| format!("bytes {}-{}/{}", range.start, range.end - 1, row.size)),
            ..GetObjectOutput::default()
        };
        answer_object!(output, row);
        Ok(output)
    }

    /// Answers the facts about an object.
    pub(super) async fn object_head(&self, input: HeadObjectInput) -> Result<HeadObjectOutput, Failure> {
        expect_only_version(input.version_id.as_deref())?;
        let row = self.read(move |connection, _| rows::object(connection, &input.bucket, &input.key)).await?;
        let conditions = Conditions {
            matches: input.if_match,
            differs: input.if_none_match,
            modified_since: input.if_modified_since,
            unmodified_since: input.if_unmodified_since,
        };
        conditions.check_read(&row.etag, row.modified, S3ErrorCode::NotModified)?;
        let mut output = HeadObjectOutput { content_length: Some(row.size), ..HeadObjectOutput::default() };
        answer_object!(output, row);
        Ok(output)
    }
}

/// Finds an object and does something with its content. When the file is gone because the
/// object was overwritten between the two, looks again.
pub(super) fn with_content<T>(
    connection: &Connection,
    bucket: &str,
    key: &str,
    mut action: impl FnMut(&ObjectRow) -> Result<T, Failure>,
) -> Result<(ObjectRow, T), Failure> {
    let mut tried = None;
    loop {
        let row = rows::object(connection, bucket, key)?;
        match action(&row) {
            Err(Failure::Content(error)) if error.kind() == io::ErrorKind::NotFound && tried != row.file => {
                tried = row.file;
            }
            Err(other) => return Err(other),
            Ok(value) => return Ok((row, value)),
        }
    }
}

fn first_piece(content: &Arc<ContentFolder>, name: &str, range: &Range<u64>) -> io::Result<(Bytes, Outgoing)> {
    let mut outgoing = Outgoing::new(content.read(name)?, range)?;
    Ok((outgoing.piece()?, outgoing))
}

fn range(wanted: Option<dto::Range>, size: i64) -> Result<Range<u64>, Failure> {
    let size = u64::try_from(size).expect("the index holds no negative sizes");
    match wanted {
        None => Ok(0..size),
        // Nothing can be a range of nothing, not even its last bytes.
        Some(_) if size == 0 => Err(S3ErrorCode::InvalidRange.into()),
        Some(range) => range.check(size).map_err(|_| S3ErrorCode::InvalidRange.into()),
    }
}

fn length(range: &Range<u64>) -> i64 {
    i64::try_from(range.end - range.start).expect("no object is longer than its size in the index")
}

/// There are no versions; `null` is the name of the only one.
fn expect_only_version(version: Option<&str>) -> Result<(), Failure> {
    match version {
        None | Some("" | "null") => Ok(()),
        Some(_) => Err(S3ErrorCode::NoSuchVersion.into()),
    }
}
