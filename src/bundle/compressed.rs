//! `JsPolicyBundle.spec.bundle`: base64 of gzip of a script, unpacked under a budget.

use std::io::{Read, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// The first two bytes of every gzip stream (RFC 1952 §2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Bounds on what a bundle may unpack to.
#[derive(Debug, Clone, Copy)]
pub struct BundleLimits {
    /// Bytes of script.
    pub unpacked: usize,
    /// Unpacked bytes for each packed one. Scripts reach about 10, a run of zeros about 1,000.
    pub ratio: usize,
}

impl Default for BundleLimits {
    /// 8 MiB is five times what etcd lets a packed bundle be (1.5 MiB); the ratio leaves room for generated tables.
    fn default() -> Self {
        Self { unpacked: 8 << 20, ratio: 200 }
    }
}

/// Why a bundle could not be unpacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum CompressedError {
    #[error("is not base64: {0}; encode the gzip stream with `base64 -w0`")]
    Base64(String),
    #[error("is empty; write the base64 of the gzipped script")]
    Empty,
    #[error("is base64, but not of a gzip stream (it starts with {0}); make it with `gzip -c bundle.js | base64 -w0`")]
    NotGzip(String),
    #[error("is a damaged gzip stream: {0}")]
    Damaged(String),
    #[error("unpacks to more than {limit} bytes; shrink the script, for example by leaving packages out")]
    TooLarge { limit: usize },
    #[error("packs to {size} bytes, and the API server takes no object above {limit}; write an OCI layout instead")]
    TooLargePacked { size: usize, limit: usize },
    #[error("unpacks to more than {ratio} times its size, as decompression bombs do")]
    Bomb { ratio: usize },
    #[error("is not UTF-8 at byte {0}; a bundle is the text of a script")]
    NotUtf8(usize),
}

/// etcd takes 1.5 MiB an object, everything counted.
pub const MAX_PACKED: usize = 1_400_000;

/// `spec.bundle` of a script. The same text gives the same bytes: no time stands in the gzip stream.
///
/// # Errors
/// Where no API server would take it, or nobody could load it again.
pub fn pack(text: &str) -> Result<String, CompressedError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    let packed = STANDARD.encode(packed.map_err(|error| CompressedError::Damaged(error.to_string()))?);
    if packed.len() > MAX_PACKED {
        return Err(CompressedError::TooLargePacked { size: packed.len(), limit: MAX_PACKED });
    }
    unpack(&packed, BundleLimits::default()).map(|_| packed)
}

/// The script in a bundle. Stops reading as soon as a bound is passed, however much the stream still holds.
pub fn unpack(encoded: &str, limits: BundleLimits) -> Result<String, CompressedError> {
    // YAML block scalars and line-wrapping encoders leave white space inside.
    let compact: Vec<u8> = encoded.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if compact.is_empty() {
        return Err(CompressedError::Empty);
    }
    let packed = STANDARD.decode(&compact).map_err(|error| CompressedError::Base64(error.to_string()))?;
    if !packed.starts_with(&GZIP_MAGIC) {
        let start = packed.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        return Err(CompressedError::NotGzip(start));
    }
    let by_ratio = packed.len().saturating_mul(limits.ratio);
    let allowed = limits.unpacked.min(by_ratio);
    let mut script = Vec::new();
    let budget = u64::try_from(allowed).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(packed.as_slice())
        .take(budget)
        .read_to_end(&mut script)
        .map_err(|error| CompressedError::Damaged(error.to_string()))?;
    if script.len() > allowed {
        return Err(if allowed == limits.unpacked {
            CompressedError::TooLarge { limit: limits.unpacked }
        } else {
            CompressedError::Bomb { ratio: limits.ratio }
        });
    }
    String::from_utf8(script).map_err(|error| CompressedError::NotUtf8(error.utf8_error().valid_up_to()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn packed(content: &[u8]) -> String {
        STANDARD.encode(gzip(content))
    }

    #[test]
    fn a_bundle_unpacks_to_its_script() {
        assert_eq!(unpack(&packed("deny('é')".as_bytes()), BundleLimits::default()).unwrap(), "deny('é')");
    }

    #[test]
    fn line_breaks_in_the_base64_are_ignored() {
        let mut wrapped = packed(b"deny('no')");
        wrapped.insert_str(10, "\n   ");
        assert_eq!(unpack(&wrapped, BundleLimits::default()).unwrap(), "deny('no')");
    }

    #[test]
    fn a_bomb_stops_at_the_bound() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let block = vec![b' '; 1 << 20];
        for _ in 0..1024 {
            encoder.write_all(&block).unwrap();
        }
        let bomb = STANDARD.encode(encoder.finish().unwrap());
        assert!(bomb.len() > 1_000_000, "a GiB packs to {} bytes", bomb.len());
        let started = std::time::Instant::now();
        let error = unpack(&bomb, BundleLimits::default()).unwrap_err();
        assert_eq!(error, CompressedError::TooLarge { limit: 8 << 20 });
        assert!(started.elapsed() < std::time::Duration::from_secs(1), "it read on: {:?}", started.elapsed());
    }

    #[test]
    fn a_small_bomb_is_known_by_its_ratio() {
        let bomb = packed(&vec![b' '; 1 << 20]);
        assert_eq!(unpack(&bomb, BundleLimits::default()).unwrap_err(), CompressedError::Bomb { ratio: 200 });
    }

    #[test]
    fn what_is_not_a_bundle_says_what_it_is() {
        let limits = BundleLimits::default();
        assert!(matches!(unpack("deny('no')", limits), Err(CompressedError::Base64(_))));
        assert_eq!(unpack(" \n", limits), Err(CompressedError::Empty));
        assert_eq!(unpack(&STANDARD.encode("deny()"), limits), Err(CompressedError::NotGzip("64 65 6e 79".to_owned())));
        assert_eq!(unpack(&packed(b"ab\xff"), limits), Err(CompressedError::NotUtf8(2)));
        let whole = gzip(b"deny('this one is cut short')");
        let cut = STANDARD.encode(&whole[..whole.len() - 9]);
        assert!(matches!(unpack(&cut, limits), Err(CompressedError::Damaged(_))));
    }
}
