//! Whether somebody listens where a service should.

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::address::Address;
use super::services::ServiceAddresses;
use crate::playbook::job::Service;
use crate::ports::{CallError, Presence};

/// Connects to the services, and no more.
pub struct Listening {
    services: ServiceAddresses,
    spark: Address,
    patience: Duration,
}

impl Listening {
    /// Looks at these addresses, at each for so long at most.
    pub fn new(services: ServiceAddresses, spark: Address, patience: Duration) -> Self {
        Self { services, spark, patience }
    }
}

impl Presence for Listening {
    fn of_service(&self, service: Service) -> LocalBoxFuture<'static, Result<(), CallError>> {
        let address = if service == Service::Spark { &self.spark } else { self.services.of(service) };
        let (address, patience) = (address.clone(), self.patience);
        async move {
            let host = address.host.trim_start_matches('[').trim_end_matches(']');
            let why = match timeout(patience, TcpStream::connect((host, address.port))).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("not within {patience:?}"),
            };
            Err(CallError::NotConnected { to: address.to_string(), why })
        }
        .boxed_local()
    }
}
