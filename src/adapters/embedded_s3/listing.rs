//! One page of a listing: keys of a bucket in byte order, those with a common prefix up to the
//! delimiter rolled up into one entry. Rolled-up keys are jumped over, not read: a folder of a
//! million objects costs one step.

use rusqlite::Connection;

use super::failure::Failure;
use super::rows::{expect_bucket, key_at};

/// What to list.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Bucket.
    pub(super) bucket: String,
    /// Only keys that begin with it.
    pub(super) prefix: String,
    /// Rolls up what follows it; empty for none.
    pub(super) delimiter: String,
    /// Only entries after it: a key, or a rolled-up prefix of an earlier page.
    pub(super) after: String,
    /// Entries at most.
    pub(super) limit: usize,
}

/// One entry of a page.
#[derive(Debug, PartialEq)]
pub(super) enum Entry {
    /// An object.
    Object {
        /// Its key.
        key: String,
        /// Length in bytes.
        size: i64,
        /// Without quotes.
        etag: String,
        /// Milliseconds since 1970.
        modified: i64,
    },
    /// Any number of objects with this prefix.
    Common(String),
}

impl Entry {
    /// Returns the key or prefix, the place at which a next page goes on.
    pub(super) fn place(&self) -> &str {
        match self {
            Self::Object { key, .. } => key,
            Self::Common(prefix) => prefix,
        }
    }
}

/// Lists one page; the flag says whether more follows.
pub(super) fn list(connection: &Connection, page: &Page) -> Result<(Vec<Entry>, bool), Failure> {
    // One snapshot for all steps of the page.
    let snapshot = connection.unchecked_transaction()?;
    expect_bucket(&snapshot, &page.bucket)?;
    let query = "SELECT key, size, etag, modified FROM objects
                 WHERE bucket = ?1 AND key >= ?2 AND key < ?3 ORDER BY key LIMIT ?4";
    let mut query = snapshot.prepare_cached(query)?;
    let end = end_of_prefix(&page.prefix);
    let mut from = page.prefix.as_bytes().to_vec();
    if !page.after.is_empty() {
        from = from.max(successor(page.after.as_bytes()));
    }
    let mut entries = Vec::new();
    if page.limit == 0 {
        return Ok((entries, false));
    }
    'jump: loop {
        // One more than needed tells whether anything follows.
        let wanted = i64::try_from(page.limit + 1 - entries.len()).unwrap_or(i64::MAX);
        let mut rows = query.query((&page.bucket, &from, &end, wanted))?;
        while let Some(row) = rows.next()? {
            let key = key_at(row, 0)?;
            let common = common_prefix(&key, page);
            let known = common.is_some_and(|common| common == page.after);
            if !known && entries.len() == page.limit {
                return Ok((entries, true));
            }
            if let Some(common) = common {
                from = end_of_prefix(common);
                if !known {
                    entries.push(Entry::Common(common.to_owned()));
                }
                continue 'jump;
            }
            entries.push(Entry::Object { size: row.get(1)?, etag: row.get(2)?, modified: row.get(3)?, key });
        }
        return Ok((entries, false));
    }
}

fn common_prefix<'a>(key: &'a str, page: &Page) -> Option<&'a str> {
    if page.delimiter.is_empty() {
        return None;
    }
    let rest = key.strip_prefix(&page.prefix)?;
    let found = rest.find(&page.delimiter)?;
    Some(&key[..page.prefix.len() + found + page.delimiter.len()])
}

fn successor(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// Returns the first byte string after all keys that begin with `prefix`.
pub(super) fn end_of_prefix(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        // No byte of UTF-8 text is 0xff, so the last one can always grow.
        Some(last) => *last += 1,
        None => end.push(0xff),
    }
    end
}

#[cfg(test)]
mod tests {
    use super::super::database::SCHEMA;
    use super::*;

    fn bucket(keys: &[&str]) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection.execute("INSERT INTO buckets VALUES ('b', 0)", []).unwrap();
        for key in keys {
            let query = "INSERT INTO objects VALUES ('b', ?1, 0, '', 0, NULL, '')";
            connection.execute(query, [key.as_bytes()]).unwrap();
        }
        connection
    }

    /// Lists page after page and joins what comes, checking that no page is too long.
    #[track_caller]
    fn check(keys: &[&str], prefix: &str, delimiter: &str, expected: &[&str]) {
        let connection = bucket(keys);
        for limit in 1..=expected.len() + 1 {
            let mut places = Vec::new();
            let mut after = String::new();
            loop {
                let (prefix, delimiter) = (prefix.to_owned(), delimiter.to_owned());
                let page = Page { bucket: "b".to_owned(), prefix, delimiter, after, limit };
                let (entries, more) = list(&connection, &page).unwrap();
                assert!(entries.len() <= limit);
                places.extend(entries.iter().map(|entry| entry.place().to_owned()));
                after = places.last().cloned().unwrap_or_default();
                if !more {
                    break;
                }
                assert_eq!(entries.len(), limit);
            }
            assert_eq!(places, expected, "with pages of {limit}");
        }
    }

    #[test]
    fn keys_come_in_byte_order_whatever_the_page_length() {
        check(&["b", "a", "é", "Z", "a/", "a0"], "", "", &["Z", "a", "a/", "a0", "b", "é"]);
    }

    #[test]
    fn common_prefixes_are_rolled_up_once() {
        let keys = ["a", "a/", "a/1", "a/2", "a0", "b/c/d", "b/c/e", "z"];
        check(&keys, "", "/", &["a", "a/", "a0", "b/", "z"]);
        check(&keys, "a/", "/", &["a/", "a/1", "a/2"]);
        check(&keys, "b", "/", &["b/"]);
        check(&keys, "b/", "/", &["b/c/"]);
        check(&keys, "", "/c/", &["a", "a/", "a/1", "a/2", "a0", "b/c/", "z"]);
        check(&keys, "none", "/", &[]);
    }

    #[test]
    fn no_entries_are_wanted_and_none_come() {
        let page = Page { bucket: "b".to_owned(), ..Page::default() };
        let (entries, more) = list(&bucket(&["a"]), &page).unwrap();
        assert!(entries.is_empty() && !more);
    }
}
