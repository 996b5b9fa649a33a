//! The running services, asked over real sockets. No store is needed: what the operations do to data is tested beside
//! them.

mod data_services;
mod faults;
mod life;
mod other_services;
mod spark;
mod support;
