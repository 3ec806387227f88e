//! What may be asked of a registry: a name, and a version, a range or a tag of it.

use std::fmt;

use nodejs_semver::{Range, Version};

use super::error::NpmError;

/// The registry's own limit.
const MAX_NAME: usize = 214;

/// Far above any range that people write; the parser is asked for no more.
const MAX_RANGE: usize = 256;

/// A package and which versions of it will do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    pub name: String,
    /// As written, without white space around it; empty and `*` mean `latest`.
    pub range: String,
}

impl Request {
    /// What a `dependencies` map says: `^1.2.3`, `latest`, `npm:other@^1`.
    ///
    /// # Errors
    /// Where the name or the range is none, or names a place that is no registry.
    pub fn parse(name: &str, range: &str) -> Result<Self, NpmError> {
        let (name, range) = match range.trim().strip_prefix("npm:") {
            Some(alias) => super::lock::split(alias),
            None => (name, range.trim()),
        };
        let wrong = |reason: String| NpmError::Request { package: shown(name), reason };
        if !is_name(name) {
            return Err(wrong("is no name of an npm package".to_owned()));
        }
        if range.len() > MAX_RANGE {
            return Err(wrong(format!("its range is longer than {MAX_RANGE} characters")));
        }
        let leads_elsewhere = range.contains([':', '/', '\\']);
        if leads_elsewhere || range.contains(char::is_control) {
            let shown = shown(range);
            return Err(wrong(format!(
                "`{shown}` is no version, range or tag; packages come from a registry only, not from URLs, git or files"
            )));
        }
        let range = if range.is_empty() || range == "*" { "latest" } else { range };
        Ok(Self { name: name.to_owned(), range: range.to_owned() })
    }

    /// The one version that it names.
    #[must_use]
    pub fn exact(&self) -> Option<&str> {
        Version::parse(&self.range).is_ok().then_some(self.range.as_str())
    }

    /// Whether a version will do. A tag says nothing about versions.
    #[must_use]
    pub fn allows(&self, version: &str) -> bool {
        if self.range == "latest" || self.range == version {
            return true;
        }
        let (Ok(range), Ok(version)) = (Range::parse(&self.range), Version::parse(version)) else { return false };
        range.satisfies(&version)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.range)
    }
}

/// Whether this may be the name of a package: it becomes a part of URLs and of paths.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(allowed) && part != "node_modules"
    };
    let bare = match name.strip_prefix('@') {
        Some(scoped) => match scoped.split_once('/') {
            Some((scope, bare)) if is_part(scope) => bare,
            _ => return false,
        },
        None => name,
    };
    name.len() <= MAX_NAME && is_part(bare)
}

/// A name from outside, for a message.
fn shown(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(name: &str, range: &str) -> String {
        Request::parse(name, range).unwrap().to_string()
    }

    #[test]
    fn ranges_tags_and_aliases_are_requests() {
        assert_eq!(parsed("lodash", " ^4.17.0 "), "lodash@^4.17.0");
        assert_eq!(parsed("@s/a", ""), "@s/a@latest");
        assert_eq!(parsed("a", "*"), "a@latest");
        assert_eq!(parsed("old", "npm:@s/new@1.x || 2"), "@s/new@1.x || 2");
        assert_eq!(parsed("old", "npm:new"), "new@latest");
    }

    #[test]
    fn places_that_are_no_registry_are_refused() {
        for range in ["git+https://h/x.git", "https://h/x.tgz", "file:../x", "user/repo", "workspace:*", "npm:a@file:x"]
        {
            let told = Request::parse("a", range).unwrap_err().to_string();
            assert!(told.starts_with("npm package `a`: ") && told.contains("from a registry only"), "{range}: {told}");
        }
    }

    #[test]
    fn names_that_would_lead_out_of_a_path_are_refused() {
        for name in
            ["", ".", "..", "../a", "@s", "@/a", "@s/", "@s/../a", "a/b", "a b", "a%2f", "node_modules", "@s/.a"]
        {
            assert!(Request::parse(name, "1").is_err(), "{name}");
        }
        assert!(Request::parse(&"a".repeat(215), "1").is_err());
        assert!(Request::parse("a", &"1 ".repeat(200)).is_err());
    }

    #[test]
    fn versions_are_told_from_ranges() {
        let request = |range: &str| Request::parse("a", range).unwrap();
        assert_eq!(request("1.2.3").exact(), Some("1.2.3"));
        assert_eq!(request("^1.2.3").exact(), None);
        assert!(request("^1.2.3").allows("1.9.0") && !request("^1.2.3").allows("2.0.0"));
        assert!(!request("^1.2.3").allows("1.9.0-rc.1") && request("next").allows("next"));
    }
}
