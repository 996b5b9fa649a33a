//! Single objects: content, headers, ranges, conditions, copies, deletion.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Endpoint, refused, start_put};

const TEXT: &[u8] = b"The quick brown fox";

#[tokio::test]
async fn an_object_comes_back_with_its_headers() {
    let (_endpoint, mut bucket) = Endpoint::with_bucket().await;
    bucket.add_header("x-amz-meta-who", "me");
    let put = bucket.put_object_with_content_type("a/../b c+%é", TEXT, "text/csv").await.unwrap();
    assert_eq!(put.headers()["etag"], format!("\"{:x}\"", md5_of(TEXT)));
    let (head, status) = bucket.head_object("a/../b c+%é").await.unwrap();
    assert_eq!((status, head.content_length), (200, Some(19)));
    assert_eq!(head.content_type.as_deref(), Some("text/csv"));
    assert_eq!(head.metadata.unwrap()["who"], "me");
    let get = bucket.get_object("a/../b c+%é").await.unwrap();
    assert_eq!(get.as_slice(), TEXT);
    assert_eq!(get.headers()["x-amz-meta-who"], "me");
}

fn md5_of(content: &[u8]) -> impl std::fmt::LowerHex {
    use md5::Digest;
    md5::Md5::digest(content)
}

#[tokio::test]
async fn missing_things_are_named() {
    let (endpoint, bucket) = Endpoint::with_bucket().await;
    refused(bucket.get_object("none").await, 404, "NoSuchKey");
    refused(endpoint.bucket("none").get_object("key").await, 404, "NoSuchBucket");
    refused(endpoint.bucket("none").put_object("key", TEXT).await, 404, "NoSuchBucket");
    refused(endpoint.bucket("none").put_object("key", b"").await, 404, "NoSuchBucket");
    assert!(!bucket.object_exists("none").await.unwrap());
    assert_eq!(bucket.delete_object("none").await.unwrap().status_code(), 204);
    assert!(endpoint.files().is_empty());
}

#[tokio::test]
async fn a_directory_marker_is_a_key_of_its_own_and_needs_no_file() {
    let (endpoint, bucket) = Endpoint::with_bucket().await;
    bucket.put_object("dir/", b"").await.unwrap();
    bucket.put_object("dir", b"plain").await.unwrap();
    bucket.put_object("dir/x", b"inside").await.unwrap();
    assert_eq!(endpoint.files().len(), 2);
    let marker = bucket.get_object("dir/").await.unwrap();
    assert_eq!((marker.status_code(), marker.as_slice()), (200, &b""[..]));
    assert_eq!(bucket.head_object("dir/").await.unwrap().0.content_length, Some(0));
    assert_eq!(bucket.get_object("dir").await.unwrap().as_slice(), b"plain");
    bucket.delete_object("dir/").await.unwrap();
    assert_eq!(bucket.get_object("dir/x").await.unwrap().as_slice(), b"inside");
    refused(bucket.get_object("dir/").await, 404, "NoSuchKey");
}

#[tokio::test]
async fn ranges_are_cut_exactly() {
    let (_endpoint, bucket) = Endpoint::with_bucket().await;
    let large: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    bucket.put_object("large", &large).await.unwrap();
    assert_eq!(bucket.get_object("large").await.unwrap().as_slice(), large);
    for (from, to) in [(0, 0), (5, 600_000), (262_143, 262_144), (999_999, 2_000_000)] {
        let part = bucket.get_object_range("large", from as u64, Some(to as u64)).await.unwrap();
        let to = to.min(large.len() - 1);
        assert_eq!(part.status_code(), 206);
        assert_eq!(part.headers()["content-range"], format!("bytes {from}-{to}/1000000"));
        assert_eq!(part.as_slice(), &large[from..=to]);
    }
    let outside = bucket.get_object_range("large", 1_000_000, None).await;
    refused(outside, 416, "InvalidRange");
    bucket.put_object("empty", b"").await.unwrap();
    refused(bucket.get_object_range("empty", 0, None).await, 416, "InvalidRange");
}

#[tokio::test]
async fn overwriting_and_deleting_leave_no_files() {
    let (endpoint, bucket) = Endpoint::with_bucket().await;
    for round in 0..5 {
        bucket.put_object("key", format!("round {round}").as_bytes()).await.unwrap();
    }
    assert_eq!(bucket.get_object("key").await.unwrap().as_slice(), b"round 4");
    endpoint.files_settle_at(1).await;
    bucket.put_object("other", TEXT).await.unwrap();
    let all = vec!["key".to_owned(), "other".to_owned(), "none".to_owned()];
    let all: Vec<_> = all.into_iter().map(s3::serde_types::ObjectIdentifier::new).collect();
    assert_eq!(bucket.delete_objects(all).await.unwrap().deleted.len(), 3);
    refused(bucket.get_object("key").await, 404, "NoSuchKey");
    endpoint.files_settle_at(0).await;
}

#[tokio::test]
async fn readers_of_a_replaced_object_finish_undisturbed() {
    use futures::StreamExt;
    let (_endpoint, bucket) = Endpoint::with_bucket().await;
    let old = vec![b'o'; 8 << 20];
    bucket.put_object("key", &old).await.unwrap();
    let mut stream = bucket.get_object_stream("key").await.unwrap();
    let mut received = stream.bytes().next().await.unwrap().unwrap().to_vec();
    bucket.put_object("key", b"new").await.unwrap();
    while let Some(piece) = stream.bytes().next().await {
        received.extend_from_slice(&piece.unwrap());
    }
    assert!(received == old);
    assert_eq!(bucket.get_object("key").await.unwrap().as_slice(), b"new");
}

#[tokio::test]
async fn a_copy_is_independent_of_its_source() {
    let (endpoint, bucket) = Endpoint::with_bucket().await;
    bucket.put_object_with_content_type("from dir/e", TEXT, "text/csv").await.unwrap();
    bucket.put_object("marker/", b"").await.unwrap();
    bucket.copy_object_internal("from dir/e", "to").await.unwrap();
    bucket.copy_object_internal("marker/", "marker2/").await.unwrap();
    bucket.delete_object("from dir/e").await.unwrap();
    endpoint.files_settle_at(1).await;
    assert_eq!(bucket.get_object("to").await.unwrap().as_slice(), TEXT);
    assert_eq!(bucket.head_object("to").await.unwrap().0.content_type.as_deref(), Some("text/csv"));
    assert!(bucket.object_exists("marker2/").await.unwrap());
    refused(bucket.copy_object_internal("none", "to").await, 404, "NoSuchKey");
    refused(bucket.copy_object_internal("to", "to").await, 400, "InvalidRequest");
}

#[tokio::test]
async fn conditions_and_digests_are_checked() {
    let (endpoint, bucket) = Endpoint::with_bucket().await;
    let mut new_only = bucket.clone();
    new_only.add_header("if-none-match", "*");
    new_only.put_object("key", TEXT).await.unwrap();
    refused(new_only.put_object("key", b"again").await, 412, "PreconditionFailed");

    let headers = "content-length: 7\r\ncontent-md5: 1B2M2Y8AsgTpgAmY7PhCfg==\r\nconnection: close\r\n";
    let mut damaged = start_put(&bucket, "other", headers).await;
    damaged.write_all(b"damaged").await.unwrap();
    let mut answer = String::new();
    damaged.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("<Code>BadDigest<"), "{answer}");
    endpoint.files_settle_at(1).await;
}
