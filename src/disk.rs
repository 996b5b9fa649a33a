//! What several rooms have to know of files: what follows when a database could not be made durable, and what only the owner may read.

mod key_file;
mod private;
mod random;

use std::fmt::Display;

use rusqlite::{ErrorCode, ffi};

pub(crate) use key_file::key_file;
pub(crate) use private::{private_database, private_directory, private_file};
pub(crate) use random::random_bytes;

/// Exit code after a failed fsync or of a damaged file (`EX_IOERR`).
const IO_ERROR_EXIT: i32 = 74;

/// Whether what is on the disk is no longer known: a sync failed, or the file is damaged.
pub(crate) fn is_in_doubt(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|failure| {
        matches!(failure.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
            || matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    })
}

/// Nobody knows what reached the disk after a failed sync, and trying again would not tell: the next start reads what is
/// there. `file` is what it is called in the log: "the journal".
pub(crate) fn stop_the_process(file: &str, error: &dyn Display) -> ! {
    log::error!("{file} can no longer be trusted, the process ends and has to be started again: {error}");
    std::process::exit(IO_ERROR_EXIT)
}
