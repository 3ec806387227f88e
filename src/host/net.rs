//! Hosts of the network as permissions name them, and the addresses that no wildcard may reach.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::HostError;

/// Where a request would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    host: Host<String>,
    port: u16,
}

impl Target {
    /// # Errors
    /// `WrongArguments` for anything but `http` and `https`.
    pub fn of(url: &Url) -> Result<Self, HostError> {
        let wrong = |cause: &str| HostError::wrong_arguments("fetch", format!("{cause}: give an http or https URL"));
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(&format!("the scheme {:?} is not supported", url.scheme())));
        }
        let host = url.host().ok_or_else(|| wrong("the URL has no host"))?.to_owned();
        let port = url.port_or_known_default().ok_or_else(|| wrong("the URL has no port"))?;
        Ok(Self { host: without_dot(host), port })
    }

    /// Whether a list of permissions covers it. `host` stands for each of its ports, `*.example.com` for every name below
    /// but not for `example.com` itself.
    pub fn is_covered_by(&self, patterns: &[String]) -> bool {
        self.is_named_by(patterns) || patterns.iter().any(|pattern| self.fits_wildcard(pattern))
    }

    /// Whether a permission names this very host.
    pub fn is_named_by(&self, patterns: &[String]) -> bool {
        let named = |pattern: &String| {
            let (host, port) = split_port(pattern)?;
            let host = Host::parse(&host).ok().map(without_dot)?;
            Some(canonical(&host) == canonical(&self.host) && port.is_none_or(|port| port == self.port))
        };
        patterns.iter().any(|pattern| named(pattern) == Some(true))
    }

    /// Whether it is, as written, an address of [`is_metadata`]. A name that leads to one is found on resolving it.
    pub fn is_metadata_address(&self) -> bool {
        match self.host {
            Host::Ipv4(ip) => is_metadata(ip.into()),
            Host::Ipv6(ip) => is_metadata(ip.into()),
            Host::Domain(_) => false,
        }
    }

    /// The host as a permission would name it.
    pub fn host_text(&self) -> String {
        self.host.to_string()
    }

    fn fits_wildcard(&self, pattern: &str) -> bool {
        let Some((host, port)) = split_port(pattern) else { return false };
        let host_fits = match (host.as_str(), &self.host) {
            ("*", _) => true,
            (suffix, Host::Domain(name)) => suffix.strip_prefix('*').is_some_and(|suffix| {
                let suffix = suffix.trim_end_matches('.').to_ascii_lowercase();
                suffix.starts_with('.') && suffix.len() > 1 && name.ends_with(&suffix) && name.len() > suffix.len()
            }),
            _ => false,
        };
        host_fits && port.is_none_or(|port| port == self.port)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// `example.com.` is `example.com`.
fn without_dot(host: Host<String>) -> Host<String> {
    match host {
        Host::Domain(name) => Host::Domain(name.trim_end_matches('.').to_owned()),
        address => address,
    }
}

/// `::ffff:1.2.3.4` is `1.2.3.4`.
fn canonical(host: &Host<String>) -> Host<String> {
    match host {
        Host::Ipv6(ip) => ip.to_ipv4_mapped().map_or_else(|| host.clone(), Host::Ipv4),
        other => other.clone(),
    }
}

/// The host of a pattern, an IPv6 address in brackets, and its port; `None` where the port is no number.
fn split_port(pattern: &str) -> Option<(String, Option<u16>)> {
    if pattern.parse::<Ipv6Addr>().is_ok() {
        return Some((format!("[{pattern}]"), None));
    }
    match pattern.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => Some((host.to_owned(), Some(port.parse().ok()?))),
        _ => Some((pattern.to_owned(), None)),
    }
}

/// Addresses at which clouds hand out the machine's own credentials, and the link-local ranges they live in: what a
/// policy must never reach by a wildcard, a redirect or a name that happens to point there.
pub fn is_metadata(ip: IpAddr) -> bool {
    /// Alibaba, Oracle and Azure (wire server) outside of the link-local range.
    const V4: [Ipv4Addr; 3] =
        [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];
    /// EC2 over IPv6.
    const V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match ip {
        IpAddr::V4(ip) => ip.is_link_local() || V4.contains(&ip),
        IpAddr::V6(ip) => match embedded_v4(ip) {
            Some(ip) => is_metadata(ip.into()),
            None => ip.is_unicast_link_local() || ip == V6,
        },
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped (RFC 4291) or translated (NAT64, RFC 6052).
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = ip.segments() else { return ip.to_ipv4_mapped() };
    Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
}

/// A name led to an address of [`is_metadata`].
#[derive(Debug, thiserror::Error)]
#[error("the name leads to {0}, a link-local or cloud metadata address: name the host in net, without a wildcard")]
pub struct LeadsToMetadata(pub IpAddr);

/// The system's resolver, but for the addresses of [`is_metadata`]. It works on what the connection is then made to, so
/// that a name cannot answer twice.
pub struct NoMetadata;

impl Resolve for NoMetadata {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            match found.iter().find(|address| is_metadata(address.ip())) {
                Some(address) => Err(LeadsToMetadata(address.ip()).into()),
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::of(&Url::parse(url).unwrap()).unwrap()
    }

    fn covered(pattern: &str, url: &str) -> bool {
        target(url).is_covered_by(&[pattern.to_owned()])
    }

    #[test]
    fn patterns_cover_hosts_ports_and_names_below() {
        for (pattern, url) in [
            ("example.com", "https://example.com/x"),
            ("example.com", "http://EXAMPLE.com.:8080/"),
            ("Example.COM:443", "https://example.com"),
            ("*.example.com", "https://a.b.example.com"),
            ("*.example.com:8443", "https://a.example.com:8443"),
            ("*", "http://10.0.0.1:9/"),
            ("*:80", "http://anything"),
            ("10.0.0.1:9", "http://10.0.0.1:9/"),
            ("::1", "http://[::1]:8080/"),
            ("[::1]:8080", "http://[::1]:8080/"),
            ("127.0.0.1", "http://2130706433/"),
            ("münchen.example", "https://xn--mnchen-3ya.example"),
        ] {
            assert!(covered(pattern, url), "{pattern} {url}");
        }
    }

    #[test]
    fn patterns_cover_no_more_than_they_say() {
        for (pattern, url) in [
            ("example.com", "https://example.com.evil.org"),
            ("example.com", "https://evil-example.com"),
            ("example.com", "https://example.com@evil.org"),
            ("example.com:443", "http://example.com"),
            ("*.example.com", "https://example.com"),
            ("*.example.com", "https://evilexample.com"),
            ("*example.com", "https://evilexample.com"),
            ("*.", "https://example.com"),
            ("example.com:many", "https://example.com"),
            ("10.0.0.*", "http://10.0.0.1"),
            ("", "http://10.0.0.1"),
        ] {
            assert!(!covered(pattern, url), "{pattern} {url}");
        }
        assert!(Target::of(&Url::parse("file:///etc/passwd").unwrap()).is_err());
    }

    #[test]
    fn metadata_addresses_are_known_in_every_spelling() {
        for url in [
            "http://169.254.169.254/",
            "http://0xa9fea9fe/",
            "http://2852039166/",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://100.100.100.200/",
        ] {
            assert!(target(url).is_metadata_address(), "{url}");
        }
        for url in ["http://10.0.0.1/", "http://[::1]/", "http://127.0.0.1/", "http://[fd00::1]/"] {
            assert!(!target(url).is_metadata_address(), "{url}");
        }
        let mapped = target("http://[::ffff:169.254.169.254]/");
        assert!(mapped.is_named_by(&["169.254.169.254".to_owned()]));
        assert!(!mapped.is_named_by(&["*".to_owned()]));
    }
}
