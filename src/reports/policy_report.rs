//! Policy reports: one for each namespace and one for the cluster, under the names that jsPolicy gave them, in either of
//! the two APIs.
//!
//! jsPolicy's shape, with the references put right: `apiVersion` has the group, `uid` is that of the object and not of the
//! request, and a report belongs to no policy: deleting one must not take along what others said. The report of a
//! namespace goes with the namespace; results of policies that are no more go at the next write.

use serde_json::{Value, json};

use super::json::{filled, set};
use super::ledger::ReportApi;
use super::violation::{Action, Violation};
use crate::policy::{About, Catalog, Severity};

/// Who reports: what jsPolicy's readers select by.
const SOURCE: &str = "JsPolicy";

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// `kind` and plural of the reports of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReportType {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
}

pub(super) const fn type_of(api: ReportApi, is_namespaced: bool) -> ReportType {
    let (api_version, kind, plural) = match (api, is_namespaced) {
        (ReportApi::PolicyReports, true) => ("wgpolicyk8s.io/v1alpha2", "PolicyReport", "policyreports"),
        (ReportApi::PolicyReports, false) => ("wgpolicyk8s.io/v1alpha2", "ClusterPolicyReport", "clusterpolicyreports"),
        (ReportApi::OpenReports, true) => ("openreports.io/v1alpha1", "Report", "reports"),
        (ReportApi::OpenReports, false) => ("openreports.io/v1alpha1", "ClusterReport", "clusterreports"),
    };
    ReportType { api_version, kind, plural }
}

/// jsPolicy's names.
pub(super) fn name_of(namespace: &str) -> String {
    if namespace.is_empty() {
        "js-cluster-policy-report".to_owned()
    } else {
        format!("js-policy-report-ns-{namespace}")
    }
}

/// A report before it has results.
pub(super) fn new_report(api: ReportApi, name: &str, namespace: &str) -> Value {
    let ReportType { api_version, kind, .. } = type_of(api, !namespace.is_empty());
    let mut metadata = json!({"name": name, "labels": {MANAGED_BY: "bylaw"}});
    if !namespace.is_empty() {
        set(&mut metadata, "namespace", namespace);
    }
    let mut report = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
    if api == ReportApi::OpenReports {
        set(&mut report, "source", SOURCE);
    }
    report
}

/// The report with these results too, the oldest first, no more than `keep` of them.
pub(super) fn merged(api: ReportApi, there: &Value, new: &[Violation], keep: usize, catalog: &Catalog) -> Value {
    let known = there.get("results").and_then(Value::as_array);
    let mut results: Vec<Value> = known.cloned().unwrap_or_default();
    let is_gone = |result: &Value| {
        let text = |field: &str| result.get(field).and_then(Value::as_str);
        text("source") == Some(SOURCE) && text("policy").is_some_and(|policy| catalog.find(policy).is_none())
    };
    results.retain(|result| !is_gone(result));
    for violation in new {
        let about = catalog.find(&violation.policy).map(|revision| &revision.about);
        let result = result(api, violation, about);
        results.retain(|known| !is_same(known, &result));
        results.push(result);
    }
    results.sort_by_key(|result| result.pointer("/timestamp/seconds").and_then(Value::as_i64));
    let surplus = results.len().saturating_sub(keep);
    with_results(there, results.split_off(surplus), None)
}

/// The report with these results and no others. `summary` where it counts more than are listed.
pub(super) fn with_results(there: &Value, results: Vec<Value>, summary: Option<Value>) -> Value {
    let mut report = there.as_object().cloned().unwrap_or_default();
    report.insert("summary".to_owned(), summary.unwrap_or_else(|| counted(&results)));
    report.insert("results".to_owned(), Value::from(results));
    if let Some(metadata) = report.get_mut("metadata").and_then(Value::as_object_mut) {
        // jsPolicy made the policy that wrote first the owner of all.
        metadata.remove("ownerReferences");
        metadata.remove("managedFields");
    }
    Value::Object(report)
}

/// Whether both say the same, whenever it was found.
pub(super) fn is_unchanged(there: &Value, report: &Value) -> bool {
    let results = |report: &Value| report.get("results").and_then(Value::as_array).cloned().unwrap_or_default();
    let (old, new) = (results(there), results(report));
    there.get("summary") == report.get("summary")
        && old.len() == new.len()
        && old.iter().zip(&new).all(|(old, new)| is_same(old, new))
}

fn counted(results: &[Value]) -> Value {
    let count = |word: &str| results.iter().filter(|result| result.get("result").is_some_and(|it| it == word)).count();
    json!({"pass": count("pass"), "fail": count("fail"), "warn": count("warn"), "error": count("error"), "skip": count("skip")})
}

pub(super) fn result(api: ReportApi, violation: &Violation, about: Option<&About>) -> Value {
    let asked = &violation.asked;
    let resource = [
        ("kind", &*asked.kind),
        ("namespace", asked.home()),
        ("name", &asked.name),
        ("apiVersion", &asked.api_version),
        ("uid", &asked.object_uid),
    ];
    let mut properties = vec![
        ("operation", asked.operation.to_owned()),
        ("reason", violation.reason.clone()),
        ("code", violation.code.to_string()),
        ("userinfo.username", asked.username.clone()),
        ("userinfo.uuid", asked.user_uid.clone()),
    ];
    if let Some(exception) = &violation.exception {
        properties.push(("exception", exception.to_string()));
    }
    let mut result = json!({
        "source": SOURCE,
        "policy": &*violation.policy,
        "result": word(violation),
        "resources": [filled(resource)],
        "timestamp": {"seconds": violation.at, "nanos": 0},
        "message": violation.message,
        "properties": filled(properties.iter().map(|(key, text)| (*key, text.as_str()))),
    });
    if let Some(category) = about.and_then(|about| about.category.as_deref()) {
        set(&mut result, "category", category);
    }
    if let Some(severity) = about.and_then(|about| about.severity) {
        set(&mut result, "severity", severity_of(api, severity));
    }
    result
}

/// jsPolicy's words; a policy that gave no verdict is an `error`, one that was excepted from was skipped.
const fn word(violation: &Violation) -> &'static str {
    match violation.action {
        _ if violation.exception.is_some() => "skip",
        _ if violation.is_failure => "error",
        Action::Deny => "fail",
        Action::Warn => "warn",
        Action::Controller => "pass",
        Action::Dry => "skip",
    }
}

/// The older API has three in the CRDs that are about.
const fn severity_of(api: ReportApi, severity: Severity) -> &'static str {
    match (api, severity) {
        (ReportApi::PolicyReports, Severity::Critical) => "high",
        (ReportApi::PolicyReports, Severity::Info) => "low",
        (_, severity) => severity.as_str(),
    }
}

/// The same but for when.
fn is_same(one: &Value, other: &Value) -> bool {
    let fields = ["source", "policy", "result", "resources", "message", "properties"];
    fields.iter().all(|field| one.get(field) == other.get(field))
}

#[cfg(test)]
mod tests {
    use super::super::testing::violation;
    use super::*;

    const API: ReportApi = ReportApi::PolicyReports;

    fn catalog(names: &[&str]) -> Catalog {
        crate::reports::testing::catalog(names)
    }

    #[test]
    fn a_result_is_jspolicys_with_its_references_put_right() {
        let mut violation = violation("a.b.c", "web", 7);
        let mut asked = (*violation.asked).clone();
        (asked.api_version, asked.object_uid) = ("apps/v1".into(), "o-1".into());
        violation.asked = asked.into();
        let about = About { category: Some("C".into()), severity: Some(Severity::Critical), ..About::default() };
        let expected = json!({
            "source": "JsPolicy", "policy": "a.b.c", "result": "fail",
            "resources": [{"kind": "Pod", "namespace": "shop", "name": "web", "apiVersion": "apps/v1", "uid": "o-1"}],
            "timestamp": {"seconds": 7, "nanos": 0}, "message": "no",
            "properties": {"operation": "CREATE", "reason": "Forbidden", "code": "403", "userinfo.username": "jane"},
            "category": "C", "severity": "high",
        });
        assert_eq!(result(API, &violation, Some(&about)), expected);
        assert_eq!(result(ReportApi::OpenReports, &violation, Some(&about))["severity"], "critical");
    }

    #[test]
    fn what_became_of_the_request_is_in_the_result() {
        let base = violation("a.b.c", "web", 7);
        let with = |action| word(&Violation { action, ..base.clone() });
        let words = [Action::Deny, Action::Warn, Action::Dry, Action::Controller].map(with);
        assert_eq!(words, ["fail", "warn", "skip", "pass"]);
        assert_eq!(word(&Violation { is_failure: true, ..base.clone() }), "error");
        let excepted = Violation { exception: Some("shop/e: legacy".into()), ..base };
        assert_eq!(word(&excepted), "skip");
        assert_eq!(result(API, &excepted, None)["properties"]["exception"], "shop/e: legacy");
    }

    #[test]
    fn the_summary_counts_what_the_report_keeps() {
        let new: Vec<Violation> = (0..60).map(|at| violation("a.b.c", &at.to_string(), at)).collect();
        let empty = new_report(API, &name_of("shop"), "shop");
        let report = merged(API, &empty, &new, 50, &catalog(&["a.b.c"]));
        assert_eq!(report["summary"], json!({"pass": 0, "fail": 50, "warn": 0, "error": 0, "skip": 0}));
        assert_eq!(report["results"][0]["resources"][0]["name"], "10");
        let again = merged(API, &report, &new[59..], 50, &catalog(&["a.b.c"]));
        assert_eq!(again["results"].as_array().unwrap().len(), 50, "the same is there once");
    }

    #[test]
    fn a_report_belongs_to_no_policy_and_outlives_them() {
        let mut there = new_report(API, &name_of("shop"), "shop");
        there["metadata"]["ownerReferences"] = json!([{"kind": "JsPolicy", "name": "a.b.c"}]);
        let there = merged(API, &there, &[violation("a.b.c", "x", 1)], 50, &catalog(&["a.b.c", "d.e.f"]));
        assert_eq!(
            there["metadata"],
            json!({"name": "js-policy-report-ns-shop", "labels": {"app.kubernetes.io/managed-by": "bylaw"}, "namespace": "shop"})
        );
        let there = merged(API, &there, &[violation("d.e.f", "y", 2)], 50, &catalog(&["d.e.f"]));
        let policies: Vec<&Value> = there["results"].as_array().unwrap().iter().map(|one| &one["policy"]).collect();
        assert_eq!(policies, ["d.e.f"], "what a policy said goes with it");
    }

    #[test]
    fn both_apis_have_reports_of_namespaces_and_of_the_cluster() {
        let kinds = [(API, true), (API, false), (ReportApi::OpenReports, true), (ReportApi::OpenReports, false)]
            .map(|(api, is_namespaced)| type_of(api, is_namespaced).kind);
        assert_eq!(kinds, ["PolicyReport", "ClusterPolicyReport", "Report", "ClusterReport"]);
        assert_eq!(name_of(""), "js-cluster-policy-report");
        assert_eq!(new_report(ReportApi::OpenReports, "n", "")["source"], "JsPolicy");
    }
}
