//! The SQL of buckets and objects. Plain functions over a connection: reads take any, changes
//! take the writer's transaction. No files are touched here; a change that makes one
//! unreferenced names it as garbage.

use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use s3s::S3ErrorCode;

use super::conditions::Conditions;
use super::content::FileName;
use super::failure::Failure;
use super::headers::StoredHeaders;
use super::store::now;
use super::writer::Garbage;

/// What the index knows of one object.
#[derive(Debug, Clone)]
pub(super) struct ObjectRow {
    /// Length in bytes.
    pub(super) size: i64,
    /// Without quotes.
    pub(super) etag: String,
    /// Milliseconds since 1970.
    pub(super) modified: i64,
    /// The content; an object of no bytes needs no file.
    pub(super) file: Option<FileName>,
    /// Kept headers.
    pub(super) headers: StoredHeaders,
}

/// Refuses when there is no such bucket.
pub(super) fn expect_bucket(connection: &Connection, bucket: &str) -> Result<(), Failure> {
    let mut query = connection.prepare_cached("SELECT 1 FROM buckets WHERE name = ?1")?;
    if query.exists([bucket])? { Ok(()) } else { Err(S3ErrorCode::NoSuchBucket.into()) }
}

/// Lists all buckets, with their time of creation, in order of name.
pub(super) fn buckets(connection: &Connection) -> Result<Vec<(String, i64)>, Failure> {
    let mut query = connection.prepare_cached("SELECT name, created FROM buckets ORDER BY name")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Creates a bucket.
pub(super) fn create_bucket(transaction: &Transaction<'_>, bucket: &str) -> Result<(), Failure> {
    let query = "INSERT INTO buckets (name, created) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    match transaction.prepare_cached(query)?.execute((bucket, now()))? {
        0 => Err(S3ErrorCode::BucketAlreadyOwnedByYou.into()),
        _ => Ok(()),
    }
}

/// Deletes an empty bucket and the unfinished uploads into it.
pub(super) fn delete_bucket(transaction: &Transaction<'_>, garbage: &mut Garbage, bucket: &str) -> Result<(), Failure> {
    expect_bucket(transaction, bucket)?;
    let mut query = transaction.prepare_cached("SELECT 1 FROM objects WHERE bucket = ?1 LIMIT 1")?;
    if query.exists([bucket])? {
        return Err(S3ErrorCode::BucketNotEmpty.into());
    }
    let uploads = "SELECT id FROM uploads WHERE bucket = ?1";
    let query = format!("DELETE FROM parts WHERE upload IN ({uploads}) RETURNING file");
    let mut query = transaction.prepare_cached(&query)?;
    for file in query.query_map([bucket], |row| row.get::<_, Option<FileName>>(0))? {
        garbage.extend(file?);
    }
    transaction.prepare_cached("DELETE FROM uploads WHERE bucket = ?1")?.execute([bucket])?;
    transaction.prepare_cached("DELETE FROM buckets WHERE name = ?1")?.execute([bucket])?;
    Ok(())
}

/// Finds an object; refuses with the code for what is missing, bucket or key.
pub(super) fn object(connection: &Connection, bucket: &str, key: &str) -> Result<ObjectRow, Failure> {
    let query = "SELECT size, etag, modified, file, headers FROM objects WHERE bucket = ?1 AND key = ?2";
    let mut query = connection.prepare_cached(query)?;
    match query.query_row((bucket, key.as_bytes()), object_row).optional()? {
        Some(row) => Ok(row),
        None => {
            expect_bucket(connection, bucket)?;
            Err(S3ErrorCode::NoSuchKey.into())
        }
    }
}

/// Reads a key from a column.
pub(super) fn key_at(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8_lossy(row.get_ref(column)?.as_blob()?).into_owned())
}

fn object_row(row: &Row<'_>) -> rusqlite::Result<ObjectRow> {
    Ok(ObjectRow {
        size: row.get(0)?,
        etag: row.get(1)?,
        modified: row.get(2)?,
        file: row.get(3)?,
        headers: StoredHeaders::decode(row.get_ref(4)?.as_str()?),
    })
}

/// Checks a coming write of an object: the bucket exists, the conditions hold. Returns the file
/// that the write will make garbage.
pub(super) fn check_write(
    connection: &Connection,
    bucket: &str,
    key: &str,
    conditions: &Conditions,
) -> Result<Option<FileName>, Failure> {
    expect_bucket(connection, bucket)?;
    let mut query = connection.prepare_cached("SELECT etag, file FROM objects WHERE bucket = ?1 AND key = ?2")?;
    let existing: Option<(String, Option<FileName>)> =
        query.query_row((bucket, key.as_bytes()), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    conditions.check_write(existing.as_ref().map(|(etag, _)| etag.as_str()))?;
    Ok(existing.and_then(|(_, file)| file))
}

/// Writes an object that [`check_write`] has let through in the same transaction.
pub(super) fn write(transaction: &Transaction<'_>, bucket: &str, key: &str, row: &ObjectRow) -> Result<(), Failure> {
    let query = "INSERT OR REPLACE INTO objects (bucket, key, size, etag, modified, file, headers)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let values = (bucket, key.as_bytes(), row.size, &row.etag, row.modified, &row.file, row.headers.encode());
    transaction.prepare_cached(query)?.execute(values)?;
    Ok(())
}

/// Deletes objects; keys that do not exist are fine.
pub(super) fn delete(
    transaction: &Transaction<'_>,
    garbage: &mut Garbage,
    bucket: &str,
    keys: &[String],
) -> Result<(), Failure> {
    expect_bucket(transaction, bucket)?;
    let mut query = transaction.prepare_cached("DELETE FROM objects WHERE bucket = ?1 AND key = ?2 RETURNING file")?;
    for key in keys {
        let file: Option<Option<FileName>> = query.query_row((bucket, key.as_bytes()), |row| row.get(0)).optional()?;
        garbage.extend(file.flatten());
    }
    Ok(())
}
