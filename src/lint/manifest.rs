//! Where the fields of the JsPolicy objects of a manifest are written.

use std::collections::HashMap;

use oxc::span::Span;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::anchors::Anchors;
use super::source::Source;

#[derive(Debug, Deserialize)]
struct Document {
    metadata: Option<Metadata>,
    spec: Option<Spec>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    name: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    resources: Option<Vec<Spanned<String>>>,
    operations: Option<Vec<Spanned<String>>>,
    api_groups: Option<Vec<Spanned<String>>>,
    api_versions: Option<Vec<Spanned<String>>>,
    scope: Option<Spanned<String>>,
}

/// The anchors of each policy of a manifest, by its name. Where the shape is another than a manifest's, there are none,
/// and all is told at the top of the file.
pub(super) fn anchors(source: &Source) -> HashMap<String, Anchors<'_>> {
    let documents: Vec<Document> = serde_saphyr::from_multiple(&source.file).unwrap_or_default();
    documents.into_iter().filter_map(|document| of_document(source, document)).collect()
}

fn of_document(source: &Source, document: Document) -> Option<(String, Anchors<'_>)> {
    let name = document.metadata?.name?;
    let own = span(source, &name);
    let mut anchors = Anchors::new(source, own);
    anchors.put("name", own);
    anchors.put("metadata.name", own);
    let spec = document.spec.unwrap_or_default();
    for (field, values) in [
        ("resources", spec.resources),
        ("operations", spec.operations),
        ("apiGroups", spec.api_groups),
        ("apiVersions", spec.api_versions),
    ] {
        for (index, value) in values.iter().flatten().enumerate() {
            for home in ["match", "spec"] {
                anchors.put(&format!("{home}.{field}[{index}]"), span(source, value));
            }
        }
    }
    if let Some(scope) = &spec.scope {
        anchors.put("match.scope", span(source, scope));
    }
    Some((name.value, anchors))
}

/// The bytes of a scalar: up to its closing quote, or as far as its text goes.
fn span(source: &Source, value: &Spanned<String>) -> Span {
    let (line, column) = (value.referenced.line(), value.referenced.column());
    let before = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    let start: usize = source.file.split_inclusive('\n').take(before).map(str::len).sum();
    let rest = source.file.get(start..).unwrap_or_default();
    let skipped = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
    let start = start + rest.chars().take(skipped).map(char::len_utf8).sum::<usize>();
    let there = source.file.get(start..).unwrap_or_default();
    let length = match there.chars().next() {
        Some(quote @ ('"' | '\'')) => there.get(1..).and_then(|inner| inner.find(quote)).map_or(1, |end| end + 2),
        _ if there.starts_with(&value.value) => value.value.len(),
        _ => 1,
    };
    let bytes = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span::new(bytes(start), bytes(start + length))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::super::rule::Rule;
    use super::*;

    #[test]
    fn fields_of_a_manifest_are_found_and_replaced_in_their_quotes() {
        let text = "apiVersion: v1\nkind: JsPolicy\nmetadata: {name: a.b.c}\nspec:\n  resources: [\"pod\", node]\n---\nkind: Other\n";
        let source = Source::module(Arc::new(PathBuf::from("p.yaml")), "p.yaml".to_owned(), text.into());
        let found = anchors(&source);
        let anchors = &found["a.b.c"];
        let place = |path: &str| anchors.finding(Rule::PolicyName, path, "x").place().unwrap().to_string();
        assert_eq!(place("name"), "p.yaml:3:18");
        assert_eq!(place("match.resources[0]"), "p.yaml:5:15");
        let edit = anchors.replace("match.resources[0]", "pod", "pods").unwrap();
        assert_eq!((edit.text.as_str(), &text[edit.start as usize..edit.end as usize]), ("\"pods\"", "\"pod\""));
        assert_eq!(anchors.replace("match.resources[1]", "node", "nodes").unwrap().text, "nodes");
    }
}
