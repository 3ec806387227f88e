//! Where things are: the checkout, Cargo's folders, the user's cache.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// The top of the checkout. Read at run time: checkouts that share a target folder share this binary too.
pub fn root() -> Result<PathBuf> {
    let package = env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = PathBuf::from(package).join("../..");
    root.canonicalize().context("the checkout is gone")
}

/// Where Cargo puts what it builds, whichever way that folder was chosen: this program lies in `<folder>/<profile>/`.
pub fn target_folder() -> Result<PathBuf> {
    let program = env::current_exe()?;
    let folder = program.ancestors().nth(2).context("this program does not lie in a target folder")?;
    Ok(folder.to_owned())
}

pub fn cargo_home() -> Result<PathBuf> {
    folder_from("CARGO_HOME", ".cargo")
}

/// Bylaw's folder in the user's cache: test servers and tools that outlive a checkout.
pub fn cache() -> Result<PathBuf> {
    Ok(folder_from("XDG_CACHE_HOME", ".cache")?.join("bylaw"))
}

fn folder_from(variable: &str, below_home: &str) -> Result<PathBuf> {
    match env::var_os(variable).filter(|value| !value.is_empty()) {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => Ok(env::home_dir().with_context(|| format!("neither {variable} nor HOME is set"))?.join(below_home)),
    }
}
