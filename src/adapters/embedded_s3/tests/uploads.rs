//! Multipart uploads.

use s3::serde_types::Part;

use super::{Endpoint, refused};

const PART: usize = 5 << 20;

#[tokio::test]
async fn parts_become_one_object() {
    let (endpoint, bucket) = Endpoint::with_bucket().await;
    let id = bucket.initiate_multipart_upload("dir/key", "text/csv").await.unwrap().upload_id;
    let put = |number, content: Vec<u8>| bucket.put_multipart_chunk(content, "dir/key", number, &id, "text/csv");
    // Out of order, and one of them twice.
    let last = put(7, b"end".to_vec()).await.unwrap();
    put(2, b"wrong".to_vec()).await.unwrap();
    let first = put(2, vec![b'x'; PART]).await.unwrap();
    let uploads = bucket.list_multiparts_uploads(Some("dir"), None).await.unwrap();
    assert_eq!(uploads[0].uploads[0].key, "dir/key");
    refused(bucket.get_object("dir/key").await, 404, "NoSuchKey");

    let done = bucket.complete_multipart_upload("dir/key", &id, vec![first, last]).await.unwrap();
    assert_eq!(done.status_code(), 200);
    let (head, _) = bucket.head_object("dir/key").await.unwrap();
    assert_eq!(head.content_length, Some(PART as i64 + 3));
    assert_eq!(head.content_type.as_deref(), Some("text/csv"));
    assert!(head.e_tag.unwrap().ends_with("-2\""));
    let content = bucket.get_object("dir/key").await.unwrap();
    assert!(content.as_slice()[..PART].iter().all(|byte| *byte == b'x'));
    assert_eq!(&content.as_slice()[PART..], b"end");
    endpoint.files_settle_at(1).await;
    let again = bucket.complete_multipart_upload("dir/key", &id, Vec::new()).await;
    refused(again, 404, "NoSuchUpload");
}

#[tokio::test]
async fn a_wrong_list_of_parts_is_refused_and_the_upload_stays() {
    let (endpoint, bucket) = Endpoint::with_bucket().await;
    let id = bucket.initiate_multipart_upload("key", "text/csv").await.unwrap().upload_id;
    let put = |number| bucket.put_multipart_chunk(b"small".to_vec(), "key", number, &id, "text/csv");
    let (one, two) = (put(1).await.unwrap(), put(2).await.unwrap());
    let complete = |parts: Vec<Part>| bucket.complete_multipart_upload("key", &id, parts);
    let stranger = Part { etag: "0".repeat(32), part_number: 1 };
    let absent = Part { etag: one.etag.clone(), part_number: 3 };
    refused(complete(vec![one.clone(), two.clone()]).await, 400, "EntityTooSmall");
    refused(complete(vec![two, one.clone()]).await, 400, "InvalidPartOrder");
    refused(complete(vec![stranger]).await, 400, "InvalidPart");
    refused(complete(vec![absent]).await, 400, "InvalidPart");
    complete(vec![one]).await.unwrap();
    assert_eq!(bucket.get_object("key").await.unwrap().as_slice(), b"small");
    endpoint.files_settle_at(1).await;
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let (endpoint, bucket) = Endpoint::with_bucket().await;
    let id = bucket.initiate_multipart_upload("key", "text/csv").await.unwrap().upload_id;
    let put = || bucket.put_multipart_chunk(b"part".to_vec(), "key", 1, &id, "text/csv");
    put().await.unwrap();
    bucket.abort_upload("key", &id).await.unwrap();
    endpoint.files_settle_at(0).await;
    refused(put().await, 404, "NoSuchUpload");
    refused(bucket.abort_upload("key", &id).await, 404, "NoSuchUpload");
}

#[tokio::test]
async fn a_stream_larger_than_a_part_is_uploaded_in_parts() {
    let (endpoint, bucket) = Endpoint::with_bucket().await;
    let content: Vec<u8> = (0..17_000_000u32).map(|n| (n % 253) as u8).collect();
    bucket.put_object_stream(&mut content.as_slice(), "key").await.unwrap();
    assert!(bucket.get_object("key").await.unwrap().as_slice() == content);
    endpoint.files_settle_at(1).await;
}
