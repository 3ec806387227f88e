//! Which files are scanned: those that are named, and the manifests in folders that are named.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io::{BufReader, Cursor, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{ScanError, Unreadable};

/// More files than that are a folder that nobody meant.
const FILES: usize = 1_000_000;

/// What comes from a pipe is read twice and so kept: the output of Helm for a whole platform fits many times over.
const PIPED_BYTES: u64 = 256 << 20;

const MANIFESTS: [&str; 3] = ["yaml", "yml", "json"];

/// Where documents come from. It can be read as often as one likes.
#[derive(Debug, Clone)]
pub enum Source {
    File(PathBuf),
    /// Standard input, or a pipe with a name.
    Piped {
        name: String,
        text: Arc<[u8]>,
    },
}

impl Source {
    /// As the report names it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.strip_prefix(".").unwrap_or(path).display().to_string(),
            Self::Piped { name, .. } => name.clone(),
        }
    }

    /// How large it is, as far as that can be told.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::File(path) => fs::metadata(path).map_or(0, |metadata| metadata.len()),
            Self::Piped { text, .. } => text.len() as u64,
        }
    }

    /// # Errors
    /// Where the file is gone, or not for us.
    pub fn open(&self) -> std::io::Result<Box<dyn std::io::BufRead + Send>> {
        Ok(match self {
            Self::File(path) => Box::new(BufReader::with_capacity(64 << 10, File::open(path)?)),
            Self::Piped { text, .. } => Box::new(Cursor::new(Arc::clone(text))),
        })
    }
}

/// The files that these paths stand for, in the order of their names below each, and what in a folder cannot be looked
/// at. Hidden files are left out, and so is what is no manifest by its name, but for files that are named themselves.
///
/// # Errors
/// Where a path that is named cannot be read.
pub fn find(paths: &[PathBuf]) -> Result<(Vec<Source>, Vec<Unreadable>), ScanError> {
    let mut walk = Walk::default();
    for path in paths {
        let failed = |cause: std::io::Error| ScanError::Path { path: path.clone(), cause: cause.to_string() };
        if path == Path::new("-") {
            walk.sources.push(piped("<stdin>".to_owned(), std::io::stdin().lock()).map_err(failed)?);
            continue;
        }
        let metadata = fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            fs::read_dir(path).map_err(failed)?;
            walk.folder(path, &metadata)?;
        } else if metadata.is_file() {
            File::open(path).map_err(failed)?;
            walk.sources.push(Source::File(path.clone()));
        } else {
            let pipe = File::open(path).map_err(failed)?;
            walk.sources.push(piped(path.display().to_string(), pipe).map_err(failed)?);
        }
    }
    Ok((walk.sources, walk.unreadable))
}

fn piped(name: String, from: impl Read) -> std::io::Result<Source> {
    let mut bytes = Vec::new();
    from.take(PIPED_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > PIPED_BYTES {
        let cause = format!("more than {} MiB come from a pipe: write them to a file", PIPED_BYTES >> 20);
        return Err(std::io::Error::other(cause));
    }
    Ok(Source::Piped { name, text: bytes.into() })
}

#[derive(Default)]
struct Walk {
    sources: Vec<Source>,
    unreadable: Vec<Unreadable>,
    /// Folders seen, by device and inode: a link that leads back, or to what was scanned already, is not followed.
    seen: HashSet<(u64, u64)>,
}

impl Walk {
    fn folder(&mut self, path: &Path, metadata: &Metadata) -> Result<(), ScanError> {
        let mut ahead = vec![(path.to_owned(), (metadata.dev(), metadata.ino()))];
        while let Some((folder, identity)) = ahead.pop() {
            if !self.seen.insert(identity) {
                continue;
            }
            let mut folders = Vec::new();
            for entry in self.entries(&folder) {
                let metadata = match fs::metadata(&entry) {
                    Ok(metadata) => metadata,
                    Err(error) if is_manifest(&entry) => {
                        self.pass_over(&entry, &error);
                        continue;
                    }
                    Err(_) => continue,
                };
                if metadata.is_dir() {
                    folders.push((entry, (metadata.dev(), metadata.ino())));
                } else if metadata.is_file() && is_manifest(&entry) {
                    if self.sources.len() == FILES {
                        return Err(ScanError::TooManyFiles { limit: FILES });
                    }
                    self.sources.push(Source::File(entry));
                }
            }
            // The last one in is the first one out.
            ahead.extend(folders.into_iter().rev());
        }
        Ok(())
    }

    /// Sorted, so that two scans of one folder read alike.
    fn entries(&mut self, folder: &Path) -> Vec<PathBuf> {
        let listed = fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        match listed {
            Ok(entries) => {
                let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
                paths.retain(|path| !is_hidden(path));
                paths.sort_unstable();
                paths
            }
            Err(error) => {
                self.pass_over(folder, &error);
                Vec::new()
            }
        }
    }

    fn pass_over(&mut self, path: &Path, error: &std::io::Error) {
        let cause = format!("cannot be read: {error}");
        self.unreadable.push(Unreadable { file: path.display().to_string(), line: 0, column: 0, cause });
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| MANIFESTS.iter().any(|manifest| extension == *manifest))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("bylaw-scan-files-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(path.join("sub/.git")).unwrap();
        for file in ["b.yaml", "a.yml", "c.json", "notes.md", ".hidden.yaml", "sub/d.yaml", "sub/.git/e.yaml"] {
            fs::write(path.join(file), "").unwrap();
        }
        path
    }

    fn names(folder: &Path, sources: &[Source]) -> Vec<String> {
        let prefix = format!("{}/", folder.display());
        sources.iter().map(|source| source.name().strip_prefix(&prefix).unwrap().to_owned()).collect()
    }

    #[test]
    fn manifests_of_a_folder_are_found_in_the_order_of_their_names() {
        let path = folder("order");
        let (sources, unreadable) = find(std::slice::from_ref(&path)).unwrap();
        assert_eq!(names(&path, &sources), ["a.yml", "b.yaml", "c.json", "sub/d.yaml"]);
        assert_eq!(unreadable, []);
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_file_that_is_named_is_scanned_whatever_its_name() {
        let path = folder("named");
        let (sources, _) = find(&[path.join("notes.md")]).unwrap();
        assert_eq!(names(&path, &sources), ["notes.md"]);
        let error = find(&[path.join("nope.yaml")]).unwrap_err().to_string();
        assert!(error.contains("nope.yaml"), "{error}");
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn links_are_followed_once_and_never_in_a_circle() {
        let path = folder("links");
        symlink(&path, path.join("sub/back")).unwrap();
        symlink(path.join("sub"), path.join("twice")).unwrap();
        symlink(path.join("b.yaml"), path.join("linked.yaml")).unwrap();
        symlink("self.yaml", path.join("self.yaml")).unwrap();
        symlink("gone", path.join("dangling.yaml")).unwrap();
        let (sources, unreadable) = find(std::slice::from_ref(&path)).unwrap();
        assert_eq!(names(&path, &sources), ["a.yml", "b.yaml", "c.json", "linked.yaml", "sub/d.yaml"]);
        let causes: Vec<&str> = unreadable.iter().map(|one| one.file.rsplit('/').next().unwrap()).collect();
        assert_eq!(causes, ["dangling.yaml", "self.yaml"]);
        fs::remove_dir_all(path).unwrap();
    }
}
