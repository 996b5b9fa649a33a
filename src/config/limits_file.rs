//! The limits in one file (`LIMITS_FILE`), which is read again while the program runs.
//!
//! *Shape*: `{"total": {..}, "services": {..}, "tenant": {..}, "tenants": {"<tenant>": {..}}}`, everything optional. What the
//! file leaves out is as the environment variables say.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::engine::{EngineLimits, OwnLimits};
use crate::playbook::job::Service;
use crate::playbook::{TenantId, json};

/// The member of `services` that means all the others.
const OTHERS: &str = "each";

/// Why a file of limits cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the limits in {path} cannot be used:\n{}", .faults.join("\n"))]
pub struct LimitsError {
    /// The file.
    pub path: String,
    /// What is wrong with it, one a line.
    pub faults: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Document {
    total: Total,
    services: BTreeMap<String, usize>,
    tenant: Tenant,
    tenants: BTreeMap<String, Tenant>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Total {
    open: Option<usize>,
    running: Option<usize>,
    in_flight: Option<usize>,
    retries_per_second: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Tenant {
    open: Option<usize>,
    running: Option<usize>,
    in_flight: Option<usize>,
    submissions_per_second: Option<f64>,
    stored_bytes: Option<u64>,
}

/// The limits of a file, over those of the environment.
///
/// *Errors*: the file cannot be read, or says something that is no limit.
pub(super) fn read(path: &Path, usual: &EngineLimits) -> Result<EngineLimits, LimitsError> {
    let cannot = |why: &dyn Display| LimitsError { path: path.display().to_string(), faults: vec![format!("  {why}")] };
    let text = std::fs::read_to_string(path).map_err(|error| cannot(&error))?;
    let document = parse(&text).map_err(|fault| cannot(&fault))?;
    let mut faults = Vec::new();
    let limits = over(usual, document, &mut faults);
    if faults.is_empty() { Ok(limits) } else { Err(LimitsError { path: path.display().to_string(), faults }) }
}

fn parse(text: &str) -> Result<Document, String> {
    let value = json::parse(text.as_bytes()).map_err(|problem| format!("{}: {}", problem.at, problem.reason))?;
    // a list of numbers would be read as the members in their order
    if has_list(&value) {
        return Err("limits are objects: a list has no place among them".to_owned());
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn has_list(value: &Value) -> bool {
    match value {
        Value::Array(_) => true,
        Value::Object(members) => members.values().any(has_list),
        _ => false,
    }
}

fn over(usual: &EngineLimits, document: Document, faults: &mut Vec<String>) -> EngineLimits {
    let Document { total, services, tenant, tenants } = document;
    let mut limits = usual.clone();
    let mut slots = usual.slots.clone().unwrap_or_default();
    replace(&mut limits.open_total, total.open);
    replace(&mut limits.running_total, total.running);
    replace(&mut slots.total, total.in_flight);
    replace(&mut limits.retries_per_second, rate("/total/retries-per-second", total.retries_per_second, faults));
    replace(&mut limits.open_per_tenant, tenant.open);
    replace(&mut limits.running_per_tenant, tenant.running);
    replace(&mut slots.per_tenant, tenant.in_flight);
    let submissions = rate("/tenant/submissions-per-second", tenant.submissions_per_second, faults);
    limits.submissions_per_second = submissions.or(limits.submissions_per_second);
    limits.stored_bytes = tenant.stored_bytes.or(limits.stored_bytes);
    for (name, most) in services {
        match Service::parse(&name) {
            Some(service) => drop(slots.services.insert(service, most)),
            None if name == OTHERS => slots.per_service = most,
            None => faults.push(format!("  /services/{name}: there is no such service; {}", known_services())),
        }
    }
    for (name, own) in tenants {
        let Ok(tenant) = TenantId::parse(&name) else {
            faults.push(format!("  /tenants/{name}: this is no legal `database-id`"));
            continue;
        };
        let at = format!("/tenants/{name}/submissions-per-second");
        let submissions_per_second = rate(&at, own.submissions_per_second, faults);
        own.in_flight.map(|most| slots.tenants.insert(tenant.clone(), most));
        let Tenant { open, running, stored_bytes, .. } = own;
        limits.tenants.insert(tenant, OwnLimits { open, running, submissions_per_second, stored_bytes });
    }
    EngineLimits { slots: Some(slots), ..limits }
}

fn replace<T>(limit: &mut T, with: Option<T>) {
    if let Some(with) = with {
        *limit = with;
    }
}

/// A number per second: 0 would be a refusal or a wait for ever.
fn rate(at: &str, given: Option<f64>, faults: &mut Vec<String>) -> Option<f64> {
    if let Some(rate) = given.filter(|rate| !(*rate > 0.0 && rate.is_finite())) {
        faults.push(format!("  {at}: {rate} is no rate; give more than 0, or leave it out"));
    }
    given
}

fn known_services() -> String {
    let names: Vec<&str> = Service::ALL.iter().map(|service| service.as_str()).collect();
    format!("there are {}, and `{OTHERS}` for all that are not named", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: &str) -> Result<EngineLimits, Vec<String>> {
        let document = parse(text).map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        let limits = over(&EngineLimits::default(), document, &mut faults);
        if faults.is_empty() { Ok(limits) } else { Err(faults) }
    }

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).expect("a legal tenant")
    }

    #[test]
    fn what_the_file_leaves_out_stays_as_it_was() {
        let (usual, read) = (EngineLimits::default(), limits("{}").unwrap());
        assert_eq!(format!("{read:?}"), format!("{usual:?}"));
    }

    #[test]
    fn everything_can_be_set() {
        let read = limits(
            r#"{"total": {"open": 1, "running": 2, "in-flight": 3, "retries-per-second": 0.5},
                "services": {"each": 4, "function": 5, "data-sink": 0},
                "tenant": {"open": 6, "running": 7, "in-flight": 8, "submissions-per-second": 9, "stored-bytes": 10},
                "tenants": {"Metis": {"open": 11, "in-flight": 0, "stored-bytes": 12}}}"#,
        )
        .unwrap();
        let (metis, other, slots) = (tenant("metis"), tenant("other"), read.slots.clone().unwrap());
        assert_eq!((read.open_total, read.running_total, slots.total, read.retries_per_second), (1, 2, 3, 0.5));
        assert_eq!([Service::Spark, Service::Function, Service::DataSink].map(|at| slots.at(at)), [4, 5, 0]);
        assert_eq!((read.open_of(&other), read.running_of(&other), slots.of(&other)), (6, 7, 8));
        assert_eq!((read.submissions_of(&metis), read.stored_bytes_of(&other)), (Some(9.0), Some(10)));
        assert_eq!((read.open_of(&metis), read.running_of(&metis), slots.of(&metis)), (11, 7, 0));
        assert_eq!(read.stored_bytes_of(&metis), Some(12));
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let faults = limits(
            r#"{"services": {"cleaner": 1}, "tenants": {"a b": {}, "ccc": {"submissions-per-second": -1}},
                "total": {"retries-per-second": 0}}"#,
        )
        .unwrap_err();
        let places: Vec<&str> = faults.iter().filter_map(|fault| fault.trim().split(':').next()).collect();
        let expected =
            ["/total/retries-per-second", "/services/cleaner", "/tenants/a b", "/tenants/ccc/submissions-per-second"];
        assert_eq!(places, expected);
        for text in [
            r#"{"totals": {}}"#,
            r#"{"tenant": {"open": -1}}"#,
            r#"{"tenant": {"jobs": 1}}"#,
            r#"{"tenant": [1]}"#,
            "[]",
            "{",
        ] {
            assert!(limits(text).is_err(), "{text}");
        }
    }
}
