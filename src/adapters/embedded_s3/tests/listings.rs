//! Listings as the clients page through them.

use s3::Bucket;

use super::{Endpoint, refused};

async fn keys(bucket: &Bucket, prefix: &str, delimiter: Option<&str>) -> Vec<String> {
    let pages = bucket.list(prefix.to_owned(), delimiter.map(str::to_owned)).await.unwrap();
    let mut keys = Vec::new();
    for page in pages {
        keys.extend(page.contents.into_iter().map(|object| object.key));
        keys.extend(page.common_prefixes.into_iter().flatten().map(|common| common.prefix));
    }
    keys
}

#[tokio::test]
async fn delimiters_roll_up_and_an_empty_one_does_not() {
    let (_endpoint, bucket) = Endpoint::with_bucket().await;
    for key in ["raw.csv", "analysis-1/", "analysis-1/cleaned-1/", "analysis-1/cleaned-1/part-0"] {
        bucket.put_object(key, b"").await.unwrap();
    }
    assert_eq!(keys(&bucket, "", Some("/")).await, ["raw.csv", "analysis-1/"]);
    let inside = ["analysis-1/", "analysis-1/cleaned-1/"];
    assert_eq!(keys(&bucket, "analysis-1/", Some("/")).await, inside);
    let all = ["analysis-1/", "analysis-1/cleaned-1/", "analysis-1/cleaned-1/part-0", "raw.csv"];
    assert_eq!(keys(&bucket, "", Some("")).await, all);
    assert_eq!(keys(&bucket, "", None).await, all);
    let mut version_1 = bucket.clone();
    version_1.set_listobjects_v1();
    assert_eq!(keys(&version_1, "", Some("/")).await, ["raw.csv", "analysis-1/"]);
    assert_eq!(keys(&version_1, "analysis-1/c", None).await, all[1..3]);
}

#[tokio::test]
async fn twelve_hundred_objects_come_in_two_pages() {
    let (_endpoint, bucket) = Endpoint::with_bucket().await;
    let names: Vec<String> = (0..1200).map(|n| format!("dir & more/{n:04}")).collect();
    for chunk in names.chunks(50) {
        let puts = chunk.iter().map(|name| bucket.put_object(name, b""));
        futures::future::try_join_all(puts).await.unwrap();
    }
    let pages = bucket.list("dir".to_owned(), None).await.unwrap();
    assert_eq!(pages.iter().map(|page| page.contents.len()).collect::<Vec<_>>(), [1000, 200]);
    assert_eq!(keys(&bucket, "", None).await, names);
    assert_eq!(keys(&bucket, "", Some("/")).await, ["dir & more/"]);
    let mut version_1 = bucket.clone();
    version_1.set_listobjects_v1();
    assert_eq!(keys(&version_1, "", None).await, names);
}

#[tokio::test]
async fn pages_can_be_shorter_and_start_later() {
    let (endpoint, bucket) = Endpoint::with_bucket().await;
    for key in ["a", "b", "c"] {
        bucket.put_object(key, b"").await.unwrap();
    }
    let page = |after: &str, limit| bucket.list_page(String::new(), None, None, Some(after.to_owned()), Some(limit));
    let (first, _) = page("a", 1).await.unwrap();
    assert_eq!(first.contents[0].key, "b");
    assert!(first.is_truncated && first.next_continuation_token.is_some());
    let (rest, _) = page("a", 5).await.unwrap();
    assert!(rest.contents.len() == 2 && !rest.is_truncated);
    let missing = endpoint.bucket("none");
    refused(missing.list(String::new(), None).await, 404, "NoSuchBucket");
}
