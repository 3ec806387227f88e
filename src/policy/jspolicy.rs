//! The fields of a `JsPolicy` object: jsPolicy's own with their defaults and the checks of its `/crds` webhook, and the
//! optional ones of contract §6.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bundle::npm::{Integrity, Request};

use super::about::{About, Severity};
use super::catalog::WebhookFailure;
use super::declaration::{host_mutations, isolation, on_error, priority, timeout, vantage};
use super::draft::{Draft, Handlers};
use super::error::FieldError;
use super::fields::{Faults, Fields, clip};
use super::live::ConfigMapRef;
use super::names::is_policy_name;
use super::oversight::{self, OversightDraft};
use super::permissions::permissions;
use super::rules;
use super::spec::{Enforcement, Scope};

/// `spec.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PolicyType {
    #[default]
    Validating,
    Mutating,
    Controller,
}

/// Where the code of a JsPolicy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CodeSource {
    JavaScript(String),
    TypeScript(String),
    /// In an npm package.
    Package(PackageRef),
    /// In the `JsPolicyBundle` of the same name.
    Bundle,
    /// In a `JsPolicyBundle` with this content, in lower-case hex.
    BundleRef(String),
}

/// `spec.package`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PackageRef {
    pub from: PackageFrom,
    pub integrity: Option<String>,
    /// The name of one policy of it; may be left out where it holds one.
    pub policy: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PackageFrom {
    Registry {
        name: String,
        version: String,
    },
    /// A tarball beside the manifest.
    File(String),
}

/// A JsPolicy object, checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JsPolicy {
    pub draft: Draft,
    pub kind: PolicyType,
    pub code: CodeSource,
    /// npm packages that inline source imports, and ranges of their versions.
    pub dependencies: BTreeMap<String, String>,
}

/// Fields of the contract that belong to parts of Bylaw that do not read manifests.
const NOT_YET: [(&str, &str); 2] = [
    ("parametersFrom", "parameters from a ConfigMap need a cluster; write them into spec.parameters"),
    ("limits", "the server's own limits apply"),
];

/// Those of them that mean something where there is a cluster.
const FOR_CLUSTERS: [&str; 1] = ["parametersFrom"];

/// A field that names code in a cluster.
const BUNDLE_REF: &str = "bundleRef";

/// Whether there is a cluster around an object, or files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Around {
    Files,
    Cluster,
}

/// One in a file.
pub(super) fn js_policy(object: &Value) -> Result<JsPolicy, Vec<FieldError>> {
    read(object, Around::Files)
}

/// One that an API server keeps: it may refer to other objects, and to no files.
pub(super) fn js_policy_of_cluster(object: &Value) -> Result<JsPolicy, Vec<FieldError>> {
    read(object, Around::Cluster)
}

fn read(object: &Value, around: Around) -> Result<JsPolicy, Vec<FieldError>> {
    let faults = Faults::default();
    let fields = Fields::of(object, "", &faults);
    let metadata = fields.object("metadata");
    let mut draft = Draft { name: metadata.as_ref().and_then(name), ..Draft::default() };
    if draft.name.is_none() {
        fields.fault("metadata.name", "is missing; add one, such as `no-privileged.pods.example.com`");
    }
    let mut refuses_exceptions = false;
    if let Some(annotations) = metadata.and_then(|metadata| metadata.object("annotations")) {
        draft.about = about(&annotations);
        refuses_exceptions = oversight::refuses_exceptions(&annotations);
    }
    let empty = Value::Object(serde_json::Map::new());
    let spec = Fields::of(fields.value("spec").unwrap_or(&empty), "spec", &faults);
    let kind = kind(&spec);
    let code = code(&spec, around);
    let dependencies = dependencies(&spec);
    let is_module = matches!(code, CodeSource::TypeScript(_) | CodeSource::Package(_) | CodeSource::BundleRef(_));
    read_rules(&spec, kind, is_module, &mut draft);
    read_behaviour(&spec, &mut draft);
    let config_map = fields.value("spec").and_then(|spec| ConfigMapRef::of(spec, ""));
    draft.oversight = Some(OversightDraft { refuses_exceptions, config_map, ..oversight::oversight(&spec) });
    draft.handlers = match kind {
        PolicyType::Validating => Handlers { validates: true, ..Handlers::default() },
        PolicyType::Mutating => Handlers { mutates: true, ..Handlers::default() },
        PolicyType::Controller => Handlers { reconciles: true, ..Handlers::default() },
    };
    read_noted(&spec, &mut draft, around);
    faults.into_result()?;
    Ok(JsPolicy { draft, kind, code, dependencies })
}

fn name(metadata: &Fields<'_, '_>) -> Option<String> {
    let name = metadata.string("name")?;
    if !is_policy_name(name) {
        let form = "must be a DNS name of at least three parts in lower case, such as `no-privileged.pods.example.com`";
        metadata.fault("name", format!("`{}` {form}", clip(name)));
    }
    Some(name.to_owned())
}

/// jsPolicy's annotations for policy reports; what is no severity counts as high, as there.
fn about(annotations: &Fields<'_, '_>) -> About {
    let severity = annotations.string("policy.jspolicy.com/severity").map(|word| {
        let known = Severity::WORDS.iter().find(|(known, _)| *known == word);
        known.map_or(Severity::High, |(_, severity)| *severity)
    });
    let category = annotations.string("policy.jspolicy.com/category").map(str::to_owned);
    About { category, severity, ..About::default() }
}

fn kind(spec: &Fields<'_, '_>) -> PolicyType {
    let words = [
        ("", PolicyType::Validating),
        ("Validating", PolicyType::Validating),
        ("Mutating", PolicyType::Mutating),
        ("Controller", PolicyType::Controller),
    ];
    spec.choice("type", &words).unwrap_or_default()
}

fn code(spec: &Fields<'_, '_>, around: Around) -> CodeSource {
    let given = |name| spec.string(name).filter(|text| !text.trim().is_empty()).map(str::to_owned);
    let (javascript, typescript, package) = (given("javascript"), given("typescript"), package(spec, around));
    let bundle = if around == Around::Cluster { bundle_ref(spec) } else { None };
    let sources = [
        ("javascript", javascript.map(CodeSource::JavaScript)),
        ("typescript", typescript.map(CodeSource::TypeScript)),
        ("package", package.map(CodeSource::Package)),
        (BUNDLE_REF, bundle.map(CodeSource::BundleRef)),
    ];
    let mut found = sources.into_iter().filter_map(|(name, code)| Some((name, code?)));
    let Some((first, code)) = found.next() else {
        if around == Around::Files && spec.value(BUNDLE_REF).is_some() {
            spec.fault(
                BUNDLE_REF,
                "refers to a bundle of a cluster, and there is none here; put the code into spec.typescript, spec.javascript, spec.package or a \
                 JsPolicyBundle",
            );
        }
        return CodeSource::Bundle;
    };
    for (name, _) in found {
        spec.fault(name, format!("stands beside `{first}`; keep one of them"));
    }
    code
}

/// The content hash of a bundle, with `sha256:` before it or without.
fn bundle_ref(spec: &Fields<'_, '_>) -> Option<String> {
    let text = spec.string(BUNDLE_REF)?;
    let hash = text.strip_prefix("sha256:").unwrap_or(text);
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !is_hash {
        spec.fault(BUNDLE_REF, "must be `sha256:` and 64 digits in lower case, as `bylaw bundle` prints it");
    }
    is_hash.then(|| hash.to_owned())
}

fn package(spec: &Fields<'_, '_>, around: Around) -> Option<PackageRef> {
    let package = spec.object("package")?;
    let word = |name| package.string(name).map(str::to_owned);
    let (name, version, file) = (word("name"), word("version"), word("file"));
    let (integrity, policy) = (word("integrity"), word("policy"));
    package.refuse_unknown();
    if integrity.as_deref().is_some_and(|text| Integrity::parse(text).is_none()) {
        package.fault("integrity", "must be `sha512-…`; npm shows it with `npm view NAME@VERSION dist.integrity`");
    }
    if around == Around::Cluster && file.is_some() {
        package.fault("file", "is for manifests in a folder; a cluster has no files: give `name` and `version`");
        return None;
    }
    let from = match (name, version, file) {
        (None, None, Some(file)) => PackageFrom::File(file),
        (Some(name), Some(version), None) => {
            if let Err(error) = Request::parse(&name, &version) {
                package.fault("name", error.to_string());
            }
            PackageFrom::Registry { name, version }
        }
        _ => {
            package.fault("name", "and `version` must both be there, or `file` with the path of a tarball instead");
            return None;
        }
    };
    Some(PackageRef { from, integrity, policy })
}

/// jsPolicy's map, as in a package.json.
fn dependencies(spec: &Fields<'_, '_>) -> BTreeMap<String, String> {
    let Some(value) = spec.value("dependencies") else { return BTreeMap::new() };
    let Ok(packages) = serde_json::from_value::<BTreeMap<String, String>>(value.clone()) else {
        spec.fault("dependencies", "must map names of npm packages to ranges of versions, both strings");
        return BTreeMap::new();
    };
    for (name, range) in &packages {
        if let Err(error) = Request::parse(name, range) {
            spec.fault("dependencies", error.to_string());
        }
    }
    packages
}

fn read_rules(spec: &Fields<'_, '_>, kind: PolicyType, is_module: bool, draft: &mut Draft) {
    draft.operations = rules::operations(spec);
    draft.resources = rules::resources(spec);
    let required = |name: &str, is_missing: bool, example: &str| {
        if is_missing && !is_module {
            spec.fault(name, format!("must name at least one, such as `{example}`"));
        }
    };
    required("operations", spec.list("operations").is_none_or(<[Value]>::is_empty), "CREATE");
    required("resources", spec.list("resources").is_none_or(<[Value]>::is_empty), "pods");
    if kind == PolicyType::Controller {
        use crate::review::Operation::{Connect, Update};
        let asked = draft.operations.iter().flatten();
        if asked.into_iter().any(|operation| matches!(operation, Update | Connect)) {
            spec.fault("operations", "must be CREATE, DELETE or * for type Controller");
        }
    }
    draft.api_groups = rules::groups_or_versions(spec, "apiGroups");
    draft.api_versions = rules::groups_or_versions(spec, "apiVersions");
    draft.scope = rules::scope(spec);
    if kind == PolicyType::Controller && !is_module && draft.scope.take().is_some_and(|scope| scope != Scope::All) {
        draft.notes.push("spec.scope: without effect for type Controller, as in jsPolicy".to_owned());
    }
    draft.namespace_selector = rules::selector(spec, "namespaceSelector");
    draft.object_selector = rules::selector(spec, "objectSelector");
    draft.match_policy = rules::match_policy(spec);
    draft.match_conditions = rules::conditions(spec);
    draft.workloads = spec.boolean("workloads");
    draft.vantage = vantage(spec);
    draft.tenants = rules::tenants(spec);
}

fn read_behaviour(spec: &Fields<'_, '_>, draft: &mut Draft) {
    draft.webhook_failure =
        spec.choice("failurePolicy", &[("Fail", WebhookFailure::Fail), ("Ignore", WebhookFailure::Ignore)]);
    draft.timeout = timeout(spec);
    draft.enforcement = violation_policy(spec, &mut draft.notes);
    draft.on_error = on_error(spec);
    draft.priority = priority(spec);
    draft.isolation = isolation(spec);
    draft.host_mutations = host_mutations(spec);
    draft.permissions = permissions(spec);
    draft.parameters = spec.value("parameters").cloned();
    if draft.parameters.as_ref().is_some_and(|parameters| !parameters.is_object()) {
        spec.fault("parameters", "must be an object");
    }
    draft.is_reinvoked = spec.choice("reinvocationPolicy", &[("Never", false), ("IfNeeded", true)]);
}

/// jsPolicy refuses `deny`, which its own documentation shows: taken here, and said.
fn violation_policy(spec: &Fields<'_, '_>, notes: &mut Vec<String>) -> Option<Enforcement> {
    let words = [("Deny", Enforcement::Deny), ("Warn", Enforcement::Warn), ("Dry", Enforcement::Dry)];
    let word = spec.string("violationPolicy")?;
    let meant = words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
    let Some((known, enforcement)) = meant else {
        spec.fault("violationPolicy", format!("`{}` must be one of Deny, Warn, Dry", clip(word)));
        return None;
    };
    if *known != word {
        notes.push(format!("spec.violationPolicy: `{word}` is taken for `{known}`; jsPolicy itself refuses it"));
    }
    Some(*enforcement)
}

fn read_noted(spec: &Fields<'_, '_>, draft: &mut Draft, around: Around) {
    let is_read = |name: &str| around == Around::Cluster && FOR_CLUSTERS.contains(&name);
    let noted = NOT_YET.into_iter().filter(|(name, _)| spec.value(name).is_some() && !is_read(name));
    draft.notes.extend(noted.map(|(name, why)| format!("spec.{name}: without effect here: {why}")));
    spec.value(BUNDLE_REF);
    // An API server drops them, so that manifests in use may have some.
    draft.notes.extend(spec.unknown().iter().map(|name| format!("spec.{name}: is not a field, and is ignored")));
}

#[cfg(test)]
#[path = "jspolicy_tests.rs"]
mod tests;
