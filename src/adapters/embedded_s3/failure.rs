//! The one error of the store behind the endpoint, and its translation into S3 error answers.
//!
//! Refusals are the client's business and are answered with their code. Faults of the disk or
//! the index are the operator's: logged here in full, answered as a bare `InternalError`.

use std::io;

use s3s::{S3Error, S3ErrorCode};

/// Why an operation did not happen.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The request is refused with an S3 code.
    #[error("refused: {0:?}")]
    Refused(S3ErrorCode),
    /// The index answered with an error.
    #[error("object index: {0}")]
    Index(#[from] rusqlite::Error),
    /// The disk answered with an error.
    #[error("object content: {0}")]
    Content(#[from] io::Error),
    /// The transaction of this change was not committed; the writer logged why.
    #[error("object index did not commit the change")]
    NotCommitted,
    /// The endpoint is stopping.
    #[error("object endpoint is stopping")]
    Stopping,
}

impl From<S3ErrorCode> for Failure {
    fn from(code: S3ErrorCode) -> Self {
        Self::Refused(code)
    }
}

impl From<Failure> for S3Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(code) => match message(&code) {
                Some(text) => S3Error::with_message(code, text),
                None => S3Error::new(code),
            },
            Failure::Stopping => S3Error::new(S3ErrorCode::ServiceUnavailable),
            Failure::NotCommitted => S3Error::new(S3ErrorCode::InternalError),
            Failure::Index(_) | Failure::Content(_) => {
                log::error!("{failure}");
                S3Error::new(S3ErrorCode::InternalError)
            }
        }
    }
}

fn message(code: &S3ErrorCode) -> Option<&'static str> {
    Some(match code {
        S3ErrorCode::BadDigest => "the content does not match the digest sent with it",
        S3ErrorCode::BucketAlreadyOwnedByYou => "the bucket exists and belongs to you",
        S3ErrorCode::BucketNotEmpty => "the bucket still holds objects",
        S3ErrorCode::EntityTooSmall => "every part but the last must hold at least 5 MiB",
        S3ErrorCode::IncompleteBody => "the body ended before its announced length",
        S3ErrorCode::InvalidPart => "a listed part does not exist or has another ETag",
        S3ErrorCode::InvalidPartOrder => "the parts are not listed in ascending order",
        S3ErrorCode::InvalidRange => "the range lies outside the object",
        S3ErrorCode::NoSuchBucket => "the bucket does not exist",
        S3ErrorCode::NoSuchKey => "the object does not exist",
        S3ErrorCode::NoSuchUpload => "the upload does not exist, was completed or aborted",
        S3ErrorCode::PreconditionFailed => "a condition of the request does not hold",
        _ => return None,
    })
}
