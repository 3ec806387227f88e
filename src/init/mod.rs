//! `bylaw init`: a policy package that passes its checks at once. The templates are built in, and so is the SDK, which is
//! written beside the policy: nothing has to be fetched but the tools of npm.

mod error;
mod names;
mod template;

use std::fs;
use std::path::{Path, PathBuf};

pub use error::InitError;
pub use template::Template;

use crate::types::sdk_package;

/// Where the SDK goes; `package.json` names it as `file:.bylaw/sdk`.
const SDK_FOLDER: &str = ".bylaw/sdk";
/// What may lie in a folder that counts as empty.
const HARMLESS: [&str; 4] = [".git", ".DS_Store", ".idea", ".hg"];

/// What to make.
#[derive(Debug, Clone)]
pub struct Plan {
    pub folder: PathBuf,
    pub template: Template,
    /// Of the npm package; the folder's own by default.
    pub name: Option<String>,
    /// Of the policy; made of the package's by default.
    pub policy: Option<String>,
    /// Go into a folder that has other files.
    pub force: bool,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Made {
    pub folder: PathBuf,
    pub package: String,
    pub policy: String,
    pub template: Template,
    /// By their path in the folder; the SDK's own files are left out.
    pub files: Vec<PathBuf>,
}

/// Makes the package. Nothing is written where anything would be overwritten.
pub fn init(plan: &Plan) -> Result<Made, InitError> {
    let folder = std::path::absolute(&plan.folder)
        .map_err(|error| InitError::Unwritable { path: plan.folder.clone(), cause: error.to_string() })?;
    let own_name = || folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let package = plan.name.clone().unwrap_or_else(own_name);
    names::check_package(&package)?;
    let policy = plan.policy.clone().unwrap_or_else(|| plan.template.policy_name(&names::label_like(&package)));
    names::check_policy(&policy)?;
    let files = plan.template.files(&package, &policy);
    let sdk: Vec<(PathBuf, String)> =
        sdk_package()?.into_iter().map(|(name, text)| (Path::new(SDK_FOLDER).join(name), text)).collect();
    check_folder(&folder, plan.force)?;
    let all = files.iter().chain(&sdk);
    if let Some((name, _)) = all.clone().find(|(name, _)| fs::symlink_metadata(folder.join(name)).is_ok()) {
        return Err(InitError::Exists { path: folder.join(name) });
    }
    for (name, text) in all {
        write_new(&folder.join(name), text)?;
    }
    link_sdk(&folder);
    let files = files.into_iter().map(|(name, _)| name).collect();
    Ok(Made { folder: plan.folder.clone(), package, policy, template: plan.template, files })
}

fn check_folder(folder: &Path, force: bool) -> Result<(), InitError> {
    let unreadable =
        |error: std::io::Error| InitError::Unwritable { path: folder.to_owned(), cause: error.to_string() };
    match fs::metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(error)),
        Ok(metadata) if !metadata.is_dir() => return Err(InitError::NotAFolder { path: folder.to_owned() }),
        Ok(_) => {}
    }
    if force {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let found = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        if !HARMLESS.contains(&&*found) {
            return Err(InitError::NotEmpty { path: folder.to_owned(), found });
        }
    }
    Ok(())
}

/// Writes a file that must not be there yet, even if it came a moment ago.
fn write_new(path: &Path, text: &str) -> Result<(), InitError> {
    use std::io::Write as _;
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => InitError::Exists { path: path.to_owned() },
        _ => InitError::Unwritable { path: path.to_owned(), cause: error.to_string() },
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = fs::File::options().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// What `npm install` makes of `file:.bylaw/sdk`, so that an editor finds the types before. Where it cannot be made npm
/// does it later.
fn link_sdk(folder: &Path) {
    let scope = folder.join("node_modules/@bylaw");
    if fs::create_dir_all(&scope).is_ok() {
        #[cfg(unix)]
        drop(std::os::unix::fs::symlink("../../.bylaw/sdk", scope.join("sdk")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(folder: PathBuf) -> Plan {
        Plan { folder, template: Template::Validate, name: None, policy: None, force: false }
    }

    #[test]
    fn a_folder_that_has_something_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("registries");
        fs::create_dir_all(folder.join(".git")).unwrap();
        fs::write(folder.join("notes.txt"), "mine").unwrap();
        assert!(matches!(init(&plan(folder.clone())), Err(InitError::NotEmpty { found, .. }) if found == "notes.txt"));
        assert!(!folder.join("package.json").exists());
    }

    #[test]
    fn force_adds_and_never_overwrites() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("registries");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("README.md"), "mine").unwrap();
        let forced = Plan { force: true, ..plan(folder.clone()) };
        assert!(matches!(init(&forced), Err(InitError::Exists { path }) if path.ends_with("README.md")));
        assert!(!folder.join("package.json").exists());
        fs::remove_file(folder.join("README.md")).unwrap();
        fs::write(folder.join("notes.txt"), "mine").unwrap();
        assert_eq!(init(&forced).unwrap().package, "registries");
        assert_eq!(fs::read_to_string(folder.join("notes.txt")).unwrap(), "mine");
    }

    #[cfg(unix)]
    #[test]
    fn a_dangling_link_is_not_written_through() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("registries");
        fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(parent.path().join("outside"), folder.join("package.json")).unwrap();
        assert!(matches!(init(&Plan { force: true, ..plan(folder) }), Err(InitError::Exists { .. })));
        assert!(!parent.path().join("outside").exists());
    }

    #[test]
    fn a_file_is_no_folder() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("registries");
        fs::write(&file, "").unwrap();
        assert!(matches!(init(&plan(file)), Err(InitError::NotAFolder { .. })));
    }
}
