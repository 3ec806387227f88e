//! The syntax of label keys and values (`k8s.io/apimachinery`, content validation).

const LONGEST_PART: usize = 63;
const LONGEST_PREFIX: usize = 253;

/// Checks an optional DNS subdomain and `/`, then a name.
pub(super) fn label_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
        return Err(format!("{key:?} is not a label key: the part before `/` must be a lowercase DNS subdomain"));
    }
    if is_word(name) {
        return Ok(());
    }
    Err(format!(
        "{key:?} is not a label key: the name must have 1 to {LONGEST_PART} of A-Z a-z 0-9 - _ . and begin and end with \
         a letter or digit"
    ))
}

/// Checks a value, which may be empty.
pub(super) fn label_value(value: &str) -> Result<(), String> {
    if value.is_empty() || is_word(value) {
        return Ok(());
    }
    Err(format!(
        "{value:?} is not a label value: it must be empty or have at most {LONGEST_PART} of A-Z a-z 0-9 - _ . and begin \
         and end with a letter or digit"
    ))
}

fn is_word(text: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    has_length(text, LONGEST_PART) && text.as_bytes().iter().all(inner) && has_ends(text, u8::is_ascii_alphanumeric)
}

fn is_subdomain(text: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_segment = |segment: &str| {
        segment.as_bytes().iter().all(|byte| alphanumeric(byte) || *byte == b'-') && has_ends(segment, alphanumeric)
    };
    has_length(text, LONGEST_PREFIX) && text.split('.').all(is_segment)
}

fn has_length(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
}

/// Whether the text has a first and a last byte, and both are fit.
fn has_ends(text: &str, is_fit: impl Fn(&u8) -> bool) -> bool {
    text.as_bytes().first().is_some_and(&is_fit) && text.as_bytes().last().is_some_and(&is_fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_names_with_an_optional_domain() {
        let longest = "a".repeat(63);
        for good in ["a", "App", "1-2_3.4", "example.com/App", "a-b.c/x", &*longest, &format!("x/{longest}")] {
            assert_eq!(label_key(good), Ok(()), "{good}");
        }
        let too_long = "a".repeat(64);
        let long_prefix = format!("{}/a", "a".repeat(254));
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a/b/c",
            "-a",
            "a-",
            "a b",
            "ä",
            "Ex.com/a",
            "a..b/c",
            "-a/b",
            "a-/b",
            "a_b/c",
            &*too_long,
            &*long_prefix,
        ] {
            assert!(label_key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_may_be_empty() {
        let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
        for good in ["", "a", "A.b_c-1", &*longest] {
            assert_eq!(label_value(good), Ok(()), "{good}");
        }
        for bad in ["-", "a-", ".a", "a/b", "a b", "ä", &*too_long] {
            assert!(label_value(bad).is_err(), "{bad}");
        }
    }
}
