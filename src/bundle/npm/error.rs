//! Why a package could not be had, or must not be.

use serde::{Deserialize, Serialize};

/// Every text says which package it is about. It crosses a process, hence no sources.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum NpmError {
    #[error("{path}: {reason}; mend it, or delete it to resolve every package anew")]
    LockFile { path: String, reason: String },
    /// A lock of npm's own.
    #[error("{path}: {reason}; `npm install` writes it anew")]
    PackageLock { path: String, reason: String },
    #[error("{file}:{line}: {reason}")]
    Npmrc { file: String, line: usize, reason: String },
    /// What stands as a name or a range is none.
    #[error("npm package `{package}`: {reason}")]
    Request { package: String, reason: String },
    /// Nobody answers, or not in time, or with a fault of its own: worth another try.
    #[error("npm package `{package}`: {registry} does not give it: {reason}")]
    Unreachable { package: String, registry: String, reason: String },
    #[error(
        "npm package `{package}`: {registry} answers {status}; put a token for it into .npmrc \
         (`//HOST/:_authToken=${{NPM_TOKEN}}`)"
    )]
    Forbidden { package: String, registry: String, status: u16 },
    #[error(
        "npm package `{package}` does not exist in {registry}; check the name, or name its registry in .npmrc{}",
        near(found_near.as_deref())
    )]
    NoPackage { package: String, registry: String, found_near: Option<String> },
    #[error("npm package `{package}`: {registry} has no version `{range}`; it has {known}")]
    NoVersion { package: String, range: String, registry: String, known: String },
    /// What a registry said is not what a registry says.
    #[error("npm package `{package}`: {registry} answers something else than a list of versions: {reason}")]
    Packument { package: String, registry: String, reason: String },
    #[error(
        "npm package `{package}`: its tarball has the integrity {actual}, not {expected}: it is not what was asked for, \
         and is not used"
    )]
    Integrity { package: String, expected: String, actual: String },
    /// What the user asked for is not what there is.
    #[error(
        "npm package `{package}`: spec.package.integrity is {expected}, but its tarball has the integrity {actual}: it is \
         not used. Find out why before you change the field"
    )]
    Pinned { package: String, expected: String, actual: String },
    #[error("npm package `{package}`: its tarball is refused: {reason}")]
    Tarball { package: String, reason: String },
    #[error("npm package `{package}`: {what} exceed the limit of {limit}")]
    TooLarge { package: String, what: String, limit: u64 },
    #[error("npm package `{package}`: its tarball holds `{found}` instead")]
    OtherPackage { package: String, found: String },
    #[error("the bundler process {reason}")]
    Process { reason: String },
}

impl NpmError {
    /// Whether the same may well succeed in a while.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Forbidden { .. } | Self::Process { .. })
            || matches!(self, Self::NoPackage { .. } | Self::NoVersion { .. })
    }
}

fn near(found: Option<&str>) -> String {
    found.map(|name| format!(". Did you mean `{name}`?")).unwrap_or_default()
}
