//! Inventories as users have them: dumps of kubectl, folders of manifests, and mistakes.

use serde_json::{Value, json};

use super::*;
use crate::testing::folder;

fn get(inventory: &Inventory, kind: &str, namespace: &str, name: &str) -> Option<Value> {
    let text = inventory.of(&Kind::parse(kind).unwrap())?.get(namespace, name)?;
    serde_json::from_str(&text).ok()
}

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: ns}\ndata: {k: v}\n";

#[test]
fn reads_folders_many_documents_and_both_formats() {
    let folder = folder(&[
        ("one.yaml", &format!("{CONFIG}---\napiVersion: v1\nkind: Node\nmetadata: {{name: n1}}\n")),
        (
            "deep/er/two.json",
            r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","namespace":"ns"}}"#,
        ),
        ("notes.txt", "not a manifest"),
        (".hidden.yaml", "not: [a manifest"),
    ]);
    let inventory = Inventory::load(&[folder.path()]).unwrap();
    assert_eq!(inventory.len(), 3);
    assert_eq!(get(&inventory, "v1/ConfigMap", "ns", "a").unwrap()["data"], json!({"k": "v"}));
    assert!(get(&inventory, "v1/Node", "", "n1").is_some());
    assert!(get(&inventory, "apps/v1/Deployment", "ns", "d").is_some());
}

#[test]
fn opens_lists_as_kubectl_and_the_api_server_make_them() {
    let inventory = Inventory::from_objects([
        json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns"}}]}),
        json!({"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "p", "namespace": "ns"}}]}),
    ])
    .unwrap();
    assert!(get(&inventory, "v1/Secret", "ns", "s").is_some());
    assert_eq!(get(&inventory, "v1/Pod", "ns", "p").unwrap()["kind"], "Pod");
}

#[test]
fn knows_the_labels_of_namespaces_as_the_api_server_does() {
    let inventory = Inventory::from_objects([
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"team": "x"}}}),
    ])
    .unwrap();
    let labels = inventory.namespace_labels("a").unwrap();
    assert_eq!(labels.get("team").map(String::as_str), Some("x"));
    assert_eq!(labels.get("kubernetes.io/metadata.name").map(String::as_str), Some("a"));
    assert_eq!(inventory.namespace_labels("b"), None);
}

#[test]
fn puts_built_in_objects_without_a_namespace_into_default() {
    let inventory = Inventory::from_objects([
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}}),
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}),
    ])
    .unwrap();
    assert_eq!(get(&inventory, "v1/Pod", "default", "p").unwrap()["metadata"]["namespace"], "default");
    assert_eq!(get(&inventory, "v1/Pod", "other", "p"), None);
    assert!(get(&inventory, "storage.k8s.io/v1/StorageClass", "", "fast").is_some());
    assert!(get(&inventory, "example.com/v1/Widget", "any", "w").is_some());
}

#[test]
fn names_file_line_and_mistake() {
    for (text, line, word) in [
        (format!("{CONFIG}---\nkind: ConfigMap\nmetadata: {{name: b}}\n"), 6, "apiVersion is missing"),
        (format!("{CONFIG}---\napiVersion: v1\nmetadata: {{name: b}}\n"), 6, "kind is missing"),
        (format!("{CONFIG}---\n- a\n"), 6, "not an object"),
        (format!("{CONFIG}---\napiVersion: v1\nkind: Pod\nmetadata: {{}}\n"), 6, "metadata.name is missing"),
        ("a: [1,\nb: {".to_owned(), 2, ""),
    ] {
        let folder = folder(&[("bad.yaml", &text)]);
        let error = Inventory::load(&[folder.path()]).unwrap_err();
        let ClusterError::InventoryObject { path, line: at, cause, .. } = &error else { panic!("{error:?}") };
        assert!(path.ends_with("bad.yaml"));
        assert!((line..=line + 1).contains(at), "{error}");
        assert!(cause.contains(word), "{error}");
    }
}

#[test]
fn a_missing_path_is_named() {
    let error = Inventory::load(&["/no/such/inventory"]).unwrap_err();
    assert!(error.to_string().starts_with("cannot read inventory /no/such/inventory: "), "{error}");
}
