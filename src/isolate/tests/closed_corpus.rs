//! The manifests of the jsPolicy compatibility tests, whole and each of their choices apart: what is proved of them, and
//! that they say the same both ways.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::closed::{Pair, config_map};
use crate::bundle::closed;

/// The manifests of the compatibility tests: file, policy, source.
fn manifests() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/jspolicy/manifests");
    let mut files: Vec<PathBuf> = ["basics", "by-feature", "by-use-case", "globals", "library"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()))
        .collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        for document in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
            if let Some(source) = document["spec"]["javascript"].as_str() {
                let policy = document["metadata"]["name"].as_str().unwrap().to_owned();
                found.push((name.clone(), policy, source.to_owned()));
            }
        }
    }
    found
}

/// A manifest that chooses what to do by `data.run`, as one script for each choice.
fn choices(source: &str) -> Vec<(String, String)> {
    use oxc::allocator::Allocator;
    use oxc::ast::ast::{Expression, ObjectPropertyKind, Statement};
    use oxc::span::GetSpan as _;
    let allocator = Allocator::default();
    let parsed = oxc::parser::Parser::new(&allocator, source, oxc::span::SourceType::script()).parse();
    let object = parsed.program.body.iter().find_map(|statement| {
        let Statement::VariableDeclaration(declaration) = statement else { return None };
        let declarator = &declaration.declarations[0];
        match &declarator.init {
            Some(Expression::ObjectExpression(object))
                if declarator.id.get_identifier_name().is_some_and(|name| name == "runs") =>
            {
                Some(object)
            }
            _ => None,
        }
    });
    let Some(object) = object else { return Vec::new() };
    let (before, after) = (&source[..object.span.start as usize], &source[object.span.end as usize..]);
    let choice = |property: &ObjectPropertyKind<'_>| {
        let ObjectPropertyKind::ObjectProperty(property) = property else { return None };
        let span = property.span();
        let text = &source[span.start as usize..span.end as usize];
        Some((property.key.static_name()?.into_owned(), format!("{before}{{ {text} }}{after}")))
    };
    object.properties.iter().filter_map(choice).collect()
}

/// Each manifest, and each choice of one.
fn corpus() -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for (file, policy, source) in manifests() {
        for (run, source) in choices(&source) {
            all.push((format!("{file} {policy}: {run}"), run, source));
        }
        all.push((format!("{file} {policy}"), String::new(), source));
    }
    all
}

#[test]
fn every_manifest_of_jspolicy_says_the_same_both_ways() {
    let mut pair = Pair::new();
    let mut proved = 0;
    for (_, run, source) in corpus() {
        if source.contains("for (;;) {}") || crate::bundle::inline_script("p.yaml", &source).is_err() {
            continue;
        }
        proved += usize::from(pair.run(&source, &config_map(&run), false).is_some());
    }
    assert!(proved > 100, "{proved}");
    assert!(pair.ended > proved, "most come to their end: {} of {proved}", pair.ended);
}

/// A change here is a change of what is proved: look at it, then take it over into the file.
#[test]
fn what_is_proved_of_the_manifests_is_as_listed() {
    let mut list = String::new();
    for (title, _, source) in corpus() {
        let Ok(linked) = crate::bundle::inline_script("p.yaml", &source) else { continue };
        let proved = match closed(&linked.script) {
            Ok(proof) => {
                let way = if proof.strict { "closed" } else { "closed, as it is" };
                format!("{way}{}", if proof.reads { ", reads" } else { "" })
            }
            Err(open) => open.to_string(),
        };
        writeln!(list, "{title} -> {proved}").unwrap();
    }
    let listed = include_str!("../../../tests/jspolicy/closed.txt");
    let changed: Vec<String> = list
        .lines()
        .filter(|line| !listed.lines().any(|other| other == *line))
        .map(|line| format!("+ {line}"))
        .chain(listed.lines().filter(|line| !list.lines().any(|other| other == *line)).map(|line| format!("- {line}")))
        .collect();
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}
