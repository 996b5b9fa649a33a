//! Files and directories that only their owner may read, also where an earlier version or somebody else made them.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Rights of everybody but the owner.
const OF_OTHERS: u32 = 0o077;

/// Opens a file for writing that only its owner may read; made when it is not there, its content stays.
///
/// *Errors*: it cannot be opened. That others may go on reading it is logged only: it may belong to somebody else.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    tighten(path);
    Ok(file)
}

/// A directory with whatever is needed above it, that only its owner may look into.
///
/// *Errors*: it cannot be made.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    tighten(path);
    Ok(())
}

/// Makes a database that only its owner may read, or sees to it where it is there: SQLite gives the files beside it the
/// rights that it has itself. What keeps it from being opened is SQLite's to say.
pub(crate) fn private_database(path: &Path) {
    if let Err(error) = private_file(path) {
        log::debug!("{}: {error}", path.display());
    }
    for suffix in ["-wal", "-shm"] {
        let mut beside = OsString::from(path);
        beside.push(suffix);
        tighten(Path::new(&beside));
    }
}

fn tighten(path: &Path) {
    let Ok(found) = fs::metadata(path) else { return };
    if found.mode() & OF_OTHERS == 0 {
        return;
    }
    match fs::set_permissions(path, Permissions::from_mode(found.mode() & 0o7700)) {
        Ok(()) => log::info!("others could read {}: they cannot any more", path.display()),
        Err(error) => log::warn!("others can read {}: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_could_read_they_cannot_read_any_more() {
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        let directory = std::env::temp_dir().join(format!("private-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&directory).unwrap();
        let file = directory.join("a.db");
        let log = directory.join("a.db-wal");
        for path in [&file, &log] {
            fs::write(path, "kept").unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        }
        private_directory(&directory).unwrap();
        private_database(&file);
        assert_eq!((mode(&directory), mode(&file), mode(&log)), (0o700, 0o600, 0o600));
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
        private_file(&directory.join("new")).unwrap();
        assert_eq!(mode(&directory.join("new")), 0o600);
        assert!(!directory.join("a.db-shm").exists());
        fs::remove_dir_all(&directory).unwrap();
    }
}
