//! The folder of content files. A file is written under a temporary name, synced, renamed to a
//! fresh unique name and the folder synced; from then on it never changes. Names are UUIDs,
//! never keys, so no key can escape the folder.
//!
//! Everything here blocks. Which file belongs to which object is the index's knowledge.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use crate::chaos::{self, Bug};

/// Name of a content file, relative to the folder.
pub(super) type FileName = String;

const TEMPORARY: &str = ".tmp";

/// The folder, opened.
pub(super) struct ContentFolder {
    path: PathBuf,
    handle: File,
}

impl ContentFolder {
    /// Opens the folder and creates it when absent.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        let handle = File::open(&path)?;
        Ok(Self { path, handle })
    }

    /// Opens a finished file for reading.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        File::open(self.path.join(name))
    }

    /// Starts a new file.
    pub(super) fn draft(self: &Arc<Self>) -> io::Result<Draft> {
        let name = Uuid::new_v4().simple().to_string();
        let temporary = self.path.join(format!("{name}{TEMPORARY}"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        Ok(Draft { folder: Arc::clone(self), name, temporary, file, renamed: false })
    }

    /// Gives the content of a finished file a second name of its own.
    ///
    /// Files never change, so a hard link is as good as a copy and costs nothing; where the file
    /// system has no links the content is copied.
    pub(super) fn duplicate(self: &Arc<Self>, name: &str) -> io::Result<NewFile> {
        let copy = Uuid::new_v4().simple().to_string();
        match fs::hard_link(self.path.join(name), self.path.join(&copy)) {
            Ok(()) => {
                let file = NewFile { folder: Arc::clone(self), name: copy, kept: false };
                self.handle.sync_all()?;
                Ok(file)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
            Err(_) => self.join([name]),
        }
    }

    /// Writes a new file that holds the content of the given ones in order.
    pub(super) fn join<'a>(self: &Arc<Self>, names: impl IntoIterator<Item = &'a str>) -> io::Result<NewFile> {
        let mut draft = self.draft()?;
        for name in names {
            io::copy(&mut self.read(name)?, &mut draft.file)?;
        }
        draft.finish()
    }

    /// Removes a file; a failure is logged, since the next start sweeps what is left.
    pub(super) fn remove(&self, name: &str) {
        remove(&self.path.join(name));
    }

    /// Removes every file that is not referenced and returns how many there were.
    pub(super) fn sweep(&self, referenced: &HashSet<FileName>) -> io::Result<usize> {
        let mut swept = 0;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().to_str().is_none_or(|name| !referenced.contains(name)) {
                fs::remove_file(entry.path())?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}

/// A file being written; removed when dropped unfinished.
pub(super) struct Draft {
    folder: Arc<ContentFolder>,
    name: FileName,
    temporary: PathBuf,
    file: File,
    renamed: bool,
}

impl Draft {
    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Makes the content durable under its final name.
    pub(super) fn finish(mut self) -> io::Result<NewFile> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, self.folder.path.join(&self.name))?;
        self.renamed = true;
        let file = NewFile { folder: Arc::clone(&self.folder), name: self.name.clone(), kept: false };
        if !chaos::seeded(Bug::RenameWithoutDirectorySync) {
            self.folder.handle.sync_all()?;
        }
        Ok(file)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.renamed {
            remove(&self.temporary);
        }
    }
}

/// A durable file that no index row names yet; removed when dropped without [`NewFile::keep`].
pub(super) struct NewFile {
    folder: Arc<ContentFolder>,
    name: FileName,
    kept: bool,
}

impl NewFile {
    /// Hands the file over to an index row.
    pub(super) fn keep(mut self) -> FileName {
        self.kept = true;
        self.name.clone()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            self.folder.remove(&self.name);
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        log::warn!("content file `{}` could not be removed: {error}", path.display());
    }
}
