//! Tarballs of all packages that were resolved: from the cache or their registry, verified, then taken apart.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};
use nodejs_semver::Version;
use serde_json::Value;

use super::cache::Cache;
use super::caps::{Caps, PARALLEL};
use super::error::NpmError;
use super::graph::Source;
use super::integrity::{Integrity, sha512};
use super::lock::{Lock, split};
use super::registry::Registry;
use super::tarball::{Files, unpack};

/// Where tarballs come from, and what they must be.
pub struct Fetch<'f> {
    pub registry: &'f Registry,
    pub cache: Option<&'f Cache>,
    pub caps: &'f Caps,
    /// By `name@version`; those out of a lock have none.
    pub sources: &'f BTreeMap<String, Source>,
    /// What the user says that a package must be, over what the registry says.
    pub pinned: &'f BTreeMap<String, Integrity>,
}

impl Fetch<'_> {
    /// The files of every package of the lock, whose integrities are filled in.
    ///
    /// # Errors
    /// Where a tarball cannot be had, is not what it must be, or they are more than may be.
    pub async fn all(&self, lock: &mut Lock) -> Result<BTreeMap<String, Files>, NpmError> {
        let wanted: Vec<(String, Option<String>)> =
            lock.packages.iter().map(|(key, locked)| (key.clone(), locked.integrity.clone())).collect();
        let fetched = futures::stream::iter(wanted).map(|(key, locked)| async move {
            let bytes = self.verified(&key, locked.as_deref()).await?;
            Ok::<_, NpmError>((key, bytes))
        });
        let mut fetched = fetched.buffered(PARALLEL);
        let mut packages = BTreeMap::new();
        let mut together = 0;
        while let Some((key, bytes)) = fetched.try_next().await? {
            let files = unpack(&key, &bytes, self.caps)?;
            together += files.unpacked;
            if together > self.caps.together {
                let what = "the bytes that it and the packages before it unpack to".to_owned();
                return Err(NpmError::TooLarge { package: key, what, limit: self.caps.together });
            }
            check_identity(&key, &files)?;
            if let Some(locked) = lock.packages.get_mut(&key) {
                locked.integrity = Some(sha512(&bytes));
            }
            packages.insert(key, files);
        }
        Ok(packages)
    }

    /// The bytes of one tarball, which are what they must be.
    async fn verified(&self, key: &str, locked: Option<&str>) -> Result<Vec<u8>, NpmError> {
        let source = self.sources.get(key);
        let by_registry = source.and_then(|source| source.integrity.clone());
        let locked = locked.and_then(Integrity::parse);
        // What the user says may be the hash of another version, which is not what to compare with it.
        let known: Vec<Integrity> = locked.into_iter().chain(by_registry).collect();
        let pinned = self.pinned.get(key);
        let looked_for = if known.is_empty() { pinned.map(std::slice::from_ref).unwrap_or_default() } else { &known };
        if let Some(bytes) = looked_for.iter().rev().find_map(|integrity| self.cache?.get(integrity)) {
            return check_pinned(key, pinned, check(key, &known, bytes)?);
        }
        let (name, version) = split(key);
        let (address, told) = if let Some(source) = source {
            (source.tarball.clone(), None)
        } else {
            let packument = self.registry.packument(name).await?;
            let found =
                packument.exact(version).map(|(_, manifest)| (manifest.tarball().to_owned(), manifest.integrity()));
            found.ok_or_else(|| NpmError::NoVersion {
                package: name.to_owned(),
                range: version.to_owned(),
                registry: self.registry.address(name),
                known: "others only; it was there when the lock was written".to_owned(),
            })?
        };
        // Not every lock has one for each package.
        let known = if known.is_empty() { told.into_iter().collect() } else { known };
        if known.is_empty() && pinned.is_none() {
            let reason = "its registry gives no integrity for it; name one in spec.package.integrity".to_owned();
            return Err(NpmError::Tarball { package: key.to_owned(), reason });
        }
        let bytes = check(key, &known, self.registry.tarball(name, key, &address).await?)?;
        let bytes = check_pinned(key, pinned, bytes)?;
        if let Some(cache) = self.cache {
            cache.put(&bytes);
        }
        Ok(bytes)
    }
}

/// The bytes, if they are what everyone says they must be.
pub fn check(key: &str, expected: &[Integrity], bytes: Vec<u8>) -> Result<Vec<u8>, NpmError> {
    match expected.iter().find(|integrity| !integrity.matches(&bytes)) {
        None => Ok(bytes),
        Some(integrity) => Err(NpmError::Integrity {
            package: key.to_owned(),
            expected: integrity.to_string(),
            actual: sha512(&bytes),
        }),
    }
}

/// The bytes, if they are what the user says they must be.
pub fn check_pinned(key: &str, pinned: Option<&Integrity>, bytes: Vec<u8>) -> Result<Vec<u8>, NpmError> {
    match pinned.filter(|integrity| !integrity.matches(&bytes)) {
        None => Ok(bytes),
        Some(integrity) => {
            Err(NpmError::Pinned { package: key.to_owned(), expected: integrity.to_string(), actual: sha512(&bytes) })
        }
    }
}

/// A tarball says itself what it is: another package under this name would be a mix-up, or worse.
fn check_identity(key: &str, files: &Files) -> Result<(), NpmError> {
    let (name, version) = identity(key, files)?;
    let (expected_name, expected_version) = split(key);
    // What comes after a `+` is not part of what a registry calls a version.
    let plain = |text: &str| {
        let version = Version::parse(text).ok()?;
        let before = version.pre_release().iter().map(ToString::to_string).collect::<Vec<_>>();
        Some((version.major(), version.minor(), version.patch(), before))
    };
    let is_same =
        version == expected_version || plain(&version).is_some_and(|own| Some(own) == plain(expected_version));
    if name == expected_name && is_same {
        return Ok(());
    }
    Err(NpmError::OtherPackage { package: key.to_owned(), found: format!("{name}@{version}") })
}

/// What the package.json in a tarball says.
pub fn package_json(package: &str, files: &Files) -> Result<Value, NpmError> {
    let refused = |reason: String| NpmError::Tarball { package: package.to_owned(), reason };
    let text = files.texts.get(std::path::Path::new("package.json"));
    let text = text.ok_or_else(|| refused("there is no package.json in it".to_owned()))?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    serde_json::from_slice(text).map_err(|error| refused(format!("its package.json cannot be read: {error}")))
}

/// Name and version of what is in a tarball.
pub fn identity(package: &str, files: &Files) -> Result<(String, String), NpmError> {
    let json = package_json(package, files)?;
    let word = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok((word("name"), word("version")))
}
