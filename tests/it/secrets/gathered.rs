//! Everything that an orchestrator keeps or shows, and what is found in it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::planted;
use crate::peers::{Answer, Mongo, Orchestrator};

/// Everything, with where it is from.
#[derive(Default)]
pub(super) struct Gathered(Vec<(String, String)>);

impl Gathered {
    pub(super) fn add(&mut self, place: impl Into<String>, content: impl Into<Vec<u8>>) {
        // bytes that are no text cannot be a secret, and are easier to search as one
        self.0.push((place.into(), String::from_utf8_lossy(&content.into()).into_owned()));
    }

    /// An answer, whatever it was.
    pub(super) fn answer(&mut self, question: &str, answer: &Answer) {
        self.add(format!("the answer to {question}"), format!("{answer:?}"));
    }

    /// Every file below a directory; only its owner can read any of it.
    pub(super) fn files(&mut self, directory: &Path) {
        is_its_owners_only(directory);
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.files(&path);
            } else if let Ok(content) = std::fs::read(&path) {
                // a file may go away meanwhile
                is_its_owners_only(&path);
                self.add(path.display().to_string(), content);
            }
        }
    }

    /// Every document of some databases.
    pub(super) fn documents(&mut self, mongo: &Mongo, databases: &[&str]) {
        for database in databases {
            for (collection, document) in mongo.everything(database) {
                self.add(format!("{database}.{collection}"), document.to_string());
            }
        }
    }

    /// What an orchestrator shows by itself: its log, its metrics, its lists.
    pub(super) fn shown(&mut self, orchestrator: &Orchestrator, token: &str, ids: &[(&str, &str)]) {
        self.add("the log", orchestrator.said());
        let lists = ["/metrics", "/health", "/ready", "/api/v1/analyses?limit=100", "/api/v1/ingestions?limit=100"];
        let runs = ids.iter().map(|(collection, id)| format!("/api/v1/{collection}/{id}"));
        for path in lists.into_iter().map(str::to_owned).chain(runs) {
            let answer = orchestrator.server.get_with(&path, token);
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            self.answer(&path, &answer);
        }
    }

    /// In how many places something is.
    pub(super) fn places_of(&self, text: &str) -> Vec<&str> {
        self.0.iter().filter(|(_, content)| content.contains(text)).map(|(place, _)| place.as_str()).collect()
    }

    /// Nothing that was planted is anywhere.
    #[track_caller]
    pub(super) fn has_no_secret(&self) {
        let found: Vec<String> = planted().into_iter().flat_map(|text| self.hits(text)).collect();
        assert!(found.is_empty(), "{found:#?}");
    }

    fn hits(&self, text: &str) -> Vec<String> {
        let around = |content: &str, at: usize| {
            let before: String = content[..at].chars().rev().take(120).collect::<Vec<_>>().into_iter().rev().collect();
            let after: String = content[at..].chars().take(80).collect();
            format!("{before}>>>{after}")
        };
        let found = self.0.iter().filter_map(|(place, content)| Some((place, content, content.find(text)?)));
        found.map(|(place, content, at)| format!("{text} in {place}: {}", around(content, at))).collect()
    }
}

#[track_caller]
fn is_its_owners_only(path: &Path) {
    let Ok(found) = std::fs::metadata(path) else { return };
    assert_eq!(found.permissions().mode() & 0o077, 0, "others can read {}", path.display());
}
