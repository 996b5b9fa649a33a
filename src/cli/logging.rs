//! Lines of the log: one per event, whatever is in it.

use std::io::Write;

use crate::playbook::text::one_line;

/// Longest message in characters; the log is no place for documents.
const LONGEST_MESSAGE: usize = 4_096;

/// Starts logging to stderr. The S3 protocol's own lines are left out: there are several per request.
pub(super) fn start_logging(filter: &str) {
    let started = env_logger::Builder::new()
        .parse_filters(filter)
        .filter_module("actix_server", log::LevelFilter::Warn)
        .filter_module("s3s", log::LevelFilter::Off)
        .filter_module("tracing::span", log::LevelFilter::Off)
        .format(|out, record| {
            let style = out.default_level_style(record.level());
            let (at, message) = (out.timestamp_seconds(), message(&record.args().to_string()));
            writeln!(out, "[{at} {style}{:<5}{style:#} {}] {message}", record.level(), record.target())
        })
        .try_init();
    if started.is_err() {
        log::debug!("logging was started before");
    }
}

/// A message as it stands in the log: what services, clients and systems say is in it, too.
fn message(text: &str) -> String {
    let mut line = one_line(text.trim_end()).into_owned();
    if let Some((cut, _)) = line.char_indices().nth(LONGEST_MESSAGE) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        let forged =
            "no such user\r\n[2026-01-01T00:00:00Z INFO  orchestrator] tenant=metis: accepted\u{2028}\u{85}\u{b}";
        let line = message(forged);
        let breaks = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
        assert!(!line.contains(breaks), "{line}");
        assert!(line.starts_with(r"no such user\u{d}\u{a}[2026"), "{line}");
        assert_eq!(message(&"x\n".repeat(100_000)).chars().count(), LONGEST_MESSAGE + 1);
        assert_eq!(message("plain: ok\n"), "plain: ok");
    }
}
