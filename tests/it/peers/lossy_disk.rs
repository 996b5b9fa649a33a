//! A disk that can lose power: what a program made durable is known, and the rest can be taken away; and a disk that refuses
//! to make anything durable. A small library (`lossy_disk.c`) stands between the program and the C library.
//!
//! A power cut leaves of a file what was there at its last `fsync`, and of a rename nothing unless the folder was synced
//! after it. (A real file system may leave more; a program must not count on that.)

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::Folder;

/// The disk of one orchestrator.
pub(crate) struct LossyDisk {
    folder: Folder,
}

impl LossyDisk {
    pub(crate) fn new() -> Self {
        Self { folder: Folder::new("disk") }
    }

    /// What a program needs to have this disk.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let text = |path: &Path| path.to_str().expect("the paths of tests are text").to_owned();
        vec![
            ("LD_PRELOAD", text(library())),
            ("DISK_LEDGER", text(&self.ledger())),
            ("DISK_REFUSES", text(&self.switch())),
        ]
    }

    /// From now on every `fsync` fails.
    pub(crate) fn refuse(&self) {
        File::create(self.switch()).expect("the switch can be made");
    }

    /// From now on it works again.
    pub(crate) fn work(&self) {
        fs::remove_file(self.switch()).expect("it refused before");
    }

    /// Takes away what was not durable in a folder. Its user must be dead.
    pub(crate) fn lose_power(&self, folder: &Path) {
        let ledger = fs::read_to_string(self.ledger()).expect("the program has used the disk");
        let durable = Durable::read(&ledger);
        for (from, to) in durable.renames_not_synced {
            // a file that is gone was removed by its user
            fs::rename(&to, &from).ok();
        }
        for file in files_below(folder) {
            let length = file.metadata().expect("it is there").len();
            let kept = durable.sizes.get(&file).copied().unwrap_or(0);
            if kept < length {
                File::options().write(true).open(&file).and_then(|open| open.set_len(kept)).expect("it can be cut");
            }
        }
    }

    fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    fn switch(&self) -> PathBuf {
        self.folder.path().join("refuses")
    }
}

/// What a ledger says.
#[derive(Debug, Default, PartialEq)]
struct Durable {
    /// Size of each file at its last sync, by the name that it has now.
    sizes: HashMap<PathBuf, u64>,
    /// From, to; the newest first.
    renames_not_synced: Vec<(PathBuf, PathBuf)>,
}

impl Durable {
    fn read(ledger: &str) -> Self {
        let mut durable = Self::default();
        for line in ledger.lines() {
            let words: Vec<&str> = line.split('\t').collect();
            match words[..] {
                ["sync", path, size] => {
                    let path = PathBuf::from(path);
                    durable.renames_not_synced.retain(|(_, to)| to.parent() != Some(&path));
                    durable.sizes.insert(path, size.parse().expect("a size"));
                }
                ["rename", from, to] => {
                    if let Some(size) = durable.sizes.remove(Path::new(from)) {
                        durable.sizes.insert(to.into(), size);
                    }
                    durable.renames_not_synced.insert(0, (from.into(), to.into()));
                }
                _ => panic!("the ledger has a line of its own kind: {line}"),
            }
        }
        durable
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be read").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The library, made once.
fn library() -> &'static Path {
    static MADE: OnceLock<(Folder, PathBuf)> = OnceLock::new();
    let (_, path) = MADE.get_or_init(|| {
        let folder = Folder::new("disk-library");
        let path = folder.path().join("disk.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/peers/lossy_disk.c");
        let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&path).arg(source).arg("-ldl");
        let made = compiler.output().expect("there is a C compiler: the journal needs one, too");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        (folder, path)
    });
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_keeps_what_was_there_and_a_folder_keeps_its_names() {
        let ledger =
            "sync\t/d/a.tmp\t5\nrename\t/d/a.tmp\t/d/a\nsync\t/d\t9\nsync\t/d/b.tmp\t7\nrename\t/d/b.tmp\t/d/b\n";
        let durable = Durable::read(ledger);
        assert_eq!(durable.sizes.get(Path::new("/d/a")), Some(&5));
        assert_eq!(durable.sizes.get(Path::new("/d/b")), Some(&7));
        assert_eq!(durable.renames_not_synced, [("/d/b.tmp".into(), "/d/b".into())]);
    }
}
