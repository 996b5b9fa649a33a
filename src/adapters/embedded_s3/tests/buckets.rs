//! Buckets, and who may touch them.

use s3::creds::Credentials;
use s3::{Bucket, BucketConfiguration};

use super::super::EmbeddedS3;
use super::{Endpoint, keys, refused, settings};

#[tokio::test]
async fn a_bucket_is_created_once_found_listed_and_deleted_when_empty() {
    let endpoint = Endpoint::start();
    assert_eq!(endpoint.create("first").await.unwrap(), 200);
    refused(endpoint.create("first").await, 409, "BucketAlreadyOwnedByYou");
    assert_eq!(endpoint.create("a.second-1").await.unwrap(), 200);

    let names = Bucket::list_buckets(endpoint.region(), keys("secret")).await.unwrap();
    assert_eq!(names.bucket_names().collect::<Vec<_>>(), ["a.second-1", "first"]);
    assert!(endpoint.bucket("first").exists().await.unwrap());
    assert!(!endpoint.bucket("none").exists().await.unwrap());
    let location = [("location".to_owned(), String::new())].into_iter().collect();
    let location = endpoint.bucket("first").with_extra_query(location).unwrap();
    let location = location.get_object("/").await.unwrap();
    assert!(location.as_str().unwrap().contains("<LocationConstraint"));

    endpoint.bucket("first").put_object("key", b"").await.unwrap();
    refused(endpoint.bucket("first").delete().await, 409, "BucketNotEmpty");
    endpoint.bucket("first").delete_object("key").await.unwrap();
    assert_eq!(endpoint.bucket("first").delete().await.unwrap(), 204);
    refused(endpoint.bucket("first").delete().await, 404, "NoSuchBucket");
}

#[tokio::test]
async fn concurrent_creation_gives_one_success_and_conflicts() {
    let endpoint = Endpoint::start();
    let attempts = (0..8).map(|_| endpoint.create("bucket"));
    let results = futures::future::join_all(attempts).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for result in results.into_iter().filter(Result::is_err) {
        refused(result, 409, "BucketAlreadyOwnedByYou");
    }
}

#[tokio::test]
async fn names_follow_the_rules_of_s3() {
    let endpoint = Endpoint::start();
    for name in ["ab", "Upper", "under_score", "-start", "192.168.1.1", &"x".repeat(64)] {
        refused(endpoint.create(name).await, 400, "InvalidBucketName");
    }
}

#[tokio::test]
async fn a_wrong_key_or_signature_is_refused() {
    let (endpoint, bucket) = Endpoint::with_bucket().await;
    let mut wrong = bucket.clone();
    wrong.set_credentials(keys("not the secret"));
    refused(wrong.put_object("key", b"x").await, 403, "SignatureDoesNotMatch");
    refused(wrong.list(String::new(), None).await, 403, "SignatureDoesNotMatch");

    let unknown = s3::creds::Credentials::new(Some("other"), Some("secret"), None, None, None);
    wrong.set_credentials(unknown.unwrap());
    refused(wrong.get_object("key").await, 403, "InvalidAccessKeyId");
    wrong.set_credentials(s3::creds::Credentials::anonymous().unwrap());
    refused(wrong.get_object("key").await, 403, "AccessDenied");
    let anonymous = Bucket::create_with_path_style(
        "another",
        endpoint.region(),
        s3::creds::Credentials::anonymous().unwrap(),
        BucketConfiguration::default(),
    );
    refused(anonymous.await.map(|_| ()), 403, "AccessDenied");
    refused(bucket.get_object("key").await, 404, "NoSuchKey");
}

#[test]
fn the_secret_is_not_printed_and_a_held_directory_is_refused() {
    let endpoint = Endpoint::start();
    let again = settings(&endpoint.directory.0);
    assert!(!format!("{again:?} {:?}", endpoint.server).contains("secret\""));
    let refusal = EmbeddedS3::start(again).unwrap_err().to_string();
    assert!(refusal.ends_with("is in use by another process"), "{refusal}");
}

#[tokio::test]
async fn a_guest_works_with_objects_and_neither_lists_nor_removes_buckets() {
    let endpoint = Endpoint::start();
    endpoint.create("shared").await.unwrap();
    let pair = |secret| Credentials::new(Some("guest"), Some(secret), None, None, None).unwrap();
    let as_guest = |secret| Bucket::new("shared", endpoint.region(), pair(secret)).unwrap().with_path_style();
    let guest = as_guest("of-guests");
    guest.put_object("analysis-1/classified-2/_SUCCESS", b"").await.unwrap();
    assert_eq!(guest.list(String::new(), None).await.unwrap()[0].contents.len(), 1);
    guest.delete_object("analysis-1/classified-2/_SUCCESS").await.unwrap();
    refused(guest.delete().await, 403, "AccessDenied");
    refused(Bucket::list_buckets(endpoint.region(), pair("of-guests")).await, 403, "AccessDenied");
    refused(as_guest("secret").get_object("x").await, 403, "SignatureDoesNotMatch");
}
