//! The names that Kubernetes allows.

/// jsPolicy's rule: a DNS subdomain of at least three parts, because it becomes the name of a webhook.
#[must_use]
pub fn is_policy_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').count() >= 3 && name.split('.').all(is_dns_label)
}

/// RFC 1123, as Kubernetes reads it.
fn is_dns_label(label: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty()
        && label.len() <= 63
        && label.bytes().all(is_inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A label's key, or the name of a match condition: `name` or `prefix.example.com/name`.
pub(super) fn is_qualified_name(key: &str) -> bool {
    match key.split_once('/') {
        None => is_label_name(key),
        Some((prefix, name)) => prefix.len() <= 253 && prefix.split('.').all(is_dns_label) && is_label_name(name),
    }
}

fn is_label_name(name: &str) -> bool {
    !name.is_empty() && is_label_value(name)
}

/// A label's value, which may be empty.
pub(super) fn is_label_value(value: &str) -> bool {
    let is_edge = |byte: &u8| byte.is_ascii_alphanumeric();
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    value.len() <= 63
        && value.bytes().all(is_inner)
        && value.as_bytes().first().is_none_or(is_edge)
        && value.as_bytes().last().is_none_or(is_edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_names_are_subdomains_of_three_parts() {
        for name in ["a.b.c", "no-privileged.pods.example.com", "1.2.3"] {
            assert!(is_policy_name(name), "{name}");
        }
        let long = format!("{}.b.c", "a".repeat(64));
        for name in ["a.b", "A.b.c", "a..c", "a.b.c.", "-a.b.c", "a-.b.c", "a_b.c.d", "", long.as_str()] {
            assert!(!is_policy_name(name), "{name}");
        }
        assert!(!is_policy_name(&["abcdefgh"; 30].join(".")));
    }

    #[test]
    fn label_keys_and_values_follow_kubernetes() {
        for key in ["app", "app.kubernetes.io/name", "A_b.c-9"] {
            assert!(is_qualified_name(key), "{key}");
        }
        for key in ["", "/a", "a/", "a/b/c", "-a", "Example.com/a", "a b"] {
            assert!(!is_qualified_name(key), "{key}");
        }
        assert!(
            is_label_value("") && is_label_value("A-1") && !is_label_value("-a") && !is_label_value(&"a".repeat(64))
        );
    }
}
