//! The HTTP job services through awc: data services, function service, AutoML.

use awc::Client;
use awc::http::Method;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::Value;

use super::address::Address;
use super::http_client::{self, CallLimits, Request};
use crate::chaos::{self, Point};
use crate::playbook::job::Service;
use crate::ports::{Answer, CallError, JobServices};

/// Where the services listen.
#[derive(Debug, Clone)]
pub struct ServiceAddresses {
    /// Cleaning, join, ingestion, data-sink.
    pub data: Address,
    /// The function service.
    pub function: Address,
    /// AutoML.
    pub automl: Address,
}

impl ServiceAddresses {
    fn of(&self, service: Service) -> &Address {
        match service {
            Service::Function => &self.function,
            Service::Automl => &self.automl,
            Service::Cleaning | Service::Join | Service::Ingestion | Service::DataSink | Service::Spark => &self.data,
        }
    }
}

/// The services behind HTTP. Belongs to the thread that made it.
pub struct HttpServices {
    client: Client,
    /// Never reuses a connection: one that the service has just closed would leave it unknown whether a start arrived, and
    /// some services cannot be asked.
    fresh: Client,
    addresses: ServiceAddresses,
}

impl HttpServices {
    /// A client of the services at these addresses.
    pub fn new(addresses: ServiceAddresses, limits: &CallLimits) -> Self {
        Self { client: http_client::client(limits), fresh: http_client::unpooled_client(limits), addresses }
    }

    fn call(
        &self,
        service: Service,
        method: Method,
        path: &str,
        body: Option<(&'static str, String)>,
    ) -> LocalBoxFuture<'static, Result<Answer, CallError>> {
        let cannot_be_asked = matches!(service, Service::Function | Service::DataSink);
        let client = if cannot_be_asked && method == Method::POST { &self.fresh } else { &self.client };
        let (client, to) = (client.clone(), self.addresses.of(service).clone());
        let request = Request { method, url: format!("http://{to}/{path}"), headers: Vec::new(), body };
        async move { http_client::call(&client, &to, request).await }.boxed_local()
    }
}

impl JobServices for HttpServices {
    fn post(&self, service: Service, path: &str, body: &Value) -> LocalBoxFuture<'static, Result<Answer, CallError>> {
        let call = self.call(service, Method::POST, path, Some(("application/json", body.to_string())));
        call.inspect(|_| chaos::at(Point::K4)).boxed_local()
    }

    fn get(&self, service: Service, path: &str) -> LocalBoxFuture<'static, Result<Answer, CallError>> {
        self.call(service, Method::GET, path, None)
    }
}
