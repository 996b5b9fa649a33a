//! Takes the body of a request into a content file: at most two steps of it are in memory, and
//! writing and hashing happen off the async thread while the next step is being received.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use futures::stream::StreamExt;
use md5::{Digest, Md5};
use s3s::S3ErrorCode;
use s3s::dto::StreamingBlob;

use super::content::{ContentFolder, Draft, NewFile};
use super::failure::Failure;
use super::store::blocking;

/// Bytes collected before they are handed to the disk. Most bodies are smaller and cross to the
/// blocking thread only once.
const STEP: usize = 1 << 20;

/// What the client announced about the body; checked before anything becomes durable.
#[derive(Debug, Default)]
pub(super) struct Announced {
    /// Length in bytes.
    pub(super) length: Option<i64>,
    /// MD5 in base64.
    pub(super) md5: Option<String>,
}

/// A received body.
pub(super) struct Received {
    /// Length in bytes.
    pub(super) size: i64,
    /// MD5 of the content.
    pub(super) md5: [u8; 16],
    /// The durable content; none for no bytes.
    pub(super) file: Option<NewFile>,
}

/// Receives a whole body and makes it durable.
pub(super) async fn receive(
    content: &Arc<ContentFolder>,
    body: Option<StreamingBlob>,
    announced: Announced,
) -> Result<Received, Failure> {
    let start = Intake { content: Arc::clone(content), draft: None, md5: Md5::new(), size: 0 };
    let mut previous: BoxFuture<'static, Result<Intake, Failure>> = ready(Ok(start)).boxed();
    let (mut waiting, mut length) = (Vec::new(), 0);
    if let Some(mut body) = body {
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| refusal(&error.to_string()))?;
            length += chunk.len();
            waiting.push(chunk);
            if length >= STEP {
                let intake = previous.await?;
                let chunks = std::mem::take(&mut waiting);
                length = 0;
                previous = blocking(move || intake.write(&chunks)).boxed();
            }
        }
    }
    let intake = previous.await?;
    if waiting.is_empty() && intake.draft.is_none() {
        return intake.finish(&announced);
    }
    blocking(move || intake.write(&waiting)?.finish(&announced)).await
}

/// `s3s` checks payload hash and chunk signatures while the body is read, but keeps the error
/// types to itself: their text is all there is to tell them from a lost connection.
fn refusal(error: &str) -> Failure {
    if error.contains("SignatureMismatch") {
        S3ErrorCode::SignatureDoesNotMatch.into()
    } else if error.contains("Sha256Mismatch") {
        S3ErrorCode::BadDigest.into()
    } else {
        S3ErrorCode::IncompleteBody.into()
    }
}

struct Intake {
    content: Arc<ContentFolder>,
    draft: Option<Draft>,
    md5: Md5,
    size: i64,
}

impl Intake {
    fn write(mut self, chunks: &[Bytes]) -> Result<Self, Failure> {
        let draft = match &mut self.draft {
            Some(draft) => draft,
            absent => absent.insert(self.content.draft()?),
        };
        for chunk in chunks {
            draft.write(chunk)?;
            self.md5.update(chunk);
            self.size += i64::try_from(chunk.len()).expect("a chunk fits into memory");
        }
        Ok(self)
    }

    fn finish(self, announced: &Announced) -> Result<Received, Failure> {
        if announced.length.is_some_and(|length| length != self.size) {
            return Err(S3ErrorCode::IncompleteBody.into());
        }
        let md5: [u8; 16] = self.md5.finalize().into();
        if announced.md5.as_ref().is_some_and(|announced| *announced != base64(&md5)) {
            return Err(S3ErrorCode::BadDigest.into());
        }
        let file = self.draft.map(Draft::finish).transpose()?;
        Ok(Received { size: self.size, md5, file })
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 63).expect("six bits are small");
            text.push(if place <= group.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_to_groups_of_four() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, text) in cases {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }
}
