//! The HTTP job services through awc: data services, function service, AutoML.

use awc::http::Method;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::Value;

use super::address::Address;
use super::http_client::{CallLimits, HttpClient, Request};
use crate::chaos::{self, Point};
use crate::playbook::job::Service;
use crate::ports::{Answer, CallError, JobServices};

/// Where a service may say by itself how a job ended (decision 28).
const CALLBACK_HEADER: &str = "diastema-callback";

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
    pub(super) fn of(&self, service: Service) -> &Address {
        match service {
            Service::Function => &self.function,
            Service::Automl => &self.automl,
            Service::Cleaning | Service::Join | Service::Ingestion | Service::DataSink | Service::Spark => &self.data,
        }
    }
}

/// The services behind HTTP. Belongs to the thread that made it.
pub struct HttpServices {
    client: HttpClient,
    /// Never reuses a connection: one that the service has just closed would leave it unknown whether a start arrived, and
    /// some services cannot be asked.
    fresh: HttpClient,
    addresses: ServiceAddresses,
}

impl HttpServices {
    /// A client of the services at these addresses.
    pub fn new(addresses: ServiceAddresses, limits: &CallLimits) -> Self {
        Self { client: HttpClient::new(limits), fresh: HttpClient::unpooled(limits), addresses }
    }

    fn call(&self, service: Service, call: Call<'_>) -> LocalBoxFuture<'static, Result<Answer, CallError>> {
        let cannot_be_asked = matches!(service, Service::Function | Service::DataSink);
        let client = if cannot_be_asked && call.method == Method::POST { &self.fresh } else { &self.client };
        let (client, to) = (client.clone(), self.addresses.of(service).clone());
        let headers = call.callback.map(|address| (CALLBACK_HEADER, address.to_owned())).into_iter().collect();
        let url = format!("http://{to}/{}", call.path);
        let request = Request { method: call.method, url, headers, body: call.body };
        async move { client.call(&to, request).await }.boxed_local()
    }
}

/// One call of a service.
struct Call<'a> {
    method: Method,
    path: &'a str,
    body: Option<(&'static str, String)>,
    callback: Option<&'a str>,
}

impl JobServices for HttpServices {
    fn post(
        &self,
        service: Service,
        path: &str,
        body: &Value,
        callback: Option<&str>,
    ) -> LocalBoxFuture<'static, Result<Answer, CallError>> {
        let body = Some(("application/json", body.to_string()));
        let call = self.call(service, Call { method: Method::POST, path, body, callback });
        call.inspect(|_| chaos::at(Point::K4)).boxed_local()
    }

    fn get(&self, service: Service, path: &str) -> LocalBoxFuture<'static, Result<Answer, CallError>> {
        self.call(service, Call { method: Method::GET, path, body: None, callback: None })
    }

    fn delete(&self, service: Service, path: &str) -> LocalBoxFuture<'static, Result<Answer, CallError>> {
        self.call(service, Call { method: Method::DELETE, path, body: None, callback: None })
    }
}
