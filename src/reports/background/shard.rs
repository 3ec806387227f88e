//! Which namespaces a replica scans, where each scans a part.

use std::str::FromStr;

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// `0/3`: the first of three parts. A namespace is in one part as a whole, so that its report has one writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Shard {
    part: u64,
    parts: u64,
}

impl Shard {
    /// The same on every replica. What has no namespace is in the part of the empty name.
    #[must_use]
    pub fn takes(&self, namespace: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(namespace).into();
        let number = hash.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        number % self.parts == self.part
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once('/').and_then(|(part, parts)| Some((part.parse().ok()?, parts.parse().ok()?)));
        match numbers {
            Some((part, parts)) if part < parts => Ok(Self { part, parts }),
            _ => Err(format!("`{text}` must be a part and their number, such as 0/3 for the first of three")),
        }
    }
}

impl TryFrom<String> for Shard {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_is_in_one_part() {
        let parts: Vec<Shard> = (0..3).map(|part| format!("{part}/3").parse().unwrap()).collect();
        let mut sizes = [0; 3];
        for number in 0..3_000 {
            let takers: Vec<usize> = (0..3).filter(|at| parts[*at].takes(&format!("namespace-{number}"))).collect();
            assert_eq!(takers.len(), 1);
            sizes[takers[0]] += 1;
        }
        assert!(sizes.iter().all(|size| (900..1_100).contains(size)), "{sizes:?}");
        assert_eq!(parts.iter().filter(|part| part.takes("")).count(), 1);
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for bad in ["", "1", "3/3", "-1/3", "0/0", "a/b"] {
            assert!(bad.parse::<Shard>().unwrap_err().contains("such as 0/3"), "{bad}");
        }
    }
}
