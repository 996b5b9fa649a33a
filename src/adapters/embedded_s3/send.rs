//! Sends a content file, or a range of it, as the body of an answer. The first piece is read
//! together with the lookup, so a small object crosses to the blocking thread only once; of a
//! large one a single piece is in memory at a time.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use s3s::Body;
use s3s::dto::StreamingBlob;

/// Bytes read at once.
const PIECE: u64 = 256 << 10;

/// An opened file, positioned, and what is left to send of it.
pub(super) struct Outgoing {
    file: File,
    left: u64,
}

impl Outgoing {
    /// Positions the file on the range. Blocks.
    pub(super) fn new(mut file: File, range: &Range<u64>) -> io::Result<Self> {
        file.seek(SeekFrom::Start(range.start))?;
        Ok(Self { file, left: range.end - range.start })
    }

    /// Reads the next piece. Blocks.
    pub(super) fn piece(&mut self) -> io::Result<Bytes> {
        let length = self.left.min(PIECE);
        let mut piece = Vec::with_capacity(usize::try_from(length).expect("a piece fits into memory"));
        if (&self.file).take(length).read_to_end(&mut piece)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= length;
        Ok(piece.into())
    }

    /// Turns the first piece and the rest into a body.
    pub(super) fn body(self, first: Bytes) -> StreamingBlob {
        if self.left == 0 {
            return Body::from(first).into();
        }
        let rest = stream::try_unfold(self, |mut outgoing| async move {
            if outgoing.left == 0 {
                return Ok::<_, io::Error>(None);
            }
            let task = tokio::task::spawn_blocking(move || outgoing.piece().map(|piece| (piece, outgoing)));
            task.await.map_err(io::Error::other)?.map(Some)
        });
        StreamingBlob::wrap(stream::once(async { Ok(first) }).chain(rest))
    }
}
