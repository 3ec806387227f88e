//! The last good certificate in the state folder, for a start while the API server is away.
//!
//! `shared/certificates.json` holds the parts as the Secret does, in one file so that no crash can tear them apart, but for
//! the keys that sign; `shared/ca.crt` the bundle alone, for clients.

use std::path::{Path, PathBuf};

use super::material::{Data, Material};
use crate::http::HttpError;
use crate::http::state::{self, PRIVATE, PUBLIC};

#[derive(Debug, Clone)]
pub(super) struct Disk(PathBuf);

impl Disk {
    pub(super) fn new(state_dir: &Path) -> Self {
        Self(state_dir.join("shared"))
    }

    /// Where clients find what to trust.
    pub(super) fn bundle_path(&self) -> PathBuf {
        self.0.join("ca.crt")
    }

    fn path(&self) -> PathBuf {
        self.0.join("certificates.json")
    }

    /// Nothing where there is none, or none that can be served.
    pub(super) fn read(&self) -> Option<Material> {
        let text = state::read(&self.path()).ok().flatten()?;
        let data: Data = serde_json::from_str(&text).ok()?;
        Some(Material::read(&data)).filter(Material::is_whole)
    }

    pub(super) fn write(&self, material: &Material) -> Result<(), HttpError> {
        state::make_folder(&self.0)?;
        let data = material.to_public_data();
        // Every key and value is text.
        let text = serde_json::to_string(&data).unwrap_or_default();
        state::write(&self.path(), text.as_bytes(), PRIVATE)?;
        let bundle = super::material::pem(&material.bundle);
        state::write(&self.bundle_path(), bundle.as_bytes(), PUBLIC)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::SystemTime;

    use super::super::material::tests::whole;
    use super::*;

    #[test]
    fn what_is_kept_can_be_served_but_cannot_sign_and_is_private() {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::new(root.path());
        assert_eq!(disk.read(), None);
        let material = whole(SystemTime::now());
        disk.write(&material).unwrap();
        let kept = disk.read().unwrap();
        assert_eq!((&kept.leaf, &kept.bundle, &kept.signer), (&material.leaf, &material.bundle, &None));
        assert_eq!(fs::metadata(disk.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!fs::read_to_string(disk.bundle_path()).unwrap().contains("KEY"));
        let text = fs::read_to_string(disk.path()).unwrap();
        fs::write(disk.path(), &text[..text.len() / 2]).unwrap();
        assert_eq!(disk.read(), None);
    }
}
