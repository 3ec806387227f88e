//! Which package needs which: requests resolved to versions, level by level, in an order that does not depend on who
//! answers first. A version that was chosen already is taken again wherever it will do.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _};
use nodejs_semver::Version;

use super::caps::{Caps, PARALLEL};
use super::error::NpmError;
use super::integrity::Integrity;
use super::lock::{Lock, Locked};
use super::packument::Packument;
use super::registry::Registry;
use super::request::Request;

/// Where a tarball is, and what it must be.
#[derive(Debug, Clone)]
pub struct Source {
    pub tarball: String,
    pub integrity: Option<Integrity>,
}

/// Versions that were chosen so far.
pub struct Graph<'r> {
    registry: &'r Registry,
    caps: Caps,
    known: BTreeMap<String, Packument>,
    lock: Lock,
    /// By `name@version`; those that came out of a lock have none.
    sources: BTreeMap<String, Source>,
}

/// One import of one package, still open.
struct Open {
    /// `None`: the policy itself.
    importer: Option<String>,
    imported_as: String,
    request: Request,
}

impl<'r> Graph<'r> {
    pub fn new(registry: &'r Registry, caps: Caps) -> Self {
        Self { registry, caps, known: BTreeMap::new(), lock: Lock::default(), sources: BTreeMap::new() }
    }

    /// Resolves what the policy imports, and all that this needs; no registry is asked for what the lock `before`
    /// answers. Gives the key of each import.
    ///
    /// # Errors
    /// Where a package cannot be had, or they are more than may be.
    pub async fn resolve(
        &mut self,
        requests: &BTreeMap<String, Request>,
        before: &Lock,
    ) -> Result<BTreeMap<String, String>, NpmError> {
        let mut roots = BTreeMap::new();
        let mut level = Vec::new();
        for (imported_as, request) in requests {
            match before.answer(&request.to_string()) {
                Some(key) => {
                    self.take(before, key);
                    self.lock.asked.insert(request.to_string(), key.to_owned());
                    roots.insert(imported_as.clone(), key.to_owned());
                }
                None => level.push(Open { importer: None, imported_as: imported_as.clone(), request: request.clone() }),
            }
        }
        while !level.is_empty() {
            self.learn(&level).await?;
            let mut next = Vec::new();
            for open in level {
                let key = self.choose(&open.request, &mut next)?;
                match &open.importer {
                    None => {
                        self.lock.asked.insert(open.request.to_string(), key.clone());
                        roots.insert(open.imported_as, key);
                    }
                    Some(importer) => {
                        let importer = self.lock.packages.entry(importer.clone()).or_default();
                        importer.dependencies.insert(open.imported_as, key);
                    }
                }
            }
            level = next;
        }
        Ok(roots)
    }

    /// What was resolved; integrities are added by whoever has the tarballs.
    pub fn into_parts(self) -> (Lock, BTreeMap<String, Source>) {
        (self.lock, self.sources)
    }

    /// Takes over a package and all that it needs.
    fn take(&mut self, before: &Lock, key: &str) {
        let mut pending = vec![key.to_owned()];
        while let Some(key) = pending.pop() {
            if let (Some(locked), false) = (before.packages.get(&key), self.lock.packages.contains_key(&key)) {
                pending.extend(locked.dependencies.values().cloned());
                self.lock.packages.insert(key, locked.clone());
            }
        }
    }

    /// Asks for what is not known yet, some at a time.
    async fn learn(&mut self, level: &[Open]) -> Result<(), NpmError> {
        let wanted = level.iter().filter(|open| self.chosen(&open.request).is_none());
        let names: BTreeSet<&str> = wanted.map(|open| open.request.name.as_str()).collect();
        let unknown: Vec<String> =
            names.into_iter().filter(|name| !self.known.contains_key(*name)).map(str::to_owned).collect();
        let registry = self.registry;
        let asked = futures::stream::iter(unknown).map(|name| async move {
            let packument = registry.packument(&name).await?;
            Ok::<_, NpmError>((name, packument))
        });
        let answers: Vec<(String, Packument)> = asked.buffered(PARALLEL).try_collect().await?;
        self.known.extend(answers);
        Ok(())
    }

    /// The newest version among those chosen that will do.
    fn chosen(&self, request: &Request) -> Option<String> {
        let versions = self.lock.packages.keys().filter_map(|key| {
            let (name, version) = super::lock::split(key);
            let fits = name == request.name && request.allows(version);
            fits.then(|| Some((Version::parse(version).ok()?, key.clone())))?
        });
        versions.max_by(|(left, _), (right, _)| left.cmp(right)).map(|(_, key)| key)
    }

    fn choose(&mut self, request: &Request, next: &mut Vec<Open>) -> Result<String, NpmError> {
        if let Some(key) = self.chosen(request) {
            return Ok(key);
        }
        let address = self.registry.address(&request.name);
        let missing =
            || NpmError::NoPackage { package: request.name.clone(), registry: address.clone(), found_near: None };
        let packument = self.known.get(&request.name).ok_or_else(missing)?;
        let (version, manifest) = packument.pick(request, &address)?;
        let key = format!("{}@{version}", request.name);
        if self.lock.packages.contains_key(&key) {
            return Ok(key);
        }
        let source = Source { tarball: manifest.tarball().to_owned(), integrity: manifest.integrity() };
        for (imported_as, range) in manifest.needs() {
            let request = Request::parse(&imported_as, &range).map_err(|error| of_importer(error, &key))?;
            next.push(Open { importer: Some(key.clone()), imported_as, request });
        }
        self.sources.insert(key.clone(), source);
        self.lock.packages.insert(key.clone(), Locked::default());
        if self.lock.packages.len() > self.caps.packages {
            let (package, what) = (key, "the packages that it comes with".to_owned());
            return Err(NpmError::TooLarge { package, what, limit: self.caps.packages as u64 });
        }
        Ok(key)
    }
}

/// Who asks for what cannot be.
fn of_importer(error: NpmError, importer: &str) -> NpmError {
    match error {
        NpmError::Request { package, reason } => {
            NpmError::Request { package, reason: format!("{reason} (`{importer}` asks for it)") }
        }
        other => other,
    }
}
