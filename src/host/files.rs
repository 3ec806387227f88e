//! `readFile`: files that a policy was granted by name, or by the folder they are really in.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf, absolute};

use super::pretence::Pretence;
use super::{Answer, Begun, Caller, HostError, json_string, permission};

/// Checks the path, and reads what it leads to.
pub fn begin(
    caller: &Caller<'_>,
    path: String,
    limit: u64,
    pretence: Option<&dyn Pretence>,
) -> Result<Begun, HostError> {
    if path.is_empty() || path.contains('\0') {
        return Err(HostError::wrong_arguments("readFile", "the path is empty, or has a zero byte"));
    }
    if caller.permissions.files.is_empty() {
        permission::file(caller, &path, false)?;
    }
    if let Some(pretence) = pretence {
        permission::file(caller, &path, covered(&caller.permissions.files, &real_path(Path::new(&path))))?;
        let absent = || HostError::new("ReadFailed", format!("{path} is not there"));
        return pretence.file(&path).ok_or_else(absent).map(|text| Begun::Done(Some(json_string(&text))));
    }
    let (policy, permissions) = (caller.policy.to_owned(), caller.permissions.clone());
    let (dry_run, reconciles, deadline) = (caller.dry_run, caller.reconciles, caller.deadline);
    let read = move || {
        let caller = Caller { policy: &policy, permissions: &permissions, dry_run, reconciles, review: None, deadline };
        let target = real_path(Path::new(&path));
        permission::file(&caller, &path, covered(&permissions.files, &target))?;
        read(&target, &path, limit)
    };
    Ok(Begun::Waits(Box::pin(async move {
        // A file on a network may hang, even when only looked for; neither a policy's thread nor the runtime's may.
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Err(HostError::internal()))
    })))
}

/// Where a path leads once every link in it is followed; as far as it exists, and by its text from there on.
fn real_path(path: &Path) -> PathBuf {
    let mut existing = flattened(path);
    let mut rest: Vec<OsString> = Vec::new();
    loop {
        if let Ok(real) = fs::canonicalize(&existing) {
            return rest.iter().rev().fold(real, |path, name| path.join(name));
        }
        match (existing.file_name().map(OsString::from), existing.parent().map(Path::to_owned)) {
            (Some(name), Some(parent)) => {
                rest.push(name);
                existing = parent;
            }
            _ => return flattened(path),
        }
    }
}

/// Absolute, and without `..`. A `..` behind a link is taken by its text, so that it leads nowhere it does not say.
fn flattened(path: &Path) -> PathBuf {
    let mut flat = PathBuf::new();
    for component in absolute(path).unwrap_or_else(|_| path.to_owned()).components() {
        match component {
            Component::ParentDir => drop(flat.pop()),
            other => flat.push(other),
        }
    }
    flat
}

/// Both sides are followed through their links: a folder covers what is really in it, so a link that leads out of it is
/// not covered, while a file that was named may well be a link, as the keys of a mounted Secret are.
fn covered(patterns: &[String], target: &Path) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('/') {
        _ if pattern == "*" => true,
        Some(folder) => {
            let folder = real_path(Path::new(if folder.is_empty() { "/" } else { folder }));
            target != folder && target.starts_with(folder)
        }
        None => !pattern.is_empty() && real_path(Path::new(pattern)) == target,
    })
}

fn read(target: &Path, path: &str, limit: u64) -> Answer {
    let failed = |cause: &dyn std::fmt::Display| HostError::new("ReadFailed", format!("cannot read {path}: {cause}"));
    // The links were followed above: one that is new at the end is someone swapping files. A pipe must not block.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(target);
    let file = match opened {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(&error)),
    };
    if !file.metadata().map_err(|e| failed(&e))?.is_file() {
        return Err(failed(&"it is no regular file"));
    }
    let mut bytes = Vec::new();
    // The size a file says it has is not to be trusted: those of /proc say 0.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
    if bytes.len() as u64 > limit {
        return Err(HostError::new("TooLarge", format!("{path} is larger than {limit} bytes")));
    }
    Ok(Some(json_string(&String::from_utf8_lossy(&bytes))))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("open/sub")).unwrap();
        fs::write(folder.path().join("open/a"), "A").unwrap();
        fs::write(folder.path().join("secret"), "S").unwrap();
        symlink("../secret", folder.path().join("open/out")).unwrap();
        symlink("a", folder.path().join("open/in")).unwrap();
        symlink("..", folder.path().join("open/up")).unwrap();
        folder
    }

    fn allowed(folder: &Path, pattern: &str, path: &str) -> bool {
        let pattern = format!("{}/{pattern}", folder.display());
        covered(&[pattern], &real_path(&folder.join(path)))
    }

    #[test]
    fn a_folder_covers_what_is_really_in_it() {
        let folder = folder();
        for path in ["open/a", "open/in", "open/sub/none", "open/none", "open/sub/../a"] {
            assert!(allowed(folder.path(), "open/", path), "{path}");
        }
        for path in [
            "secret",
            "open/out",
            "open/../secret",
            "open/up/secret",
            "open",
            "open-too",
            "open/sub/../../secret",
            "open/up/none",
        ] {
            assert!(!allowed(folder.path(), "open/", path), "{path}");
        }
    }

    #[test]
    fn a_name_covers_one_file_and_follows_its_own_link() {
        let folder = folder();
        assert!(allowed(folder.path(), "open/a", "open/a"));
        assert!(allowed(folder.path(), "open/out", "open/out"));
        assert!(!allowed(folder.path(), "open/a", "secret"));
        assert!(!allowed(folder.path(), "open", "open/a"));
        assert!(covered(&["*".to_owned()], Path::new("/anything")));
        assert!(!covered(&[String::new()], Path::new("/anything")));
    }

    #[test]
    fn reads_what_is_a_file_and_small_enough() {
        let folder = folder();
        let read = |name: &str, limit| read(&folder.path().join(name), name, limit);
        assert_eq!(read("secret", 1), Ok(Some("\"S\"".to_owned())));
        assert_eq!(read("none", 1), Ok(None));
        assert_eq!(read("secret/none", 1), Ok(None));
        assert_eq!(read("secret", 0).unwrap_err().reason, "TooLarge");
        assert_eq!(read("open", 1).unwrap_err().reason, "ReadFailed");
        assert_eq!(read("open/in", 9).unwrap_err().reason, "ReadFailed", "a link that is new");
        assert_eq!(super::read(Path::new("/dev/zero"), "zero", 9).unwrap_err().reason, "ReadFailed");
        fs::write(folder.path().join("latin"), b"\xe9").unwrap();
        assert_eq!(read("latin", 9), Ok(Some("\"\u{fffd}\"".to_owned())));
    }
}
