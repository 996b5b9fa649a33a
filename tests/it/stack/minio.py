"""What the platform's services do with an object store, and what they might: argument 1 is its host and port."""

import hashlib
import io
import sys

from minio import Minio
from minio.commonconfig import CopySource
from minio.error import S3Error

HOST = sys.argv[1]
BUCKET = "tenant-of-minio"


def client(secret="diastema"):
    return Minio(HOST, access_key="diastema", secret_key=secret, secure=False)


def put(store, key, content, **more):
    return store.put_object(BUCKET, key, io.BytesIO(content), len(content), **more)


def get(store, key, **more):
    answer = store.get_object(BUCKET, key, **more)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


def keys(store, prefix, recursive, **more):
    return [found.object_name for found in store.list_objects(BUCKET, prefix=prefix, recursive=recursive, **more)]


def refused(code, work):
    try:
        work()
    except S3Error as error:
        assert error.code == code, (error.code, code)
    else:
        raise AssertionError("not refused: " + code)


def buckets(store):
    assert not store.bucket_exists(BUCKET)
    store.make_bucket(BUCKET)
    assert store.bucket_exists(BUCKET)
    assert BUCKET in [bucket.name for bucket in store.list_buckets()]
    refused("BucketAlreadyOwnedByYou", lambda: store.make_bucket(BUCKET))
    refused("NoSuchBucket", lambda: list(store.list_objects("another-bucket")))


def objects(store):
    content = b"id,age\n1,2\n"
    put(store, "datasets/people/data.csv", content, content_type="text/csv", metadata={"origin": "a test"})
    assert get(store, "datasets/people/data.csv") == content
    assert get(store, "datasets/people/data.csv", offset=3, length=3) == b"age"
    stat = store.stat_object(BUCKET, "datasets/people/data.csv")
    assert (stat.size, stat.content_type) == (len(content), "text/csv"), vars(stat)
    assert stat.etag == hashlib.md5(content).hexdigest(), stat.etag
    assert stat.metadata["x-amz-meta-origin"] == "a test", stat.metadata
    refused("NoSuchKey", lambda: get(store, "datasets/people/other.csv"))
    refused("NoSuchKey", lambda: store.stat_object(BUCKET, "datasets/people/other.csv"))
    put(store, "empty", b"")
    assert get(store, "empty") == b"" and store.stat_object(BUCKET, "empty").size == 0
    odd = "labels/Open Data + 1/\u03b5\u03c0\u03b9 & %41?#~'\"*()!.csv"
    put(store, odd, b"odd")
    assert get(store, odd) == b"odd" and keys(store, "labels/", True) == [odd]


def directories(store):
    put(store, "analysis-1/cleaned-1/", b"")
    assert store.stat_object(BUCKET, "analysis-1/cleaned-1/").size == 0
    put(store, "analysis-1/cleaned-1/part-0.csv", b"x")
    put(store, "analysis-1/cleaned-1/_SUCCESS", b"")
    put(store, "analysis-1/joined-2/part-0.csv", b"x")
    put(store, "analysis-1/readme", b"x")
    everything = [
        "analysis-1/cleaned-1/",
        "analysis-1/cleaned-1/_SUCCESS",
        "analysis-1/cleaned-1/part-0.csv",
        "analysis-1/joined-2/part-0.csv",
        "analysis-1/readme",
    ]
    for v1 in (False, True):
        assert keys(store, "analysis-1/", True, use_api_v1=v1) == everything, v1
        level = sorted(keys(store, "analysis-1/", False, use_api_v1=v1))
        assert level == ["analysis-1/cleaned-1/", "analysis-1/joined-2/", "analysis-1/readme"], (v1, level)
        assert keys(store, "analysis-1/cleaned-1/", False, use_api_v1=v1) == everything[:3], v1
        assert keys(store, "nothing/", True, use_api_v1=v1) == []
    assert keys(store, "analysis-1/", True, start_after=everything[2]) == everything[3:]


def many(store):
    names = ["many/%04d" % number for number in range(1100)]
    for name in names:
        put(store, name, name.encode("ascii"))
    for v1 in (False, True):
        assert keys(store, "many/", True, use_api_v1=v1) == names, v1
    assert keys(store, "", False).count("many/") == 1
    assert get(store, names[-1]) == names[-1].encode("ascii")


def large(store):
    content = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(12 * 1024 * 1024 // 32))
    wrote = put(store, "large", content, part_size=5 * 1024 * 1024)
    assert wrote.etag.strip('"').endswith("-3"), wrote.etag
    assert get(store, "large") == content
    assert get(store, "large", offset=5 * 1024 * 1024 - 2, length=4) == content[5 * 1024 * 1024 - 2 :][:4]
    assert store.stat_object(BUCKET, "large").size == len(content)
    # a stream of unknown length, as from a download
    store.put_object(BUCKET, "stream", io.BytesIO(content), -1, part_size=5 * 1024 * 1024)
    assert get(store, "stream") == content


def copies_and_removals(store):
    store.copy_object(BUCKET, "copies/data.csv", CopySource(BUCKET, "datasets/people/data.csv"))
    assert get(store, "copies/data.csv") == get(store, "datasets/people/data.csv")
    store.remove_object(BUCKET, "copies/data.csv")
    refused("NoSuchKey", lambda: get(store, "copies/data.csv"))
    store.remove_object(BUCKET, "copies/data.csv")
    refused("BucketNotEmpty", lambda: store.remove_bucket(BUCKET))


def strangers():
    stranger = client("wrong-secret")
    refused("SignatureDoesNotMatch", lambda: put(stranger, "stolen", b"x"))
    refused("SignatureDoesNotMatch", lambda: get(stranger, "datasets/people/data.csv"))
    unknown = Minio(HOST, access_key="somebody", secret_key="diastema", secure=False)
    refused("InvalidAccessKeyId", lambda: unknown.list_buckets())
    nobody = Minio(HOST, secure=False)
    refused("AccessDenied", lambda: nobody.get_object(BUCKET, "datasets/people/data.csv"))


def main():
    store = client()
    buckets(store)
    objects(store)
    directories(store)
    many(store)
    large(store)
    copies_and_removals(store)
    strangers()
    print("all is well")


main()
