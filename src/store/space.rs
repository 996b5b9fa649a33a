//! Disk space of the journal's file: what was deleted goes back to the file system, in small steps.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::sqlite::PATIENCE;

/// The mode in which free pages can be given back a few at a time.
const INCREMENTAL: i64 = 2;

/// Most pages given back in one transaction. *Unit*: pages of 4 KiB.
const MOST_PAGES: u64 = 64;

/// Free pages that are kept in any case: new records go there. *Unit*: pages of 4 KiB.
const SPARE_PAGES: u64 = 128;

/// One page of so many may be free without being given back: a file that shrinks and grows all the time helps nobody.
const SPARE_PART: u64 = 8;

/// Longest write-ahead log that is kept once its content is in the file. *Unit*: bytes.
const LONGEST_LOG: i64 = 8 * 1024 * 1024;

/// Asks that free pages can be given back; for files that have no tables yet. Before anything else is done with the file.
pub(super) fn make_returnable(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
    db.pragma_update(None, "journal_size_limit", LONGEST_LOG)
}

/// A file of an earlier version cannot give pages back; it is written anew, once. That takes about as long as copying it
/// and as much space again. Where it is not possible the file is used as it is: it does not shrink, but what is deleted
/// is used again. The next start tries again.
pub(super) fn convert(db: &Connection, path: &Path) -> rusqlite::Result<()> {
    if pragma(db, "auto_vacuum")? == INCREMENTAL as u64 {
        return Ok(());
    }
    log::info!("{} is rewritten so that it can shrink", path.display());
    match db.execute_batch("VACUUM") {
        Ok(()) => cut_log(db),
        Err(error) => {
            log::warn!("{} cannot be rewritten so that it can shrink: {error}", path.display());
            Ok(())
        }
    }
}

/// How many pages go back next. *Unit*: pages.
fn pages_to_return(free: u64, all: u64) -> u64 {
    let spare = SPARE_PAGES.max(all / SPARE_PART);
    free.saturating_sub(spare).min(MOST_PAGES)
}

/// Gives some free pages back, inside the transaction; answers whether there were any to give.
pub(super) fn give_back(db: &Connection) -> rusqlite::Result<bool> {
    let free = pragma(db, "freelist_count")?;
    let pages = pages_to_return(free, pragma(db, "page_count")?);
    if pages == 0 {
        return Ok(false);
    }
    let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut steps = statement.query([])?;
    while steps.next()?.is_some() {}
    Ok(pragma(db, "freelist_count")? < free)
}

/// Brings the write-ahead log into the file and cuts it, unless somebody reads from it: then the next time will do.
pub(super) fn cut_log(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(Duration::ZERO)?;
    let cut = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    db.busy_timeout(PATIENCE)?;
    cut
}

/// Bytes of the file and its write-ahead log.
pub(super) fn on_disk(path: &Path) -> u64 {
    let mut log = OsString::from(path);
    log.push("-wal");
    [path, Path::new(&log)].iter().map(|file| std::fs::metadata(file).map_or(0, |data| data.len())).sum()
}

fn pragma(db: &Connection, name: &str) -> rusqlite::Result<u64> {
    db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_go_back_in_small_steps_and_a_part_stays() {
        let table =
            [(0, 0, 0), (128, 1_000, 0), (129, 1_000, 1), (5_000, 8_000, 64), (1_000, 8_000, 0), (1_010, 8_000, 10)];
        for (free, all, expected) in table {
            assert_eq!(pages_to_return(free, all), expected, "{free} of {all}");
        }
    }
}
