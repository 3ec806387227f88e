//! `bylaw bundle PATH -o …`: everything is loaded first, as a server would; then linked into one script, and written whole.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::super::Verdict;
use super::super::runtime::{Offline, Stage};
use super::manifest;
use super::{Looker, MakeArgs, package_of, read_key};
use crate::bundle::artifact::{self, Artifact, PolicyRecord, Record, SigningKey};
use crate::bundle::npm::{self, LOCK_FILE, Lock, LockFile, Made, Options, Source};
use crate::bundle::{module_state, normalise, rename_sources};
use crate::policy::{Catalog, Dialect};

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Script,
    Manifest,
    Layout,
}

impl Form {
    fn of(output: &Path) -> anyhow::Result<Self> {
        let extension = output.extension().and_then(|extension| extension.to_str());
        match extension {
            _ if output.is_dir() => Ok(Self::Layout),
            Some("js") => Ok(Self::Script),
            Some("yaml" | "yml") => Ok(Self::Manifest),
            None => Ok(Self::Layout),
            Some(other) => {
                bail!("{}: .{other} is none of .js, .yaml, and a folder for an OCI layout", output.display())
            }
        }
    }
}

pub(super) fn run(args: &MakeArgs, verbosity: i8) -> anyhow::Result<Verdict> {
    let form = Form::of(&args.output)?;
    let key = args.sign.as_deref().map(signing_key).transpose()?;
    let Gathered { mut artifact, scripts } = gather(&args.path)?;
    if let Some(script) = scripts.first().filter(|_| form != Form::Manifest) {
        bail!("{} is a script of jsPolicy: only `-o bundle.yaml` (JsPolicyBundle objects) can hold it", script.name);
    }
    if let (Some(key), Some(artifact)) = (&key, &mut artifact) {
        artifact.sign(key)?;
    } else if key.is_some() {
        bail!("{}: scripts of jsPolicy cannot be signed; write them as modules", args.path.display());
    }
    let output = &args.output;
    match (form, &artifact) {
        (Form::Manifest, _) => {
            let text = manifest::manifest(artifact.as_ref(), &scripts)?;
            artifact::write(output, text.as_bytes())
        }
        (Form::Script, Some(artifact)) => artifact::write(output, artifact.to_text()?.as_bytes()),
        (Form::Layout, Some(artifact)) => artifact::write_layout(output, artifact),
        (_, None) => bail!("{}: there is no policy to bundle", args.path.display()),
    }
    .map_err(|error| anyhow::anyhow!("{} {error}", output.display()))?;
    if verbosity >= 0 {
        report(output, artifact.as_ref(), scripts.len())?;
    }
    Ok(Verdict::Yes)
}

fn report(output: &Path, artifact: Option<&Artifact>, scripts: usize) -> anyhow::Result<()> {
    let Some(artifact) = artifact else {
        eprintln!("{}: {scripts} scripts of jsPolicy", output.display());
        return Ok(());
    };
    let Record { policies, lock, lint, .. } = &artifact.record;
    let (policies, packages) = (policies.len() + scripts, lock.packages().count());
    let hash = artifact.content_hash()?;
    eprintln!("{}: policies {policies}, packages {packages}, sha256:{hash}", output.display());
    for finding in lint {
        eprintln!("note: {finding}; policies of one bundle share that, and run in a fresh realm each time");
    }
    Ok(())
}

fn signing_key(path: &Path) -> anyhow::Result<SigningKey> {
    SigningKey::parse(&read_key(path)?).map_err(|error| anyhow::anyhow!("{} {error}", path.display()))
}

/// A jsPolicy script, which only a `JsPolicyBundle` can hold.
pub(super) struct Script {
    pub name: String,
    pub text: String,
}

struct Gathered {
    /// All modules as one.
    artifact: Option<Artifact>,
    scripts: Vec<Script>,
}

fn gather(path: &Path) -> anyhow::Result<Gathered> {
    let existing = existing(path)?;
    if let Some(artifact) = existing {
        return Ok(Gathered { artifact: Some(artifact), scripts: Vec::new() });
    }
    let stage = Stage::new()?;
    let mut loader = stage.loader(&[path.to_owned()], None, None)?;
    let catalog = loader.load()?;
    Offline::sound(&catalog)?;
    let modules: Vec<PathBuf> = loader.modules().map(Path::to_owned).collect();
    if let Some(bundle) = modules.iter().find(|module| artifact::is_bundle(module)) {
        bail!("{}: is a bundle already, among other policies; give it by itself, or take it away", bundle.display());
    }
    let scripts = scripts(&catalog, &modules)?;
    drop(loader);
    let root = normalise(&std::path::absolute(path)?);
    let root = if root.is_dir() { root } else { root.parent().unwrap_or(&root).to_owned() };
    let source = match modules.as_slice() {
        _ if is_tarball(path) => Source::Tarball { path: std::path::absolute(path)?, integrity: None },
        [] => return Ok(Gathered { artifact: None, scripts }),
        [module] => npm::source_at(module.clone(), None),
        modules => npm::source_at(root.join(ENTRY), Some(entry(&root, modules)?)),
    };
    let options = Options::load(Some(&root), lock_beside(&root, path)?)?;
    let made = npm::make(&source, &options)?;
    Ok(Gathered { artifact: Some(artifact_of(made, &root)?), scripts })
}

fn is_tarball(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tgz")
}

/// A bundle in one form, to be written in another.
fn existing(path: &Path) -> anyhow::Result<Option<Artifact>> {
    let layers = if artifact::is_layout(path) { artifact::layers(path)? } else { Vec::new() };
    let file = match layers.as_slice() {
        [] if artifact::is_bundle(path) => path,
        [] => return Ok(None),
        [one] => one,
        many => bail!("{}: holds {} bundles; a bundle is made of one", path.display(), many.len()),
    };
    Artifact::read(file).map(Some).map_err(|error| anyhow::anyhow!("{} {error}", path.display()))
}

/// The policies of manifests: scripts are bundled each by itself.
fn scripts(catalog: &Catalog, modules: &[PathBuf]) -> anyhow::Result<Vec<Script>> {
    let of_manifests = catalog.revisions.iter().filter(|revision| !modules.contains(&revision.source));
    let of_manifests = of_manifests.filter(|revision| !is_tarball(&revision.source));
    of_manifests
        .map(|revision| match revision.spec.dialect {
            Dialect::Script => {
                Ok(Script { name: revision.spec.name.to_string(), text: revision.code.script.to_string() })
            }
            Dialect::Module => bail!(
                "{}: {} is a module in a JsPolicy object; move its source to a file of its own to bundle it",
                revision.source.display(),
                revision.spec.name
            ),
        })
        .collect()
}

/// No file that a policy could be has this name.
pub(super) const ENTRY: &str = ".bundle.ts";

/// The module that hands on the policies of all others.
fn entry(root: &Path, modules: &[PathBuf]) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut names = Vec::new();
    for (index, module) in modules.iter().enumerate() {
        let inside = module.strip_prefix(root).with_context(|| format!("{} is outside", module.display()))?;
        let inside = inside.to_str().with_context(|| format!("{}: its name is not UTF-8", module.display()))?;
        let specifier = serde_json::to_string(&format!("./{inside}"))?;
        let _ = writeln!(text, "import policy{index} from {specifier};");
        names.push(format!("policy{index}"));
    }
    Ok(format!("{text}export default [{}].flat();\n", names.join(", ")))
}

/// The versions that a tarball's packages were resolved to before.
fn lock_beside(root: &Path, path: &Path) -> anyhow::Result<Lock> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    Ok(LockFile::read(&root.join(LOCK_FILE))?.of(name))
}

/// With what the script declares when it is asked, in an isolate that is thrown away.
fn artifact_of(made: Made, root: &Path) -> anyhow::Result<Artifact> {
    let Made { linked, lock } = made;
    let looker = Looker::new()?;
    let declared = looker.declared("the bundle", &linked.script);
    let declared = declared.map_err(|error| anyhow::anyhow!("the bundle cannot be loaded: {error}"))?;
    let source_map =
        linked.source_map.as_deref().and_then(|map| rename_sources(map, |source| inside(root, source, &lock)));
    let mut artifact = Artifact {
        script: linked.script,
        source_map,
        record: Record {
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            policies: declared.iter().map(PolicyRecord::of).collect(),
            lock,
            lint: Vec::new(),
        },
        signatures: Vec::new(),
    };
    artifact.record.lint = module_state(&artifact.linked())?.iter().map(ToString::to_string).collect();
    Ok(artifact)
}

/// The name of a source as it is seen from the policies: the same bundle comes of whatever working directory.
fn inside(root: &Path, source: &str, lock: &Lock) -> String {
    if package_of(source).is_some() {
        return source.to_owned();
    }
    let path = normalise(&std::path::absolute(source).unwrap_or_else(|_| source.into()));
    if let Some(name) = installed(&path, lock) {
        return name;
    }
    let mut from = root;
    let mut name = String::new();
    while !path.starts_with(from) {
        name.push_str("../");
        from = from.parent().unwrap_or(Path::new("/"));
    }
    name.push_str(&path.strip_prefix(from).unwrap_or(&path).to_string_lossy());
    // A folder of the author's must not be taken for a package.
    if package_of(&name).is_some() { format!("./{name}") } else { name }
}

/// The name of a file in a `node_modules` folder, as if its package had come from a registry: `name@version/path`.
fn installed(path: &Path, lock: &Lock) -> Option<String> {
    const FOLDER: &str = "/node_modules/";
    let text = path.to_str()?;
    let (before, inside) = text.split_at(text.rfind(FOLDER)? + FOLDER.len());
    let parts = if inside.starts_with('@') { 2 } else { 1 };
    let end = inside.match_indices('/').nth(parts - 1).map(|(at, _)| at)?;
    let (name, file) = inside.split_at(end);
    let package = std::fs::read_to_string(Path::new(&format!("{before}{name}")).join("package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_str(&package).ok()?;
    let key = format!("{name}@{}", package.get("version")?.as_str()?);
    lock.packages.contains_key(&key).then(|| format!("{key}{file}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_named_from_the_policies_on() {
        let (root, none) = (Path::new("/a/policies"), Lock::default());
        assert_eq!(inside(root, "/a/policies/x/y.ts", &none), "x/y.ts");
        assert_eq!(inside(root, "/a/shared/z.ts", &none), "../shared/z.ts");
        assert_eq!(inside(root, "semver@7.8.6/index.js", &none), "semver@7.8.6/index.js");
        assert_eq!(inside(root, "/a/policies/lib@2/z.ts", &none), "./lib@2/z.ts");
    }

    #[test]
    fn the_form_follows_from_the_name() {
        let of = |name: &str| Form::of(Path::new(name)).ok();
        assert_eq!(of("a/bundle.js"), Some(Form::Script));
        assert_eq!(of("bundle.yml"), Some(Form::Manifest));
        assert_eq!(of("no-such-folder"), Some(Form::Layout));
        assert_eq!(of("/"), Some(Form::Layout));
        assert_eq!(of("bundle.zip"), None);
    }
}
