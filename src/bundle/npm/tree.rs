//! Packages in memory, laid out as a file system: each in a folder `/@npm/name@version`, with a link in its
//! `node_modules` to every package that it imports. So each finds exactly the versions that were resolved for it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oxc_resolver::{FileMetadata, FileSystem, ResolveError};

use super::lock::Lock;
use super::tarball::Files;

/// Nothing on a disk is looked for below it.
pub(in crate::bundle) const ROOT: &str = "/@npm";

/// The folder of a policy that is no package: no name of one begins with a dot.
const POLICY: &str = ".policy";

#[derive(Debug, Default)]
pub(in crate::bundle) struct Tree {
    texts: BTreeMap<PathBuf, Arc<[u8]>>,
    folders: BTreeSet<PathBuf>,
    links: BTreeMap<PathBuf, PathBuf>,
    /// What is not in it is looked for on the disk.
    is_beside_disk: bool,
}

impl Tree {
    /// All packages of a lock; `roots` are those that the policy itself imports, by the names it imports them by.
    pub(super) fn new(packages: BTreeMap<String, Files>, lock: &Lock, roots: &BTreeMap<String, String>) -> Self {
        Self::of(packages, lock, &policy_folder(), roots)
    }

    /// The same for a policy on disk: its packages are seen in the `node_modules` of a folder there.
    pub(super) fn beside_disk(
        packages: BTreeMap<String, Files>,
        lock: &Lock,
        folder: &Path,
        roots: &BTreeMap<String, String>,
    ) -> Self {
        Self { is_beside_disk: true, ..Self::of(packages, lock, folder, roots) }
    }

    fn of(packages: BTreeMap<String, Files>, lock: &Lock, importer: &Path, roots: &BTreeMap<String, String>) -> Self {
        let mut tree = Self::default();
        for (key, files) in packages {
            let folder = package_folder(&key);
            for (path, text) in files.texts {
                tree.add_file(folder.join(path), text);
            }
        }
        for (key, locked) in &lock.packages {
            tree.link(&package_folder(key), &locked.dependencies);
        }
        tree.link(importer, roots);
        tree
    }

    pub(super) fn add_file(&mut self, path: PathBuf, text: Arc<[u8]>) {
        self.add_folders(&path);
        self.texts.insert(path, text);
    }

    /// What a package brought along in its own `node_modules` stands over what was resolved.
    fn link(&mut self, folder: &Path, dependencies: &BTreeMap<String, String>) {
        for (imported_as, key) in dependencies {
            let link = folder.join("node_modules").join(imported_as);
            if !self.folders.contains(&link) {
                self.add_folders(&link);
                self.links.insert(link, package_folder(key));
            }
        }
    }

    fn add_folders(&mut self, path: &Path) {
        for folder in path.ancestors().skip(1) {
            if !self.folders.insert(folder.to_owned()) {
                break;
            }
        }
    }

    pub(in crate::bundle) fn text(&self, path: &Path) -> Option<&Arc<[u8]>> {
        self.texts.get(path)
    }

    pub(in crate::bundle) fn is_file(&self, path: &Path) -> bool {
        self.texts.contains_key(path)
    }

    /// The names in a folder.
    pub(in crate::bundle) fn names(&self, folder: &Path) -> BTreeSet<String> {
        let below = |path: &Path| {
            let name = path.strip_prefix(folder).ok()?.components().next()?;
            name.as_os_str().to_str().map(str::to_owned)
        };
        let texts = self.texts.range(folder.to_owned()..).map(|(path, _)| path);
        let links = self.links.range(folder.to_owned()..).map(|(path, _)| path);
        let there = |path: &&PathBuf| path.starts_with(folder);
        texts.take_while(there).chain(links.take_while(there)).filter_map(|path| below(path)).collect()
    }

    /// The path behind the links in it.
    fn real(&self, path: &Path) -> PathBuf {
        let mut path = path.to_owned();
        // A link leads to the folder of a package, in which there is one more at most for each level.
        for _ in 0..64 {
            let link = path.ancestors().find_map(|above| Some((above.to_owned(), self.links.get(above)?)));
            let Some((link, target)) = link else { break };
            let Ok(rest) = path.strip_prefix(&link) else { break };
            path = if rest.as_os_str().is_empty() { target.clone() } else { target.join(rest) };
        }
        path
    }
}

impl Tree {
    /// Whether a path is one of the disk's. What it is linked to is not.
    pub(in crate::bundle) fn is_of_disk(&self, path: &Path) -> bool {
        self.is_beside_disk && !self.real(path).starts_with(ROOT)
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        let real = self.real(path);
        let (is_file, is_folder) = (self.is_file(&real), self.folders.contains(&real));
        if is_file || is_folder { Ok(FileMetadata::new(is_file, is_folder, false)) } else { Err(missing()) }
    }
}

/// The folder of a package.
pub(in crate::bundle) fn package_folder(key: &str) -> PathBuf {
    Path::new(ROOT).join(key)
}

/// The folder of a policy that is no package.
pub(in crate::bundle) fn policy_folder() -> PathBuf {
    Path::new(ROOT).join(POLICY)
}

/// Where files are looked for: on the disk, in a tree and nowhere else, or in a tree and then on the disk.
#[derive(Debug, Clone, Default)]
pub(in crate::bundle) struct Place(pub Option<Arc<Tree>>);

impl Place {
    /// The tree that has a path, if the disk has not.
    fn tree_for(&self, path: &Path) -> Option<&Tree> {
        self.0.as_deref().filter(|tree| !tree.is_of_disk(path))
    }

    pub(in crate::bundle) fn is_file(&self, path: &Path) -> bool {
        match self.tree_for(path) {
            Some(tree) => tree.is_file(path),
            None => path.is_file(),
        }
    }

    /// The names in a folder; none where it cannot be read.
    pub(in crate::bundle) fn names(&self, folder: &Path) -> BTreeSet<String> {
        let mut names = self.0.as_ref().map(|tree| tree.names(folder)).unwrap_or_default();
        if self.tree_for(folder).is_none() {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            names.extend(entries.filter_map(|entry| entry.file_name().into_string().ok()));
        }
        names
    }

    /// What the disk says, or for folders that only the tree has, the tree.
    fn of_disk<T>(&self, on_disk: io::Result<T>, in_tree: impl Fn(&Tree) -> io::Result<T>) -> io::Result<T> {
        on_disk.or_else(|error| self.0.as_deref().map_or(Err(error), in_tree))
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl FileSystem for Place {
    fn new(_yarn_pnp: bool) -> Self {
        Self::default()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.tree_for(path) {
            Some(tree) => tree.text(&tree.real(path)).map(|text| text.to_vec()).ok_or_else(missing),
            None => std::fs::read(path),
        }
    }

    fn read_to_string(&self, path: &Path) -> io::Result<String> {
        String::from_utf8(self.read(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        match self.tree_for(path) {
            Some(tree) => tree.metadata(path),
            None => self.of_disk(std::fs::metadata(path).map(FileMetadata::from), |tree| tree.metadata(path)),
        }
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        if self.0.as_ref().is_some_and(|tree| tree.links.contains_key(path)) {
            return Ok(FileMetadata::new(false, false, true));
        }
        match self.tree_for(path) {
            Some(tree) => tree.metadata(path),
            None => self.of_disk(std::fs::symlink_metadata(path).map(FileMetadata::from), |tree| tree.metadata(path)),
        }
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, ResolveError> {
        if let Some(target) = self.0.as_ref().and_then(|tree| tree.links.get(path)) {
            return Ok(target.clone());
        }
        match self.tree_for(path) {
            Some(_) => Err(missing().into()),
            None => Ok(std::fs::read_link(path)?),
        }
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let in_tree = |tree: &Tree| tree.metadata(path).map(|_| tree.real(path));
        match self.tree_for(path) {
            Some(tree) => in_tree(tree),
            None => self.of_disk(std::fs::canonicalize(path), in_tree),
        }
    }
}
