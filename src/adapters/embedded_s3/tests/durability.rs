//! What outlives a restart, and what does not. Real kills are in the kill harness; here the
//! traces a kill leaves are put in place by hand.

use std::fs;

use super::super::EmbeddedS3;
use super::{Endpoint, refused, settings, start_put};

#[tokio::test]
async fn a_restart_keeps_objects_and_uploads_and_sweeps_orphans() {
    let (mut endpoint, bucket) = Endpoint::with_bucket().await;
    bucket.put_object("key", b"kept").await.unwrap();
    bucket.put_object("dir/", b"").await.unwrap();
    let id = bucket.initiate_multipart_upload("big", "text/csv").await.unwrap().upload_id;
    let part = bucket.put_multipart_chunk(b"part".to_vec(), "big", 1, &id, "text/csv");
    let part = part.await.unwrap();
    endpoint.restart(|directory| {
        fs::write(directory.join("content/0123456789abcdef"), "renamed, no row").unwrap();
        fs::write(directory.join("content/fedcba9876543210.tmp"), "half writ").unwrap();
    });
    assert_eq!(endpoint.files().len(), 2);
    let bucket = endpoint.bucket("bucket");
    assert_eq!(bucket.get_object("key").await.unwrap().as_slice(), b"kept");
    assert!(bucket.object_exists("dir/").await.unwrap());
    bucket.complete_multipart_upload("big", &id, vec![part]).await.unwrap();
    assert_eq!(bucket.get_object("big").await.unwrap().as_slice(), b"part");
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing() {
    use tokio::io::AsyncWriteExt;
    let (endpoint, bucket) = Endpoint::with_bucket().await;
    let mut socket = start_put(&bucket, "key", "content-length: 9000000\r\n").await;
    socket.write_all(&vec![b'x'; 3 << 20]).await.unwrap();
    endpoint.files_settle_at(1).await;
    drop(socket);
    endpoint.files_settle_at(0).await;
    refused(bucket.get_object("key").await, 404, "NoSuchKey");
}

#[test]
fn an_index_of_a_newer_version_is_refused() {
    let mut endpoint = Endpoint::start();
    endpoint.server.take().unwrap().stop();
    let index = rusqlite::Connection::open(endpoint.directory.0.join("objects.db")).unwrap();
    index.pragma_update(None, "user_version", 9).unwrap();
    drop(index);
    let refusal = EmbeddedS3::start(settings(&endpoint.directory.0)).unwrap_err().to_string();
    assert!(refusal.contains("has format 9, this version knows up to 1"), "{refusal}");
}

#[test]
fn the_directory_is_private_and_stopping_releases_it() {
    use std::os::unix::fs::PermissionsExt;
    let mut endpoint = Endpoint::start();
    let mode = fs::metadata(&endpoint.directory.0).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    endpoint.restart(|_| ());
}
