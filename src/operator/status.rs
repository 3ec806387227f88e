//! What a JsPolicy's status says: jsPolicy's own fields and phases, and a condition for each thing that can go wrong.

use serde_json::{Map, Value, json};

use super::webhooks::Registry;
use crate::bundle::content_hash;
use crate::controllers::Standing;
use crate::policy::live::{BundleState, ObjectReport, Standing as Served};
use crate::policy::{PolicyError, PolicyType};
use crate::review::clip::clip;

/// Compile output can be long, and each status is kept in memory by whoever watches.
const MAX_MESSAGE: usize = 4_096;

/// Packages that are listed; all of them are in the bundle.
const MAX_PACKAGES: usize = 100;

/// One condition, but for its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub kind: &'static str,
    /// `None`: nothing is known yet.
    pub status: Option<bool>,
    /// `Error`, `Warning`, `Info`, or empty.
    pub severity: &'static str,
    pub reason: &'static str,
    pub message: String,
}

impl Condition {
    fn good(kind: &'static str) -> Self {
        Self { kind, status: Some(true), severity: "", reason: "", message: String::new() }
    }

    fn bad(kind: &'static str, severity: &'static str, reason: &'static str, message: impl AsRef<str>) -> Self {
        let message = clip(message.as_ref(), MAX_MESSAGE).to_owned();
        Self { kind, status: Some(false), severity, reason, message }
    }

    fn pending(kind: &'static str, reason: &'static str, message: impl AsRef<str>) -> Self {
        Self { status: None, ..Self::bad(kind, "Info", reason, message) }
    }

    fn word(&self) -> &'static str {
        match self.status {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        }
    }
}

/// The conditions of a policy, sorted by their names as jsPolicy's are; `Ready` sums up the others.
#[must_use]
pub fn conditions(report: &ObjectReport, registry: &Registry, controller: Option<&Standing>) -> Vec<Condition> {
    let mut others = vec![bundle_compiled(report)];
    others.push(match report.kind {
        PolicyType::Controller => controller_ready(report, controller),
        PolicyType::Validating | PolicyType::Mutating => webhook_ready(report, registry),
    });
    others.push(lint_passed(report));
    others.insert(0, ready(report, &others));
    others.sort_by_key(|condition| condition.kind);
    others
}

fn bundle_compiled(report: &ObjectReport) -> Condition {
    const KIND: &str = "BundleCompiled";
    let enforced = |last_good: bool| {
        if last_good { "; what it was before is still enforced" } else { "; nothing of it is enforced" }
    };
    match &report.standing {
        Served::Serving | Served::Shadowed { .. } | Served::Idle => Condition::good(KIND),
        Served::Pending { last_good } => {
            let message = format!("its code is being brought together{}", enforced(*last_good));
            Condition::pending(KIND, "Bundling", message)
        }
        Served::Broken { error, last_good } => {
            let reason = match **error {
                PolicyError::NoCode { .. } => "BundleMissing",
                PolicyError::Invalid { .. } => "Invalid",
                _ => "CompileFailed",
            };
            Condition::bad(KIND, "Error", reason, format!("{error}{}", enforced(*last_good)))
        }
    }
}

fn webhook_ready(report: &ObjectReport, registry: &Registry) -> Condition {
    const KIND: &str = "WebhookReady";
    if registry.ready.contains_key(&report.name) {
        return Condition::good(KIND);
    }
    if report.code.is_none() {
        return Condition::pending(KIND, "NothingToAsk", "the API server is not told to ask for it");
    }
    match &registry.error {
        Some(error) => Condition::bad(KIND, "Error", "SyncFailed", error),
        None => Condition::pending(KIND, "Registering", "the API server is being told to ask for it"),
    }
}

fn controller_ready(report: &ObjectReport, standing: Option<&Standing>) -> Condition {
    const KIND: &str = "ControllerReady";
    match standing {
        Some(Standing::Running) => Condition::good(KIND),
        Some(Standing::Starting(message)) => Condition::pending(KIND, "Starting", message),
        Some(Standing::Stopped { reason, message }) => Condition::bad(KIND, "Error", reason, message),
        None if report.code.is_none() => Condition::pending(KIND, "NothingToRun", "there is no code to run"),
        None => Condition::pending(KIND, "Starting", "it is being started"),
    }
}

fn lint_passed(report: &ObjectReport) -> Condition {
    const KIND: &str = "LintPassed";
    if report.notes.is_empty() {
        return Condition::good(KIND);
    }
    Condition::bad(KIND, "Warning", "Findings", report.notes.join("\n"))
}

fn ready(report: &ObjectReport, others: &[Condition]) -> Condition {
    const KIND: &str = "Ready";
    if let Served::Shadowed { by } = &report.standing {
        let message = format!("{by} declares a policy of the same name, which is enforced instead; rename one of them");
        return Condition::bad(KIND, "Error", "Shadowed", message);
    }
    let worst = others.iter().filter(|one| one.status != Some(true) && one.severity != "Warning");
    // What is wrong comes before what is not done yet.
    match worst.min_by_key(|one| one.status.is_none()) {
        None => Condition::good(KIND),
        Some(cause) => Condition { kind: KIND, status: Some(false), ..cause.clone() },
    }
}

/// The status as a whole; `before` is what it was, of which the times of unchanged conditions are kept.
#[must_use]
pub fn status(report: &ObjectReport, conditions: &[Condition], before: &Value, now: &str) -> Value {
    let is_ready = conditions.iter().any(|one| one.kind == "Ready" && one.status == Some(true));
    let wrong = conditions.iter().find(|one| one.status == Some(false) && one.severity == "Error");
    let phase = match (is_ready, wrong) {
        (true, _) => "Synced",
        (false, Some(_)) => "Failed",
        (false, None) => "",
    };
    let listed = conditions.iter().map(|one| condition(one, report.generation, before, now));
    let mut status = Map::new();
    status.insert("phase".to_owned(), phase.into());
    status.insert("reason".to_owned(), wrong.map(|one| one.reason).unwrap_or_default().into());
    status.insert("message".to_owned(), wrong.map(|one| one.message.clone()).unwrap_or_default().into());
    status.insert("observedGeneration".to_owned(), report.generation.into());
    status.insert("conditions".to_owned(), listed.collect());
    // jsPolicy takes a bundle for that of the hash: before it is written there is none.
    if report.bundle == BundleState::Fresh {
        status.insert("bundleHash".to_owned(), report.source.as_str().into());
    }
    let revision = report.code.as_ref().map_or(Value::Null, |code| (*code.hash).into());
    status.insert("revision".to_owned(), revision);
    let packages = report.packages.packages().take(MAX_PACKAGES).map(|package| {
        let mut listed = json!({ "name": package.name, "version": package.version });
        if let (Some(integrity), Some(fields)) = (package.integrity, listed.as_object_mut()) {
            fields.insert("integrity".to_owned(), integrity.into());
        }
        listed
    });
    let packages: Vec<Value> = packages.collect();
    status.insert("packages".to_owned(), if packages.is_empty() { Value::Null } else { packages.into() });
    Value::Object(status)
}

fn condition(one: &Condition, generation: i64, before: &Value, now: &str) -> Value {
    let known = before.get("conditions").and_then(Value::as_array).into_iter().flatten();
    let known = known.filter(|known| known.get("type").and_then(Value::as_str) == Some(one.kind));
    let mut same = known.filter(|known| known.get("status").and_then(Value::as_str) == Some(one.word()));
    let since = same.find_map(|known| known.get("lastTransitionTime")?.as_str().map(str::to_owned));
    let mut object = json!({
        "type": one.kind, "status": one.word(), "observedGeneration": generation,
        "lastTransitionTime": since.unwrap_or_else(|| now.to_owned()),
    });
    if let Some(fields) = object.as_object_mut() {
        for (name, text) in [("severity", one.severity), ("reason", one.reason), ("message", &*one.message)] {
            if !text.is_empty() {
                fields.insert(name.to_owned(), text.into());
            }
        }
    }
    object
}

/// What tells one state of a policy from another, whatever the time.
#[must_use]
pub fn fingerprint(report: &ObjectReport, conditions: &[Condition]) -> String {
    let status = status(report, conditions, &Value::Null, "");
    content_hash(&format!("{}{status}", report.uid))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bundle::npm::Lock;

    fn report(standing: Served) -> ObjectReport {
        ObjectReport {
            home: None,
            name: "a.b.c".into(),
            uid: "u".to_owned(),
            generation: 3,
            good: None,
            standing,
            kind: PolicyType::Validating,
            source: "hash".to_owned(),
            code: None,
            packages: Lock::default(),
            bundle: BundleState::Stale,
            notes: Vec::new(),
        }
    }

    fn registry() -> Registry {
        Registry { ready: Arc::new([("a.b.c".into(), String::new())].into()), ..Registry::default() }
    }

    fn broken(last_good: bool) -> Served {
        let error = PolicyError::NoCode { policy: "a.b.c".to_owned(), reason: "it has none".to_owned() };
        Served::Broken { error: Arc::new(error), last_good }
    }

    fn conditions(report: &ObjectReport, registry: &Registry) -> Vec<Condition> {
        super::conditions(report, registry, None)
    }

    fn told(report: &ObjectReport, registry: &Registry) -> Value {
        status(report, &conditions(report, registry), &Value::Null, "2026-01-01T00:00:00Z")
    }

    #[test]
    fn a_policy_that_is_enforced_is_synced_and_every_condition_true() {
        let status = told(&report(Served::Serving), &registry());
        assert_eq!((&status["phase"], &status["observedGeneration"]), (&json!("Synced"), &json!(3)));
        let conditions = status["conditions"].as_array().unwrap();
        let kinds: Vec<&str> = conditions.iter().map(|one| one["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["BundleCompiled", "LintPassed", "Ready", "WebhookReady"]);
        assert!(conditions.iter().all(|one| one["status"] == "True" && one["observedGeneration"] == 3));
    }

    #[test]
    fn one_that_the_api_server_does_not_ask_for_yet_is_not_ready() {
        let mut waiting = report(Served::Serving);
        let status = told(&waiting, &Registry::default());
        assert_eq!(status["phase"], "");
        let failing = Registry { error: Some("forbidden".to_owned()), ..Registry::default() };
        waiting.code = Some(Arc::new(crate::policy::Code {
            dialect: crate::policy::Dialect::Script,
            origin: "".into(),
            script: "".into(),
            hash: "0".into(),
            entry: 0,
            source_map: None,
            closed: None,
        }));
        let status = told(&waiting, &failing);
        assert_eq!((&status["phase"], &status["reason"]), (&json!("Failed"), &json!("SyncFailed")));
        assert_eq!(status["revision"], "0");
    }

    #[test]
    fn a_broken_one_is_failed_and_says_what_is_enforced() {
        let status = told(&report(broken(true)), &registry());
        assert_eq!((&status["phase"], &status["reason"]), (&json!("Failed"), &json!("BundleMissing")));
        assert!(status["message"].as_str().unwrap().ends_with("what it was before is still enforced"), "{status}");
        let status = told(&report(broken(false)), &Registry::default());
        assert!(status["message"].as_str().unwrap().ends_with("nothing of it is enforced"), "{status}");
    }

    #[test]
    fn findings_warn_and_do_not_make_a_policy_unready() {
        let found = ObjectReport { notes: vec!["x".to_owned()], ..report(Served::Serving) };
        let status = told(&found, &registry());
        assert_eq!(status["phase"], "Synced");
        assert_eq!(status["conditions"][1]["severity"], "Warning");
    }

    #[test]
    fn one_with_the_name_of_a_file_says_so() {
        let status = told(&report(Served::Shadowed { by: "p.ts".to_owned() }), &registry());
        assert_eq!(status["reason"], "Shadowed");
    }

    #[test]
    fn a_controller_says_whether_it_runs_and_why_not() {
        let controller = ObjectReport { kind: PolicyType::Controller, ..report(Served::Serving) };
        let ready = |standing: Option<&Standing>| {
            let conditions = super::conditions(&controller, &registry(), standing);
            let status = status(&controller, &conditions, &Value::Null, "");
            let kinds: Vec<Value> =
                status["conditions"].as_array().unwrap().iter().map(|one| one["type"].clone()).collect();
            assert_eq!(json!(kinds), json!(["BundleCompiled", "ControllerReady", "LintPassed", "Ready"]));
            let condition = &status["conditions"][1];
            (status["phase"].clone(), condition["status"].clone(), condition["reason"].clone())
        };
        let told = |phase: &str, status: &str, reason: Value| (json!(phase), json!(status), reason);
        assert_eq!(ready(Some(&Standing::Running)), told("Synced", "True", Value::Null));
        assert_eq!(ready(None), told("", "Unknown", json!("NothingToRun")));
        let starting = Standing::Starting("v1/Pod is being listed".to_owned());
        assert_eq!(ready(Some(&starting)), told("", "Unknown", json!("Starting")));
        let stopped = Standing::Stopped { reason: "LoopDetected", message: "why".to_owned() };
        assert_eq!(ready(Some(&stopped)), told("Failed", "False", json!("LoopDetected")));
    }

    #[test]
    fn the_time_of_a_condition_is_that_of_its_last_change() {
        let serving = report(Served::Serving);
        let before = told(&serving, &registry());
        let later = "2026-02-02T00:00:00Z";
        let same = status(&serving, &conditions(&serving, &registry()), &before, later);
        assert_eq!(before, same);
        let unready = conditions(&serving, &Registry::default());
        let changed = status(&serving, &unready, &before, later);
        let times: Vec<&Value> =
            changed["conditions"].as_array().unwrap().iter().map(|one| &one["lastTransitionTime"]).collect();
        assert_eq!(times, ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", later, later]);
        assert_eq!(fingerprint(&serving, &unready), fingerprint(&serving, &unready));
        assert_ne!(fingerprint(&serving, &unready), fingerprint(&serving, &conditions(&serving, &registry())));
    }
}
