//! Host names that may not belong to two: what is written differently and means the same, and what overlaps.

use url::Host;

/// A host name as it is compared: lower case, in its ASCII form, without a port and without the dot at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host name")]
pub struct NotAHostName(String);

/// A name of DNS has at most 253 bytes; before it is in its ASCII form it can have more.
const MAX_LENGTH: usize = 1024;
const LONGEST_NAME: usize = 253;

/// What stands for every name there is, as a rule without a host does.
const EVERYTHING: &str = "*";

impl HostName {
    /// Reads `Shop.Example.com:8443`, `*.bücher.example`, `10.0.0.1`, `[::1]:80`. An empty text is every host, as it is in an
    /// Ingress.
    ///
    /// # Errors
    /// Where it is no name that a client could ask for.
    pub fn read(text: &str) -> Result<Self, NotAHostName> {
        let refuse = || NotAHostName(text.chars().take(MAX_LENGTH).collect());
        if text.len() > MAX_LENGTH {
            return Err(refuse());
        }
        let name = without_port(text);
        if name.is_empty() || name == EVERYTHING {
            return if name.len() == text.len() { Ok(Self { text: EVERYTHING.to_owned() }) } else { Err(refuse()) };
        }
        let (wildcard, rest) = name.strip_prefix("*.").map_or(("", name), |rest| ("*.", rest));
        if rest.contains(['*', '%']) {
            return Err(refuse());
        }
        // What browsers do with a host, IDNA (UTS 46) included.
        let host = Host::parse(rest).map_err(|_| refuse())?;
        let text = match host {
            Host::Domain(domain) => domain.strip_suffix('.').map_or_else(|| domain.clone(), str::to_owned),
            address if wildcard.is_empty() => address.to_string(),
            _ => return Err(refuse()),
        };
        if text.is_empty() || text.len() > LONGEST_NAME {
            return Err(refuse());
        }
        Ok(Self { text: format!("{wildcard}{text}") })
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether there is a name that both answer to. A wildcard stands for any number of labels, as in the Gateway API; in
    /// an Ingress it stands for one, which is less.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        if self.text == other.text {
            return true;
        }
        self.covers(other) || other.covers(self)
    }

    fn covers(&self, other: &Self) -> bool {
        if self.text == EVERYTHING {
            return true;
        }
        // `*.a.b` and `.x.a.b` of `*.x.a.b`.
        let Some(suffix) = self.text.strip_prefix('*') else { return false };
        let other = other.text.strip_prefix('*').unwrap_or(&other.text);
        other.len() > suffix.len() && other.ends_with(suffix)
    }
}

/// The name before a port; an IPv6 address keeps its colons by its brackets.
fn without_port(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty()
                && port.bytes().all(|byte| byte.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        HostName::read(text).unwrap()
    }

    #[test]
    fn the_same_name_is_one_however_it_is_written() {
        for (text, read) in [
            ("Shop.Example.COM", "shop.example.com"),
            ("shop.example.com.", "shop.example.com"),
            ("shop.example.com:8443", "shop.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("ｓｈｏｐ.example", "shop.example"),
            ("shop。example", "shop.example"),
            ("*.Shop.example:443", "*.shop.example"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("0x0a.0.0.1", "10.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("[0:0::1]", "[::1]"),
            ("", "*"),
            ("*", "*"),
        ] {
            assert_eq!(name(text).as_str(), read, "{text}");
        }
    }

    #[test]
    fn what_no_client_could_ask_for_is_no_name() {
        let long = "a".repeat(2000);
        for text in
            ["a b", "a/b", "a.*.b", "**.a", "*a.b", "a%2eb", "http://a", "*.10.0.0.1", ".", ":80", "*:80", "a:b", &long]
        {
            assert!(HostName::read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn wildcards_overlap_with_all_that_they_cover() {
        for (one, other) in [
            ("*.a.example", "x.a.example"),
            ("*.a.example", "y.x.a.example"),
            ("*.a.example", "*.x.a.example"),
            ("*.a.example", "*.A.example:80"),
            ("*", "a.example"),
            ("", "*.a.example"),
        ] {
            assert!(name(one).overlaps(&name(other)) && name(other).overlaps(&name(one)), "{one} {other}");
        }
        for (one, other) in [
            ("*.a.example", "a.example"),
            ("*.a.example", "xa.example"),
            ("*.a.example", "*.b.example"),
            ("a.example", "b.example"),
            ("a.example", "x.a.example"),
        ] {
            assert!(!name(one).overlaps(&name(other)) && !name(other).overlaps(&name(one)), "{one} {other}");
        }
    }
}
