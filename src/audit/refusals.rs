//! Refusals that are listed one by one: so many per token and minute. Who sends nonsense without end cannot wash out of the
//! trail what others did.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Refusals of one token that are listed in a minute.
const MOST_LISTED: u32 = 600;

const MINUTE: Duration = Duration::from_secs(60);

/// Refusals by token. There are as many tokens as the token file has had.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<String, Minute>>);

#[derive(Debug)]
struct Minute {
    began: Instant,
    listed: u32,
    unlisted: u64,
}

/// What becomes of one refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) listed: bool,
    /// Refusals of minutes before that have not been told of.
    pub(super) unlisted_before: u64,
}

impl Refusals {
    pub(super) fn count(&self, token: &str) -> Listing {
        let now = Instant::now();
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = tokens.entry(token.to_owned()).or_insert_with(|| Minute { began: now, listed: 0, unlisted: 0 });
        let mut unlisted_before = 0;
        if now.duration_since(minute.began) >= MINUTE {
            unlisted_before = minute.unlisted;
            *minute = Minute { began: now, listed: 0, unlisted: 0 };
        }
        let listed = minute.listed < MOST_LISTED;
        if listed {
            minute.listed += 1;
        } else {
            minute.unlisted += 1;
        }
        Listing { listed, unlisted_before }
    }

    /// What has not been told of yet, by token.
    pub(super) fn take_unlisted(&self) -> Vec<(String, u64)> {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = tokens.iter_mut().map(|(token, minute)| (token.clone(), std::mem::take(&mut minute.unlisted)));
        taken.filter(|(_, unlisted)| *unlisted > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn beyond_so_many_in_a_minute_refusals_are_counted() {
        let refusals = Refusals::default();
        let listed = |listed| Listing { listed, unlisted_before: 0 };
        assert!((0..MOST_LISTED).all(|_| refusals.count("noisy") == listed(true)));
        assert!((0..5).all(|_| refusals.count("noisy") == listed(false)));
        assert_eq!(refusals.count("quiet"), listed(true));
        tokio::time::advance(MINUTE).await;
        assert_eq!(refusals.count("noisy"), Listing { listed: true, unlisted_before: 5 });
        assert_eq!(refusals.count("noisy"), listed(true));
        assert!(refusals.take_unlisted().is_empty());
        assert!((0..MOST_LISTED).filter(|_| refusals.count("noisy") == listed(false)).count() == 2);
        assert_eq!(refusals.take_unlisted(), [("noisy".to_owned(), 2)]);
    }
}
