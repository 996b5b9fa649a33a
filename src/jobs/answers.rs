//! What a service's answer means: pure readings of start and progress answers (contract section 4, decisions 11, 18, 19).

use serde_json::Value;

use crate::ports::Answer;

/// Most characters of a service's own words that are kept.
const LONGEST_TEXT: usize = 300;

/// What the answer to a start means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StartAnswer {
    /// The service has the job.
    Started,
    /// The service knows a job with this id already.
    KnownId,
    /// The service does not take the job, and would not take it a second time.
    Refused(String),
    /// The service does not take the job now.
    Failed(String),
}

/// What the answer to a progress question means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ProgressAnswer {
    /// Not finished.
    Running,
    /// Finished well; the whole answer, because AutoML puts its result there.
    Done(Value),
    /// Finished badly, in the service's words.
    Failed(String),
    /// The service does not know the id.
    UnknownId,
    /// The service itself is in trouble: no verdict about the job.
    NoVerdict(String),
    /// Not what the contract says.
    Unusable(String),
}

/// Reads the answer to a start.
pub(super) fn start(answer: &Answer) -> StartAnswer {
    match answer.status {
        200..=299 => StartAnswer::Started,
        400..=499 if answer.body.contains("Job ID already exists") => StartAnswer::KnownId,
        // it asks to come back later
        408 | 425 | 429 | 500.. => StartAnswer::Failed(not_taken(answer)),
        _ => StartAnswer::Refused(not_taken(answer)),
    }
}

fn not_taken(answer: &Answer) -> String {
    format!("the service answered {} to the start{}", answer.status, in_words(&answer.body))
}

/// Reads a progress answer: JSON whatever the status and the content type.
pub(super) fn progress(answer: &Answer) -> ProgressAnswer {
    let Ok(value) = serde_json::from_str::<Value>(&answer.body) else {
        return ProgressAnswer::Unusable(format!("the service answered {} without JSON", answer.status));
    };
    let Some(status) = value.get("status").and_then(Value::as_str) else {
        return ProgressAnswer::Unusable(format!("the service answered {} without a status", answer.status));
    };
    match status {
        "progress" => ProgressAnswer::Running,
        "error" => match value.get("message").and_then(Value::as_str) {
            Some("Job ID doesn't exist") => ProgressAnswer::UnknownId,
            Some(text) if text.starts_with("Failed to connect to database") => ProgressAnswer::NoVerdict(cut(text)),
            message => ProgressAnswer::Failed(error_text(message)),
        },
        _ => ProgressAnswer::Done(value),
    }
}

/// Whether the service itself is in trouble, whatever was asked.
pub(super) fn is_no_verdict(answer: &Answer) -> bool {
    matches!(progress(answer), ProgressAnswer::NoVerdict(_))
}

/// A service's own words about a failure, fit to be stored and shown; a general text when it has none.
pub(super) fn error_text(message: Option<&str>) -> String {
    match message {
        Some(text) if !text.trim().is_empty() => cut(text),
        _ => "the service reported an error without a message".to_owned(),
    }
}

/// A short plain text is worth repeating; a page of HTML is not.
fn in_words(body: &str) -> String {
    let text = body.trim();
    if text.is_empty() || text.starts_with('<') { String::new() } else { format!(": {}", cut(text)) }
}

fn cut(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.to_owned() }
    }

    #[test]
    fn progress_is_read_whatever_the_status() {
        let running = answer(500, r#"{"status":"progress"}"#);
        assert_eq!(progress(&running), ProgressAnswer::Running);
        let failed = answer(400, r#"{"status":"error","message":"no such column"}"#);
        assert_eq!(progress(&failed), ProgressAnswer::Failed("no such column".to_owned()));
        assert!(matches!(progress(&answer(200, r#"{"status":"finished-somehow"}"#)), ProgressAnswer::Done(_)));
    }

    #[test]
    fn answers_that_are_not_verdicts() {
        let unknown = answer(400, r#"{"status":"error","message":"Job ID doesn't exist"}"#);
        assert_eq!(progress(&unknown), ProgressAnswer::UnknownId);
        let outage = answer(400, r#"{"status":"error","message":"Failed to connect to database"}"#);
        assert!(matches!(progress(&outage), ProgressAnswer::NoVerdict(_)));
        for body in ["", "<html>", "[]", "{}", r#"{"status":5}"#, "NaN"] {
            assert!(matches!(progress(&answer(200, body)), ProgressAnswer::Unusable(_)), "{body}");
        }
    }

    #[test]
    fn an_error_without_a_message_gets_a_general_one() {
        for body in
            [r#"{"status":"error"}"#, r#"{"status":"error","message":" "}"#, r#"{"status":"error","message":5}"#]
        {
            assert!(
                matches!(progress(&answer(400, body)), ProgressAnswer::Failed(text) if text.contains("without a message"))
            );
        }
    }

    #[test]
    fn starts() {
        assert_eq!(start(&answer(202, "")), StartAnswer::Started);
        assert_eq!(start(&answer(400, "Job ID already exists")), StartAnswer::KnownId);
        assert_eq!(
            start(&answer(400, "Invalid JSON")),
            StartAnswer::Refused("the service answered 400 to the start: Invalid JSON".to_owned())
        );
        assert_eq!(
            start(&answer(500, "<html>")),
            StartAnswer::Failed("the service answered 500 to the start".to_owned())
        );
        for later in [408, 429, 503] {
            assert!(matches!(start(&answer(later, "")), StartAnswer::Failed(_)), "{later}");
        }
        for never in [302, 401, 404, 422] {
            assert!(matches!(start(&answer(never, "")), StartAnswer::Refused(_)), "{never}");
        }
    }
}
