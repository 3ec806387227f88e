//! `@bylaw/sdk`, built in: the sources of its run-time part, embedded in the binary and linked once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::diagnostics::BundleError;
use super::link::{Linked, Shape, link_whole};
use super::sources::Sources;

/// Files of `sdk-ts/src`, by their path in `sdk-ts`.
macro_rules! sdk_sources {
    ($($file:literal),* $(,)?) => {
        &[$((concat!("src/", $file), include_str!(concat!("../../sdk-ts/src/", $file)))),*]
    };
}
pub(crate) use sdk_sources;

/// Only what the engine serves: the others are for Node.js, or types.
pub(crate) const SDK_SOURCES: &[(&str, &str)] = sdk_sources![
    "cidr.ts",
    "containers.ts",
    "duration.ts",
    "image.ts",
    "index.ts",
    "pod-security/baseline.ts",
    "pod-security/check.ts",
    "pod-security/exemptions.ts",
    "pod-security/index.ts",
    "pod-security/patterns.ts",
    "pod-security/restricted.ts",
    "pod-security/seccomp.ts",
    "pod-security/view.ts",
    "policy.ts",
    "quantity.ts",
    "selector.ts",
    "semver-precedence.ts",
    "semver-range.ts",
    "semver.ts",
    "shared-quota.ts",
];

const ROOT: &str = "/@bylaw/sdk";

/// The script that evaluates to the SDK's namespace, which every realm gets as the global
/// [`SDK_GLOBAL`](super::SDK_GLOBAL). Linked at the first call.
pub fn link_sdk() -> Result<&'static Linked, BundleError> {
    static SDK: OnceLock<Result<Linked, BundleError>> = OnceLock::new();
    SDK.get_or_init(link_sources).as_ref().map_err(Clone::clone)
}

fn link_sources() -> Result<Linked, BundleError> {
    let place = |name: &str| Path::new(ROOT).join(name.strip_prefix("src/").unwrap_or(name));
    let texts: BTreeMap<PathBuf, Arc<str>> =
        SDK_SOURCES.iter().map(|(name, text)| (place(name), Arc::from(*text))).collect();
    link_whole(Sources::memory(texts), &Path::new(ROOT).join("index.ts"), Shape::Namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_sdk_links_and_exports_what_policies_import() {
        let sdk = link_sdk().unwrap();
        for name in ["policy", "containers", "image", "quantity"] {
            assert!(sdk.exports.iter().any(|export| export == name), "{name} is not among {:?}", sdk.exports);
        }
        assert!(sdk.script.contains("use strict"));
    }

    #[test]
    fn the_sdk_is_linked_once() {
        assert!(std::ptr::eq(link_sdk().unwrap(), link_sdk().unwrap()));
    }
}
