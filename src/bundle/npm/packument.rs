//! What a registry knows of a package, in the abbreviated form that installers ask for, and which version to take.

use std::collections::BTreeMap;

use nodejs_semver::{Range, Version};
use serde::Deserialize;
use serde_json::Value;

use super::error::NpmError;
use super::integrity::Integrity;
use super::request::Request;

/// Versions that a message lists.
const SHOWN: usize = 5;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Packument {
    #[serde(default)]
    dist_tags: BTreeMap<String, String>,
    versions: BTreeMap<String, Manifest>,
}

/// One version.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    #[serde(default)]
    dependencies: BTreeMap<String, String>,
    #[serde(default)]
    optional_dependencies: BTreeMap<String, String>,
    #[serde(default)]
    peer_dependencies: BTreeMap<String, String>,
    #[serde(default)]
    peer_dependencies_meta: BTreeMap<String, PeerMeta>,
    /// A list of names, or whether all are.
    #[serde(default, alias = "bundledDependencies")]
    bundle_dependencies: Value,
    /// A text, which may be empty, or `false`.
    #[serde(default)]
    deprecated: Value,
    dist: Dist,
}

#[derive(Debug, Clone, Deserialize)]
struct PeerMeta {
    #[serde(default)]
    optional: bool,
}

#[derive(Debug, Clone, Deserialize)]
struct Dist {
    tarball: String,
    integrity: Option<String>,
    shasum: Option<String>,
}

impl Manifest {
    #[must_use]
    pub fn tarball(&self) -> &str {
        &self.dist.tarball
    }

    #[must_use]
    pub fn integrity(&self) -> Option<Integrity> {
        let strong = self.dist.integrity.as_deref().and_then(Integrity::parse);
        strong.or_else(|| Integrity::of_shasum(self.dist.shasum.as_deref()?))
    }

    /// What it imports, by name: what it depends on and what it expects beside it. What is optional is left out: it is
    /// for other platforms.
    #[must_use]
    pub fn needs(&self) -> BTreeMap<String, String> {
        needs(
            &self.dependencies,
            &self.optional_dependencies,
            &self.peer_dependencies,
            |name| self.peer_dependencies_meta.get(name).is_some_and(|meta| meta.optional),
            &self.bundle_dependencies,
        )
    }

    fn is_deprecated(&self) -> bool {
        self.deprecated == true || self.deprecated.as_str().is_some_and(|why| !why.is_empty())
    }
}

/// What a package.json says that the package needs.
#[must_use]
pub fn needs_of(package: &Value) -> BTreeMap<String, String> {
    let map = |name: &str| -> BTreeMap<String, String> {
        let entries = package.get(name).and_then(Value::as_object).into_iter().flatten();
        entries.filter_map(|(name, range)| Some((name.clone(), range.as_str()?.to_owned()))).collect()
    };
    let is_optional = |name: &str| {
        package.get("peerDependenciesMeta").and_then(|meta| meta.get(name)?.get("optional")?.as_bool()) == Some(true)
    };
    let bundled = package.get("bundleDependencies").or_else(|| package.get("bundledDependencies"));
    needs(
        &map("dependencies"),
        &map("optionalDependencies"),
        &map("peerDependencies"),
        is_optional,
        bundled.unwrap_or(&Value::Null),
    )
}

fn needs(
    dependencies: &BTreeMap<String, String>,
    optional: &BTreeMap<String, String>,
    peers: &BTreeMap<String, String>,
    is_optional_peer: impl Fn(&str) -> bool,
    bundled: &Value,
) -> BTreeMap<String, String> {
    let is_bundled = |name: &str| match bundled {
        Value::Array(names) => names.iter().any(|bundled| bundled == name),
        other => *other == true,
    };
    let own = dependencies.iter().filter(|(name, _)| !optional.contains_key(*name) && !is_bundled(name));
    let expected = peers.iter().filter(|(name, _)| !is_optional_peer(name));
    // The engine's own: no package brings another.
    let all = expected.chain(own).filter(|(name, _)| *name != "@bylaw/sdk");
    all.map(|(name, range)| (name.clone(), range.clone())).collect()
}

impl Packument {
    /// # Errors
    /// Where the bytes are something else.
    pub fn parse(package: &str, registry: &str, bytes: &[u8]) -> Result<Self, NpmError> {
        serde_json::from_slice(bytes).map_err(|error| NpmError::Packument {
            package: package.to_owned(),
            registry: registry.to_owned(),
            reason: error.to_string(),
        })
    }

    /// The version to take: `latest` if it will do, else the newest that does, one that is deprecated only where there is
    /// no other. As npm does.
    ///
    /// # Errors
    /// Where none will do.
    pub fn pick(&self, request: &Request, registry: &str) -> Result<(&str, &Manifest), NpmError> {
        let found = self.tagged(&request.range).or_else(|| self.exact(&request.range)).or_else(|| self.newest(request));
        found.ok_or_else(|| NpmError::NoVersion {
            package: request.name.clone(),
            range: request.range.clone(),
            registry: registry.to_owned(),
            known: self.known(),
        })
    }

    /// That version, if it is there.
    #[must_use]
    pub fn exact(&self, version: &str) -> Option<(&str, &Manifest)> {
        let version = version.trim_start_matches(['=', 'v']);
        self.versions.get_key_value(version).map(|(version, manifest)| (version.as_str(), manifest))
    }

    fn tagged(&self, tag: &str) -> Option<(&str, &Manifest)> {
        self.exact(self.dist_tags.get(tag)?)
    }

    fn newest(&self, request: &Request) -> Option<(&str, &Manifest)> {
        let range = Range::parse(&request.range).ok()?;
        let fits = |text: &str| Version::parse(text).ok().filter(|version| range.satisfies(version));
        if let Some(latest) =
            self.tagged("latest").filter(|(text, manifest)| !manifest.is_deprecated() && fits(text).is_some())
        {
            return Some(latest);
        }
        let fitting = self.versions.iter().filter_map(|(text, manifest)| Some((fits(text)?, text, manifest)));
        let newest = fitting.max_by(|(left, _, of_left), (right, _, of_right)| {
            let rank = |manifest: &Manifest| !manifest.is_deprecated();
            rank(of_left).cmp(&rank(of_right)).then_with(|| left.cmp(right))
        });
        newest.map(|(_, text, manifest)| (text.as_str(), manifest))
    }

    /// The newest versions, for a message.
    fn known(&self) -> String {
        let mut versions: Vec<Version> = self.versions.keys().filter_map(|text| Version::parse(text).ok()).collect();
        versions.sort();
        let more = versions.len().saturating_sub(SHOWN);
        let newest: Vec<String> = versions.iter().rev().take(SHOWN).map(ToString::to_string).collect();
        match (newest.is_empty(), more) {
            (true, _) => "none".to_owned(),
            (false, 0) => newest.join(", "),
            (false, more) => format!("{} and {more} older ones", newest.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn packument(versions: &[&str], latest: &str, deprecated: &[&str]) -> Packument {
        let version = |text: &&str| {
            let why = deprecated.contains(text).then_some("old");
            ((*text).to_owned(), json!({"dist": {"tarball": "https://r/t.tgz"}, "deprecated": why}))
        };
        let versions: serde_json::Map<String, Value> = versions.iter().map(version).collect();
        let text = json!({"dist-tags": {"latest": latest, "next": "2.0.0-rc.1"}, "versions": versions}).to_string();
        Packument::parse("a", "r", text.as_bytes()).unwrap()
    }

    fn picked(packument: &Packument, range: &str) -> Result<String, String> {
        let request = Request::parse("a", range).unwrap();
        packument.pick(&request, "https://r/").map(|(v, _)| v.to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_newest_that_will_do_is_taken_unless_latest_does() {
        let all = packument(&["1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1"], "1.2.0", &[]);
        assert_eq!(picked(&all, "^1").unwrap(), "1.2.0");
        assert_eq!(picked(&all, ">=1.3").unwrap(), "1.10.0");
        assert_eq!(picked(&all, "").unwrap(), "1.2.0");
        assert_eq!(picked(&all, "next").unwrap(), "2.0.0-rc.1");
        assert_eq!(picked(&all, "1.0.0").unwrap(), "1.0.0");
        assert_eq!(picked(&all, "v1.0.0").unwrap(), "1.0.0");
    }

    #[test]
    fn a_deprecated_version_is_the_last_choice() {
        let all = packument(&["1.0.0", "1.1.0"], "1.1.0", &["1.1.0"]);
        assert_eq!(picked(&all, "^1").unwrap(), "1.0.0");
        assert_eq!(picked(&all, "^1.1").unwrap(), "1.1.0");
    }

    #[test]
    fn a_missing_version_is_told_with_those_there_are() {
        let told = picked(&packument(&["1.0.0", "1.10.0", "1.2.0"], "1.10.0", &[]), "^3").unwrap_err();
        assert_eq!(told, "npm package `a`: https://r/ has no version `^3`; it has 1.10.0, 1.2.0, 1.0.0");
        let many = packument(&["1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.0.5"], "1.0.5", &[]);
        assert!(picked(&many, "nope").unwrap_err().ends_with("1.0.1 and 1 older ones"));
    }

    #[test]
    fn what_is_needed_is_neither_optional_nor_bundled_nor_the_sdk() {
        let package = json!({
            "dependencies": {"a": "1", "b": "1", "c": "1", "@bylaw/sdk": "1"},
            "optionalDependencies": {"b": "1"},
            "bundleDependencies": ["c"],
            "peerDependencies": {"a": "2", "d": "1", "e": "1"},
            "peerDependenciesMeta": {"e": {"optional": true}},
            "devDependencies": {"f": "1"},
        });
        let expected = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("d".to_owned(), "1".to_owned())]);
        assert_eq!(needs_of(&package), expected);
        let mut manifest = package;
        manifest["dist"] = json!({"tarball": "x"});
        assert_eq!(serde_json::from_value::<Manifest>(manifest).unwrap().needs(), expected);
    }

    #[test]
    fn something_else_is_no_packument() {
        for text in ["", "<html>", "{}", "{\"versions\": []}"] {
            let told = Packument::parse("a", "https://r/", text.as_bytes()).unwrap_err().to_string();
            assert!(told.starts_with("npm package `a`: https://r/ answers something else"), "{told}");
        }
    }
}
