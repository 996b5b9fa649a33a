//! Reads settings by name and collects what is wrong with them.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::{Place, SETTINGS};
use crate::adapters::address::Address;
use crate::adapters::tls::TlsFiles;
use crate::jobs::CAN_BE_CANCELLABLE;
use crate::playbook::ingestion_url::UrlPolicy;
use crate::playbook::job::Service;
use crate::store::Retention;

/// Reads settings by name and collects what is wrong.
pub(super) struct Reader<'a> {
    pub(super) lookup: &'a dyn Fn(&str) -> Option<String>,
    pub(super) faults: Vec<String>,
}

impl Reader<'_> {
    pub(super) fn set(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|text| !text.trim().is_empty())
    }

    pub(super) fn text(&self, name: &str) -> String {
        let default = SETTINGS.iter().find(|setting| setting.name == name).map_or("", |setting| setting.default);
        self.set(name).unwrap_or_else(|| default.to_owned())
    }

    pub(super) fn number<T: FromStr<Err: Display> + Default>(&mut self, name: &str) -> T {
        let text = self.text(name);
        text.trim().parse().unwrap_or_else(|error| {
            self.faults.push(format!("  {name}={text}: {error}; give a decimal number"));
            T::default()
        })
    }

    /// A number of things at once: none would be a wait for ever.
    pub(super) fn count(&mut self, name: &str) -> usize {
        let count = self.number(name);
        if count == 0 {
            self.faults.push(format!("  {name}=0: nothing would ever happen; give 1 or more"));
        }
        count
    }

    pub(super) fn seconds(&mut self, name: &str) -> Duration {
        let seconds: f64 = self.number(name);
        Duration::try_from_secs_f64(seconds).unwrap_or_else(|error| {
            self.faults.push(format!("  {name}={seconds}: {error}; give seconds"));
            Duration::ZERO
        })
    }

    /// A number per second; none at all would be a wait for ever.
    pub(super) fn rate(&mut self, name: &str) -> f64 {
        let rate: f64 = self.number(name);
        if !(rate > 0.0 && rate.is_finite()) {
            self.faults.push(format!("  {name}={rate}: nothing would ever be tried again; give more than 0"));
        }
        rate
    }

    /// Something that is repeated: never without a pause.
    pub(super) fn period(&mut self, name: &str) -> Duration {
        let period = self.seconds(name);
        if period.is_zero() {
            self.faults.push(format!("  {name}=0: give more than 0 seconds"));
        }
        period
    }

    /// What is kept of finished runs. Nothing at all would be mistaken for everything.
    pub(super) fn retention(&mut self) -> Retention {
        let retention = Retention {
            age: self.days("RETENTION_DAYS"),
            runs: self.number("RETENTION_RUNS"),
            ids: self.days("RETENTION_ID_DAYS"),
            sweep: self.period("RETENTION_SWEEP_SECONDS"),
        };
        if retention.runs == 0 {
            self.faults.push("  RETENTION_RUNS=0: give 1 or more".to_owned());
        }
        if retention.ids < retention.age {
            self.faults.push("  RETENTION_ID_DAYS is less than RETENTION_DAYS: ids go after their runs".to_owned());
        }
        retention
    }

    fn days(&mut self, name: &str) -> Duration {
        let days: f64 = self.number(name);
        match Duration::try_from_secs_f64(days * 24.0 * 3600.0) {
            Ok(duration) if !duration.is_zero() => duration,
            _ => {
                self.faults.push(format!("  {name}={days}: give more than 0 days"));
                Duration::ZERO
            }
        }
    }

    /// Off or on.
    pub(super) fn switch(&mut self, name: &str) -> bool {
        let text = self.text(name);
        if !matches!(text.trim(), "0" | "1") {
            self.faults.push(format!("  {name}={text}: give `1` for yes or `0` for no"));
        }
        text.trim() == "1"
    }

    pub(super) fn file(&self, name: &str) -> Option<PathBuf> {
        self.set(name).map(PathBuf::from)
    }

    /// A certificate is good for nothing without its key.
    pub(super) fn tls(&mut self, certificate: &str, key: &str) -> Option<TlsFiles> {
        match (self.file(certificate), self.file(key)) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                self.faults.push(format!("  {certificate} and {key} need each other: set both, or none"));
                None
            }
        }
    }

    pub(super) fn spark_arguments(&mut self, name: &str) -> bool {
        let text = self.text(name);
        if !matches!(text.as_str(), "any" | "safe") {
            self.faults.push(format!("  {name}={text}: give `safe` or `any`"));
        }
        text == "any"
    }

    pub(super) fn url_policy(&mut self, name: &str) -> UrlPolicy {
        match self.text(name).as_str() {
            "any" => UrlPolicy::Any,
            "no-loopback" => UrlPolicy::NoLoopback,
            "public-only" => UrlPolicy::PublicOnly,
            other => {
                self.faults.push(format!("  {name}={other}: give `any`, `no-loopback` or `public-only`"));
                UrlPolicy::default()
            }
        }
    }

    /// Names of services that can be told to stop, with commas.
    pub(super) fn cancellable(&mut self, name: &str) -> BTreeSet<Service> {
        let text = self.text(name);
        let mut services = BTreeSet::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match Service::parse(word).filter(|service| CAN_BE_CANCELLABLE.contains(service)) {
                Some(service) => {
                    services.insert(service);
                }
                None => {
                    let known = CAN_BE_CANCELLABLE.map(Service::as_str).join(", ");
                    self.faults.push(format!("  {name}={text}: {word} cannot be told to stop; give some of {known}"));
                }
            }
        }
        services
    }

    /// Where others reach this program: an address that paths can be put behind.
    pub(super) fn public_url(&mut self, name: &str) -> Option<String> {
        let text = self.set(name)?;
        let fits = |url: &Url| {
            ["http", "https"].contains(&url.scheme())
                && url.has_host()
                && (url.username(), url.password(), url.query(), url.fragment()) == ("", None, None, None)
        };
        match Url::parse(text.trim()) {
            Ok(url) if fits(&url) => Some(url.as_str().trim_end_matches('/').to_owned()),
            _ => {
                self.faults.push(format!("  {name}={text}: give an address like http://orchestrator:5000"));
                None
            }
        }
    }

    pub(super) fn address(&mut self, host: &str, port: &str) -> Address {
        Address::new(self.text(host).trim(), self.number(port))
    }

    pub(super) fn place(&mut self, host: &str, port: &str) -> Place {
        let embedded = self.set(host).is_none() && self.set(port).is_none();
        if embedded { Place::Embedded } else { Place::Server(self.address(host, port)) }
    }
}
