//! What is wrong, or odd, about a submission: code, place, reason and one thing to try.

use serde::Serialize;

/// One finding about a submission; a refusal when it is in a list of problems, a warning in a list of warnings.
///
/// *Shape*: `{"error":"dangling-edge","reason":"...","at":"/jobs/3/from","hint":"..."}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable code, kebab-case, such as `unknown-title`.
    #[serde(rename = "error")]
    pub code: &'static str,
    /// What is wrong, one sentence without a full stop; values in it are cut to 64 characters and escaped.
    pub reason: String,
    /// JSON pointer into the document, empty for the document as a whole.
    pub at: String,
    /// One thing to try, empty when there is nothing sensible to say.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub hint: String,
}

impl Problem {
    /// A finding at a JSON pointer.
    pub fn new(code: &'static str, at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), at: at.into(), hint: String::new() }
    }

    /// The same with one thing to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}
