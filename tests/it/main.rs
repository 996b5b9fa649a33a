//! One integration binary.

mod http;
mod peers;
mod recipes;
mod stack;
