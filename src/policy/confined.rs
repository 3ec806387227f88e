//! A tenant's own policies (`TenantPolicy`). Whatever one says, it may only refuse, and only what is asked for in the
//! namespace that it is in: everything that reaches further is refused when it is loaded, by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::catalog::WebhookFailure;
use super::draft::Complete;
use super::error::FieldError;
use super::fields::clip;
use super::jspolicy::JsPolicy;
use super::names::is_policy_name;
use super::oversight::OversightDraft;
use super::permissions::reads_secrets;
use super::spec::{Isolation, LabelSelector, MatchPolicy, Permissions, Scope, Vantage};
use crate::matching::NAME_LABEL;

pub const API_VERSION: &str = "bylaw.dev/v1alpha1";
pub const KIND: &str = "TenantPolicy";

/// What the names of tenants' policies end in, and no other's.
pub(super) const SUFFIX: &str = ".tenants.bylaw.dev";

/// Policies of one namespace that are in force; those beyond are not, in the order of their names.
pub(super) const MOST: usize = 20;

/// Bytes of one policy's source.
const LONGEST_SOURCE: usize = 128 << 10;

/// Longest wall time of one run.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Who administers the cluster, and who runs what was let in: a tenant must not be able to lock them out.
const EXEMPT: [&str; 2] = ["group:system:masters", "group:system:nodes"];

/// Fields of a JsPolicy that are not for tenants, and why.
const REFUSED: [(&str, &str); 9] = [
    ("type", "may only be Validating"),
    ("package", "is fetched with the platform's credentials; write the code into spec.typescript"),
    ("dependencies", "are fetched with the platform's credentials; write the code into spec.typescript"),
    ("bundleRef", "refers to what others have bundled; write the code into spec.typescript"),
    ("parametersFrom", "reads as the platform does; write them into spec.parameters"),
    ("enforcement", "is for the platform's policies"),
    ("isolation", "is a process of the tenant's own, always"),
    ("background", "is for the platform's policies"),
    ("namespaceSelector", "is the namespace of the policy, always"),
];

/// Groups whose objects are the platform's.
const PLATFORM_GROUPS: [&str; 6] = [
    "policy.jspolicy.com",
    "bylaw.dev",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "wgpolicyk8s.io",
    "openreports.io",
];

/// The same by plural: a rule without groups is for all of them.
const PLATFORM_RESOURCES: [&str; 8] = [
    "namespaces",
    "policyexceptions",
    "policyreports",
    "reports",
    "resourcequotas",
    "rolebindings",
    "tenantpolicies",
    "virtualclusters",
];

/// The name that it is known by among all policies.
#[must_use]
pub fn full_name(namespace: &str, name: &str) -> String {
    format!("{name}.{namespace}{SUFFIX}")
}

/// A `TenantPolicy` object, read as the JsPolicy that it would be.
pub(super) fn tenant_policy(
    object: &Value,
    read: impl FnOnce(&Value) -> Result<JsPolicy, Vec<FieldError>>,
) -> Result<JsPolicy, Vec<FieldError>> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let fault = |field: &str, message: &str| FieldError { field: field.to_owned(), message: message.to_owned() };
    let mut faults = Vec::new();
    if namespace.is_empty() || namespace.contains('.') {
        faults.push(fault("metadata.namespace", "is missing; a tenant's policy holds in its own namespace alone"));
    }
    let full = full_name(namespace, name);
    if faults.is_empty() && !is_policy_name(&full) {
        faults.push(fault(
            "metadata.name",
            "must be a DNS name in lower case, short enough to stand before its namespace",
        ));
    }
    let spec = object.get("spec").and_then(Value::as_object);
    for (field, why) in REFUSED {
        let is_harmless = field == "type" && matches!(text("/spec/type"), "" | "Validating");
        if !is_harmless && spec.is_some_and(|spec| spec.contains_key(field)) {
            faults.push(fault(&format!("spec.{field}"), why));
        }
    }
    let code = [text("/spec/typescript"), text("/spec/javascript")];
    if code.iter().all(|code| code.trim().is_empty()) {
        faults.push(fault("spec.typescript", "is missing; it is the policy"));
    }
    if code.iter().any(|code| code.len() > LONGEST_SOURCE) {
        faults.push(fault("spec.typescript", "is longer than 128 KiB"));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut renamed = object.clone();
    if let Some(metadata) = renamed.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("name".to_owned(), full.into());
        // They are for those who oversee policies.
        metadata.remove("annotations");
    }
    let mut policy = read(&renamed)?;
    policy.draft.home = Some(namespace.into());
    Ok(policy)
}

/// Keeps a policy to its namespace, whatever its object and its code ask for together.
pub(super) fn confine(complete: &mut Complete, home: &Arc<str>) -> Result<(), Vec<FieldError>> {
    let faults = faults(complete);
    if !faults.is_empty() {
        return Err(faults);
    }
    let spec = &mut complete.spec;
    let match_labels = BTreeMap::from([(NAME_LABEL.to_owned(), home.to_string())]);
    let rules = &mut spec.rules;
    rules.namespace_selector = LabelSelector { match_labels, ..LabelSelector::default() };
    rules.scope = Scope::Namespaced;
    rules.vantage = Some(Vantage::Host);
    rules.tenants = None;
    rules.match_policy = MatchPolicy::Equivalent;
    rules.exclude_users.extend(EXEMPT.map(str::to_owned));
    spec.timeout = spec.timeout.min(TIMEOUT);
    spec.priority = 0;
    spec.isolation = Isolation::Process;
    spec.tenant = Some(Arc::clone(home));
    spec.permissions.within = Some(Arc::clone(home));
    // It must not hold up anybody while Bylaw is away, and what it denies is not the platform's to keep.
    complete.webhook_failure = WebhookFailure::Ignore;
    complete.is_reinvoked = false;
    complete.oversight = OversightDraft { is_unlogged: true, ..OversightDraft::default() };
    Ok(())
}

fn faults(complete: &Complete) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut fault = |field: &str, message: String| faults.push(FieldError { field: field.to_owned(), message });
    let spec = &complete.spec;
    if spec.mutates || spec.reconciles || !spec.validates {
        fault("handlers", "may have a `validate` handler only: a tenant's policy can refuse, and nothing else".into());
    }
    let Permissions { read, write, net, env, files, quota, codegen, service_account, within: _ } = &spec.permissions;
    for (name, list) in [("write", write), ("net", net), ("env", env), ("files", files), ("quota", quota)] {
        if !list.is_empty() {
            fault(
                &format!("permissions.{name}"),
                "is not for tenants; leave it out, or ask the platform for the policy".into(),
            );
        }
    }
    if *codegen {
        fault("permissions.codegen", "is not for tenants; leave it out".into());
    }
    if service_account.is_some() {
        fault("permissions.serviceAccount", "is not for tenants; leave it out".into());
    }
    for entry in read.iter().filter(|entry| reads_secrets(entry)) {
        fault(
            "permissions.read",
            format!("`{}` covers Secrets, which tenants' policies never read; name other kinds", clip(entry)),
        );
    }
    for resource in &spec.rules.resources {
        let plural = resource.split('/').next().unwrap_or_default();
        if plural == "*" {
            fault("match.resources", format!("`{}` is too wide for a tenant; name each resource", clip(resource)));
        } else if PLATFORM_RESOURCES.contains(&plural) {
            fault("match.resources", format!("`{}` is the platform's", clip(resource)));
        }
    }
    let is_platforms = |group: &&String| *group == "*" || PLATFORM_GROUPS.contains(&group.as_str());
    for group in spec.rules.api_groups.iter().filter(is_platforms) {
        fault("match.apiGroups", format!("`{}` is the platform's, or too wide; name each group", clip(group)));
    }
    faults
}

#[cfg(test)]
#[path = "confined_tests.rs"]
mod tests;
