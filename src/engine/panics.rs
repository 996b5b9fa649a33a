//! What a caught panic says.

use std::any::Any;

use crate::ports::{FailureKind, JobFailure};

/// The panic's message, cut to 200 characters; panics carry a text unless somebody threw another type.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    text.chars().take(200).collect()
}

/// The failure of a job whose attempt panicked.
pub(super) fn failure_by(panic: &(dyn Any + Send)) -> JobFailure {
    JobFailure::new(FailureKind::StoppedUnexpectedly, format!("the job stopped unexpectedly: {}", text_of(panic)))
}
