//! The same work without an orchestrator.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use awc::Client;
use futures::stream::{self, StreamExt};
use serde_json::json;

use super::service::Service;

/// So many starts and questions, some at a time.
pub(super) async fn calls(service: &Service, jobs: usize, at_once: usize) -> Duration {
    let client = Client::builder().connector(awc::Connector::new().limit(0)).finish();
    let base = format!("http://127.0.0.1:{}", service.port);
    let since = Instant::now();
    stream::iter(0..jobs)
        .for_each_concurrent(at_once, |number| {
            let (client, base) = (client.clone(), base.clone());
            async move {
                let body = json!({"minio-input": "metis/a", "minio-output": "metis/b", "job-id": format!("floor{number}-1"), "analysis-id": "floor", "max-shrink": 0.5});
                let mut started = client.post(format!("{base}/data-cleaning")).send_json(&body).await.unwrap();
                started.body().await.unwrap();
                let question = format!("{base}/data-cleaning/progress?id=floor{number}-1");
                let mut answer = client.get(question).send().await.unwrap();
                answer.body().await.unwrap();
            }
        })
        .await;
    since.elapsed()
}

/// So many appends of a few hundred bytes, each made durable.
pub(super) fn syncs(directory: &Path, count: usize) -> Duration {
    let mut file = OpenOptions::new().create(true).append(true).open(directory.join("floor")).unwrap();
    let since = Instant::now();
    for _ in 0..count {
        file.write_all(&[b'x'; 300]).unwrap();
        file.sync_data().unwrap();
    }
    since.elapsed()
}
