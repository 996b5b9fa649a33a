//! The SQL of multipart uploads and their parts, in the manner of `rows.rs`.

use rusqlite::{Connection, OptionalExtension, Transaction};
use s3s::S3ErrorCode;

use super::content::FileName;
use super::failure::Failure;
use super::headers::StoredHeaders;
use super::listing::end_of_prefix;
use super::rows::{expect_bucket, key_at};
use super::store::now;
use super::writer::Garbage;

/// One received part.
#[derive(Debug, Clone)]
pub(super) struct PartRow {
    /// 1 to 10,000.
    pub(super) number: i32,
    /// Length in bytes.
    pub(super) size: i64,
    /// MD5 as hex.
    pub(super) etag: String,
    /// Milliseconds since 1970.
    pub(super) modified: i64,
    /// The content; a part of no bytes needs no file.
    pub(super) file: Option<FileName>,
}

/// One unfinished upload, as listed.
#[derive(Debug)]
pub(super) struct UploadRow {
    /// Upload id.
    pub(super) id: String,
    /// Key of the object to be.
    pub(super) key: String,
    /// Milliseconds since 1970.
    pub(super) started: i64,
}

/// Names an upload the way every request does; all three must fit together.
#[derive(Debug, Clone)]
pub(super) struct UploadName {
    /// Bucket.
    pub(super) bucket: String,
    /// Key of the object to be.
    pub(super) key: String,
    /// Upload id.
    pub(super) id: String,
}

/// Registers a new upload.
pub(super) fn create(transaction: &Transaction<'_>, name: &UploadName, headers: &StoredHeaders) -> Result<(), Failure> {
    expect_bucket(transaction, &name.bucket)?;
    let query = "INSERT INTO uploads (id, bucket, key, started, headers) VALUES (?1, ?2, ?3, ?4, ?5)";
    let values = (&name.id, &name.bucket, name.key.as_bytes(), now(), headers.encode());
    transaction.prepare_cached(query)?.execute(values)?;
    Ok(())
}

/// Returns the headers given at the start of an upload; refuses when there is no such upload.
pub(super) fn headers(connection: &Connection, name: &UploadName) -> Result<StoredHeaders, Failure> {
    let query = "SELECT headers FROM uploads WHERE id = ?1 AND bucket = ?2 AND key = ?3";
    let mut query = connection.prepare_cached(query)?;
    let values = (&name.id, &name.bucket, name.key.as_bytes());
    let found = query.query_row(values, |row| Ok(StoredHeaders::decode(row.get_ref(0)?.as_str()?))).optional()?;
    match found {
        Some(headers) => Ok(headers),
        None => {
            expect_bucket(connection, &name.bucket)?;
            Err(S3ErrorCode::NoSuchUpload.into())
        }
    }
}

/// Stores a part of an upload whose existence was checked in the same transaction; a part of the
/// same number is replaced.
pub(super) fn put_part(
    transaction: &Transaction<'_>,
    garbage: &mut Garbage,
    upload: &str,
    part: &PartRow,
) -> Result<(), Failure> {
    let mut query = transaction.prepare_cached("SELECT file FROM parts WHERE upload = ?1 AND number = ?2")?;
    let old: Option<Option<FileName>> = query.query_row((upload, part.number), |row| row.get(0)).optional()?;
    let query = "INSERT OR REPLACE INTO parts (upload, number, size, etag, modified, file)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = (upload, part.number, part.size, &part.etag, part.modified, &part.file);
    transaction.prepare_cached(query)?.execute(values)?;
    garbage.extend(old.flatten());
    Ok(())
}

/// Lists up to `limit` parts with numbers above `after`, in order.
pub(super) fn parts(connection: &Connection, upload: &str, after: i32, limit: i64) -> Result<Vec<PartRow>, Failure> {
    let query = "SELECT number, size, etag, modified, file FROM parts
                 WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3";
    let mut query = connection.prepare_cached(query)?;
    let rows = query.query_map((upload, after, limit), |row| {
        Ok(PartRow {
            number: row.get(0)?,
            size: row.get(1)?,
            etag: row.get(2)?,
            modified: row.get(3)?,
            file: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets an upload; the files of its parts become garbage.
pub(super) fn remove(transaction: &Transaction<'_>, garbage: &mut Garbage, upload: &str) -> Result<(), Failure> {
    let mut query = transaction.prepare_cached("DELETE FROM parts WHERE upload = ?1 RETURNING file")?;
    for file in query.query_map([upload], |row| row.get::<_, Option<FileName>>(0))? {
        garbage.extend(file?);
    }
    transaction.prepare_cached("DELETE FROM uploads WHERE id = ?1")?.execute([upload])?;
    Ok(())
}

/// Lists up to `limit` uploads with the prefix, by key and id, that come after the given ones.
pub(super) fn list(
    connection: &Connection,
    bucket: &str,
    prefix: &str,
    after: (&str, &str),
    limit: i64,
) -> Result<Vec<UploadRow>, Failure> {
    expect_bucket(connection, bucket)?;
    let query = "SELECT id, key, started FROM uploads
                 WHERE bucket = ?1 AND key >= ?2 AND key < ?3 AND (key, id) > (?4, ?5) ORDER BY key, id LIMIT ?6";
    let mut query = connection.prepare_cached(query)?;
    let values = (bucket, prefix.as_bytes(), end_of_prefix(prefix), after.0.as_bytes(), after.1, limit);
    let rows =
        query.query_map(values, |row| Ok(UploadRow { id: row.get(0)?, key: key_at(row, 1)?, started: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
