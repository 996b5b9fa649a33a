//! The key of the secrets of callbacks: made once, kept in the data directory, readable by its owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::random::random_bytes;

/// Name of the file.
const NAME: &str = "callback.key";

/// The key of this data directory.
///
/// *Errors*: it cannot be read or made; a file of another length is nobody's key.
pub(super) fn callback_key(directory: &Path) -> io::Result<[u8; 32]> {
    let path = directory.join(NAME);
    match fs::read(&path) {
        Ok(bytes) => bytes.try_into().map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{} is not a key of 32 bytes", path.display()))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(directory, &path),
        Err(error) => Err(error),
    }
}

/// The key is durable under its name, or not there: what was sent under a key has to be known after any restart.
fn make(directory: &Path, path: &Path) -> io::Result<[u8; 32]> {
    let key = random_bytes()?;
    let unfinished = directory.join(format!("{NAME}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(directory)?.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_is_its_owners_only() {
        let directory = std::env::temp_dir().join(format!("callback-key-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&directory).unwrap();
        let key = callback_key(&directory).unwrap();
        assert_ne!(key, [0; 32]);
        assert_eq!(callback_key(&directory).unwrap(), key);
        let mode = fs::metadata(directory.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let names: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [NAME]);
        fs::write(directory.join(NAME), b"short").unwrap();
        assert!(callback_key(&directory).is_err());
        fs::remove_dir_all(&directory).unwrap();
    }
}
