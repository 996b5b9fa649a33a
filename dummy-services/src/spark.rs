//! The Spark component: a socket that takes one framed message a connection, works, and replies when the work is over.
//! Like the real one it replies also when the work failed; what it leaves in S3 is the only evidence of success.

use std::{io, sync::Arc, time::Duration};

use actix_web::rt;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    Behaviour, Fault, Kind, S3Options,
    state::State,
    store::Store,
    work::{SparkJob, text_of},
};

/// Length of the header: decimal digits, then spaces.
const HEADER: usize = 64;

/// A message is a handful of texts.
const MESSAGE_LIMIT: usize = 1 << 20;

/// How often the evidence is offered to a store that does not take it.
const TRIES: u32 = 100;

/// Between two of these tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// What the real component says.
const REPLY: &[u8] = b"Msg received";

/// Takes connections until the services stop.
pub(crate) async fn serve(listener: TcpListener, state: Arc<State>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let state = Arc::clone(&state);
                rt::spawn(async move {
                    if let Err(why) = converse(stream, &state).await {
                        log::warn!("spark connection of {peer} failed: {why}");
                    }
                });
            }
            Err(why) => {
                log::warn!("spark component cannot accept: {why}");
                // Out of descriptors is the usual cause; at once would be a busy loop.
                rt::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(mut stream: TcpStream, state: &Arc<State>) -> io::Result<()> {
    let mut header = [0; HEADER];
    if stream.read_exact(&mut header).await.is_err() {
        // Whoever only looks whether the port answers leaves like this.
        log::debug!("spark connection closed before a header came");
        return Ok(());
    }
    if state.half_frame() {
        return Ok(());
    }
    let mut message = vec![0; payload_length(&header)?];
    stream.read_exact(&mut message).await?;
    let text = String::from_utf8_lossy(&message);
    let message: Value = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text.as_ref()));
    state.record("SPARK".to_owned(), Default::default(), message.clone());
    let id = text_of(&message["job-id"]);
    let behaviour = state.behaviour(Kind::Spark, id.as_deref());
    let in_flight = state.enter(Kind::Spark);
    if matches!(behaviour.fault, Some(Fault::BlackHole | Fault::NeverFinishes)) {
        // Ends when the other side gives up.
        stream.read_to_end(&mut Vec::new()).await?;
        return Ok(());
    }
    let latency = Duration::from_millis(behaviour.latency_ms);
    match state.store() {
        Some(store) => {
            let (well, ()) = futures::join!(work(&message, &behaviour, &store), rt::time::sleep(latency));
            state.spark_ended(id.as_deref().unwrap_or_default(), well);
        }
        None => {
            rt::time::sleep(latency).await;
            leave_evidence(&message, &behaviour, state).await;
        }
    }
    // Before the reply, so that whoever got it never sees this job in the count.
    drop(in_flight);
    if behaviour.fault != Some(Fault::NoReply) {
        stream.write_all(REPLY).await?;
    }
    stream.shutdown().await
}

fn payload_length(header: &[u8; HEADER]) -> io::Result<usize> {
    let length = std::str::from_utf8(header).ok().and_then(|text| text.trim_end_matches(' ').parse().ok());
    match length {
        Some(length) if length <= MESSAGE_LIMIT => Ok(length),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "header is not a length in decimal, padded with spaces")),
    }
}

/// Works on data; answers whether there is evidence of success now.
async fn work(message: &Value, behaviour: &Behaviour, store: &Store) -> bool {
    if matches!(behaviour.fault, Some(Fault::Error { .. })) {
        return false;
    }
    let leaves_evidence = behaviour.fault != Some(Fault::NoSuccessFile);
    let job = SparkJob::new(message);
    let outcome = job.run(store, leaves_evidence).await;
    if let Err(why) = &outcome {
        log::warn!("spark job {} failed: {why}", job.id());
    }
    leaves_evidence && outcome.is_ok()
}

/// Writes `_SUCCESS` without having worked, into the store that the message names.
async fn leave_evidence(message: &Value, behaviour: &Behaviour, state: &Arc<State>) {
    let job = SparkJob::new(message);
    let fails = matches!(behaviour.fault, Some(Fault::Error { .. } | Fault::NoSuccessFile));
    let store = named_store(message).filter(|_| !fails);
    // before the evidence: whoever looks for it may be quicker than the answer to its writing
    state.spark_ended(job.id(), store.is_some());
    let Some(store) = store.map(|s3| state.foreign_store(s3)) else { return };
    // Spark's own client of the store is a patient one
    for _ in 0..TRIES {
        match job.leave_evidence(&store).await {
            Ok(()) => return,
            Err(why) => log::warn!("spark job {} cannot write: {why}", job.id()),
        }
        rt::time::sleep(BETWEEN_TRIES).await;
    }
}

/// The store that a message names.
fn named_store(message: &Value) -> Option<S3Options> {
    let member = |name: &str| text_of(&message[name]);
    Some(S3Options {
        host: member("minio-host")?,
        port: member("minio-port")?.parse().ok()?,
        user: member("minio-user")?,
        pass: member("minio-pass")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_padded_length() {
        let header = |text: &str| <[u8; HEADER]>::try_from(format!("{text:<64}").as_bytes()).unwrap();
        assert_eq!(payload_length(&header("512")).unwrap(), 512);
        assert!(payload_length(&header("")).is_err());
        assert!(payload_length(&header("5x")).is_err());
        assert!(payload_length(&header("99999999999")).is_err());
    }
}
