//! Random numbers that nobody can guess.

use std::fs::File;
use std::io::{self, Read};

/// Bytes of a secret.
const LENGTH: usize = 32;

/// The system's random bytes.
pub(super) fn random_bytes() -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
