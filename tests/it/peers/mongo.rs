//! A MongoDB-wire server and what tests ask of it.

use std::future::Future;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::options::{ClientOptions, IndexOptions, ServerAddress};
use mongodb::{Client, IndexModel};
use test_peers::MongoServer;

use super::Folder;

/// A running server; ended with the value.
pub(crate) struct Mongo {
    server: MongoServer,
}

impl Mongo {
    /// The server that all tests of this binary share: every test has a tenant and an analysis id of its own.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Mongo> = OnceLock::new();
        SHARED.get_or_init(|| {
            let folder = Folder::new("mongo");
            let server = MongoServer::scratch(folder.path());
            // the server's watchdog removes it: values in statics are never dropped
            std::mem::forget(folder);
            Self { server }
        })
    }

    /// A server on this directory and port, which keeps its data for the next one however it ends.
    pub(crate) fn start(directory: &Path, port: u16) -> Self {
        Self { server: MongoServer::start(directory, port) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }

    /// Inserts one document.
    pub(crate) fn insert(&self, database: &str, collection: &str, document: Document) {
        self.ask(|client| async move {
            client.database(database).collection(collection).insert_one(document).await.expect("inserted");
        });
    }

    /// Makes the server refuse a second document with the same value of a member.
    pub(crate) fn make_unique(&self, database: &str, collection: &str, member: &str) {
        let options = IndexOptions::builder().unique(true).build();
        let index = IndexModel::builder().keys(doc! {member: 1}).options(options).build();
        self.ask(|client| async move {
            client.database(database).collection::<Document>(collection).create_index(index).await.expect("an index");
        });
    }

    /// Documents that match, in the order of their insertion.
    pub(crate) fn find(&self, database: &str, collection: &str, filter: Document) -> Vec<Document> {
        self.ask(|client| async move {
            let mut cursor =
                client.database(database).collection::<Document>(collection).find(filter).await.expect("found");
            let mut found = Vec::new();
            while cursor.advance().await.expect("the next document") {
                found.push(cursor.deserialize_current().expect("a document"));
            }
            found
        })
    }

    /// Every document of a database, with its collection.
    pub(crate) fn everything(&self, database: &str) -> Vec<(String, Document)> {
        let names = self.ask(|client| async move {
            client.database(database).list_collection_names().await.expect("the collections can be listed")
        });
        let of = |name: String| self.find(database, &name, doc! {}).into_iter().map(move |found| (name.clone(), found));
        names.into_iter().flat_map(of).collect()
    }

    /// What the web application saves before it submits an analysis.
    pub(crate) fn deploy(&self, analysis: &str, tenant: &str) {
        let entry = doc! {"analysisid": analysis, "name": "a test", "databaseid": tenant, "jobs": []};
        self.insert("UIDB", "pipelines", entry);
    }

    /// The web application's entry of an analysis.
    pub(crate) fn pipeline(&self, analysis: &str) -> Document {
        let found = self.find("UIDB", "pipelines", doc! {"analysisid": analysis});
        assert_eq!(found.len(), 1, "one entry for {analysis}: {found:?}");
        found.into_iter().next().unwrap_or_default()
    }

    fn ask<T, F: Future<Output = T>>(&self, question: impl FnOnce(Client) -> F) -> T {
        let server = ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port: Some(self.port()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let options = ClientOptions::builder()
                .hosts(vec![server])
                .direct_connection(true)
                .server_selection_timeout(Duration::from_secs(20))
                .build();
            question(Client::with_options(options).expect("options")).await
        })
    }
}
