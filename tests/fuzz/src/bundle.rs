//! `JsPolicyBundle.spec.bundle`: whatever stands there unpacks within its budget or is refused.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bylaw::bundle::{BundleLimits, unpack};
use flate2::Compression;
use flate2::write::GzEncoder;

const LIMITS: BundleLimits = BundleLimits { unpacked: 64 << 10, ratio: 100 };

pub fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        bounded(text, text.len());
    }
    // The bytes as a gzip stream, as the body of one, and as what is packed.
    bounded(&STANDARD.encode(data), data.len());
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    stream.extend_from_slice(data);
    bounded(&STANDARD.encode(&stream), stream.len());

    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    let packed = encoder.finish().unwrap();
    let unpacked = unpack(&STANDARD.encode(&packed), LIMITS);
    let fits = data.len() <= LIMITS.unpacked && data.len() <= packed.len() * LIMITS.ratio;
    match std::str::from_utf8(data) {
        Ok(text) if fits => assert_eq!(unpacked.as_deref(), Ok(text)),
        _ => assert!(unpacked.is_err()),
    }
}

fn bounded(encoded: &str, packed: usize) {
    match unpack(encoded, LIMITS) {
        Ok(script) => assert!(script.len() <= LIMITS.unpacked.min(packed * LIMITS.ratio)),
        Err(error) => assert!(error.to_string().len() < 1_024, "the refusal repeats the bundle"),
    }
}
