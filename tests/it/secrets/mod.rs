//! Secrets go where they have to and nowhere else: texts that no program would make up are planted wherever a secret can
//! be, and afterwards looked for in every place that keeps or shows anything.

#![allow(clippy::disallowed_methods, reason = "processes of their own are waited for by the real clock")]

mod canary;
mod echo;
mod gathered;
mod spark;

use serde_json::{Value, json};

/// The platform's token.
const PLATFORM: &str = "canary-platform-token-5f0e";
/// What somebody sends in place of the platform's token: it may be the token of something else.
const WRONG: &str = "canary-wrong-token-71bd";
/// The orchestrator's own secret key at the object store.
const MINIO: &str = "canary-minio-pass-9c2a";
/// The secret key that Spark gets.
const SPARK: &str = "canary-spark-pass-3d77";
/// The orchestrator's password at the database.
const MONGO: &str = "canary-mongo-pass-e810";
/// Parts of what an ingestion carries, and parts of its address.
const INGESTION: [&str; 7] = [
    "canary-ingestion-token-04aa",
    "canary-authorization-b6f1",
    "canary-header-key-12ce",
    "canary-parameter-8d35",
    "canary-body-text-c9e4",
    "canary-query-secret-6b20",
    "canary-query-value-d41d",
];
/// Part of an address that is refused.
const USERINFO: &str = "canary-userinfo-27a9";

/// Every text that must not be found.
fn planted() -> Vec<&'static str> {
    [&[PLATFORM, WRONG, MINIO, SPARK, MONGO, USERINFO][..], &INGESTION].concat()
}

/// An ingestion that carries a secret in every member that may hold one.
fn ingestion(id: &str, tenant: &str, label: &str, source: &str) -> Value {
    let [token, authorization, header, parameter, body, query, value] = INGESTION;
    json!({
        "testing": false, "diastema-token": PLATFORM, "ingestion-id": id, "database-id": tenant, "user": "demo",
        "dataset-label": label,
        "ingestion_json": {
            "method": "GET", "url": format!("{source}?sig={query}&year=2024&long={value}"), "separator": ",",
            "first-line-labels": true, "labels": "", "token": token,
            "headers": {"Authorization": format!("Bearer {authorization}"), "X-Api-Key": header},
            "params": [{"key": "password", "value": parameter}], "body": format!("{{\"secret\": \"{body}\"}}"),
        },
    })
}
