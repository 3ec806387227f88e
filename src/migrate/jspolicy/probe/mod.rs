//! Reviews that bring out what a script does: made from what it compares, by itself.

mod facts;
mod paths;
mod regex;
mod skeleton;
mod vary;

use serde_json::{Value, json};

use facts::{Facts, Part, facts};
use paths::Root;
use skeleton::{Resource, is_cluster_scoped, merged, resources};
use vary::{full, spread, variants};

/// Names that the reviews use.
const NAMESPACE: &str = "team-a";
const NAME: &str = "subject";

/// Reviews of one policy; more find little that these do not.
const MOST: usize = 100;

/// How many worlds there are.
pub(super) const WORLDS: usize = 3;

/// What the rule of a policy says.
#[derive(Debug, Clone, Default)]
pub(super) struct Rule {
    pub resources: Vec<String>,
    pub operations: Vec<String>,
    pub groups: Vec<String>,
    pub versions: Vec<String>,
    pub scope: String,
}

/// What a policy is asked, and what it finds meanwhile.
#[derive(Debug, Clone, Default)]
pub(super) struct Probe {
    /// Whole admission reviews.
    pub reviews: Vec<Value>,
    /// Objects to read, in each world.
    pub inventories: Vec<Vec<Value>>,
    /// Bodies of answers, in each world.
    pub bodies: Vec<Value>,
}

/// Makes the probe of one script.
pub(super) fn probe(source: &str, is_typescript: bool, rule: &Rule) -> Probe {
    let facts = facts(source, is_typescript);
    let resources = resources(&rule.resources, &rule.groups, &rule.versions, &rule.scope);
    let mut reviews = Vec::new();
    let share = MOST / resources.len().max(1);
    for resource in &resources {
        reviews.extend(spread(of_resource(resource, rule, &facts), share.max(12)));
    }
    for (at, review) in reviews.iter_mut().enumerate() {
        let review = &mut *review;
        if let Some(uid) = review.pointer_mut("/request/uid") {
            *uid = json!(format!("00000000-0000-0000-0000-{at:012}"));
        }
    }
    let response = facts.parts.get(&Root::Response).cloned().unwrap_or_default();
    let bodies: Vec<Value> = variants(&response, "", 0).into_iter().flatten().collect();
    let bodies = [full(&response, ""), bodies.get(1).cloned().unwrap_or_default(), json!({})];
    Probe { reviews, inventories: (0..WORLDS).map(|world| inventory(&facts, world)).collect(), bodies: bodies.to_vec() }
}

fn of_resource(resource: &Resource, rule: &Rule, facts: &Facts) -> Vec<Value> {
    let part = |root: &Root| facts.parts.get(root).cloned().unwrap_or_default();
    let (looked_at, old_part, about) = (part(&Root::Object), part(&Root::OldObject), part(&Root::Request));
    let least = resource.object(NAME, NAMESPACE);
    let whole = if looked_at == Part::default() { least.clone() } else { merged(least.clone(), &full(&looked_at, "")) };
    let objects: Vec<Value> = std::iter::once(whole.clone())
        .chain(std::iter::once(least.clone()))
        .chain(
            variants(&looked_at, "", 0)
                .into_iter()
                .flatten()
                .map(|variant| without_absent(&least, &looked_at, &variant)),
        )
        .collect();
    let mut found = Vec::new();
    for operation in operations(rule) {
        let old = merged(least.clone(), &full_or_nothing(&old_part));
        let olds: Vec<Value> = std::iter::once(old.clone())
            .chain(
                variants(&old_part, "", 0)
                    .into_iter()
                    .flatten()
                    .map(|variant| without_absent(&least, &old_part, &variant)),
            )
            .collect();
        match operation {
            "DELETE" => found.extend(olds.iter().map(|old| review(resource, operation, &Value::Null, old))),
            "UPDATE" => {
                found.extend(objects.iter().map(|object| review(resource, operation, object, &old)));
                found.extend(olds.iter().skip(1).map(|old| review(resource, operation, &whole, old)));
                found.push(review(resource, operation, &whole, &whole));
            }
            _ => found.extend(objects.iter().map(|object| review(resource, operation, object, &Value::Null))),
        }
        let base = review(resource, operation, &whole, &Value::Null);
        for (field, part) in &about.fields {
            if matches!(field.as_str(), "options" | "operation" | "kind" | "resource") {
                continue;
            }
            for variant in variants(part, field, 0) {
                let is_required = matches!(field.as_str(), "uid" | "userInfo");
                let mut other = base.clone();
                let Some(request) = other.pointer_mut("/request").and_then(Value::as_object_mut) else { continue };
                match variant {
                    Some(value) if fits(field, &value) => drop(request.insert(field.clone(), value)),
                    None if !(is_required || field == "namespace" && resource.is_namespaced) => {
                        drop(request.remove(field));
                    }
                    _ => continue,
                }
                if operation != "DELETE" {
                    found.push(other);
                }
            }
        }
    }
    found.dedup();
    found
}

/// Whether the engine would take a field of the request with this value.
fn fits(field: &str, value: &Value) -> bool {
    match field {
        "name" | "namespace" => value.as_str().is_some_and(|text| {
            !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-.:_".contains(letter))
        }),
        "userInfo" => value.as_object().is_some_and(|user| {
            user.iter().all(|(key, value)| match key.as_str() {
                "groups" => value.as_array().is_some_and(|groups| groups.iter().all(Value::is_string)),
                "extra" => value.is_object() && value.as_object().is_some_and(serde_json::Map::is_empty),
                _ => value.is_string(),
            })
        }),
        "dryRun" => value.is_boolean(),
        "subResource" | "requestSubResource" => value.is_string(),
        _ => false,
    }
}

fn full_or_nothing(part: &Part) -> Value {
    if *part == Part::default() { json!({}) } else { full(part, "") }
}

/// A variant on the least object, without what the variant left out.
fn without_absent(least: &Value, part: &Part, variant: &Value) -> Value {
    let mut object = merged(least.clone(), variant);
    take_out(&mut object, part, variant);
    object
}

fn take_out(object: &mut Value, part: &Part, variant: &Value) {
    let (Some(object), Some(variant)) = (object.as_object_mut(), variant.as_object()) else { return };
    for (name, field) in &part.fields {
        // Without these an object is none.
        if matches!(name.as_str(), "metadata" | "kind" | "apiVersion" | "name") {
            if let (Some(inner), Some(given)) = (object.get_mut(name), variant.get(name)) {
                take_out(inner, field, given);
            }
            continue;
        }
        match variant.get(name) {
            None => drop(object.remove(name)),
            Some(given) => {
                if let Some(inner) = object.get_mut(name) {
                    take_out(inner, field, given);
                }
            }
        }
    }
}

fn operations(rule: &Rule) -> Vec<&str> {
    let all = ["CREATE", "UPDATE", "DELETE"];
    if rule.operations.is_empty() || rule.operations.iter().any(|operation| operation == "*") {
        return all.to_vec();
    }
    rule.operations.iter().map(String::as_str).collect()
}

/// What the API server would send.
fn review(resource: &Resource, operation: &str, object: &Value, old_object: &Value) -> Value {
    let kind = json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
    let plural = json!({"group": resource.group, "version": resource.version, "resource": resource.plural});
    let subject = if object.is_null() { old_object } else { object };
    let name =
        subject.pointer("/metadata/name").and_then(Value::as_str).filter(|name| !name.is_empty()).unwrap_or(NAME);
    let mut request = json!({
        "uid": "", "kind": kind, "resource": plural, "requestKind": kind, "requestResource": plural, "name": name,
        "operation": operation, "userInfo": {"username": "ann", "groups": ["system:authenticated"]},
        "object": object, "oldObject": old_object, "dryRun": false, "options": null,
    });
    let namespace = match (resource.is_namespaced, resource.kind.as_str()) {
        (true, _) => {
            let own =
                request.pointer("/object/metadata/namespace").and_then(Value::as_str).filter(|own| !own.is_empty());
            Some(own.unwrap_or(NAMESPACE).to_owned())
        }
        (false, "Namespace") => Some(name.to_owned()),
        _ => None,
    };
    if let Some(fields) = request.as_object_mut() {
        if let Some(namespace) = namespace {
            fields.insert("namespace".to_owned(), json!(namespace));
        }
        if !resource.subresource.is_empty() {
            fields.insert("subResource".to_owned(), json!(resource.subresource));
        }
    }
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
}

/// Objects of the kinds that are read. The last world has none.
fn inventory(facts: &Facts, world: usize) -> Vec<Value> {
    let mut objects = Vec::new();
    if world + 1 == WORLDS {
        return objects;
    }
    let is_name = |name: &&String| {
        !name.is_empty()
            && name
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter))
    };
    for (root, part) in &facts.parts {
        let Root::Read(version, kind) = root else { continue };
        let names: Vec<&str> = [NAMESPACE, NAME, "other", "text"]
            .into_iter()
            .chain(facts.names.iter().filter(is_name).map(String::as_str))
            .collect();
        let one = part.item.as_deref().unwrap_or(part);
        let mut bodies: Vec<Value> = vec![full(one, "")];
        bodies.extend(variants(one, "", 0).into_iter().flatten());
        for (at, name) in names.iter().take(12).enumerate() {
            let body = bodies.get((at + world * 3) % bodies.len()).filter(|body| body.is_object());
            let mut metadata = json!({"name": name, "labels": labels(facts, at + world)});
            if !is_cluster_scoped(kind)
                && let Some(metadata) = metadata.as_object_mut()
            {
                metadata.insert("namespace".to_owned(), json!(if at % 4 == 3 { "other" } else { NAMESPACE }));
            }
            let body = body.cloned().unwrap_or_else(|| json!({}));
            let object = merged(body, &json!({"apiVersion": version, "kind": kind, "metadata": metadata}));
            objects.push(object);
        }
    }
    objects
}

fn labels(facts: &Facts, at: usize) -> Value {
    let is_label = |text: &str| {
        !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./".contains(letter))
    };
    let pairs = facts.labels.iter().filter(|(key, value)| is_label(key) && is_label(value));
    // One in three has none of them.
    if at % 3 == 2 { json!({}) } else { Value::Object(pairs.map(|(key, value)| (key.clone(), json!(value))).collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reviews(source: &str) -> Vec<String> {
        let rule =
            Rule { resources: vec!["pods".to_owned()], operations: vec!["CREATE".to_owned()], ..Rule::default() };
        probe(source, false, &rule).reviews.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_a_script_compares_with_is_asked() {
        let found = reviews(
            "const { spec } = request.object;\n\
             if (spec.containers.some(({ image }) => image.startsWith('evil/'))) deny('x');\n\
             if (request.userInfo.username === 'bob') allow();\n\
             if (spec.replicas > 3 && 'team' in request.object.metadata.labels) deny('y');",
        );
        for part in
            ["\"evil/a\"", "\"bob\"", "\"replicas\":4", "\"replicas\":2", "\"team\":\"text\"", "\"containers\":[]"]
        {
            assert!(found.iter().any(|review| review.contains(part)), "{part} is in none of {found:#?}");
        }
    }

    #[test]
    fn a_table_of_functions_is_asked_by_each_of_its_names() {
        let found = reviews("const runs = { 'one': () => deny('1'), two() {} };\nruns[request.object.data.run]();");
        assert!(found.iter().any(|review| review.contains("\"run\":\"one\"")), "{found:#?}");
        assert!(found.iter().any(|review| review.contains("\"run\":\"two\"")));
    }
}
