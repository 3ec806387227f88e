//! Names of packages by npm's rules, and of policies by those of Kubernetes.

use super::InitError;

/// npm's own bound.
const LONGEST_PACKAGE: usize = 214;
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Names that npm keeps, and modules of Node.js.
const KEPT: &[&str] = &[
    "node_modules",
    "favicon.ico",
    "assert",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dgram",
    "dns",
    "domain",
    "events",
    "fs",
    "http",
    "http2",
    "https",
    "inspector",
    "module",
    "net",
    "os",
    "path",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "repl",
    "stream",
    "string_decoder",
    "sys",
    "timers",
    "tls",
    "tty",
    "url",
    "util",
    "v8",
    "vm",
    "wasi",
    "worker_threads",
    "zlib",
];

/// Checks the name of an npm package: `name` or `@scope/name`.
pub(super) fn check_package(name: &str) -> Result<(), InitError> {
    let refused = |fault| InitError::Name { name: name.to_owned(), fault, suggestion: package_like(name) };
    if name.is_empty() || name.len() > LONGEST_PACKAGE {
        return Err(refused("must have from 1 to 214 characters"));
    }
    let parts: Vec<&str> = match name.strip_prefix('@') {
        Some(scoped) => scoped.splitn(2, '/').collect(),
        None => vec![name],
    };
    if name.starts_with('@') && parts.len() != 2 {
        return Err(refused("has a scope without a name"));
    }
    for part in &parts {
        if part.is_empty() || part.starts_with(['.', '_', '-']) {
            return Err(refused("must begin with a letter or a digit"));
        }
        if !part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte)) {
            return Err(refused("may have lower-case letters, digits, `-`, `.` and `_` alone"));
        }
    }
    if parts.iter().any(|part| KEPT.contains(part)) {
        return Err(refused("is one that npm or Node.js keeps"));
    }
    Ok(())
}

/// Checks the name of a policy: a DNS name of at least three parts.
pub(super) fn check_policy(name: &str) -> Result<(), InitError> {
    let labels: Vec<&str> = name.split('.').collect();
    let fault = if labels.len() < 3 {
        "must have at least three parts"
    } else if name.len() > LONGEST_NAME || labels.iter().any(|label| label.len() > LONGEST_LABEL) {
        "is longer than a DNS name, or one of its parts than 63 characters"
    } else if !labels.iter().all(|label| is_label(label)) {
        "may have lower-case letters, digits and `-` alone, each part beginning and ending with a letter or a digit"
    } else {
        return Ok(());
    };
    let suggestion = format!("{}.pods.example.com", label_like(name));
    Err(InitError::Policy { name: name.to_owned(), fault, suggestion })
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// The first part of a policy's name, out of that of its package.
pub(super) fn label_like(name: &str) -> String {
    let short = name.rsplit('/').next().unwrap_or(name);
    let lower = short.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let label: String = words.join("-").chars().take(40).collect();
    let label = label.trim_matches('-');
    if label.is_empty() { "my-policy".to_owned() } else { label.to_owned() }
}

fn package_like(name: &str) -> String {
    let label = label_like(name);
    if KEPT.contains(&&*label) { format!("{label}-policy") } else { label }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npms_own_names_are_taken() {
        for name in ["registries", "a", "my.policy_2", "@acme/registries", "9lives", &"a".repeat(214)] {
            assert_eq!(check_package(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_npm_refuses_is_refused_with_another_name() {
        for (name, suggestion) in [
            ("", "my-policy"),
            ("My Policy", "my-policy"),
            (".hidden", "hidden"),
            ("_x", "x"),
            ("@acme", "acme"),
            ("@acme/", "my-policy"),
            ("@/x", "x"),
            ("a/b", "b"),
            ("../up", "up"),
            ("node_modules", "node-modules"),
            ("fs", "fs-policy"),
            ("ünïcode", "n-code"),
            ("a%2f", "a-2f"),
        ] {
            match check_package(name) {
                Err(InitError::Name { suggestion: given, .. }) => assert_eq!(given, suggestion, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(check_package(&"a".repeat(215)).is_err());
    }

    #[test]
    fn a_policys_name_is_a_dns_name_of_three_parts() {
        assert_eq!(check_policy("registries.images.example.com"), Ok(()));
        let long = format!("{}.example.com", "a".repeat(64));
        for name in ["example.com", "A.b.c", "a..b.c", "-a.b.c", "a-.b.c", "a_b.c.d", "", &long, &["a"; 200].join(".")]
        {
            assert!(check_policy(name).is_err(), "{name}");
        }
    }
}
