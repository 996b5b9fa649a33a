//! What can be learned about the outside before anything is started: asked by a preflight, changed by nobody.

use futures::future::LocalBoxFuture;
use serde_json::Value;

use super::{CallError, StoreError};
use crate::playbook::TenantId;
use crate::playbook::job::Service;

/// What the web application knows of a data set: an entry of `UIDB.datasets` (contract section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetEntry {
    /// Its label, not lower-cased.
    pub label: String,
    /// Names of its columns, `None` until it is ingested.
    pub columns: Option<Vec<String>>,
}

impl DatasetEntry {
    /// An entry with the member `features` as ingestions leave it: a list of names, or of objects with a `name`.
    pub fn new(label: impl Into<String>, features: Option<&Value>) -> Self {
        let name = |feature: &Value| feature.as_str().or_else(|| feature.get("name")?.as_str()).map(str::to_owned);
        let columns = features.and_then(Value::as_array);
        Self { label: label.into(), columns: columns.map(|list| list.iter().filter_map(name).collect()) }
    }
}

/// The entries of data sets.
pub trait Datasets {
    /// Those of an organisation, by its name as received or by its tenant; the first ten thousand.
    fn of_organization(
        &self,
        name: &str,
        tenant: &TenantId,
    ) -> LocalBoxFuture<'static, Result<Vec<DatasetEntry>, StoreError>>;
}

/// Whether somebody is there.
pub trait Presence {
    /// Connects to where a service listens and says nothing: there is no question that every service can be asked without
    /// harm.
    fn of_service(&self, service: Service) -> LocalBoxFuture<'static, Result<(), CallError>>;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_names_or_objects_with_a_name() {
        let columns = |features: Value| DatasetEntry::new("l", Some(&features)).columns;
        assert_eq!(columns(json!(["a", "b"])), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(columns(json!([{"name": "a", "type": "int"}, {"type": "x"}, 5])), Some(vec!["a".to_owned()]));
        assert_eq!(columns(json!("a")), None);
        assert_eq!(DatasetEntry::new("l", None).columns, None);
    }
}
