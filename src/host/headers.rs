//! Headers of `fetch`, as jsPolicy's Go client showed and sent them.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::HostError;

/// What the client itself must say; a policy's own value is left out, as Go and browsers leave it out.
const OF_THE_CONNECTION: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What must not follow a redirect to another host (Go's `shouldCopyHeaderOnRedirect`).
pub const SECRETS: [&str; 4] = ["authorization", "cookie", "cookie2", "www-authenticate"];

pub fn to_send(given: &BTreeMap<String, String>) -> Result<HeaderMap, HostError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let wrong = |what: &str| {
            HostError::wrong_arguments("fetch", format!("headers: {name:?} has a {what} that HTTP forbids"))
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("name"))?;
        if !OF_THE_CONNECTION.contains(&name.as_str()) {
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong("value"))?;
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

/// The first value of each header, under its canonical name.
pub fn received(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for (name, value) in headers {
        shown.entry(canonical(name.as_str())).or_insert_with(|| String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    shown
}

/// `content-type` as `Content-Type` (Go's `textproto.CanonicalMIMEHeaderKey`).
fn canonical(name: &str) -> String {
    let mut starts_word = true;
    let letters = name.chars().map(|letter| {
        let shown = if starts_word { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
        starts_word = letter == '-';
        shown
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_canonical_names_and_first_values() {
        let mut headers = HeaderMap::new();
        headers.append("x-request-id", HeaderValue::from_static("1"));
        headers.append("x-request-id", HeaderValue::from_static("2"));
        headers.append("etag", HeaderValue::from_static("a"));
        let shown = received(&headers);
        assert_eq!(shown, [("Etag", "a"), ("X-Request-Id", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn leaves_the_connection_alone_and_refuses_smuggled_lines() {
        let given = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        assert!(to_send(&given("Transfer-Encoding", "chunked")).unwrap().is_empty());
        assert!(to_send(&given("HOST", "other")).unwrap().is_empty());
        assert_eq!(to_send(&given("X-A", "é")).unwrap().len(), 1);
        for (name, value) in [("X-A", "a\r\nHost: b"), ("X A", "a"), ("", "a"), ("X-A\n", "a")] {
            assert_eq!(to_send(&given(name, value)).unwrap_err().reason, "WrongArguments");
        }
    }
}
