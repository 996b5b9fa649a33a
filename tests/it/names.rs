//! Names that reach buckets, databases and services: nothing is folded into them from foreign letters.

use orchestrator::playbook::{AnalysisId, TenantId};
use proptest::prelude::*;

#[test]
fn letters_that_only_look_alike_are_not_taken_for_ours() {
    // KELVIN SIGN and ANGSTROM SIGN lower to k and å, the long s and the dotless i upper to S and I
    for foreign in ["\u{212a}elvin", "\u{212b}ngstrom", "met\u{131}s", "meti\u{17f}", "ｍetis"] {
        assert!(TenantId::parse(foreign).is_err(), "{foreign}");
        assert!(AnalysisId::parse(foreign).is_err(), "{foreign}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_accepted_tenant_is_a_legal_bucket_and_database_and_nothing_but_lower_case_of_what_came(text in "\\PC{1,12}|[A-Za-z0-9.-]{1,70}|[A-Z\u{212a}a-z0-9-]{3,12}") {
        if let Ok(tenant) = TenantId::parse(&text) {
            let name = tenant.as_str();
            prop_assert!(text.is_ascii());
            prop_assert_eq!(name, text.to_ascii_lowercase());
            prop_assert!((3..=63).contains(&name.len()));
            let legal = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter);
            prop_assert!(name.chars().all(legal), "{}", name);
        }
    }
}
