//! Asks the engine about one object, and turns the verdicts into findings.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt as _, stream};
use serde_json::Value;

use crate::decision::{DiffLimits, Effect, Mutation, PatchOp, Verdict, diff};
use crate::engine::{Engine, Judgement, Scope, deadline};
use crate::policy::{Catalog, Enforcement, OnError};
use crate::review::{self, Asked, Limits, Operation, Review, Served, of_manifest};
use crate::scan::report::Checked;
use crate::scan::{
    Chunk, Contraband, FieldPath, Finding, Object, Outcome, Place, Subject, Unreadable, Wanted, contents, lines,
};

/// Objects of one list that are judged at once: the isolates are busy while the next review is made.
const AT_ONCE: usize = 4;

/// The name under which a fault of our own is reported.
const OURSELVES: &str = "bylaw";

/// What every object is asked.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub operation: Operation,
    pub user: String,
    pub groups: Vec<String>,
    pub dry_run: bool,
    pub show_patches: bool,
}

pub(super) struct Judge {
    pub engine: Engine,
    pub catalog: Arc<Catalog>,
    pub asking: Asking,
    /// Kinds that manifests define, by group and kind.
    pub defined: HashMap<(String, String), Served>,
}

/// What came of a chunk, or of some objects of a cluster.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub checked: Vec<Checked>,
    pub unreadable: Vec<Unreadable>,
}

impl Judge {
    /// All objects of a chunk.
    pub(super) async fn chunk(&self, chunk: &Chunk) -> Batch {
        let contents = contents(chunk);
        let mut batch = Batch { unreadable: contents.unreadable, ..Batch::default() };
        let judged = stream::iter(contents.objects).map(|object| self.written(chunk, object)).buffered(AT_ONCE);
        let mut wanted = Vec::new();
        for (result, document, path) in judged.collect::<Vec<_>>().await {
            match result {
                Ok(checked) => {
                    let fields = checked.findings.iter().filter_map(|finding| finding.field.as_deref());
                    let in_object = fields.map(|field| path.join(&FieldPath::parse(field)));
                    wanted.extend(in_object.map(|path| Wanted { document, path }));
                    batch.checked.push(checked);
                }
                Err(unreadable) => batch.unreadable.push(unreadable),
            }
        }
        batch.unreadable.sort_by_key(|unreadable| unreadable.line);
        if !wanted.is_empty() {
            let found = lines(&chunk.text, &wanted);
            let findings = batch.checked.iter_mut().flat_map(|checked| &mut checked.findings);
            for (finding, line) in findings.filter(|finding| finding.field.is_some()).zip(found) {
                finding.field_line = line.map(|line| chunk.line + line - 1);
            }
        }
        batch
    }

    /// With where in the chunk the object is.
    async fn written(&self, chunk: &Chunk, object: Object) -> (Result<Checked, Unreadable>, u64, FieldPath) {
        let Object { value, line, document, path } = object;
        let place = Some(Place { file: Arc::clone(&chunk.file), line });
        let served = self.defined.get(&group_and_kind(&value));
        let checked = self.object(&value, served, place).await.map_err(|error| {
            let (file, cause) = (chunk.file.to_string(), format!("{error:#}"));
            Unreadable { file, line, column: 0, cause }
        });
        (checked, document, path)
    }

    /// One object of a cluster, judged by those policies that are to see it in this version.
    pub(super) async fn live(
        &self,
        text: &str,
        served: &Served,
        only: Option<&BTreeSet<Arc<str>>>,
    ) -> anyhow::Result<Checked> {
        let value: Value = serde_json::from_str(text)?;
        let mut checked = self.object(&value, Some(served), None).await?;
        if let Some(only) = only {
            checked.asked.retain(|policy| only.contains(policy));
            checked.findings.retain(|finding| only.contains(&finding.policy));
        }
        Ok(checked)
    }

    async fn object(&self, value: &Value, served: Option<&Served>, place: Option<Place>) -> anyhow::Result<Checked> {
        let review = self.review(value, served)?;
        let subject = subject(value, &review, place);
        let until = deadline(Instant::now(), None);
        let judgement = self.engine.judge(&review, &Scope::Both, until, false).await;
        Ok(self.checked(value, &subject, &judgement))
    }

    fn review(&self, value: &Value, served: Option<&Served>) -> anyhow::Result<Review> {
        let Asking { operation, user, groups, dry_run, .. } = &self.asking;
        // An update that changes nothing; a deletion of what is there.
        let old_object = matches!(operation, Operation::Update | Operation::Delete).then_some(value);
        let asked = Asked { operation: *operation, user, groups, object: Some(value), old_object };
        let mut review = of_manifest(&asked, served)?;
        if let Some(flag) = review.pointer_mut("/request/dryRun") {
            *flag = Value::Bool(*dry_run);
        }
        Ok(review::parse(review.to_string().into(), &Limits::default())?)
    }

    fn checked(&self, value: &Value, subject: &Arc<Subject>, judgement: &Judgement) -> Checked {
        let verdicts = || judgement.evaluated.iter().map(|one| &one.verdict).chain(&judgement.unasked);
        let contraband = Contraband::of(value);
        let allowed = judgement.decision.allowed;
        let teller = Teller { subject, contraband: &contraband, allowed, show_patches: self.asking.show_patches };
        let mut findings = Vec::new();
        for verdict in verdicts() {
            let spec = self.catalog.get(&verdict.policy).map(|revision| &revision.spec);
            let own = spec.map_or_else(Default::default, |spec| (spec.enforcement, spec.on_error));
            let objection = judgement.objections.iter().find(|objection| objection.verdict == *verdict);
            let (enforcement, on_error) = objection.map_or(own, |taken| (taken.enforcement, taken.on_error));
            if objection.is_some_and(|taken| taken.exception.is_some()) {
                let excepted = Verdict { effect: Effect::Allow, mutation: None, ..verdict.clone() };
                teller.tell(&excepted, enforcement, on_error, &mut findings);
            } else {
                teller.tell(verdict, enforcement, on_error, &mut findings);
            }
        }
        let status = judgement.decision.status.as_ref().filter(|_| !allowed);
        if let Some(status) = status.filter(|_| !findings.iter().any(|finding| finding.result.refuses())) {
            findings.push(teller.finding(Outcome::Failed, &Arc::from(OURSELVES), &status.message));
        }
        Checked { asked: verdicts().map(|verdict| Arc::clone(&verdict.policy)).collect(), findings }
    }
}

fn group_and_kind(value: &Value) -> (String, String) {
    let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
    let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
    (group.to_owned(), text("kind").to_owned())
}

fn subject(value: &Value, review: &Review, place: Option<Place>) -> Arc<Subject> {
    let request = &review.request;
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = if request.name.is_empty() { text("/metadata/generateName") } else { request.name.clone() };
    // The request for a Namespace names itself as its namespace.
    let is_namespace = request.resource.resource == "namespaces" && request.resource.group.is_empty();
    let namespace = if is_namespace { String::new() } else { request.namespace.clone() };
    Arc::new(Subject { api_version: text("/apiVersion"), kind: request.kind.kind.clone(), namespace, name, place })
}

/// Makes findings of one object's verdicts.
struct Teller<'a> {
    subject: &'a Arc<Subject>,
    contraband: &'a Contraband,
    /// Where the request is denied nothing is changed.
    allowed: bool,
    show_patches: bool,
}

impl Teller<'_> {
    fn tell(&self, verdict: &Verdict, enforcement: Enforcement, on_error: OnError, findings: &mut Vec<Finding>) {
        let policy = &verdict.policy;
        match &verdict.effect {
            Effect::Allow => {}
            Effect::Deny(denials) => {
                let result = match enforcement {
                    Enforcement::Deny => Outcome::Denied,
                    Enforcement::Warn => Outcome::Warned,
                    Enforcement::Dry => Outcome::WouldDeny,
                };
                for denial in denials {
                    let field = denial.field.as_deref().map(|field| self.contraband.hide(field));
                    let field = field.filter(|field| !field.is_empty());
                    findings.push(Finding { field, ..self.finding(result, policy, &denial.message) });
                }
            }
            Effect::Error(error) => {
                let result = match (enforcement, on_error) {
                    (Enforcement::Deny, OnError::Deny) => Outcome::Failed,
                    (Enforcement::Deny, OnError::Allow) | (Enforcement::Warn, _) => Outcome::Warned,
                    (Enforcement::Dry, _) => Outcome::WouldDeny,
                };
                findings.push(self.finding(result, policy, &format!("policy failed: {}", error.message)));
            }
        }
        for warning in &verdict.warnings {
            findings.push(self.finding(Outcome::Warned, policy, warning));
        }
        let is_applied = self.allowed && enforcement != Enforcement::Dry && verdict.effect == Effect::Allow;
        if let Some(mutation) = verdict.mutation.as_ref().filter(|_| is_applied) {
            findings.extend(self.change(policy, mutation));
        }
    }

    fn finding(&self, result: Outcome, policy: &Arc<str>, message: &str) -> Finding {
        Finding::new(result, Arc::clone(policy), Arc::clone(self.subject), &self.contraband.hide(message))
    }

    /// `None` where nothing is different afterwards.
    fn change(&self, policy: &Arc<str>, mutation: &Mutation) -> Option<Finding> {
        let operations = operations(mutation)?;
        let patch = self.show_patches.then(|| self.shown(&operations));
        let paths: Vec<&str> = operations.iter().map(PatchOp::path).take(3).collect();
        let more = if operations.len() > paths.len() { ", …" } else { "" };
        let (count, plural) = (operations.len(), if operations.len() == 1 { "" } else { "s" });
        let message = format!("{count} operation{plural}: {}{more}", paths.join(", "));
        Some(Finding { operations: Some(count), patch, ..self.finding(Outcome::WouldChange, policy, &message) })
    }

    /// Of a Secret only where it would be changed.
    fn shown(&self, operations: &[PatchOp]) -> Value {
        let mut patch = serde_json::json!(operations);
        if self.contraband.is_secret() {
            for value in patch.as_array_mut().into_iter().flatten().filter_map(|step| step.get_mut("value")) {
                *value = Value::from("(hidden)");
            }
        }
        patch
    }
}

fn operations(mutation: &Mutation) -> Option<Vec<PatchOp>> {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    let (before, after) = (read(&mutation.before)?, read(&mutation.after)?);
    diff(&before, &after, DiffLimits::default()).ok().filter(|operations| !operations.is_empty())
}
