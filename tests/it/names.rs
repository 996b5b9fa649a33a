//! Names that reach buckets, databases and services: nothing is folded into them from foreign letters, and no text of a
//! document leaves the place that is its tenant's.

use orchestrator::playbook::{AnalysisId, BucketName, CollectionName, DatasetLabel, JobId, ObjectKey, Step, TenantId};
use proptest::prelude::*;

#[test]
fn letters_that_only_look_alike_are_not_taken_for_ours() {
    // KELVIN SIGN and ANGSTROM SIGN lower to k and å, the long s and the dotless i upper to S and I
    for foreign in ["\u{212a}elvin", "\u{212b}ngstrom", "met\u{131}s", "meti\u{17f}", "ｍetis"] {
        assert!(TenantId::parse(foreign).is_err(), "{foreign}");
        assert!(AnalysisId::parse(foreign).is_err(), "{foreign}");
    }
}

#[test]
fn no_tenant_can_have_the_name_of_a_shared_place() {
    for reserved in ["admin", "local", "config", "UIDB", "uidb", "Diastema", "DIASTEMA", "diastemaviz", "DiastemaViz"] {
        assert!(TenantId::parse(reserved).is_err_and(|fault| fault.code == "reserved"), "{reserved}");
    }
    let tenant = TenantId::parse("metis").unwrap();
    assert_ne!(BucketName::of(&tenant), BucketName::charts());
}

/// What MongoDB takes as a database: no capital letters that would meet others', none of `/\. "$*<>:|?` and NUL, 63 bytes.
fn is_a_database(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 64
        && !name.contains(['/', '\\', '.', ' ', '"', '$', '*', '<', '>', ':', '|', '?', '\0'])
}

/// What S3 takes as a bucket.
fn is_a_bucket(name: &str) -> bool {
    let legal = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.chars().all(|letter| legal(letter) || letter == '-')
        && name.starts_with(legal)
        && name.ends_with(legal)
        && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix))
        && !["-s3alias", "--ol-s3", "--x-s3", "--table-s3"].iter().any(|suffix| name.ends_with(suffix))
}

/// A key that stays where it is, for a store that reads it as a path, too: no part of it means another place.
fn stays_below(key: &ObjectKey, directory: &str) -> bool {
    let parts = key.as_str().trim_end_matches('/').split('/');
    key.as_str().starts_with(directory)
        && key.as_str().len() <= 1024
        && !key.as_str().contains(|letter: char| letter.is_control() || letter == '\\')
        && parts.into_iter().all(|part| !matches!(part, "" | "." | ".."))
}

/// Texts of any script, and texts that are nearly names.
const TEXTS: &str = "\\PC{1,12}|.{0,8}|[A-Za-z0-9.-]{1,70}|[A-Z\u{212a}a-z0-9-]{3,12}|[a-c./]{1,9}";

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_accepted_tenant_is_a_legal_bucket_and_database_and_nothing_but_lower_case_of_what_came(text in TEXTS) {
        if let Ok(tenant) = TenantId::parse(&text) {
            let name = tenant.as_str();
            prop_assert!(text.is_ascii());
            prop_assert_eq!(name, text.to_lowercase());
            prop_assert!(is_a_bucket(name) && is_a_database(name), "{}", name);
            let bucket = BucketName::of(&tenant);
            prop_assert_eq!(bucket.as_str(), name);
            prop_assert_ne!(BucketName::of(&tenant), BucketName::charts());
            // who has been let in once is let in by the name that he was given
            prop_assert_eq!(TenantId::parse(name), Ok(tenant));
        }
    }

    #[test]
    fn whatever_a_document_says_keys_stay_in_their_directories(
        analysis in TEXTS, step in TEXTS, label in "\\PC{1,20}|.{0,9}|[a-c./ ]{1,9}|[İıſK\u{212a}ΣΣ]{1,5}", id in TEXTS
    ) {
        if let (Ok(analysis), Ok(step)) = (AnalysisId::parse(&analysis), Step::parse(&step)) {
            let output = ObjectKey::output(&analysis, "cleaned", &step);
            prop_assert!(stays_below(&output, &format!("analysis-{}/cleaned-", analysis.key())), "{}", output);
            prop_assert!(stays_below(&output.evidence(), output.as_str()));
            let collection = CollectionName::of(&analysis);
            let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._-".contains(letter);
            prop_assert!(collection.as_str().strip_prefix("analysis_").is_some_and(|rest| rest.chars().all(plain)));
        }
        if let Ok(label) = DatasetLabel::parse(&label) {
            let key = ObjectKey::dataset(&label);
            prop_assert!(stays_below(&key, "datasets/"), "{:?}", key);
        }
        if let Ok(id) = JobId::parse(&id) {
            let key = ObjectKey::charts(&id);
            prop_assert!(stays_below(&key, id.text()) && key.as_str().matches('/').count() == 1, "{}", key);
        }
    }

    /// Two ids meet exactly when they are the same text but for the case of ASCII letters.
    #[test]
    fn ids_meet_only_when_they_are_the_same_but_for_case(one in "[A-Za-zK._-]{1,3}", other in "[A-Za-zK._-]{1,3}") {
        if let (Ok(first), Ok(second)) = (AnalysisId::parse(&one), AnalysisId::parse(&other)) {
            prop_assert_eq!(first == second, one.eq_ignore_ascii_case(&other));
            prop_assert_eq!(CollectionName::of(&first) == CollectionName::of(&second), first == second);
        }
    }
}
