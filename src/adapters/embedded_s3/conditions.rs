//! The conditional headers (`If-Match` and its three relatives): a read, a copy or a write goes
//! ahead only when they hold for the object that is there.

use s3s::S3ErrorCode;
use s3s::dto::{ETag, ETagCondition, Timestamp};

use super::failure::Failure;
use super::store::timestamp;

/// The conditions of one request; the default holds always.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// The object must have this ETag (or exist).
    pub(super) matches: Option<ETagCondition>,
    /// The object must not have this ETag (or not exist).
    pub(super) differs: Option<ETagCondition>,
    /// The object must be newer.
    pub(super) modified_since: Option<Timestamp>,
    /// The object must not be newer.
    pub(super) unmodified_since: Option<Timestamp>,
}

impl Conditions {
    /// Checks a read of an existing object; `unchanged` is the code for "you have it already".
    ///
    /// An ETag condition overrides the time condition of the same direction (RFC 9110, 13.2.2).
    pub(super) fn check_read(&self, etag: &str, modified: i64, unchanged: S3ErrorCode) -> Result<(), Failure> {
        // The protocol's times have seconds only.
        let modified = timestamp(modified / 1000 * 1000);
        let fits = match (&self.matches, &self.unmodified_since) {
            (Some(condition), _) => is(condition, etag),
            (None, Some(time)) => modified <= *time,
            (None, None) => true,
        };
        if !fits {
            return Err(S3ErrorCode::PreconditionFailed.into());
        }
        let is_news = match (&self.differs, &self.modified_since) {
            (Some(condition), _) => !is(condition, etag),
            (None, Some(time)) => modified > *time,
            (None, None) => true,
        };
        if is_news { Ok(()) } else { Err(unchanged.into()) }
    }

    /// Checks a write over what is there (`None`: nothing).
    pub(super) fn check_write(&self, existing: Option<&str>) -> Result<(), Failure> {
        if let Some(condition) = &self.matches {
            let etag = existing.ok_or(S3ErrorCode::NoSuchKey)?;
            if !is(condition, etag) {
                return Err(S3ErrorCode::PreconditionFailed.into());
            }
        }
        match (&self.differs, existing) {
            (Some(condition), Some(etag)) if is(condition, etag) => Err(S3ErrorCode::PreconditionFailed.into()),
            _ => Ok(()),
        }
    }
}

fn is(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(ETag::Strong(value) | ETag::Weak(value)) => value == etag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn etag(value: &str) -> Option<ETagCondition> {
        Some(ETagCondition::ETag(ETag::Strong(value.to_owned())))
    }

    #[test]
    fn reads_follow_etags_before_times() {
        let check = |conditions: Conditions| conditions.check_read("a", 5_500, S3ErrorCode::NotModified).is_ok();
        assert!(check(Conditions::default()));
        assert!(check(Conditions {
            matches: etag("a"),
            unmodified_since: Some(timestamp(0)),
            ..Conditions::default()
        }));
        assert!(!check(Conditions { matches: etag("b"), ..Conditions::default() }));
        assert!(!check(Conditions { differs: etag("a"), ..Conditions::default() }));
        assert!(!check(Conditions { modified_since: Some(timestamp(5_000)), ..Conditions::default() }));
        assert!(check(Conditions { modified_since: Some(timestamp(4_000)), ..Conditions::default() }));
    }

    #[test]
    fn a_write_can_insist_on_a_new_key() {
        let new = Conditions { differs: Some(ETagCondition::Any), ..Conditions::default() };
        assert!(new.check_write(None).is_ok());
        assert!(new.check_write(Some("a")).is_err());
        let same = Conditions { matches: etag("a"), ..Conditions::default() };
        assert!(same.check_write(Some("a")).is_ok());
        assert!(same.check_write(None).is_err());
    }
}
