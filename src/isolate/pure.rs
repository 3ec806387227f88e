//! Host functions that need nothing but their argument: text codecs, digests, URLs. Binary data is text of one
//! character a byte.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};
use serde::{Deserialize, Serialize};
use url::Url;

/// jsPolicy's is Go's `base64.StdEncoding`: padding required, left-over bits and line breaks passed over.
const GO: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// WHATWG `atob` takes padding or leaves it.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The operation is not one of these.
pub(super) struct NotPure;

/// The answer, where `None` is JavaScript's `undefined`.
pub(super) fn call(operation: &str, text: &str) -> Result<Option<String>, NotPure> {
    if let Some(name) = operation.strip_prefix("digest ") {
        return Ok(digest(name, text));
    }
    let answer = match operation {
        "base64Encode" => Some(STANDARD.encode(text)),
        "base64Decode" => {
            let unbroken = text.replace(['\r', '\n'], "");
            GO.decode(unbroken).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        }
        "latin1Encode" => to_bytes(text).map(|bytes| STANDARD.encode(bytes)),
        "latin1Decode" => {
            let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            FORGIVING.decode(compact).ok().map(|bytes| to_binary(&bytes))
        }
        "utf8Encode" => Some(to_binary(text.as_bytes())),
        "utf8Decode" => to_bytes(text).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        "utf8DecodeStrict" => to_bytes(text).and_then(|bytes| String::from_utf8(bytes).ok()),
        "formEncode" => Some(url::form_urlencoded::byte_serialize(text.as_bytes()).collect()),
        "formDecode" => Some(decode_percent(text)),
        "url" => url(text),
        _ => return Err(NotPure),
    };
    Ok(answer)
}

fn to_bytes(binary: &str) -> Option<Vec<u8>> {
    binary.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

fn to_binary(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn digest(name: &str, binary: &str) -> Option<String> {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};
    let algorithm = match name {
        "SHA-1" => &SHA1_FOR_LEGACY_USE_ONLY,
        "SHA-256" => &SHA256,
        "SHA-384" => &SHA384,
        "SHA-512" => &SHA512,
        _ => return None,
    };
    Some(to_binary(digest(algorithm, &to_bytes(binary)?).as_ref()))
}

fn decode_percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let hex = hex.filter(|hex| *first == b'%' && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[derive(Deserialize)]
struct UrlRequest {
    url: String,
    base: Option<String>,
    set: Option<String>,
    #[serde(default)]
    value: String,
}

#[derive(Serialize)]
struct UrlParts<'a> {
    href: &'a str,
    origin: String,
    protocol: &'a str,
    username: &'a str,
    password: &'a str,
    host: &'a str,
    hostname: &'a str,
    port: &'a str,
    pathname: &'a str,
    search: &'a str,
    hash: &'a str,
}

/// Parses or changes a URL (WHATWG, by the `url` crate's own bindings for it).
fn url(request: &str) -> Option<String> {
    use url::quirks;
    let request: UrlRequest = serde_json::from_str(request).ok()?;
    let base = request.base.map(|base| Url::parse(&base)).transpose().ok()?;
    let mut url = Url::options().base_url(base.as_ref()).parse(&request.url).ok()?;
    if let Some(part) = request.set {
        let value = request.value.as_str();
        match part.as_str() {
            "href" => quirks::set_href(&mut url, value).ok()?,
            "protocol" => quirks::set_protocol(&mut url, value).ok()?,
            "username" => quirks::set_username(&mut url, value).ok()?,
            "password" => quirks::set_password(&mut url, value).ok()?,
            "host" => quirks::set_host(&mut url, value).ok()?,
            "hostname" => quirks::set_hostname(&mut url, value).ok()?,
            "port" => quirks::set_port(&mut url, value).ok()?,
            "pathname" => quirks::set_pathname(&mut url, value),
            "search" => quirks::set_search(&mut url, value),
            "hash" => quirks::set_hash(&mut url, value),
            _ => return None,
        }
    }
    let parts = UrlParts {
        href: quirks::href(&url),
        origin: quirks::origin(&url),
        protocol: quirks::protocol(&url),
        username: quirks::username(&url),
        password: quirks::password(&url),
        host: quirks::host(&url),
        hostname: quirks::hostname(&url),
        port: quirks::port(&url),
        pathname: quirks::pathname(&url),
        search: quirks::search(&url),
        hash: quirks::hash(&url),
    };
    serde_json::to_string(&parts).ok()
}
