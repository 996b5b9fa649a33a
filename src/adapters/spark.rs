//! The Spark component: one framed JSON message over TCP, one reply when Spark has finished (contract section 4.4).

use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::address::Address;
use super::secret::Secret;
use crate::chaos::{self, Point};
use crate::ports::{CallError, SparkConnection, SparkJob, SparkSubmitter};

/// Bytes of the header: the payload's length in decimal, padded with spaces.
const HEADER_BYTES: usize = 64;

/// Most bytes of a reply that are read.
const LARGEST_REPLY: usize = 2048;

/// What every message says before the job itself.
#[derive(Debug, Clone)]
pub struct SparkSettings {
    /// The component.
    pub address: Address,
    /// Until the connection stands.
    pub connect: Duration,
    /// The object store as Spark shall reach it.
    pub minio: Address,
    /// The user that Spark shall be there.
    pub minio_user: String,
    /// That user's password.
    pub minio_pass: Secret,
    /// The database as Spark shall reach it.
    pub mongo: Address,
}

/// The component behind a socket.
pub struct SparkComponent {
    settings: Rc<SparkSettings>,
}

impl SparkComponent {
    /// A client of the component.
    pub fn new(settings: SparkSettings) -> Self {
        Self { settings: Rc::new(settings) }
    }
}

impl SparkSubmitter for SparkComponent {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Box<dyn SparkConnection>, CallError>> {
        let settings = Rc::clone(&self.settings);
        async move {
            let stream = connect(&settings).await?;
            Ok(Box::new(Connection { settings, stream }) as Box<dyn SparkConnection>)
        }
        .boxed_local()
    }
}

/// One connection.
struct Connection {
    settings: Rc<SparkSettings>,
    stream: TcpStream,
}

impl SparkConnection for Connection {
    fn submit(self: Box<Self>, job: &SparkJob) -> LocalBoxFuture<'static, Result<String, CallError>> {
        let frame = frame(&payload(&self.settings, job));
        let to = self.settings.address.to_string();
        async move { exchange(self.stream, to, &frame).await }.boxed_local()
    }
}

async fn connect(settings: &SparkSettings) -> Result<TcpStream, CallError> {
    let SparkSettings { address, connect, .. } = settings;
    let not_connected = |why: String| CallError::NotConnected { to: address.to_string(), why };
    actix::clock::timeout(*connect, TcpStream::connect((address.host.as_str(), address.port)))
        .await
        .map_err(|_| not_connected("timed out".to_owned()))?
        .map_err(|error| not_connected(error.to_string()))
}

/// Header and payload in one piece: the known server reads each with a single receive.
fn frame(payload: &str) -> Vec<u8> {
    let mut frame = format!("{:<HEADER_BYTES$}", payload.len()).into_bytes();
    frame.extend_from_slice(payload.as_bytes());
    frame
}

/// Only text values, in the contract's order.
fn payload(settings: &SparkSettings, job: &SparkJob) -> String {
    let SparkSettings { minio, minio_user, minio_pass, mongo, .. } = settings;
    let members: [(&str, String); 16] = [
        ("master-host", "192.168.49.2".to_owned()),
        ("master-port", "8443".to_owned()),
        ("app-name", "diastema-job".to_owned()),
        ("minio-host", minio.host.clone()),
        ("minio-port", minio.port.to_string()),
        ("minio-user", minio_user.clone()),
        ("minio-pass", minio_pass.reveal().to_owned()),
        ("mongo-host", mongo.host.clone()),
        ("mongo-port", mongo.port.to_string()),
        ("path", job.script.clone()),
        ("algorithm", job.algorithm.clone()),
        ("minio-input", job.input.clone()),
        ("minio-output", job.output.clone()),
        ("column", job.column.clone()),
        ("job-id", job.job_id.clone()),
        ("analysis-id", job.analysis_id.clone()),
    ];
    let object: Map<String, Value> =
        members.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
    Value::Object(object).to_string()
}

/// Sends the frame and reads one reply; never half-closes, because the known server would stop reading.
async fn exchange(mut stream: TcpStream, to: String, frame: &[u8]) -> Result<String, CallError> {
    let no_answer = |why: String| CallError::NoAnswer { to: to.clone(), why };
    if chaos::due(Point::K15a) {
        stream.write_all(&frame[..HEADER_BYTES]).await.map_err(|error| no_answer(error.to_string()))?;
        chaos::die();
    }
    stream.write_all(frame).await.map_err(|error| no_answer(error.to_string()))?;
    chaos::at(Point::K15b);
    read_reply(stream).await.map_err(|error| no_answer(error.to_string()))
}

/// The beginning of a reply: as much as comes in one piece, and not more than is worth reading.
///
/// *Errors*: the connection breaks, or ends without any.
pub async fn read_reply(mut stream: impl AsyncRead + Unpin) -> std::io::Result<String> {
    let mut reply = vec![0; LARGEST_REPLY];
    let read = stream.read(&mut reply).await?;
    if read == 0 {
        let why = "the connection was closed without a reply";
        return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, why));
    }
    Ok(String::from_utf8_lossy(&reply[..read]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_is_a_padded_length_and_the_payload() {
        let frame = frame("{\"a\":\"ü\"}");
        assert_eq!(frame.len(), 64 + 10);
        assert_eq!(&frame[..3], b"10 ");
        assert!(frame[2..64].iter().all(|byte| *byte == b' '));
    }
}
