//! What a module's default export declares (contract §3), as the engine's inspection reports it.

use std::time::Duration;

use serde_json::Value;

use super::about::{About, Severity};
use super::draft::{Draft, Handlers};
use super::error::PolicyError;
use super::fields::{Faults, Fields, clip};
use super::names::is_policy_name;
use super::parameters::check_schema;
use super::permissions::permissions;
use super::rules;
use super::spec::{Enforcement, HostMutations, Isolation, OnError, Vantage};

/// Reads one declaration. `subject` names it in the error until its own name is known.
pub(super) fn declaration(value: &Value, subject: &str) -> Result<Draft, PolicyError> {
    let faults = Faults::default();
    let fields = Fields::of(value, "", &faults);
    let draft = read(&fields);
    fields.refuse_unknown();
    let name = draft.name.as_deref().map(|name| format!("{subject}: policy {}", clip(name)));
    faults
        .into_result()
        .map_err(|errors| PolicyError::Invalid { subject: name.unwrap_or(subject.to_owned()), errors })?;
    Ok(draft)
}

fn read(fields: &Fields<'_, '_>) -> Draft {
    let mut draft = Draft {
        name: name(fields),
        about: About {
            title: fields.string("title").map(str::to_owned),
            description: fields.string("description").map(str::to_owned),
            category: fields.string("category").map(str::to_owned),
            severity: fields.choice("severity", &Severity::WORDS),
        },
        handlers: handlers(fields),
        permissions: permissions(fields),
        priority: priority(fields),
        enforcement: fields.choice("enforcement", &ENFORCEMENTS),
        on_error: on_error(fields),
        timeout: timeout(fields),
        isolation: isolation(fields),
        host_mutations: host_mutations(fields),
        ..Draft::default()
    };
    read_parameters(fields, &mut draft);
    if let Some(rules) = fields.object("match") {
        read_match(&rules, &mut draft);
        rules.refuse_unknown();
    }
    draft
}

pub(super) const ENFORCEMENTS: [(&str, Enforcement); 3] =
    [("Deny", Enforcement::Deny), ("Warn", Enforcement::Warn), ("Dry", Enforcement::Dry)];

fn name(fields: &Fields<'_, '_>) -> Option<String> {
    let name = fields.string("name")?;
    if !is_policy_name(name) {
        let form = "must be a DNS name of at least three parts, such as `no-privileged.pods.example.com`";
        fields.fault("name", format!("`{}` {form}", clip(name)));
    }
    Some(name.to_owned())
}

fn handlers(fields: &Fields<'_, '_>) -> Handlers {
    let mut handlers = Handlers::default();
    for word in fields.strings("handlers").unwrap_or_default() {
        match word.as_str() {
            "validate" => handlers.validates = true,
            "mutate" => handlers.mutates = true,
            "reconcile" => handlers.reconciles = true,
            other => fields.fault("handlers", format!("`{}` is not a handler", clip(other))),
        }
    }
    if handlers == Handlers::default() {
        fields.fault(
            "validate",
            "there is no handler; add `validate({ object, deny }) { … }`, or `mutate`, or `reconcile`",
        );
    }
    if handlers.reconciles && (handlers.validates || handlers.mutates) {
        fields.fault("reconcile", "stands alone; move the other handlers to a policy of its own");
    }
    handlers
}

pub(super) fn priority(fields: &Fields<'_, '_>) -> Option<i32> {
    let priority = fields.integer("priority", i64::from(i32::MIN)..=i64::from(i32::MAX))?;
    i32::try_from(priority).ok()
}

pub(super) fn on_error(fields: &Fields<'_, '_>) -> Option<OnError> {
    fields.choice("onError", &[("Deny", OnError::Deny), ("Allow", OnError::Allow)])
}

/// The API server's own bounds on a webhook's timeout.
pub(super) fn timeout(fields: &Fields<'_, '_>) -> Option<Duration> {
    let seconds = fields.integer("timeoutSeconds", 1..=30)?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

pub(super) fn isolation(fields: &Fields<'_, '_>) -> Option<Isolation> {
    let words = [
        ("Shared", Isolation::Shared),
        ("Fresh", Isolation::Fresh),
        ("Dedicated", Isolation::Dedicated),
        ("Process", Isolation::Process),
    ];
    fields.choice("isolation", &words)
}

pub(super) fn host_mutations(fields: &Fields<'_, '_>) -> Option<HostMutations> {
    fields.choice("hostMutations", &[("Refuse", HostMutations::Refuse), ("Allow", HostMutations::Allow)])
}

fn read_parameters(fields: &Fields<'_, '_>, draft: &mut Draft) {
    let Some(parameters) = fields.object("parameters") else { return };
    draft.schema = parameters.value("schema").cloned();
    if let Some(Err(fault)) = draft.schema.as_ref().map(|schema| check_schema(schema, "parameters.schema")) {
        fields.faults().add(fault.field, fault.message);
    }
    draft.parameters = parameters.value("default").cloned();
    if draft.parameters.as_ref().is_some_and(|default| !default.is_object()) {
        parameters.fault("default", "must be an object");
    }
    parameters.refuse_unknown();
}

fn read_match(fields: &Fields<'_, '_>, draft: &mut Draft) {
    draft.resources = rules::resources(fields);
    if draft.resources.as_ref().is_some_and(Vec::is_empty) {
        fields.fault("resources", "must name at least one resource, such as `pods`");
    }
    draft.operations = rules::operations(fields);
    draft.api_groups = rules::groups_or_versions(fields, "apiGroups");
    draft.api_versions = rules::groups_or_versions(fields, "apiVersions");
    draft.scope = rules::scope(fields);
    draft.namespace_selector = rules::selector(fields, "namespaceSelector");
    draft.object_selector = rules::selector(fields, "objectSelector");
    draft.match_policy = rules::match_policy(fields);
    draft.exclude_users = exclude_users(fields);
    draft.match_conditions = rules::conditions(fields);
    draft.workloads = fields.boolean("workloads");
    draft.vantage = vantage(fields);
    draft.tenants = rules::tenants(fields);
}

pub(super) fn vantage(fields: &Fields<'_, '_>) -> Option<Vantage> {
    fields.choice("vantage", &[("host", Vantage::Host), ("virtual", Vantage::Virtual), ("both", Vantage::Both)])
}

fn exclude_users(fields: &Fields<'_, '_>) -> Option<Vec<String>> {
    let users = fields.strings("excludeUsers")?;
    for (index, user) in users.iter().enumerate() {
        let name = user.strip_prefix("group:").unwrap_or(user);
        if name.is_empty() || name == "*" {
            let message = "must name a user or `group:NAME`; `*` alone would switch the policy off";
            fields.fault(&format!("excludeUsers[{index}]"), message);
        }
    }
    Some(users)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::spec::{Dialect, Permissions};
    use super::*;

    fn faults(value: &Value) -> String {
        declaration(value, "p.ts").unwrap_err().to_string()
    }

    #[test]
    fn everything_a_module_may_declare_is_read() {
        let declared = json!({
            "name": "allowed-registries.images.example.com", "title": "T", "description": "D", "category": "C",
            "severity": "high", "handlers": ["validate", "mutate"], "priority": -5, "enforcement": "Warn",
            "onError": "Allow", "timeoutSeconds": 3, "isolation": "Fresh", "hostMutations": "Allow",
            "match": {
                "resources": ["pods"], "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"],
                "scope": "Namespaced", "namespaceSelector": {"matchLabels": {"a": "b"}}, "objectSelector": {},
                "matchPolicy": "Exact", "matchConditions": [{"name": "a", "expression": "true"}],
                "vantage": "host", "excludeUsers": ["system:*", "group:admins"], "workloads": true,
            },
            "parameters": {"schema": {"properties": {"a": {"default": 1}}}, "default": {"b": 2}},
            "permissions": {"read": ["v1/ConfigMap"]},
        });
        let complete = declaration(&declared, "p.ts").unwrap().complete(Dialect::Module, None).unwrap();
        let spec = complete.spec;
        assert!(spec.validates && spec.mutates && spec.rules.workloads);
        assert_eq!((spec.priority, spec.enforcement, spec.on_error), (-5, Enforcement::Warn, OnError::Allow));
        assert_eq!((spec.timeout, spec.isolation), (Duration::from_secs(3), Isolation::Fresh));
        assert_eq!(spec.host_mutations, HostMutations::Allow);
        assert_eq!(spec.permissions, Permissions { read: vec!["v1/ConfigMap".to_owned()], ..Permissions::default() });
        assert_eq!(*spec.parameters, json!({"b": 2, "a": 1}));
        assert_eq!((spec.rules.vantage, spec.rules.exclude_users.len()), (Some(Vantage::Host), 2));
        assert_eq!((complete.about.title.as_deref(), complete.about.severity), (Some("T"), Some(Severity::High)));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let declared = json!({
            "name": "short", "handlers": [], "timeoutSeconds": 31, "isolaton": "Fresh", "enforcement": "deny",
            "match": {"resources": [], "operation": ["CREATE"], "excludeUsers": ["*"]},
            "parameters": {"schema": {"type": 1}},
        });
        let told = faults(&declared);
        for part in [
            "p.ts: policy short: ",
            "name: `short` must be a DNS name of at least three parts",
            "validate: there is no handler",
            "timeoutSeconds: must be from 1 to 30, not 31",
            "isolaton: is not a field; did you mean `isolation`?",
            "enforcement: `deny` must be one of Deny, Warn, Dry",
            "match.resources: must name at least one resource",
            "match.operation: is not a field; did you mean `operations`?",
            "match.excludeUsers[0]: must name a user",
            "parameters.schema: is not a JSON Schema",
        ] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
    }

    #[test]
    fn reconcile_stands_alone() {
        let declared =
            json!({"name": "a.b.c", "handlers": ["reconcile", "validate"], "match": {"resources": ["pods"]}});
        assert!(faults(&declared).contains("reconcile: stands alone"));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(
            faults(&json!("deny")),
            "p.ts: (the whole): must be an object, not a string; validate: there is no handler; add `validate({ object, deny }) { … }`, or `mutate`, or `reconcile`"
        );
    }
}
