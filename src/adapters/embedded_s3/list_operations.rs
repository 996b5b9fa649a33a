//! The two listings of objects (version 1 and 2) over one page of `listing.rs`.

use std::fmt::Write;

use s3s::S3ErrorCode;
use s3s::dto::{
    CommonPrefix, ETag, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object, ObjectStorageClass,
};

use super::bucket_operations::owner;
use super::failure::Failure;
use super::listing::{self, Entry, Page};
use super::store::{Store, timestamp};

/// Entries of a page at most, as in S3.
pub(super) const PAGE_LIMIT: i32 = 1000;

impl Store {
    /// Lists objects, version 2: pages follow each other by an opaque token.
    pub(super) async fn objects_list_v2(&self, input: ListObjectsV2Input) -> Result<ListObjectsV2Output, Failure> {
        let limit = page_limit(input.max_keys)?;
        let after = match &input.continuation_token {
            Some(token) => place_of_token(token)?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let page = page(&input.bucket, &input.prefix, &input.delimiter, after, limit);
        let (entries, more) = self.read(move |connection, _| listing::list(connection, &page)).await?;
        let next = entries.last().filter(|_| more).map(|last| hex::encode(last.place()));
        let text = Text::new(input.encoding_type.as_ref());
        let count = i32::try_from(entries.len()).expect("a page is short");
        let (contents, common_prefixes) = text.entries(entries, input.fetch_owner.unwrap_or(false));
        Ok(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(text.encode(input.prefix.unwrap_or_default())),
            delimiter: filled(input.delimiter).map(|delimiter| text.encode(delimiter)),
            start_after: input.start_after.map(|after| text.encode(after)),
            max_keys: Some(limit),
            key_count: Some(count),
            continuation_token: input.continuation_token,
            is_truncated: Some(more),
            next_continuation_token: next,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            encoding_type: input.encoding_type,
            ..ListObjectsV2Output::default()
        })
    }

    /// Lists objects, version 1: pages follow each other by the last entry.
    pub(super) async fn objects_list(&self, input: ListObjectsInput) -> Result<ListObjectsOutput, Failure> {
        let limit = page_limit(input.max_keys)?;
        let after = input.marker.clone().unwrap_or_default();
        let page = page(&input.bucket, &input.prefix, &input.delimiter, after, limit);
        let (entries, more) = self.read(move |connection, _| listing::list(connection, &page)).await?;
        let text = Text::new(input.encoding_type.as_ref());
        let next = entries.last().filter(|_| more).map(|last| text.encode(last.place().to_owned()));
        let (contents, common_prefixes) = text.entries(entries, true);
        Ok(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(text.encode(input.prefix.unwrap_or_default())),
            delimiter: filled(input.delimiter).map(|delimiter| text.encode(delimiter)),
            marker: Some(text.encode(input.marker.unwrap_or_default())),
            max_keys: Some(limit),
            is_truncated: Some(more),
            next_marker: next,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            encoding_type: input.encoding_type,
            ..ListObjectsOutput::default()
        })
    }
}

fn page(bucket: &str, prefix: &Option<String>, delimiter: &Option<String>, after: String, limit: i32) -> Page {
    Page {
        bucket: bucket.to_owned(),
        prefix: prefix.clone().unwrap_or_default(),
        delimiter: delimiter.clone().unwrap_or_default(),
        after,
        limit: usize::try_from(limit).expect("the limit was checked"),
    }
}

/// Returns the page length for the one asked for.
pub(super) fn page_limit(wanted: Option<i32>) -> Result<i32, Failure> {
    match wanted {
        None => Ok(PAGE_LIMIT),
        Some(limit) if limit < 0 => Err(S3ErrorCode::InvalidArgument.into()),
        Some(limit) => Ok(limit.min(PAGE_LIMIT)),
    }
}

/// Some clients send an empty delimiter and mean none.
fn filled(delimiter: Option<String>) -> Option<String> {
    delimiter.filter(|delimiter| !delimiter.is_empty())
}

fn place_of_token(token: &str) -> Result<String, Failure> {
    let bytes = hex::decode(token).map_err(|_| S3ErrorCode::InvalidArgument)?;
    String::from_utf8(bytes).map_err(|_| S3ErrorCode::InvalidArgument.into())
}

/// How keys are written: as they are, or percent-encoded for clients that ask for it because
/// XML cannot carry every character.
struct Text {
    percent: bool,
}

impl Text {
    fn new(encoding: Option<&EncodingType>) -> Self {
        Self { percent: encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL) }
    }

    fn encode(&self, text: String) -> String {
        if !self.percent {
            return text;
        }
        let mut encoded = String::with_capacity(text.len());
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail");
            }
        }
        encoded
    }

    fn entries(&self, entries: Vec<Entry>, with_owner: bool) -> (Vec<Object>, Vec<CommonPrefix>) {
        let (mut contents, mut common_prefixes) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry {
                Entry::Common(prefix) => common_prefixes.push(CommonPrefix { prefix: Some(self.encode(prefix)) }),
                Entry::Object { key, size, etag, modified } => contents.push(Object {
                    key: Some(self.encode(key)),
                    size: Some(size),
                    e_tag: Some(ETag::Strong(etag)),
                    last_modified: Some(timestamp(modified)),
                    owner: with_owner.then(owner),
                    storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
                    ..Object::default()
                }),
            }
        }
        (contents, common_prefixes)
    }
}
