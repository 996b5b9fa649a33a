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

/// The whole matrix of decision 24: reachable or not, key, token file, switches, TLS.
#[test]
fn what_would_be_open_to_strangers_is_refused() {
    let choices: [&[(&str, &str)]; 6] = [
        &[("HOST", "0.0.0.0")],
        &[("DIASTEMA_KEY", "k")],
        &[("TOKENS_FILE", "f")],
        &[("ALLOW_SHARED_KEY", "1")],
        &[("ALLOW_PLAIN_HTTP", "1")],
        &[("TLS_CERTIFICATE", "c"), ("TLS_KEY", "k")],
    ];
    for number in 0..1_u32 << choices.len() {
        let has = |choice: usize| number >> choice & 1 == 1;
        let settings: Vec<(&str, &str)> =
            (0..choices.len()).filter(|choice| has(*choice)).flat_map(|choice| choices[choice]).copied().collect();
        let [open, key, tokens, shared, plain, tls] = std::array::from_fn(has);
        let nobody_knows_who = open && !key && !tokens;
        let published_key_beside_tokens = tokens && shared && !key;
        let tokens_unencrypted = open && tokens && !tls && !plain;
        let config = config(&settings).unwrap();
        let expected = nobody_knows_who || published_key_beside_tokens || tokens_unencrypted;
        assert_eq!(config.refusal().is_some(), expected, "{settings:?}: {:?}", config.refusal());
        let warned = |text: &str| config.warnings().iter().any(|warning| warning.contains(text));
        assert_eq!(warned("plain HTTP"), open && !tls, "{settings:?}");
        assert_eq!(warned("opens nothing"), tokens && key && !shared, "{settings:?}");
        assert_eq!(warned("opens every tenant"), tokens && shared, "{settings:?}");
    }
}

#[test]
fn a_certificate_and_its_key_need_each_other() {
    for name in ["TLS_CERTIFICATE", "TLS_KEY"] {
        assert!(config(&[(name, "f")]).unwrap_err().to_string().contains("set both"));
    }
    assert!(config(&[("TLS_CERTIFICATE", "c"), ("TLS_KEY", "k")]).unwrap().tls.is_some());
}

#[test]
fn what_leaves_the_machine_unencrypted_is_said_once() {
    let said = |settings: &[(&str, &str)]| -> Vec<String> {
        config(settings).unwrap().warnings().into_iter().filter(|text| text.contains("leave this machine")).collect()
    };
    assert!(said(&[]).is_empty());
    let settings = [("MONGO_HOST", "mongo"), ("MINIO_HOST", "127.0.0.1"), ("KUBERNETES_HOST", "spark")];
    let [warning] = &said(&settings)[..] else { panic!("not once") };
    assert!(warning.contains("for MongoDB at mongo:27017, Spark at spark:6006:"), "{warning}");
}

#[test]
fn switches_are_on_or_off() {
    for wrong in ["yes", "true", "2"] {
        assert!(config(&[("ALLOW_PLAIN_HTTP", wrong)]).is_err(), "{wrong}");
    }
    assert!(!config(&[("ALLOW_PLAIN_HTTP", "0")]).unwrap().plain_http_allowed);
}

#[test]
fn secrets_are_not_printed() {
    let secrets = [("DIASTEMA_KEY", "canary-1"), ("DIASTEMA_KEY_PREVIOUS", "canary-3"), ("MINIO_PASS", "canary-2")];
    let config = config(&secrets).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
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
