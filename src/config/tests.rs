//! Settings are read by name, faults are told all at once, and what must not be started is not.

use super::*;

fn config(settings: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let settings: HashMap<String, String> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::from_lookup(&|name| settings.get(name).cloned())
}

#[test]
fn defaults_are_the_contracts() {
    let config = config(&[]).unwrap();
    assert_eq!(config.listen.to_string(), "localhost:5000");
    assert_eq!(config.spark.to_string(), "localhost:6006");
    assert_eq!((config.objects, config.records), (Place::Embedded, Place::Embedded));
    assert_eq!(config.jobs.poll_interval, Duration::from_secs(2));
    assert_eq!(config.jobs.job_timeout, JobSettings::default().job_timeout);
}

#[test]
fn one_variable_of_a_store_makes_it_real_with_the_contracts_default_for_the_other() {
    let config = config(&[("MONGO_PORT", "27018"), ("MINIO_HOST", "minio")]).unwrap();
    assert_eq!(config.records, Place::Server(Address::new("localhost", 27018)));
    assert_eq!(config.objects, Place::Server(Address::new("minio", 9000)));
}

#[test]
fn every_fault_is_reported_at_once() {
    let error = config(&[("PORT", "x"), ("JOB_TIMEOUT_SECONDS", "-1"), ("HOST", "h")]).unwrap_err();
    assert_eq!(error.0.len(), 2, "{error}");
    assert!(error.to_string().contains("PORT=x"));
}

#[test]
fn an_open_door_without_a_key_is_refused() {
    assert!(config(&[("HOST", "0.0.0.0")]).unwrap().refusal().is_some());
    assert!(config(&[("HOST", "0.0.0.0"), ("DIASTEMA_KEY", "k")]).unwrap().refusal().is_none());
    assert!(config(&[("HOST", "127.0.0.1")]).unwrap().refusal().is_none());
}

#[test]
fn secrets_are_not_printed() {
    let config = config(&[
        ("DIASTEMA_KEY", "canary-1"),
        ("MINIO_PASS", "canary-2"),
        ("MONGO_USER", "u"),
        ("MONGO_PASS", "canary-3"),
        ("SPARK_MINIO_USER", "u"),
        ("SPARK_MINIO_PASS", "canary-4"),
    ]);
    assert!(!format!("{:?}", config.unwrap()).contains("canary"));
}

#[test]
fn an_address_with_a_password_in_it_is_refused_and_not_repeated() {
    for name in ["MONGO_HOST", "MINIO_HOST", "KUBERNETES_HOST", "PUBLIC_URL"] {
        let faults = config(&[(name, "http://u:canary@host")]).unwrap_err().to_string();
        assert!(faults.contains(name) && !faults.contains("canary"), "{faults}");
    }
}

#[test]
fn spark_gets_keys_of_its_own_where_it_has_some() {
    let config = |more: &[(&str, &str)]| {
        let own = [("MINIO_USER", "own"), ("MINIO_PASS", "own-pass"), ("KUBERNETES_HOST", "spark")];
        config(&[&own, more].concat())
    };
    let keys = |config: &Config| {
        let (user, pass) = config.keys_for_spark();
        (user, pass.reveal().to_owned())
    };
    let warned = |config: &Config| config.warnings().iter().any(|warning| warning.contains("plain text"));
    let own = config(&[]).unwrap();
    assert_eq!((keys(&own), warned(&own)), (("own".to_owned(), "own-pass".to_owned()), true));
    let separate = config(&[("SPARK_MINIO_USER", "s"), ("SPARK_MINIO_PASS", "s-pass")]).unwrap();
    assert_eq!((keys(&separate), warned(&separate)), (("s".to_owned(), "s-pass".to_owned()), true));
    let empty = config(&[("SPARK_KEYS", "empty")]).unwrap();
    assert_eq!((keys(&empty), warned(&empty)), ((String::new(), String::new()), false));
    for wrong in [
        &[("SPARK_MINIO_USER", "s")][..],
        &[("SPARK_KEYS", "none")],
        &[("SPARK_KEYS", "empty"), ("SPARK_MINIO_USER", "s"), ("SPARK_MINIO_PASS", "p")],
    ] {
        assert!(config(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn services_that_can_be_told_to_stop_are_named_by_their_names() {
    let named = |text| config(&[("CANCELLABLE_SERVICES", text)]);
    assert!(named("").unwrap().jobs.cancellable.is_empty());
    let both = named(" function, join,").unwrap().jobs.cancellable;
    assert_eq!(both.into_iter().collect::<Vec<_>>(), [Service::Join, Service::Function]);
    for wrong in ["spark", "data-sink", "functions", "join;function"] {
        assert!(named(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_public_address_is_one_that_paths_can_be_put_behind() {
    let public = |text| config(&[("PUBLIC_URL", text)]).map(|config| config.public_url);
    assert_eq!(public("").unwrap(), None);
    assert_eq!(public("http://orchestrator:5000/").unwrap().as_deref(), Some("http://orchestrator:5000"));
    assert_eq!(public("https://a.example/diastema/").unwrap().as_deref(), Some("https://a.example/diastema"));
    for wrong in ["orchestrator:5000", "ftp://a/", "http://", "http://a/?x=1", "http://u:p@a/", "http://a/#b"] {
        assert!(public(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_kept_is_more_than_nothing_and_ids_stay_longer_than_runs() {
    let kept = config(&[("RETENTION_DAYS", "0.5"), ("RETENTION_RUNS", "7")]).unwrap().retention;
    assert_eq!((kept.age, kept.runs, kept.ids), (Duration::from_secs(12 * 3600), 7, Retention::default().ids));
    assert_eq!(config(&[]).unwrap().retention, Retention::default());
    for (name, value) in [
        ("RETENTION_DAYS", "0"),
        ("RETENTION_DAYS", "-1"),
        ("RETENTION_DAYS", "366"),
        ("RETENTION_RUNS", "0"),
        ("RETENTION_ID_DAYS", "29"),
        ("RETENTION_ID_DAYS", "NaN"),
        ("RETENTION_SWEEP_SECONDS", "0"),
    ] {
        assert!(config(&[(name, value)]).is_err(), "{name}={value}");
    }
}
