//! Policies of an npm package, as jsPolicy's template has them: a `policy.yaml`, and its source in `index.ts` beside it.
//!
//! The files are linked from a copy, from which imports of packages are taken out: of those of jsPolicy's types nothing
//! is left when it runs, and the others stand before the script, as its author wrote them. No script of the package is
//! run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use oxc::allocator::Allocator;
use oxc::ast::ast::{ImportDeclaration, ImportDeclarationSpecifier, Program, Statement};
use oxc::parser::{ParseOptions, Parser};
use oxc::semantic::SemanticBuilder;
use oxc::span::SourceType;
use serde_json::Value;

use super::imports::{is_package, renamed};
use crate::bundle::{MAX_SOURCE_BYTES, link_script, scan};

const ENTRIES: [&str; 4] = ["index.ts", "index.mts", "index.js", "index.mjs"];

const EXTENSIONS: [&str; 5] = ["", ".ts", ".js", "/index.ts", "/index.js"];

/// Files of one policy; the template has a handful.
const MOST_FILES: usize = 500;

/// Packages of types alone.
const TYPES: [&str; 2] = ["@jspolicy/types", "@kubernetes/client-node"];

/// The source that belongs to a manifest.
pub(super) fn entry(manifest: &Path) -> Option<PathBuf> {
    let is_policy = manifest.file_stem().is_some_and(|stem| stem == "policy");
    let folder = manifest.parent().filter(|_| is_policy)?;
    ENTRIES.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// One script of a file and what it imports by a path.
pub(super) struct Joined {
    /// Imports of packages, which stand before it.
    pub imports: String,
    pub script: String,
}

/// Names that files have of packages: the statement that gives each.
type Names = BTreeMap<String, String>;

pub(super) fn linked(entry: &Path) -> Result<Joined, String> {
    let mut files = BTreeMap::new();
    let mut names = Names::new();
    gather(entry, &mut files, &mut names)?;
    let top = files.keys().filter_map(|path| path.parent()).fold(None, |top: Option<PathBuf>, folder| match top {
        None => Some(folder.to_owned()),
        Some(top) => Some(common(&top, folder)),
    });
    let top = top.unwrap_or_default();
    let copy = Copy::create().map_err(|error| format!("cannot copy the package: {error}"))?;
    for (path, text) in &files {
        let target = copy.0.join(path.strip_prefix(&top).unwrap_or(path));
        let write = target.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&target, text));
        write.map_err(|error| format!("cannot copy {}: {error}", path.display()))?;
    }
    let entry = normal(entry);
    let target = copy.0.join(entry.strip_prefix(&top).unwrap_or(&entry));
    let shown = format!("{}/", copy.0.display());
    let linked =
        link_script(&target).map_err(|error| error.to_string().replace(&shown, &format!("{}/", top.display())))?;
    // Names of types are gone with the types.
    let free = super::apart(|| free_names(&linked.script))?;
    names.retain(|name, _| name.is_empty() || free.contains(name));
    let imports = names.into_values().map(|import| import + "\n").collect();
    Ok(Joined { imports, script: linked.script })
}

/// What the package that a manifest stands in asks for.
pub(super) fn dependencies(manifest: &Path) -> BTreeMap<String, String> {
    let mut above = manifest.ancestors().skip(1).map(|folder| folder.join("package.json"));
    let text = above.find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let package: Value = serde_json::from_str(&text).unwrap_or_default();
    // Bundled ahead of time, so that many have them among what is only for development.
    let maps = ["devDependencies", "dependencies"].into_iter().filter_map(|field| package.get(field)?.as_object());
    let pairs = maps.flatten().filter_map(|(name, range)| Some((name.clone(), range.as_str()?.to_owned())));
    pairs.collect()
}

/// A file and all that it imports by a path.
fn gather(path: &Path, files: &mut BTreeMap<PathBuf, String>, names: &mut Names) -> Result<(), String> {
    let path = normal(path);
    if files.contains_key(&path) {
        return Ok(());
    }
    if files.len() >= MOST_FILES {
        return Err(format!("it imports more than {MOST_FILES} files"));
    }
    let shown = path.display().to_string();
    let unreadable = |error: std::io::Error| format!("cannot read {shown}: {error}");
    if fs::metadata(&path).map_err(unreadable)?.len() > MAX_SOURCE_BYTES {
        return Err(format!("{shown} is larger than {MAX_SOURCE_BYTES} bytes"));
    }
    let text = fs::read_to_string(&path).map_err(unreadable)?.replace("\r\n", "\n");
    let scanned = scan(&shown, &path, &text).map_err(|error| error.to_string())?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let text = super::apart(|| without_packages(&shown, &text, names))??;
    let mut further = Vec::new();
    for import in scanned.imports.iter().rev().filter(|import| import.specifier.starts_with('.')) {
        let mut candidates = EXTENSIONS.iter().map(|end| folder.join(format!("{}{end}", import.specifier)));
        further.extend(candidates.find(|path| path.is_file()));
    }
    files.insert(path, text);
    further.iter().try_for_each(|path| gather(path, files, names))
}

/// The text of a file with its imports of packages blanked; what they give is added to `names`.
fn without_packages(shown: &str, text: &str, names: &mut Names) -> Result<String, String> {
    let allocator = Allocator::default();
    let parsed = parse(&allocator, text, SourceType::ts());
    let mut blanked = text.to_owned();
    for statement in &parsed.body {
        let Statement::ImportDeclaration(import) = statement else { continue };
        let package = import.source.value.as_str();
        if !is_package(package) {
            continue;
        }
        if !TYPES.contains(&package) && !import.import_kind.is_type() {
            for (name, statement) in statements(import) {
                match names.get(&name) {
                    Some(known) if *known != statement && !name.is_empty() => {
                        return Err(format!("{shown}: `{name}` is another import than in another file; rename it"));
                    }
                    Some(known) if *known != statement => names.insert(name, format!("{known}\n{statement}")),
                    _ => names.insert(name, statement),
                };
            }
        }
        let (start, end) = (import.span.start as usize, import.span.end as usize);
        let written = text.get(start..end).unwrap_or_default();
        blanked.replace_range(start..end, &written.replace(|letter| letter != '\n', " "));
    }
    Ok(blanked)
}

/// A statement for each name that an import gives; without a name, for its effects.
fn statements(import: &ImportDeclaration<'_>) -> Vec<(String, String)> {
    let package = import.source.value.as_str();
    let Some(specifiers) = &import.specifiers else {
        return vec![(String::new(), format!("import {package:?};"))];
    };
    let taken = specifiers.iter().filter_map(|specifier| {
        let local = specifier.local().name.to_string();
        let taken = match specifier {
            ImportDeclarationSpecifier::ImportSpecifier(one) if one.import_kind.is_type() => return None,
            ImportDeclarationSpecifier::ImportSpecifier(one) => {
                format!("{{ {} }}", renamed(&one.imported.name(), &local))
            }
            ImportDeclarationSpecifier::ImportDefaultSpecifier(_) => local.clone(),
            ImportDeclarationSpecifier::ImportNamespaceSpecifier(_) => format!("* as {local}"),
        };
        Some((local, format!("import {taken} from {package:?};")))
    });
    taken.collect()
}

fn parse<'a>(allocator: &'a Allocator, text: &'a str, source_type: SourceType) -> Program<'a> {
    let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
    Parser::new(allocator, text, source_type).with_options(options).parse().program
}

/// Names that a script has of nobody.
fn free_names(script: &str) -> BTreeSet<String> {
    let allocator = Allocator::default();
    let program = parse(&allocator, script, SourceType::script());
    let semantic = SemanticBuilder::new().with_build_nodes(true).build(&program).semantic;
    semantic.scoping().root_unresolved_references().keys().map(ToString::to_string).collect()
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}

fn common(left: &Path, right: &Path) -> PathBuf {
    left.components().zip(right.components()).take_while(|(left, right)| left == right).map(|(left, _)| left).collect()
}

/// A folder that is gone when this is dropped.
struct Copy(PathBuf);

impl Copy {
    fn create() -> std::io::Result<Self> {
        let base = std::env::temp_dir();
        let mut number = 0_u32;
        loop {
            let path = base.join(format!("bylaw-package-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && number < 10_000 => number += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::folder as package;

    #[test]
    fn a_policy_and_its_library_become_one_script() {
        let folder = package(&[
            ("src/policies/a/policy.yaml", ""),
            (
                "src/policies/a/index.ts",
                "import \"@jspolicy/types\";\nimport { check } from \"../../lib/check\";\ncheck(request);\n",
            ),
            (
                "src/lib/check.ts",
                "import { V1AdmissionRequest } from '@jspolicy/types';\nexport function check(asked: V1AdmissionRequest) { if (!asked.name) deny('no name'); }\n",
            ),
        ]);
        let entry = entry(&folder.path().join("src/policies/a/policy.yaml")).unwrap();
        let Joined { imports, script } = linked(&entry).unwrap();
        assert_eq!(imports, "");
        assert!(script.contains("deny(\"no name\")") && script.contains("check(request)"), "{script}");
        assert!(!script.contains("import"), "{script}");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let folder = package(&[("policy.yaml", ""), ("index.ts", "import { x } from './gone';\nx();\n")]);
        let told = linked(&entry(&folder.path().join("policy.yaml")).unwrap()).err().unwrap();
        assert!(told.contains("index.ts:1:") && told.contains("gone"), "{told}");
        assert_eq!(entry(&folder.path().join("other.yaml")), None);
    }
    #[test]
    fn imports_of_packages_stand_before_the_script_without_those_of_types() {
        let folder = package(&[
            ("policy.yaml", ""),
            (
                "index.ts",
                "import _, { get as dig } from \"lodash\";\nimport { z, ZodType } from \"zod\";\nimport { other } from \"./lib\";\nconst known: ZodType = z.string();\nif (_.isEmpty(dig(request, 'x')) && known && other()) deny('x');\n",
            ),
            ("lib.ts", "import _ from \"lodash\";\nimport \"polyfill\";\nexport const other = () => _.now();\n"),
            ("package.json", "{\"dependencies\": {\"lodash\": \"^4\"}, \"devDependencies\": {\"zod\": \"^3\"}}"),
        ]);
        let manifest = folder.path().join("policy.yaml");
        let Joined { imports, script } = linked(&entry(&manifest).unwrap()).unwrap();
        assert_eq!(
            imports,
            "import \"polyfill\";\nimport _ from \"lodash\";\nimport { get as dig } from \"lodash\";\nimport { z } from \"zod\";\n"
        );
        assert!(script.contains("_.isEmpty(dig(request") && !script.contains("import"), "{script}");
        assert_eq!(
            dependencies(&manifest).into_iter().collect::<Vec<_>>(),
            [("lodash".to_owned(), "^4".to_owned()), ("zod".to_owned(), "^3".to_owned())]
        );
    }

    #[test]
    fn one_name_for_two_packages_is_told() {
        let folder = package(&[
            ("policy.yaml", ""),
            ("index.ts", "import a from \"a\";\nimport { b } from \"./b\";\na(b);\n"),
            ("b.ts", "import a from \"c\";\nexport const b = a;\n"),
        ]);
        let told = linked(&entry(&folder.path().join("policy.yaml")).unwrap()).err().unwrap();
        assert!(told.contains("`a` is another import than in another file"), "{told}");
    }
}
