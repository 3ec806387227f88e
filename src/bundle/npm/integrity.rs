//! Subresource integrity as npm writes it: `sha512-<base64>`, more than one apart by spaces, the strongest counts.

use aws_lc_rs::digest::{self, Algorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// From the strongest. SHA-1 stands in the packuments of packages from before 2017.
const ALGORITHMS: [(&str, &Algorithm); 4] = [
    ("sha512", &digest::SHA512),
    ("sha384", &digest::SHA384),
    ("sha256", &digest::SHA256),
    ("sha1", &digest::SHA1_FOR_LEGACY_USE_ONLY),
];

/// Hashes of which any must match: those of the strongest algorithm that an integrity text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integrity {
    algorithm: usize,
    digests: Vec<Vec<u8>>,
}

impl Integrity {
    /// `None` where no hash in it is of an algorithm that is known and as long as such a hash is.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut found: Option<Self> = None;
        for word in text.split_ascii_whitespace() {
            // Options (`?…`) are for browsers.
            let word = word.split('?').next().unwrap_or(word);
            let Some((name, encoded)) = word.split_once('-') else { continue };
            let Some(algorithm) = ALGORITHMS.iter().position(|(known, _)| *known == name) else { continue };
            let Ok(digest) = STANDARD.decode(encoded) else { continue };
            let length = ALGORITHMS.get(algorithm).map(|(_, known)| known.output_len());
            if length != Some(digest.len()) {
                continue;
            }
            match &mut found {
                Some(known) if known.algorithm == algorithm => known.digests.push(digest),
                Some(known) if known.algorithm < algorithm => {}
                _ => found = Some(Self { algorithm, digests: vec![digest] }),
            }
        }
        found
    }

    /// The hash that packuments had first: hex of SHA-1.
    #[must_use]
    pub fn of_shasum(hex: &str) -> Option<Self> {
        let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pairs = hex.as_bytes().chunks(2);
        let digest: Option<Vec<u8>> = pairs
            .map(|pair| match pair {
                [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
                _ => None,
            })
            .collect();
        let digest = digest.filter(|digest| digest.len() == digest::SHA1_OUTPUT_LEN)?;
        Some(Self { algorithm: ALGORITHMS.len() - 1, digests: vec![digest] })
    }

    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let Some((_, algorithm)) = ALGORITHMS.get(self.algorithm) else { return false };
        let actual = digest::digest(algorithm, bytes);
        self.digests.iter().any(|digest| digest == actual.as_ref())
    }

    /// The hash by which a cache may find the bytes; none where it is weak, or one of several.
    #[must_use]
    pub fn sha512_hex(&self) -> Option<String> {
        use std::fmt::Write as _;
        let ([digest], 0) = (self.digests.as_slice(), self.algorithm) else { return None };
        Some(digest.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
    }
}

impl std::fmt::Display for Integrity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = ALGORITHMS.get(self.algorithm).map_or("", |(name, _)| name);
        let words: Vec<String> =
            self.digests.iter().map(|digest| format!("{name}-{}", STANDARD.encode(digest))).collect();
        f.write_str(&words.join(" "))
    }
}

/// What goes into a lock.
#[must_use]
pub fn sha512(bytes: &[u8]) -> String {
    format!("sha512-{}", STANDARD.encode(digest::digest(&digest::SHA512, bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_ABC: &str =
        "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==";

    #[test]
    fn bytes_are_told_from_other_bytes() {
        let integrity = Integrity::parse(OF_ABC).unwrap();
        assert!(integrity.matches(b"abc") && !integrity.matches(b"abd"));
        assert_eq!(sha512(b"abc"), OF_ABC);
        assert_eq!(integrity.to_string(), OF_ABC);
        assert!(integrity.sha512_hex().unwrap().starts_with("ddaf35a193617aba"));
    }

    #[test]
    fn the_strongest_hash_counts_and_any_of_it_may_match() {
        let weak = "sha1-qZk+NkcGgWq6PiVxeFDCbJzQ2J0=";
        assert!(Integrity::parse(weak).unwrap().matches(b"abc"));
        let other = sha512(b"other");
        assert!(!Integrity::parse(&format!("{weak} {other}")).unwrap().matches(b"abc"));
        assert!(Integrity::parse(&format!("{other} {OF_ABC}?opt")).unwrap().matches(b"abc"));
    }

    #[test]
    fn what_is_no_hash_is_no_integrity() {
        for text in ["", "abc", "md5-kAFQmDzST7DWlj99KOF/cg==", "sha512-abcd", "sha512-!!", "sha512"] {
            assert_eq!(Integrity::parse(text), None, "{text}");
        }
        assert_eq!(Integrity::of_shasum("a9993e"), None);
        assert_eq!(Integrity::of_shasum(&"zz".repeat(20)), None);
        assert!(Integrity::of_shasum("a9993e364706816aba3e25717850c26c9cd0d89d").unwrap().matches(b"abc"));
    }
}
