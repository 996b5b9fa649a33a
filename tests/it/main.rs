//! One integration binary.

mod peers;
mod recipes;
mod stack;
