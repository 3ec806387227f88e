//! Which cases there are, and which policies each of them is about: `cases/` beside the policies of a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::case::Case;
use super::error::{CaseError, Fault};
use super::files::{CaseFile, in_folder};
use crate::bundle::shown_path;
use crate::policy::{Catalog, Revision, closest};

const FOLDER: &str = "cases";

/// The cases of one folder of policies.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The folder of the policies.
    pub folder: Arc<str>,
    pub tests: Vec<Test>,
}

/// A case, and the policies that it asks.
#[derive(Debug, Clone)]
pub struct Test {
    pub case: Arc<Case>,
    pub policies: Arc<[Arc<Revision>]>,
}

/// What tells one state of a file from the next.
type Stamp = Option<(SystemTime, u64)>;

/// The files of cases, read again when they change.
#[derive(Default)]
pub struct Collection {
    files: BTreeMap<PathBuf, (Vec<(PathBuf, Stamp)>, CaseFile)>,
    folders: BTreeSet<PathBuf>,
}

impl Collection {
    /// Looks for cases beside the policies in these folders, and reads what is new; whether anything is.
    pub fn refresh(&mut self, folders: &BTreeSet<PathBuf>) -> bool {
        self.folders = folders.iter().map(|folder| folder.join(FOLDER)).filter(|folder| folder.is_dir()).collect();
        let found: BTreeSet<PathBuf> = self.folders.iter().flat_map(|folder| in_folder(folder)).collect();
        let known = self.files.len();
        self.files.retain(|path, _| found.contains(path));
        let mut is_changed = self.files.len() != known;
        for path in found {
            let is_fresh = |(inputs, _): &(Vec<(PathBuf, Stamp)>, CaseFile)| {
                inputs.iter().all(|(input, before)| stamp(input) == *before)
            };
            if self.files.get(&path).is_some_and(is_fresh) {
                continue;
            }
            // Stamps are taken before reading: what changes meanwhile is read again.
            let own = stamp(&path);
            let file = CaseFile::read(&path);
            let used = file.used.iter().map(|input| (input.clone(), stamp(input)));
            let inputs = used.chain([(path.clone(), own)]).collect();
            self.files.insert(path, (inputs, file));
            is_changed = true;
        }
        is_changed
    }

    /// Folders in which a change may change a case.
    #[must_use]
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let inputs = self.files.values().flat_map(|(inputs, _)| inputs);
        let parents = inputs.filter_map(|(input, _)| input.parent().map(Path::to_owned));
        self.folders.iter().cloned().chain(parents).collect()
    }

    /// The cases with their policies. Where single files were given, cases of other policies beside them (`partial`)
    /// are left out.
    ///
    /// # Errors
    /// All that is wrong with the cases, each fault with its place.
    pub fn suites(&self, catalog: &Catalog, partial: &BTreeSet<PathBuf>) -> Result<Vec<Suite>, CaseError> {
        let used: BTreeSet<&PathBuf> = self.files.values().flat_map(|(_, file)| &file.used).collect();
        let mut faults: Vec<Fault> = Vec::new();
        let mut suites = Vec::new();
        for folder in &self.folders {
            let home = folder.parent().unwrap_or(folder);
            let policies = self.policies(catalog, home);
            let mut tests = Vec::new();
            let mut names: BTreeMap<&str, &Arc<Case>> = BTreeMap::new();
            for (path, (_, file)) in self.files.iter().filter(|(path, _)| path.parent() == Some(folder)) {
                if used.contains(path) {
                    continue;
                }
                faults.extend(file.faults.iter().cloned());
                for case in &file.cases {
                    if let Some(first) = names.insert(&case.name, case) {
                        let message =
                            format!("the name {:?} is that of the case at {} already", case.name, first.place);
                        faults.push(Fault { place: case.place.clone(), message });
                    }
                    match asked(case, &policies, home) {
                        Ok(policies) => tests.push(Test { case: Arc::clone(case), policies }),
                        Err(_) if partial.contains(home) => {}
                        Err(fault) => faults.push(fault),
                    }
                }
            }
            if !tests.is_empty() {
                suites.push(Suite { folder: shown_path(home).into(), tests });
            }
        }
        if faults.is_empty() { Ok(suites) } else { Err(CaseError::Faults(faults)) }
    }

    /// Those of the folder itself; where it has none (a package), those of the folders inside that have no cases of
    /// their own.
    fn policies(&self, catalog: &Catalog, home: &Path) -> Arc<[Arc<Revision>]> {
        let of = |fits: &dyn Fn(&Path) -> bool| -> Arc<[Arc<Revision>]> {
            catalog.revisions.iter().filter(|revision| fits(&revision.source)).cloned().collect()
        };
        let own = of(&|source| source.parent() == Some(home));
        if !own.is_empty() {
            return own;
        }
        let is_deeper =
            |folder: &&PathBuf| folder.parent().is_some_and(|inner| inner != home && inner.starts_with(home));
        let deeper: Vec<&Path> = self.folders.iter().filter(is_deeper).filter_map(|folder| folder.parent()).collect();
        of(&|source| source.starts_with(home) && !deeper.iter().any(|inner| source.starts_with(inner)))
    }
}

/// The policies that a case asks: the one that it names, or all of its folder.
fn asked(case: &Case, policies: &Arc<[Arc<Revision>]>, home: &Path) -> Result<Arc<[Arc<Revision>]>, Fault> {
    let names: Vec<&str> = policies.iter().map(|revision| &*revision.spec.name).collect();
    let Some((name, place)) = &case.policy else {
        if policies.is_empty() {
            let message = format!("there is no policy in {} that this case is about", shown_path(home));
            return Err(Fault { place: case.place.clone(), message });
        }
        return Ok(Arc::clone(policies));
    };
    let found: Arc<[Arc<Revision>]> =
        policies.iter().filter(|revision| *revision.spec.name == **name).cloned().collect();
    if found.is_empty() {
        let mend = match closest(name, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "there is none at all".to_owned(),
            None => format!("there are {}", names.join(", ")),
        };
        let message = format!("policy: {name} is no policy of {}; {mend}", shown_path(home));
        return Err(Fault { place: place.clone(), message });
    }
    Ok(found)
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
