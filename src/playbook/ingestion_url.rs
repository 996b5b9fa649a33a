//! Where an ingestion may read from: the form of the url and, by policy, the addresses it may lead to.
//!
//! A first fence only: the ingest service fetches the url, so names may change between this check and that fetch.
//! Resolving names is the caller's work; [`UrlRule::allows_address`] judges what they resolve to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::rules::Fault;
use super::text::quoted;

/// Longest url, in bytes.
const LONGEST_URL: usize = 8 << 10;

/// Longest host name as it is written, in bytes: names have 253 letters, each of which may be spelt with three signs and more.
/// What it takes to read one written in punycode grows with the square of its length.
const LONGEST_HOST: usize = 1 << 10;

/// `INGESTION_URL_POLICY`: which addresses an ingestion may read from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UrlPolicy {
    /// Everything.
    Any,
    /// Not this machine: no loopback, link-local, metadata, multicast or unspecified address.
    #[default]
    NoLoopback,
    /// The public internet only: no private or carrier address either.
    PublicOnly,
}

/// Policy together with what it protects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UrlRule {
    /// Which addresses are refused.
    pub policy: UrlPolicy,
    /// Host and port of each of the platform's own services, refused by exactly these; not with [`UrlPolicy::Any`].
    pub own_services: Vec<(String, u16)>,
}

impl UrlRule {
    /// Judges the text of a url. What is forwarded is the text, not what is returned.
    ///
    /// # Errors
    /// `bad-url`, `scheme` or `blocked-address`.
    pub fn check(&self, text: &str) -> Result<Url, Fault> {
        let bad = |reason: &str| Err(Fault::new("bad-url", format!("{reason}: {}", quoted(place_of(text)))));
        if text.is_empty() {
            return Err(Fault::new("bad-url", "is empty"));
        }
        if text.len() > LONGEST_URL {
            return Err(Fault::new("bad-url", format!("takes more than {LONGEST_URL} bytes")));
        }
        if text.contains(char::is_control) {
            return bad("may not contain control characters");
        }
        if has_long_host(text) {
            return Err(Fault::new("bad-url", format!("has a host name of more than {LONGEST_HOST} bytes")));
        }
        let Ok(url) = Url::parse(text) else { return bad("is not an absolute url") };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Fault::new(
                "scheme",
                format!("must begin with http:// or https://: {}", quoted(place_of(text))),
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Fault::new("bad-url", "may not carry a user name or a password"));
        }
        // Readers disagree about the host of these two forms.
        let authority = text.split(['?', '#']).next().unwrap_or_default();
        if authority.contains('\\') || authority.contains('@') && authority.find('@') < path_start(authority) {
            return bad("may not contain a backslash or an @ before its path");
        }
        if url.fragment().is_some_and(|fragment| fragment.contains('@')) {
            return bad("may not contain an @ behind a #");
        }
        self.check_host(&url).map(|()| url)
    }

    /// Whether a resolved address may be read from.
    pub fn allows_address(&self, address: IpAddr) -> bool {
        match (self.policy, address) {
            (UrlPolicy::Any, _) => true,
            (policy, IpAddr::V4(v4)) => allows_v4(policy, v4),
            (policy, IpAddr::V6(v6)) => match embedded_v4(v6) {
                Some(v4) => allows_v4(policy, v4),
                None => allows_v6(policy, v6),
            },
        }
    }

    fn check_host(&self, url: &Url) -> Result<(), Fault> {
        let blocked = |what: &str| {
            Err(Fault::new(
                "blocked-address",
                format!("leads to {what}: {}", quoted(url.host_str().unwrap_or_default())),
            ))
        };
        if self.policy == UrlPolicy::Any {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let own = |(name, port): &(String, u16)| {
            name.eq_ignore_ascii_case(host) && Some(*port) == url.port_or_known_default()
        };
        if self.own_services.iter().any(own) {
            return blocked("a service of the platform itself");
        }
        let allowed = match url.host() {
            Some(Host::Ipv4(v4)) => self.allows_address(v4.into()),
            Some(Host::Ipv6(v6)) => self.allows_address(v6.into()),
            Some(Host::Domain(_)) => host != "localhost" && !host.ends_with(".localhost"),
            None => false,
        };
        if allowed { Ok(()) } else { blocked("an address that ingestions may not read from") }
    }
}

/// Reads an absolute url, in a time that grows with its length only.
pub fn parse(text: &str) -> Option<Url> {
    if has_long_host(text) { None } else { Url::parse(text).ok() }
}

/// However the text is read, its host is no longer than what stands between its first colon and its path.
fn has_long_host(text: &str) -> bool {
    let rest = text.split_once(':').map_or(text, |(_, rest)| rest).trim_start_matches(['/', '\\']);
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().is_some_and(|host| host.len() > LONGEST_HOST)
}

/// What a reason may repeat of a url: neither what stands before its host nor its query, where secrets are.
fn place_of(text: &str) -> &str {
    let place = text.split(['?', '#']).next().unwrap_or_default();
    place.rsplit_once('@').map_or(place, |(_, place)| place)
}

/// Where the path of an absolute url begins.
fn path_start(authority: &str) -> Option<usize> {
    let host = authority.find("://").map_or(0, |scheme| scheme + 3);
    authority[host..].find('/').map_or(Some(authority.len()), |slash| Some(host + slash))
}

fn allows_v4(policy: UrlPolicy, address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    // 0.0.0.0/8 reaches this machine on many systems; 240.0.0.0/4 is reserved and holds the broadcast address.
    let never =
        address.is_loopback() || address.is_link_local() || address.is_multicast() || first == 0 || first >= 240;
    let carrier = first == 100 && (64..128).contains(&second);
    let special = (first, second, third) == (192, 0, 0)
        || (first == 198 && (18..20).contains(&second))
        || address.is_documentation();
    // Cloud providers answer metadata questions here too.
    let metadata = address == Ipv4Addr::new(100, 100, 100, 200);
    !never && !metadata && (policy != UrlPolicy::PublicOnly || !(address.is_private() || carrier || special))
}

fn allows_v6(policy: UrlPolicy, address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    let metadata = address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    let never = address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || (first & 0xffc0) == 0xfe80
        || metadata;
    let private =
        (first & 0xfe00) == 0xfc00 || (first & 0xffc0) == 0xfec0 || (first == 0x2001 && address.segments()[1] == 0xdb8);
    !never && (policy != UrlPolicy::PublicOnly || !private)
}

/// The IPv4 address inside a mapped, compatible, NAT64 or 6to4 address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let pair = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(pair(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(pair(high, low)),
        [0x2002, high, low, ..] => Some(pair(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(policy: UrlPolicy) -> UrlRule {
        UrlRule { policy, own_services: vec![("minio".to_owned(), 9000), ("10.1.1.1".to_owned(), 80)] }
    }

    #[track_caller]
    fn refused(policy: UrlPolicy, code: &str, urls: &[&str]) {
        for url in urls {
            assert_eq!(rule(policy).check(url).map(String::from).map_err(|fault| fault.code), Err(code), "{url:?}");
        }
    }

    #[track_caller]
    fn accepted(policy: UrlPolicy, urls: &[&str]) {
        for url in urls {
            assert!(rule(policy).check(url).is_ok(), "{url:?}: {:?}", rule(policy).check(url));
        }
    }

    /// Found by fuzzing: two thousand letters of punycode took as long as a document of a megabyte.
    #[test]
    fn a_long_host_is_refused_unread_wherever_it_stands() {
        let name = "b".repeat(LONGEST_HOST + 1);
        for before in ["http:", "http:/", "http://", "https:\\\\", "http://u:p@", "http:///"] {
            for behind in ["", "/x", "\\x", "?x", "#x", ":80"] {
                let url = format!("{before}{name}{behind}");
                assert!(has_long_host(&url) && parse(&url).is_none(), "{url}");
            }
        }
        assert!(
            rule(UrlPolicy::Any).check(&format!("http://{name}/")).is_err_and(|fault| fault.reason.contains("host"))
        );
        let userinfo = format!("http://{name}:{name}@example.org/{name}?{name}@{name}");
        assert_eq!(parse(&userinfo).and_then(|url| url.host_str().map(str::to_owned)).as_deref(), Some("example.org"));
    }

    #[test]
    fn the_form_is_judged_under_every_policy() {
        for policy in [UrlPolicy::Any, UrlPolicy::NoLoopback, UrlPolicy::PublicOnly] {
            let long = format!("http://example.org/{}", "x".repeat(8192));
            refused(
                policy,
                "bad-url",
                &["", "x", "/path", "http://", "http://user:pw@example.org/", "http://a@127.0.0.1", &long],
            );
            refused(
                policy,
                "bad-url",
                &["http://evil#@good", "http://good\\@evil/", "http://a\tb/", "http://a/\r\nx", "http://@evil/"],
            );
            refused(
                policy,
                "scheme",
                &["file:///etc/passwd", "gopher://x/", "ftp://x/", "jar:http://x!/y", "javascript:1"],
            );
            accepted(
                policy,
                &[
                    "http://example.org/a b?q=α β&e=a@b#part",
                    "HTTPS://Example.org:8443/@user",
                    "http://παράδειγμα.gr/δ.csv",
                ],
            );
        }
    }

    #[test]
    fn this_machine_is_out_of_reach() {
        let loopback = [
            "http://127.0.0.1:27017",
            "http://[::1]",
            "http://0/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://127.1",
        ];
        let disguised = [
            "http://[::ffff:127.0.0.1]/",
            "http://127。0。0。1/",
            "http://localhost./",
            "http://a.localhost",
            "http://[64:ff9b::7f00:1]",
        ];
        let special = [
            "http://169.254.169.254/latest/meta-data",
            "http://224.0.0.1",
            "http://[fe80::1]/",
            "http://[::]/",
            "http://255.255.255.255",
        ];
        let own = ["http://minio:9000/x", "http://MINIO:9000/x", "http://10.1.1.1/"];
        for policy in [UrlPolicy::NoLoopback, UrlPolicy::PublicOnly] {
            for urls in [&loopback[..], &disguised, &special, &own] {
                refused(policy, "blocked-address", urls);
            }
        }
        for urls in [&loopback[..], &disguised, &special, &own] {
            accepted(UrlPolicy::Any, urls);
        }
    }

    #[test]
    fn private_networks_are_for_no_loopback_only() {
        let private = [
            "http://10.0.0.5",
            "http://192.168.1.1:81",
            "http://172.16.0.1",
            "http://100.64.0.1",
            "http://[fd00::1]/",
            "http://10.1.1.1:81/",
        ];
        accepted(UrlPolicy::NoLoopback, &private);
        refused(UrlPolicy::PublicOnly, "blocked-address", &private);
        accepted(
            UrlPolicy::PublicOnly,
            &["http://93.184.216.34/", "http://[2606:2800:220:1::1]/", "http://minio:9001/"],
        );
    }
}
