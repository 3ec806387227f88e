//! The Kubernetes objects of a document: itself, or the items of a list.

use serde_json::Value;

use crate::cluster::documents::{self, Document};

use super::chunks::Chunk;
use super::error::Unreadable;
use super::places::{FieldPath, Wanted, lines};

/// Files of kustomize that lie beside manifests; no API server ever sees them.
const OF_KUSTOMIZE: &str = "kustomize.config.k8s.io/";

/// Lists inside lists: more are no manifest.
const NESTED: usize = 4;

/// One object and where it is.
#[derive(Debug)]
pub struct Object {
    pub value: Value,
    /// Of the file.
    pub line: u64,
    /// The line of its document in the chunk, and where in it the object is: for [`lines`].
    pub document: u64,
    pub path: FieldPath,
}

/// What a chunk holds.
#[derive(Debug, Default)]
pub struct Contents {
    pub objects: Vec<Object>,
    pub unreadable: Vec<Unreadable>,
}

/// Reads the objects of a chunk.
#[must_use]
pub fn contents(chunk: &Chunk) -> Contents {
    let mut contents = Contents::default();
    match parse(chunk) {
        Ok(documents) => documents.into_iter().for_each(|document| contents.take(chunk, document)),
        Err(unreadable) => contents.unreadable.push(unreadable),
    }
    contents
}

fn parse(chunk: &Chunk) -> Result<Vec<Document>, Unreadable> {
    let text = &chunk.text;
    // The rest of the line stays, and with it the count of the lines.
    let after_separator = text.strip_prefix("---").unwrap_or(text);
    let json = after_separator.trim_start().starts_with(['{', '[']).then(|| documents::from_json(after_separator));
    let read = match json {
        Some(Ok(documents)) => return Ok(documents),
        Some(Err(error)) if has_extension(&chunk.file, "json") => Err(error),
        _ => documents::from_yaml(text),
    };
    read.map_err(|error| {
        let line = chunk.line + error.line.max(1) - 1;
        let mut cause = error.cause;
        if text.contains("{{") {
            cause.push_str(": this looks like a template, scan what `helm template` makes of it");
        }
        Unreadable { file: chunk.file.to_string(), line, column: error.column, cause }
    })
}

fn has_extension(file: &str, extension: &str) -> bool {
    std::path::Path::new(file).extension().is_some_and(|found| found == extension)
}

impl Contents {
    fn take(&mut self, chunk: &Chunk, document: Document) {
        let object = Object {
            line: chunk.line + document.line.max(1) - 1,
            document: document.line,
            value: document.value,
            path: FieldPath::default(),
        };
        self.add(chunk, object, 0);
    }

    fn add(&mut self, chunk: &Chunk, mut object: Object, depth: usize) {
        let text = |field: &str| object.value.get(field).and_then(Value::as_str);
        let fault = match (text("apiVersion"), text("kind")) {
            _ if !object.value.is_object() => "not an object: a manifest has apiVersion, kind and metadata",
            (None, _) => "the manifest has no apiVersion",
            (_, None) => "the manifest has no kind",
            (Some(version), _) if version.starts_with(OF_KUSTOMIZE) => return,
            _ if depth == NESTED => "a list in a list in a list",
            (_, Some(kind)) => {
                let is_list = kind.ends_with("List") && object.value.get("items").is_some_and(Value::is_array);
                if is_list {
                    self.add_items(chunk, &mut object, depth);
                } else {
                    self.objects.push(object);
                }
                return;
            }
        };
        self.fault(chunk, &object, fault);
    }

    fn add_items(&mut self, chunk: &Chunk, list: &mut Object, depth: usize) {
        let items = list.value.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        let field = |name: &str| list.value.get(name).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (field("apiVersion"), field("kind").trim_end_matches("List"));
        let paths: Vec<FieldPath> = (0..items.len()).map(|at| list.path.key("items").index(at)).collect();
        // The items of a list in a list are where that is: one walk is enough.
        let wanted = |path: &FieldPath| Wanted { document: list.document, path: path.clone() };
        let wanted: Vec<Wanted> = paths.iter().filter(|_| depth == 0).map(wanted).collect();
        let found = lines(&chunk.text, &wanted).into_iter().chain(std::iter::repeat(None));
        for ((mut value, path), line) in items.into_iter().zip(paths).zip(found) {
            if let Some(fields) = value.as_object_mut().filter(|_| !kind.is_empty()) {
                // The items of a typed list leave out what they are.
                fields.entry("apiVersion").or_insert_with(|| version.into());
                fields.entry("kind").or_insert_with(|| kind.into());
            }
            let line = line.map_or(list.line, |line| chunk.line + line - 1);
            self.add(chunk, Object { value, line, document: list.document, path }, depth + 1);
        }
    }

    fn fault(&mut self, chunk: &Chunk, object: &Object, cause: &str) {
        let (file, cause) = (chunk.file.to_string(), cause.to_owned());
        self.unreadable.push(Unreadable { file, line: object.line, column: 0, cause });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, line: u64, text: &str) -> Contents {
        contents(&Chunk { file: file.into(), line, text: text.into() })
    }

    fn kinds(contents: &Contents) -> Vec<(u64, &str)> {
        contents.objects.iter().map(|object| (object.line, object.value["kind"].as_str().unwrap())).collect()
    }

    fn faults(contents: &Contents) -> Vec<String> {
        contents.unreadable.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_document_is_an_object_on_its_line() {
        let contents = read("a.yaml", 10, "---\n# comment\napiVersion: v1\nkind: Pod\n");
        assert_eq!(kinds(&contents), [(12, "Pod")]);
        let json =
            read("a.json", 3, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}\n\n{\"apiVersion\":\"v1\",\"kind\":\"Node\"}");
        assert_eq!(kinds(&json), [(3, "Pod"), (5, "Node")]);
        let separated = read("a.yaml", 3, "---\n{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}\n");
        assert_eq!(kinds(&separated), [(4, "Pod")]);
        let flow = read("a.yaml", 3, "--- {apiVersion: v1, kind: Pod}\n");
        assert_eq!(kinds(&flow), [(3, "Pod")]);
    }

    #[test]
    fn items_of_lists_are_objects_on_their_own_lines() {
        let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n- kind: ServiceList\n  apiVersion: v1\n  \
                    items:\n  - {}\n";
        assert_eq!(kinds(&read("a.yaml", 1, list)), [(4, "Pod"), (6, "Service")]);
        let json = "{\"apiVersion\": \"v1\",\n\"kind\": \"PodList\", \"items\": [\n{\"metadata\": {}},\n{}]}";
        assert_eq!(kinds(&read("a.json", 1, json)), [(3, "Pod"), (4, "Pod")]);
        assert_eq!(kinds(&read("a.yaml", 1, "apiVersion: v1\nkind: PodList\nitems: []\n")), []);
    }

    #[test]
    fn what_is_no_object_is_named_with_its_place() {
        assert!(faults(&read("a.yaml", 7, "- a\n- b\n"))[0].starts_with("a.yaml:7: not an object"));
        assert_eq!(faults(&read("a.yaml", 1, "kind: Pod\n")), ["a.yaml:1: the manifest has no apiVersion"]);
        assert_eq!(faults(&read("a.yaml", 1, "\n\napiVersion: v1\n")), ["a.yaml:3: the manifest has no kind"]);
        let items = "apiVersion: v1\nkind: List\nitems:\n- text\n- {apiVersion: v1, kind: Pod}\n";
        let mixed = read("a.yaml", 1, items);
        assert_eq!((kinds(&mixed), faults(&mixed).len()), (vec![(5, "Pod")], 1));
        let deep =
            (0..6).fold("{}".to_owned(), |inner, _| format!("{{apiVersion: v1, kind: XList, items: [{inner}]}}"));
        assert!(faults(&read("a.yaml", 1, &deep))[0].contains("list in a list"));
    }

    #[test]
    fn what_cannot_be_parsed_says_where_and_what_to_do() {
        let bad = faults(&read("a.yaml", 11, "---\na: 1\na: 2\n"));
        assert!(bad[0].starts_with("a.yaml:13:"), "{bad:?}");
        let json = faults(&read("a.json", 5, "{\n\"a\" 1}"));
        assert!(json[0].starts_with("a.json:6:"), "{json:?}");
        let template = faults(&read("a.yaml", 1, "{{- if .Values.on }}\nkind: Pod\n{{- end }}\n"));
        assert!(template[0].contains("helm template"), "{template:?}");
    }

    #[test]
    fn what_is_for_kustomize_alone_is_left_out() {
        let contents = read("a.yaml", 1, "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n");
        assert!(contents.objects.is_empty() && contents.unreadable.is_empty());
    }
}
