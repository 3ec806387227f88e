//! Packages given as a tarball (`-p policies-1.0.0.tgz`): all of their policies.

use std::path::Path;
use std::sync::Arc;

use crate::bundle::npm::Source;
use crate::bundle::shown_path;

use super::error::PolicyError;
use super::files::{BuildResult, Settings, Stamp};
use super::module::{Built, declare_module, linked_module};
use super::packages::Orders;

/// A tarball, as it was last read.
pub(super) struct TarballFile {
    pub stamp: Option<Stamp>,
    pub built: BuildResult,
    /// Why the versions of its packages could not be kept beside it.
    pub lock_note: Option<String>,
}

impl TarballFile {
    pub(super) fn read(path: &Path, settings: &Settings, before: Option<&Self>) -> Self {
        let stamp = Stamp::of(path);
        let is_new = before.is_none_or(|before| before.stamp != stamp);
        let orders = Orders::new(&settings.packages, path, is_new);
        let built = build(path, settings, &orders).map_err(Arc::new);
        Self { stamp, built, lock_note: orders.close(None) }
    }
}

fn build(path: &Path, settings: &Settings, orders: &Orders<'_>) -> Result<Built, PolicyError> {
    let shown = shown_path(path);
    let made = orders.made(&Source::Tarball { path: path.to_owned(), integrity: None }, &shown)?;
    let linked = linked_module(&made.linked, &shown)?;
    declare_module(&linked, &Arc::new(path.to_owned()), &*settings.inspect, &settings.given)
}
