//! What happened in a world, line by line: kept when somebody wants to read it, always counted into one number, so that two
//! runs of the same seed can be compared.

use std::fmt::{Arguments, Write};

/// The lines of a world.
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    line: String,
    kept: Option<Vec<String>>,
}

impl Trace {
    /// An empty trace that keeps its lines or only their number.
    pub(super) fn new(keeps: bool) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, line: String::new(), kept: keeps.then(Vec::new) }
    }

    /// One line more.
    pub(super) fn add(&mut self, text: Arguments<'_>) {
        self.line.clear();
        self.line.write_fmt(text).expect("texts can be written");
        for byte in self.line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        if let Some(kept) = &mut self.kept {
            kept.push(self.line.clone());
        }
    }

    /// The number that stands for all lines.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines, if they were kept.
    pub(super) fn lines(&self) -> &[String] {
        self.kept.as_deref().unwrap_or_default()
    }
}
