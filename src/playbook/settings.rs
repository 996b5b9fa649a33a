//! What an operator may change about the checks: limits, the Spark argument rule, where ingestions may read from.

use super::ingestion_url::UrlRule;

/// Settings of every check of a submission. The default is the strict one.
#[derive(Debug, Clone, Default)]
pub struct CheckSettings {
    /// `SPARK_ARGUMENTS=any`: the component builds an argument vector, so `column` and labels may be any text.
    pub spark_arguments_any: bool,
    /// Sizes beyond which a submission is refused.
    pub limits: Limits,
    /// `INGESTION_URL_POLICY` and the hosts of the platform's own services.
    pub ingestion_urls: UrlRule,
}

/// Sizes beyond which a submission is refused; body size and nesting are judged before.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Jobs of one playbook.
    pub jobs: usize,
    /// Edges of one playbook.
    pub edges: usize,
    /// Characters of a text that has no length of its own.
    pub string: usize,
    /// Bytes of `function`, `params`, `metadata` or `ingestion_json` as compact JSON.
    pub blob: usize,
    /// Members of one object that is read.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { jobs: 50_000, edges: 500_000, string: 1024, blob: 1 << 20, fields: 10_000 }
    }
}
