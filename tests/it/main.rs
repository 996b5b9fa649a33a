//! One integration binary.

mod peers;
mod stack;
