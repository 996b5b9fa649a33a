//! A file that lines are appended to, and that makes room for a new one when it is large.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Name of the file that is written; older ones have `.1`, `.2`, ... behind it, the oldest the largest number.
const NAME: &str = "audit.log";

/// How much of a trail is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Size in bytes from which on a new file is begun.
    pub bytes: u64,
    /// Files that are kept, with the one that is written; at least 1.
    pub files: usize,
}

#[derive(Debug)]
pub(super) struct BoundedFile {
    path: PathBuf,
    bounds: Bounds,
    file: File,
    length: u64,
    /// Whether the last line was cut short: the next one must not be appended to it.
    is_cut_short: bool,
}

impl BoundedFile {
    /// Goes on where the file ends.
    pub(super) fn open(directory: &Path, bounds: Bounds) -> io::Result<Self> {
        let path = directory.join(NAME);
        let mut file = open(&path)?;
        let length = file.seek(SeekFrom::End(0))?;
        let mut last = *b"\n";
        if length > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(Self { path, bounds, file, length, is_cut_short: last != *b"\n" })
    }

    /// Appends lines in one piece.
    pub(super) fn append<'a>(&mut self, lines: impl Iterator<Item = &'a String>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for line in lines {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        if bytes.is_empty() {
            return Ok(());
        }
        if self.length >= self.bounds.bytes {
            self.begin_a_new_one()?;
        }
        if self.is_cut_short {
            bytes.insert(0, b'\n');
        }
        let written = self.file.write_all(&bytes);
        self.is_cut_short = written.is_err();
        self.length = self.file.seek(SeekFrom::End(0))?;
        written
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn begin_a_new_one(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        for number in (1..self.bounds.files.max(1)).rev() {
            let younger = if number == 1 { self.path.clone() } else { numbered(&self.path, number - 1) };
            match fs::rename(&younger, numbered(&self.path, number)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && number > 1 => {}
                other => other?,
            }
        }
        if self.bounds.files <= 1 {
            fs::remove_file(&self.path)?;
        }
        self.file = open(&self.path)?;
        (self.length, self.is_cut_short) = (0, false);
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn directory() -> PathBuf {
        let directory = std::env::temp_dir().join(format!("audit-file-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&directory).unwrap();
        directory
    }

    fn append(file: &mut BoundedFile, line: &str) {
        file.append(std::iter::once(&line.to_owned())).unwrap();
    }

    #[test]
    fn only_so_many_files_are_kept_and_the_newest_lines_are_in_them() {
        let directory = directory();
        let mut file = BoundedFile::open(&directory, Bounds { bytes: 10, files: 3 }).unwrap();
        for number in 0..9 {
            append(&mut file, &format!("line-{number}"));
        }
        let mut names: Vec<_> =
            fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["audit.log", "audit.log.1", "audit.log.2"]);
        let text = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
        assert_eq!(text("audit.log"), "line-8\n");
        assert_eq!(text("audit.log.1"), "line-6\nline-7\n");
        assert_eq!(text("audit.log.2"), "line-4\nline-5\n");
        let mode = fs::metadata(directory.join("audit.log")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn one_file_is_enough_if_that_is_wanted() {
        let directory = directory();
        let mut file = BoundedFile::open(&directory, Bounds { bytes: 1, files: 1 }).unwrap();
        append(&mut file, "old");
        append(&mut file, "new");
        assert_eq!(fs::read_to_string(directory.join(NAME)).unwrap(), "new\n");
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_line_that_a_crash_has_cut_short_does_not_swallow_the_next_one() {
        let directory = directory();
        fs::write(directory.join(NAME), "{\"at\":\"20").unwrap();
        let bounds = Bounds { bytes: 1000, files: 2 };
        append(&mut BoundedFile::open(&directory, bounds).unwrap(), "whole");
        append(&mut BoundedFile::open(&directory, bounds).unwrap(), "and the next");
        assert_eq!(fs::read_to_string(directory.join(NAME)).unwrap(), "{\"at\":\"20\nwhole\nand the next\n");
        fs::remove_dir_all(&directory).unwrap();
    }
}
