//! The headers of an object that are kept with it and answered again: content type and its
//! relatives, and the user's own `x-amz-meta-*`.

use std::collections::{BTreeMap, HashMap};

/// Headers as stored in the index, as one JSON object.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct StoredHeaders(BTreeMap<String, String>);

const META: &str = "x-amz-meta-";

impl StoredHeaders {
    /// Takes the standard headers that are present, and the user's metadata.
    pub(super) fn new<const N: usize>(
        standard: [(&str, Option<String>); N],
        metadata: Option<HashMap<String, String>>,
    ) -> Self {
        let standard = standard.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let own = metadata.into_iter().flatten().map(|(name, value)| (format!("{META}{name}"), value));
        Self(standard.chain(own).collect())
    }

    /// Reads the form of the index; damaged text gives no headers.
    pub(super) fn decode(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        Self(serde_json::from_str(text).unwrap_or_default())
    }

    /// Writes the form of the index.
    pub(super) fn encode(&self) -> String {
        serde_json::to_string(&self.0).expect("a map of strings is always valid JSON")
    }

    /// Returns one of the standard headers.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// Returns the user's metadata.
    pub(super) fn metadata(&self) -> Option<HashMap<String, String>> {
        let own = |(name, value): (&String, &String)| Some((name.strip_prefix(META)?.to_owned(), value.clone()));
        let metadata: HashMap<_, _> = self.0.iter().filter_map(own).collect();
        (!metadata.is_empty()).then_some(metadata)
    }
}

/// Collects the headers to store from an input that carries them (three types do).
macro_rules! stored_headers {
    ($input:expr) => {
        StoredHeaders::new(
            [
                ("content-type", $input.content_type.take()),
                ("content-encoding", $input.content_encoding.take()),
                ("content-language", $input.content_language.take()),
                ("content-disposition", $input.content_disposition.take()),
                ("cache-control", $input.cache_control.take()),
            ],
            $input.metadata.take(),
        )
    };
}

/// Answers with the stored headers and the facts every read of an object reports (two types do).
macro_rules! answer_object {
    ($output:expr, $row:expr) => {
        $output.content_type = Some($row.headers.get("content-type").unwrap_or_else(default_content_type));
        $output.content_encoding = $row.headers.get("content-encoding");
        $output.content_language = $row.headers.get("content-language");
        $output.content_disposition = $row.headers.get("content-disposition");
        $output.cache_control = $row.headers.get("cache-control");
        $output.metadata = $row.headers.metadata();
        $output.accept_ranges = Some("bytes".to_owned());
        $output.e_tag = Some(ETag::Strong($row.etag.clone()));
        $output.last_modified = Some(timestamp($row.modified));
    };
}

pub(super) use {answer_object, stored_headers};

/// What S3 answers for an object that was stored without a type.
pub(super) fn default_content_type() -> String {
    "binary/octet-stream".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_the_index_and_metadata_stays_apart() {
        let own = HashMap::from([("who".to_owned(), "émile\u{1}".to_owned())]);
        let headers = StoredHeaders::new(
            [("content-type", Some("text/csv".to_owned())), ("cache-control", None)],
            Some(own.clone()),
        );
        let back = StoredHeaders::decode(&headers.encode());
        assert_eq!(back, headers);
        assert_eq!(back.get("content-type").as_deref(), Some("text/csv"));
        assert_eq!(back.get("cache-control"), None);
        assert_eq!(back.metadata(), Some(own));
        assert_eq!(StoredHeaders::decode(""), StoredHeaders::default());
    }
}
