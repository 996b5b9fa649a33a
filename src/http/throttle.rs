//! Slows down guessing: an address that has sent many wrong tokens lately is told so for every further wrong one.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix::clock::Instant;

/// How long a wrong token is remembered (decision 23).
const WINDOW: Duration = Duration::from_secs(10);

/// Addresses that are remembered; beyond, those that have been quiet are forgotten, or all if none has.
const REMEMBERED: usize = 10_000;

/// Wrong tokens by address.
#[derive(Debug)]
pub(super) struct WrongTokens {
    /// Wrong tokens from one address within [`WINDOW`] until further ones are too many.
    most: usize,
    seen: Mutex<HashMap<IpAddr, VecDeque<Instant>>>,
}

impl WrongTokens {
    pub(super) fn new(most: usize) -> Self {
        Self { most, seen: Mutex::default() }
    }

    /// Counts a wrong token; answers whether there were too many before it.
    pub(super) fn count(&self, from: IpAddr) -> bool {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.retain(|_, times| times.back().is_some_and(|last| now.duration_since(*last) < WINDOW));
            if seen.len() >= REMEMBERED {
                seen.clear();
            }
        }
        let times = seen.entry(origin(from)).or_default();
        while times.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
            times.pop_front();
        }
        if times.len() >= self.most {
            return true;
        }
        times.push_back(now);
        if times.len() == self.most {
            log::warn!("{from}: {} wrong tokens within {} s", self.most, WINDOW.as_secs());
        }
        false
    }
}

/// Who is behind an address: of IPv6 whole networks are given out, so that one machine has as many addresses as it likes.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[actix_web::test]
    async fn the_twenty_first_wrong_token_in_ten_seconds_is_too_many() {
        tokio::time::pause();
        let (wrong, one, other) =
            (WrongTokens::new(20), IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from([10, 0, 0, 1]));
        assert!((0..20).all(|_| !wrong.count(one)));
        assert!(wrong.count(one));
        assert!(!wrong.count(other));
        tokio::time::advance(WINDOW).await;
        assert!(!wrong.count(one));
    }

    #[actix_web::test]
    async fn addresses_of_one_network_are_one_and_those_of_many_do_not_pile_up() {
        let wrong = WrongTokens::new(1);
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(!wrong.count(parse("2001:db8:1:2::1")));
        assert!(wrong.count(parse("2001:db8:1:2:ffff::2")));
        assert!(!wrong.count(parse("2001:db8:1:3::1")));
        assert!(!wrong.count(parse("10.0.0.1")));
        assert!(wrong.count(parse("::ffff:10.0.0.1")));
        for number in 0..3 * REMEMBERED as u32 {
            wrong.count(IpAddr::V4(Ipv4Addr::from_bits(number)));
        }
        assert!(wrong.seen.lock().unwrap().len() <= REMEMBERED);
    }
}
