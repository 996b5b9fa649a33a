//! Documents with secrets in them are sealed before they reach the disk: an ingestion is forwarded with its tokens, after a
//! restart too, and nobody who reads the file, its log or a copy of them shall find those.
//!
//! The key is a file beside the journal's own (ChaCha20-Poly1305, a random nonce for each document, the id of the run bound
//! to it). Who has both files can read everything: ARCHITECTURE.md says what that is good for.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::{Connection, params};

use super::{JournalError, Submission, space};
use crate::disk;
use crate::playbook::Space;

/// Name of the key's file.
const KEY_FILE: &str = "journal.key";

/// What a sealed document begins with; a document in clear is an object.
const MARK: &str = "sealed:";

/// Files of before have ingestions in clear: they are written down here until each is sealed.
pub(super) const SCHEMA: &str = "CREATE TABLE unsealed AS SELECT run_id FROM runs WHERE space = 'ingestion';";

/// Seals and opens documents of one file. The key is read, or made, when it is first needed.
pub(super) struct Seal {
    directory: PathBuf,
    key: OnceLock<LessSafeKey>,
}

impl Seal {
    /// The seal of a journal's file.
    pub(super) fn of(file: &Path) -> Self {
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self { directory: directory.to_owned(), key: OnceLock::new() }
    }

    /// The submission as it is stored.
    ///
    /// *Errors*: there is no key, and none can be made.
    pub(super) fn closed(&self, submission: Submission) -> Result<Submission, JournalError> {
        match submission.space {
            Space::Analysis => Ok(submission),
            Space::Ingestion => {
                let document = self.close(&submission.document, &submission.id_key).map_err(JournalError::Write)?;
                Ok(Submission { document, ..submission })
            }
        }
    }

    /// A document as it was submitted.
    ///
    /// *Errors*: it was sealed with another key or for another run, or is damaged.
    pub(super) fn opened(&self, stored: String, id_key: &str) -> Result<String, JournalError> {
        let Some(sealed) = stored.strip_prefix(MARK) else { return Ok(stored) };
        self.open(sealed, id_key).map_err(JournalError::Read)
    }

    fn close(&self, document: &str, id_key: &str) -> Result<String, String> {
        let key = self.key()?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| "the system gives no random numbers".to_owned())?;
        let mut content = document.as_bytes().to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(id_key), &mut content)
            .map_err(|_| "a document cannot be sealed".to_owned())?;
        Ok(format!("{MARK}{}{}", hex::encode(nonce), hex::encode(content)))
    }

    fn open(&self, sealed: &str, id_key: &str) -> Result<String, String> {
        let damaged =
            || "its document is sealed with another key than that in the data directory, or damaged".to_owned();
        let mut bytes = hex::decode(sealed).map_err(|_| damaged())?;
        let (nonce, content) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let content = self.key()?.open_in_place(nonce, Aad::from(id_key), content).map_err(|_| damaged())?;
        String::from_utf8(content.to_vec()).map_err(|_| damaged())
    }

    fn key(&self) -> Result<&LessSafeKey, String> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let bytes = disk::key_file(&self.directory, KEY_FILE).map_err(|error| format!("{KEY_FILE}: {error}"))?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| format!("{KEY_FILE} is no key"))?;
        Ok(self.key.get_or_init(|| LessSafeKey::new(key)))
    }

    /// Seals what an earlier version has written in clear, and writes the file anew so that nothing is left of it.
    pub(super) fn close_earlier(&self, db: &Connection) -> Result<(), JournalError> {
        let failed = |error: rusqlite::Error| JournalError::Write(error.to_string());
        let earlier = in_clear(db).map_err(failed)?;
        if earlier.is_empty() {
            return Ok(());
        }
        log::info!("{} documents of ingestions are sealed, the file is rewritten without them", earlier.len());
        for (run_id, id_key, document) in earlier.into_iter().filter(|(_, _, document)| !document.starts_with(MARK)) {
            let closed = self.close(&document, &id_key).map_err(JournalError::Write)?;
            db.execute("UPDATE runs SET document = ?2 WHERE run_id = ?1", params![run_id, closed]).map_err(failed)?;
        }
        let rewritten = db.execute_batch("VACUUM").and_then(|()| space::cut_log(db));
        // only now: a start that is cut short begins again
        rewritten.and_then(|()| db.execute_batch("DELETE FROM unsealed")).map_err(failed)
    }
}

fn in_clear(db: &Connection) -> rusqlite::Result<Vec<(i64, String, String)>> {
    let mut statement =
        db.prepare("SELECT r.run_id, r.id_key, r.document FROM unsealed u JOIN runs r ON r.run_id = u.run_id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)))?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite;

    const DOCUMENT: &str = r#"{"ingestion_json":{"token":"canary"}}"#;

    /// A folder of its own; removed with the value.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("seal-{}", uuid::Uuid::new_v4()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn file(&self) -> PathBuf {
            self.0.join("state.db")
        }

        /// Whether any file of the folder has this in it.
        fn has(&self, text: &str) -> bool {
            let files = std::fs::read_dir(&self.0).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
            files.into_iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn a_document_is_opened_with_its_key_and_for_its_run_only() {
        let (folder, other) = (Folder::new(), Folder::new());
        let closed = Seal::of(&folder.file()).close(DOCUMENT, "a-1").unwrap();
        assert!(closed.starts_with(MARK) && !closed.contains("canary"));
        // after a restart, too
        assert_eq!(Seal::of(&folder.file()).opened(closed.clone(), "a-1").unwrap(), DOCUMENT);
        assert!(Seal::of(&folder.file()).opened(closed.clone(), "a-2").is_err());
        assert!(Seal::of(&other.file()).opened(closed.clone(), "a-1").is_err());
        for damaged in [&closed[..closed.len() - 2], "sealed:", "sealed:00", "sealed:xyz"] {
            assert!(Seal::of(&folder.file()).opened(damaged.to_owned(), "a-1").is_err(), "{damaged}");
        }
        assert_eq!(Seal::of(&other.file()).opened(DOCUMENT.to_owned(), "a-1").unwrap(), DOCUMENT, "in clear");
        assert_ne!(Seal::of(&folder.file()).close(DOCUMENT, "a-1").unwrap(), closed, "no nonce is used twice");
    }

    #[test]
    fn what_an_earlier_version_wrote_in_clear_is_sealed_and_nothing_is_left_of_it() {
        let folder = Folder::new();
        let db = sqlite::open(&folder.file()).unwrap();
        db.execute_batch(&format!(
            "INSERT INTO runs (space, id_key, number, id_text, tenant, digest, document, reused_ids, state, accepted_at)
             VALUES ('ingestion', 'a-1', 1, 'A-1', 't', x'00', '{DOCUMENT}', '[]', 'running', 0);
             INSERT INTO unsealed SELECT run_id FROM runs;"
        ))
        .unwrap();
        assert!(folder.has("canary"));
        let seal = Seal::of(&folder.file());
        seal.close_earlier(&db).unwrap();
        assert!(!folder.has("canary"));
        let stored: String = db.query_row("SELECT document FROM runs", [], |row| row.get(0)).unwrap();
        assert_eq!(seal.opened(stored, "a-1").unwrap(), DOCUMENT);
        let left: u32 = db.query_row("SELECT count(*) FROM unsealed", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0);
    }
}
