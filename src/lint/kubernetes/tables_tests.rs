//! The tables are those of the SDK's types and of Kubernetes' own discovery documents. After a change of either:
//! `BYLAW_WRITE_TABLES=1 cargo test -p bylaw --lib lint::kubernetes::tables`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use oxc::allocator::Allocator;
use oxc::ast::ast::{Declaration, Statement, TSLiteral, TSSignature, TSType, TSTypeName};
use oxc::parser::Parser;
use oxc::span::SourceType;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares, or writes where that is asked for.
fn check(table: &str, made: &str) {
    let path = root().join("src/lint/kubernetes").join(table);
    if std::env::var_os("BYLAW_WRITE_TABLES").is_some() {
        fs::write(path, made).unwrap();
        return;
    }
    let kept = fs::read_to_string(path).unwrap();
    let differs = made.lines().zip(kept.lines()).find(|(made, kept)| made != kept);
    assert!(made == kept, "{table} is out of date: {differs:?}; see the top of this file");
}

struct Home<'m> {
    module: &'m str,
    imports: BTreeMap<String, String>,
}

impl Home<'_> {
    /// A type as the table writes it.
    fn written(&self, of: &TSType<'_>) -> String {
        match of {
            TSType::TSParenthesizedType(inner) => self.written(&inner.type_annotation),
            TSType::TSArrayType(list) => format!("[{}]", self.written(&list.element_type)),
            TSType::TSUnknownKeyword(_) => "*".to_owned(),
            TSType::TSTypeReference(reference) => {
                let TSTypeName::IdentifierReference(name) = &reference.type_name else { return String::new() };
                match (name.name.as_str(), &reference.type_arguments) {
                    ("Record", Some(of)) => format!("{{{}}}", self.written(&of.params[1])),
                    (name, _) => self.imports.get(name).cloned().unwrap_or_else(|| name.to_owned()),
                }
            }
            _ => String::new(),
        }
    }
}

fn literal(of: &TSType<'_>) -> Option<String> {
    let TSType::TSLiteralType(literal) = of else { return None };
    let TSLiteral::StringLiteral(text) = &literal.literal else { return None };
    Some(text.value.to_string())
}

fn table_of(module: &str, text: &str) -> String {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, text, SourceType::ts()).parse();
    let mut home = Home { module, imports: BTreeMap::new() };
    let mut table = format!("= {}\n", home.module);
    for statement in &parsed.program.body {
        match statement {
            Statement::ImportDeclaration(import) => {
                let folder = Path::new(module).parent().unwrap();
                let target = crate::bundle::normalise(&folder.join(import.source.value.as_str()));
                let target = target.with_extension("").display().to_string();
                for specifier in import.specifiers.iter().flatten() {
                    if let oxc::ast::ast::ImportDeclarationSpecifier::ImportSpecifier(one) = specifier {
                        home.imports.insert(one.local.name.to_string(), format!("{target}.{}", one.imported.name()));
                    }
                }
            }
            Statement::ExportDeclaration(export) => match &export.declaration {
                Declaration::TSInterfaceDeclaration(of) => {
                    let (mut fields, mut api_version, mut kind) = (Vec::new(), None, None);
                    for signature in &of.body.body {
                        let TSSignature::TSPropertySignature(field) = signature else { continue };
                        let name = field.key.static_name().unwrap();
                        let of = &field.type_annotation.as_ref().unwrap().type_annotation;
                        match &*name {
                            "apiVersion" => api_version = literal(of),
                            "kind" if api_version.is_some() => kind = literal(of),
                            _ => {}
                        }
                        let written = home.written(of);
                        fields.push(if written.is_empty() { name.to_string() } else { format!("{name}:{written}") });
                    }
                    let own = api_version.zip(kind).map(|(version, kind)| format!("@{version}/{kind}"));
                    writeln!(table, "{}{} {}", of.id.name, own.unwrap_or_default(), fields.join(" ")).unwrap();
                }
                Declaration::TSTypeAliasDeclaration(of) => {
                    let written = home.written(&of.type_annotation);
                    let written = if written.is_empty() { "-" } else { &written };
                    writeln!(table, "{} = {written}", of.id.name).unwrap();
                }
                _ => {}
            },
            _ => {}
        }
    }
    table
}

#[test]
fn the_fields_are_those_of_the_types_of_the_sdk() {
    let folder = root().join("sdk-ts/k8s");
    let mut modules: BTreeMap<String, PathBuf> = BTreeMap::new();
    for group in fs::read_dir(&folder).unwrap() {
        for version in fs::read_dir(group.unwrap().path()).unwrap() {
            let path = version.unwrap().path();
            let module = path.strip_prefix(&folder).unwrap().with_extension("").display().to_string();
            modules.insert(module, path);
        }
    }
    let tables = modules.iter().map(|(module, path)| table_of(module, &fs::read_to_string(path).unwrap()));
    check("types.txt", &tables.collect::<String>());
}

/// `C`reate, `U`pdate, `D`elete; `X` for what is connected to.
fn operations(verbs: &Value, resource: &str) -> String {
    const CONNECTED: [&str; 6] =
        ["nodes/proxy", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "services/proxy"];
    if CONNECTED.contains(&resource) {
        return "X".to_owned();
    }
    let has = |verb: &str| verbs.as_array().unwrap().iter().any(|known| known == verb);
    let letters =
        [("C", has("create")), ("U", has("update") || has("patch")), ("D", has("delete") || has("deletecollection"))];
    let found: String = letters.iter().filter(|(_, has)| *has).map(|(letter, _)| *letter).collect();
    if found.is_empty() { "-".to_owned() } else { found }
}

#[test]
fn the_resources_are_those_of_the_discovery_documents() {
    // The module of Kubernetes that the tests' API server is built from holds them.
    let mut list = Command::new("go");
    list.args(["list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"]).current_dir(root().join("tests/cluster"));
    let folder = list.output().ok().filter(|output| output.status.success());
    let folder = folder.map(|output| PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()));
    let Some(folder) = folder.map(|folder| folder.join("api/discovery")).filter(|folder| folder.is_dir()) else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "no test may be skipped on CI: the Go modules are missing"
        );
        return;
    };
    let mut rows = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let document: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let Some(version) = document["groupVersion"].as_str().filter(|_| document["kind"] == "APIResourceList") else {
            continue;
        };
        for one in document["resources"].as_array().unwrap() {
            let text = |name: &str| one[name].as_str().unwrap_or_default();
            let home = match (text("group"), text("version")) {
                ("", "") => version.to_owned(),
                ("", version) => version.to_owned(),
                (group, version) => format!("{group}/{version}"),
            };
            let scope = if one["namespaced"] == true { "N" } else { "C" };
            let operations = operations(&one["verbs"], text("name"));
            let (group, number) = version.split_once('/').unwrap_or(("", version));
            let row = format!("{version} {} {home}/{} {scope} {operations}\n", text("name"), text("kind"));
            rows.push(((group.to_owned(), number.to_owned(), text("name").to_owned()), row));
        }
    }
    rows.sort();
    check("resources.txt", &rows.into_iter().map(|(_, row)| row).collect::<String>());
}
