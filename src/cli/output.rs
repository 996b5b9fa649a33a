//! The only file that prints.

use std::io::Write;

/// Data, on stdout. A closed pipe ends nothing.
pub(super) fn data(line: &str) {
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

/// Progress and errors, on stderr.
pub(super) fn note(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
