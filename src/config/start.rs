//! What must not be started, and what the operator should know before anybody can come in (decision 24).

use super::{Config, Place};

/// The platform's published key.
const PUBLISHED_KEY: &str = "diastema-key";

impl Config {
    /// Whether `DIASTEMA_KEY` opens anything.
    pub fn takes_shared_key(&self) -> bool {
        self.tokens_file.is_none() || self.shared_key_allowed
    }

    /// What must not be started, and why.
    pub fn refusal(&self) -> Option<String> {
        let open = !self.listen.is_loopback();
        let address = &self.listen;
        if open && !self.key_is_set && self.tokens_file.is_none() {
            return Some(format!(
                "{address} can be reached from outside: set DIASTEMA_KEY to a key of your own, TOKENS_FILE to a file of \
                 tokens, or HOST to localhost"
            ));
        }
        if self.tokens_file.is_some() && self.shared_key_allowed && !self.key_is_set {
            return Some(
                "ALLOW_SHARED_KEY lets a key in that everybody knows: set DIASTEMA_KEY to one of your own, or leave \
                 ALLOW_SHARED_KEY away"
                    .to_owned(),
            );
        }
        if open && self.tokens_file.is_some() && !self.speaks_tls() && !self.plain_http_allowed {
            return Some(format!(
                "tokens would travel unencrypted to {address}: set TLS_CERTIFICATE and TLS_KEY, or ALLOW_PLAIN_HTTP=1 if a \
                 proxy in front speaks TLS, or HOST to localhost"
            ));
        }
        None
    }

    /// What the operator should know at start.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        self.warn_of_the_door(&mut warnings);
        self.warn_of_keys(&mut warnings);
        self.warn_of_the_way_out(&mut warnings);
        self.warn_of_embedded_objects(&mut warnings);
        warnings
    }

    fn warn_of_the_door(&self, warnings: &mut Vec<String>) {
        if self.listen.is_loopback() {
            return;
        }
        if !self.speaks_tls() {
            warnings.push(format!(
                "plain HTTP on {}: put a TLS proxy in front of it, or set TLS_CERTIFICATE and TLS_KEY",
                self.listen
            ));
        }
        let keys = [Some(&self.key), self.key_previous.as_ref()];
        if self.takes_shared_key() && keys.into_iter().flatten().any(|key| key.reveal() == PUBLISHED_KEY) {
            warnings.push("DIASTEMA_KEY is the platform's published default, everybody knows it".to_owned());
        }
    }

    fn warn_of_keys(&self, warnings: &mut Vec<String>) {
        match (&self.tokens_file, self.shared_key_allowed) {
            (Some(_), true) => warnings.push(
                "DIASTEMA_KEY opens every tenant to whoever knows it, beside TOKENS_FILE: ALLOW_SHARED_KEY is set"
                    .to_owned(),
            ),
            (Some(_), false) if self.key_is_set => {
                warnings.push("DIASTEMA_KEY opens nothing: TOKENS_FILE is set and ALLOW_SHARED_KEY is not".to_owned());
            }
            (Some(_), false) | (None, _) => {}
        }
        if self.key_previous.is_some() && self.takes_shared_key() {
            warnings.push("DIASTEMA_KEY_PREVIOUS is still valid: unset it when every client has changed".to_owned());
        }
    }

    /// None of the platform's services speaks TLS.
    fn warn_of_the_way_out(&self, warnings: &mut Vec<String>) {
        let stores = [("S3", &self.objects), ("MongoDB", &self.records)];
        let stores = stores.into_iter().filter_map(|(name, place)| match place {
            Place::Embedded => None,
            Place::Server(address) => Some((name, address)),
        });
        let services = [
            ("data services", &self.services),
            ("function service", &self.function),
            ("AutoML", &self.automl),
            ("web application", &self.frontend),
            ("Spark", &self.spark),
        ];
        let outside = stores.chain(services).filter(|(_, address)| !address.is_loopback());
        let named: Vec<String> = outside.map(|(name, address)| format!("{name} at {address}")).collect();
        if !named.is_empty() {
            warnings.push(format!(
                "data and passwords leave this machine unencrypted, for {}: keep these networks to the platform",
                named.join(", ")
            ));
        }
    }

    fn warn_of_embedded_objects(&self, warnings: &mut Vec<String>) {
        if self.objects != Place::Embedded {
            return;
        }
        let users = [
            ("the data services", &self.services),
            ("the function service", &self.function),
            ("AutoML", &self.automl),
            ("Spark", &self.spark),
        ];
        for (name, address) in users {
            if !address.is_loopback() {
                warnings.push(format!(
                    "the embedded object store is on loopback, but {name} will look for it from {address}: set MINIO_HOST"
                ));
            }
        }
    }

    fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }
}
