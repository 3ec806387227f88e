//! npm packages in policies: from the `node_modules` folders above a policy, from a tarball, or from a registry.
//!
//! ```text
//! request    what is asked for            npmrc      which registry, and what lets one in
//! registry   asking it                    packument  which version
//! graph      which package needs which    lock       so that it stays so
//! fetch      tarballs, verified           cache      those that were verified before
//! tarball    taken apart in memory        tree       laid out as a file system for the linker
//! project    a lock of npm's own          process    in a process of its own, under limits
//! make       all of that, for one policy  installed  what npm put on a disk
//! install    the same by ourselves, for who needs it there
//! ```
//!
//! No script of a package is run, and no code of one, until the engine loads the policy that imports it.

mod cache;
mod caps;
mod child;
mod error;
mod fetch;
mod graph;
mod install;
pub(super) mod installed;
mod integrity;
mod lock;
mod make;
mod npmrc;
mod packument;
mod process;
mod project;
mod registry;
mod request;
mod tarball;
#[cfg(test)]
mod testing;
pub(super) mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use cache::Cache;
pub use caps::Caps;
pub use child::run as run_bundler;
pub use error::NpmError;
pub use install::Fetched;
pub use installed::has_all;
pub use integrity::{Integrity, sha512};
pub use lock::{LOCK_FILE, Lock, LockFile, Locked, LockedPackage, split};
pub(super) use make::found_on_disk;
pub use make::make;
pub use npmrc::Npmrc;
pub(super) use packument::needs_of;
pub use process::use_program;
pub use project::{locked_by, source_at};
pub use request::Request;

use super::link::{Language, Linked};

/// What to bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A module on disk. Packages are those in the `node_modules` folders above it.
    File(PathBuf),
    /// A module that is not on disk, among those that are: `path` is where it would be.
    Entry { path: PathBuf, text: String },
    /// A module on disk, with the packages that the `package-lock.json` of its `folder` names; `text` is its own where it
    /// is not written there.
    Locked { path: PathBuf, text: Option<String>, folder: PathBuf },
    /// Source that stands in a manifest.
    Inline(Inline),
    /// What `npm pack` makes; it names its policies in its package.json (contract §5). What it needs comes from a registry.
    Tarball { path: PathBuf, integrity: Option<String> },
    /// A package of a registry; `range` may be a version, a range or a tag.
    Registry { name: String, range: String, integrity: Option<String> },
}

/// Source that stands in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inline {
    /// The name that errors show.
    pub file: String,
    pub text: String,
    pub language: Language,
    /// A jsPolicy script rather than a module.
    pub is_script: bool,
    /// Where the manifest is: packages are looked for in the `node_modules` folders above it.
    pub folder: Option<PathBuf>,
    /// `spec.dependencies`: unless those folders have all of them, they come from a registry, and nothing else is
    /// looked for.
    pub dependencies: BTreeMap<String, String>,
}

/// What applies to every package.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Options {
    pub npmrc: Npmrc,
    /// What was resolved before; what it answers is not resolved again.
    pub lock: Lock,
    /// The folder for tarballs that were verified; without one they are fetched each time.
    pub cache: Option<PathBuf>,
    pub caps: Caps,
}

impl Options {
    /// What the `.npmrc` files for `folder` say, and the user's cache.
    ///
    /// # Errors
    /// Where such a file cannot be read.
    pub fn load(folder: Option<&Path>, lock: Lock) -> Result<Self, NpmError> {
        let npmrc = Npmrc::load(folder)?;
        Ok(Self { npmrc, lock, cache: Cache::default_folder(), caps: Caps::default() })
    }
}

/// One policy with all that it imports.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Made {
    /// The script, its source map and its content hash. Paths in the map are relative to the working directory where
    /// they are inside of it; those of packages are `name@version/path`.
    pub linked: Linked,
    /// Every package: of a registry all that were resolved, of `node_modules` those that the script came from.
    pub lock: Lock,
}

/// A path as errors show it.
fn shown(path: &Path) -> String {
    super::sources::shown_path(path)
}
