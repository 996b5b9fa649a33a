//! The only folder that names networks: HTTP services, the Spark component, S3, MongoDB, the web application.

pub mod address;
pub mod embedded_s3;
pub mod frontend;
pub mod http_client;
pub mod objects;
pub mod records_mongo;
pub mod secret;
pub mod services;
pub mod spark;
pub mod tls;
