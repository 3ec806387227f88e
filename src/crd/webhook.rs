//! The webhook through which an API server asks `POST /crds`.

use serde_json::{Value, json};

use super::GROUPS;

/// It belongs into a `ValidatingWebhookConfiguration` of its own, apart from those of the policies. `client` is its
/// `clientConfig`, path included.
#[must_use]
pub fn webhook(client: &Value) -> Value {
    json!({
        "name": "crds.bylaw.dev",
        "clientConfig": client,
        // Neither deletions nor the status: there is nothing to say against them.
        "rules": [{
            "apiGroups": GROUPS, "apiVersions": ["*"], "resources": ["*"], "operations": ["CREATE", "UPDATE"], "scope": "*",
        }],
        // What gets past while nobody answers is told of in the status of the object, and takes no enforcement away. Refusing it
        // would lock whoever has to mend a policy out.
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        // Said, so that it is mended where somebody narrows it.
        "namespaceSelector": {},
        "sideEffects": "None",
        "timeoutSeconds": 10,
        "admissionReviewVersions": ["v1", "v1beta1"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_objects_themselves_is_asked_about() {
        let rule = &webhook(&json!({}))["rules"][0];
        let resources = rule["resources"].as_array().unwrap();
        assert!(resources.iter().all(|name| !name.as_str().unwrap().contains('/')), "{rule}");
        assert_eq!(rule["operations"], json!(["CREATE", "UPDATE"]));
    }
}
