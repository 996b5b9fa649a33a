//! The door between the protocol and the store: which S3 operation is which method of [`Store`].
//! Operations not listed here are answered with `NotImplemented` by `s3s`.

use s3s::{S3, S3Request, S3Response, S3Result, dto};

use super::store::Store;

macro_rules! operations {
    ($($operation:ident($input:ident) -> $output:ident: $method:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Store {
            $(async fn $operation(&self, request: S3Request<dto::$input>) -> S3Result<S3Response<dto::$output>> {
                Ok(S3Response::new(self.$method(request.input).await?))
            })*
        }
    };
}

operations! {
    create_bucket(CreateBucketInput) -> CreateBucketOutput: bucket_create;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput: bucket_delete;
    head_bucket(HeadBucketInput) -> HeadBucketOutput: bucket_head;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput: bucket_location;
    list_buckets(ListBucketsInput) -> ListBucketsOutput: bucket_list;
    put_object(PutObjectInput) -> PutObjectOutput: object_put;
    get_object(GetObjectInput) -> GetObjectOutput: object_get;
    head_object(HeadObjectInput) -> HeadObjectOutput: object_head;
    copy_object(CopyObjectInput) -> CopyObjectOutput: object_copy;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput: object_delete;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput: objects_delete;
    list_objects(ListObjectsInput) -> ListObjectsOutput: objects_list;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output: objects_list_v2;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput: upload_create;
    upload_part(UploadPartInput) -> UploadPartOutput: upload_part_put;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput: upload_complete;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput: upload_abort;
    list_parts(ListPartsInput) -> ListPartsOutput: upload_parts;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput: uploads_list;
}
