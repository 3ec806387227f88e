//! jsPolicy's own webhook configurations, one for each policy, are taken away once ours stand: no sooner, or nobody would
//! ask for the policy meanwhile.

use std::sync::Arc;

use serde_json::Value;

use super::observed::Configurations;
use super::render::{MANAGED_BY, Phase};
use crate::engine::Registered;
use crate::policy::live::Live;

/// A configuration that nobody needs any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Obsolete {
    pub phase: Phase,
    pub name: String,
    pub uid: String,
    /// The policy that it was for.
    pub about: Arc<str>,
}

/// Those of jsPolicy for policies that our configurations are known to ask for.
pub(super) fn obsolete(observed: &Configurations, registered: &Registered, live: &Live) -> Vec<Obsolete> {
    let of = |((phase, name), object): (&(Phase, String), &Arc<Value>)| {
        let owner = policy_of(object)?;
        let (policy, _) = registered.get_key_value(owner.name)?;
        let is_of_this = live.policy(policy).is_some_and(|object| object.uid == owner.uid);
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str)?.to_owned();
        (is_of_this && !is_ours(object) && asks_for(object, owner.name)).then(|| Obsolete {
            phase: *phase,
            name: name.clone(),
            uid,
            about: Arc::clone(policy),
        })
    };
    observed.iter().filter_map(of).collect()
}

/// The one of jsPolicy that checks its own kinds: jsPolicy's chart makes it empty, and its leader fills it.
pub(super) fn obsolete_checks(observed: &Configurations) -> Option<Obsolete> {
    let (name, webhook) = STATIC;
    let object = observed.get(&(Phase::Validate, name.to_owned()))?;
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str)?.to_owned();
    let is_its = |one: &Value| one.get("name").and_then(Value::as_str) == Some(webhook) && calls(one, "/crds");
    let webhooks = object.get("webhooks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_theirs = !is_ours(object) && !webhooks.is_empty() && webhooks.iter().all(is_its);
    is_theirs.then(|| Obsolete { phase: Phase::Validate, name: name.to_owned(), uid, about: "its own kinds".into() })
}

/// The name of that one, and of the webhook in it.
const STATIC: (&str, &str) = ("jspolicy", "jspolicy.jspolicy.com");

struct Owner<'o> {
    name: &'o str,
    uid: &'o str,
}

fn policy_of(object: &Value) -> Option<Owner<'_>> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let text = |owner: &'_ Value, field: &str| owner.get(field).and_then(Value::as_str).map(str::to_owned);
    let is_policy = |owner: &&Value| {
        text(owner, "kind").as_deref() == Some("JsPolicy")
            && text(owner, "apiVersion").is_some_and(|version| version.starts_with("policy.jspolicy.com/"))
    };
    let owner = owners.iter().find(is_policy)?;
    Some(Owner { name: owner.get("name")?.as_str()?, uid: owner.get("uid")?.as_str()? })
}

fn is_ours(object: &Value) -> bool {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    labels.and_then(|labels| labels.get(MANAGED_BY.0)).and_then(Value::as_str) == Some(MANAGED_BY.1)
}

/// Whether it does nothing but call that policy by its name, as jsPolicy's do.
fn asks_for(object: &Value, policy: &str) -> bool {
    let webhooks = object.get("webhooks").and_then(Value::as_array);
    let path = format!("/policy/{policy}");
    webhooks.is_some_and(|webhooks| webhooks.iter().all(|webhook| calls(webhook, &path)))
}

fn calls(webhook: &Value, path: &str) -> bool {
    let at = |pointer: &str| webhook.pointer(pointer).and_then(Value::as_str);
    at("/clientConfig/service/path").or_else(|| at("/clientConfig/url")).is_some_and(|at| at.ends_with(path))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::live::PolicyObject;

    fn theirs(policy: &str, uid: &str, path: &str) -> Value {
        json!({
            "metadata": { "name": format!("{policy}-abcde"), "uid": "u", "ownerReferences": [
                { "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "name": policy, "uid": uid },
            ] },
            "webhooks": [{ "name": policy, "clientConfig": { "service": { "path": path } } }],
        })
    }

    #[test]
    fn only_those_of_the_very_policies_that_ours_ask_for_are_taken_away() {
        let live = Live::default();
        for name in ["a.b.c", "d.e.f"] {
            let object = json!({"metadata": {"name": name, "uid": format!("uid of {name}")}, "spec": {}});
            live.put(PolicyObject::of(&object, "").unwrap()).unwrap();
        }
        let registered: Registered = [("a.b.c".into(), "fail-equivalent".to_owned())].into();
        let found = |object: Value| {
            let observed = [((Phase::Validate, "x".to_owned()), Arc::new(object))].into();
            obsolete(&observed, &registered, &live).len()
        };
        assert_eq!(found(theirs("a.b.c", "uid of a.b.c", "/policy/a.b.c")), 1);
        assert_eq!(found(theirs("a.b.c", "of one before", "/policy/a.b.c")), 0);
        assert_eq!(found(theirs("d.e.f", "uid of d.e.f", "/policy/d.e.f")), 0, "ours does not ask for it yet");
        assert_eq!(found(theirs("a.b.c", "uid of a.b.c", "/other")), 0, "it is not jsPolicy's");
        let mut ours = theirs("a.b.c", "uid of a.b.c", "/policy/a.b.c");
        ours["metadata"]["labels"] = json!({ MANAGED_BY.0: MANAGED_BY.1 });
        assert_eq!(found(ours), 0);
    }

    #[test]
    fn the_one_that_checks_jspolicys_kinds_is_known_by_what_it_calls() {
        let found = |name: &str, webhooks: Value, labels: Value| {
            let object = json!({"metadata": {"name": name, "uid": "u", "labels": labels}, "webhooks": webhooks});
            let observed = [((Phase::Validate, name.to_owned()), Arc::new(object))].into();
            obsolete_checks(&observed).is_some()
        };
        let checks = |path: &str| json!([{ "name": STATIC.1, "clientConfig": { "service": { "path": path } } }]);
        assert!(found("jspolicy", checks("/crds"), json!({})));
        assert!(!found("other", checks("/crds"), json!({})));
        assert!(!found("jspolicy", checks("/other"), json!({})), "it is somebody else's");
        assert!(!found("jspolicy", json!([]), json!({})), "it asks nobody: the chart's own to remove");
        assert!(!found("jspolicy", checks("/crds"), json!({ MANAGED_BY.0: MANAGED_BY.1 })));
    }
}
