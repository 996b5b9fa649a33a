//! Where the services listen, where their data is, and how they behave: all that a caller decides before the start.

use std::fmt;

use crate::Script;

/// The address that is used when [`Options::host`] is empty.
const LOOPBACK: &str = "127.0.0.1";

/// The S3 endpoint that the services read and write: plain http, path style.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Options {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Access key.
    pub user: String,
    /// Secret key.
    pub pass: String,
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Options({}@{}:{})", self.user, self.host, self.port)
    }
}

/// What a caller decides before the start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on; an empty text means 127.0.0.1.
    pub host: String,
    /// Port of the HTTP services; 0 takes a free one.
    pub http_port: u16,
    /// Port of the Spark component; 0 takes a free one.
    pub spark_port: u16,
    /// Where the data is. `None`: jobs do no work on data, they only answer; the Spark component still writes
    /// `_SUCCESS` with the address and keys of its own message.
    pub s3: Option<S3Options>,
    /// What each job kind does.
    pub script: Script,
}

impl Options {
    /// The address to listen on.
    pub(crate) fn bind_host(&self) -> &str {
        if self.host.is_empty() { LOOPBACK } else { &self.host }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { host: LOOPBACK.to_owned(), http_port: 0, spark_port: 0, s3: None, script: Script::default() }
    }
}
