//! Which policies are asked about what, offline: a whole AdmissionReview, or one built around each document of a
//! manifest; and what they see of the world meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::Value;

use super::inputs::{documents, label, labels, parsed, read};
use super::runtime::{Offline, Stage};
use crate::config::Compat;
use crate::engine::{Engine, Setting};
use crate::isolate::Vantage;
use crate::review::{self, Asked, Limits, Operation, Review, of_manifest};
use crate::tenancy::{VirtualCluster, named};

#[derive(Debug, Args)]
pub(super) struct Subject {
    /// A policy file, a folder of them, or a policy package; may be given many times
    #[arg(short, long, value_name = "PATH", required = true)]
    policies: Vec<PathBuf>,
    /// A whole AdmissionReview (v1 or v1beta1); `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["object", "old_object"], required_unless_present_any = ["object", "old_object"])]
    request: Option<PathBuf>,
    /// A manifest; each of its documents is judged
    #[arg(long, value_name = "FILE")]
    object: Option<PathBuf>,
    /// The object as it is now, for an update or a deletion
    #[arg(long, value_name = "FILE")]
    old_object: Option<PathBuf>,
    /// CREATE, UPDATE, DELETE or CONNECT [default: UPDATE with an old object, else CREATE]
    #[arg(long, value_parser = operation)]
    operation: Option<Operation>,
    /// The user who asks [default: kubernetes-admin, or the syncer of --vcluster where the host asks]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A group of the user; may be given many times
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// Which API server asks: the host's, or that of a virtual cluster
    #[arg(long, value_enum, default_value_t)]
    vantage: Asker,
    /// The virtual cluster whose request it is, beside those of the inventory
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = named)]
    vcluster: Option<Arc<VirtualCluster>>,
    /// A label of the request's namespace; may be given many times
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    namespace_labels: Vec<(String, String)>,
    /// Manifests that `get` and `list` see, and namespaces with their labels
    #[arg(long, value_name = "PATH")]
    inventory: Option<PathBuf>,
    /// Parameters for every policy, in place of its own
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
    /// Give policies the rights that another engine gave them
    #[arg(long, value_enum)]
    compat: Option<Compat>,
}

/// Who asks (contract §1, `--vantage`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Asker {
    #[default]
    Host,
    Virtual,
}

pub(super) fn operation(text: &str) -> Result<Operation, String> {
    let all = [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect];
    let found = all.into_iter().find(|operation| operation.as_str().eq_ignore_ascii_case(text));
    found.ok_or_else(|| format!("{text:?} is none of CREATE, UPDATE, DELETE, CONNECT"))
}

impl Subject {
    pub(super) fn reviews(&self) -> anyhow::Result<Vec<Review>> {
        if let Some(path) = &self.request {
            // YAML is accepted for people's sake; JSON stays the text it is, so that the engine sees what the API
            // server would have sent.
            let text = read(path)?;
            let text =
                if text.trim_start().starts_with('{') { text } else { one_document_of(path, &text)?.to_string() };
            let review = review::parse(text.into(), &Limits::default()).with_context(|| path.display().to_string())?;
            return Ok(vec![review]);
        }
        let objects = self.object.as_deref().map(documents).transpose()?.unwrap_or_default();
        let old = self.old_object.as_deref().map(one_document).transpose()?;
        if objects.len() > 1 && old.is_some() {
            bail!("--old-object goes with one object, but --object has {} documents", objects.len());
        }
        let operation = self.operation.unwrap_or(if old.is_some() { Operation::Update } else { Operation::Create });
        let subjects: Vec<Option<&Value>> =
            if objects.is_empty() { vec![None] } else { objects.iter().map(Some).collect() };
        subjects.into_iter().flat_map(items).map(|object| self.built(operation, object, old.as_ref())).collect()
    }

    /// The engine with these policies in force.
    pub(super) fn engine(&self, stage: &Stage) -> anyhow::Result<Engine> {
        let offline = Offline {
            policies: &self.policies,
            inventory: self.inventory.as_deref(),
            namespace_labels: labels(&self.namespace_labels),
            compat: self.compat,
            parameters: self.parameters.as_deref().map(one_document).transpose()?,
            vcluster: self.vcluster.clone(),
        };
        offline.engine(stage)
    }

    /// Where the requests come from.
    pub(super) fn setting(&self) -> Setting {
        let vantage = match self.vantage {
            Asker::Host => Vantage::Host,
            Asker::Virtual => Vantage::Virtual,
        };
        Setting { vantage, vcluster: self.vcluster.clone(), ..Setting::default() }
    }

    /// On the host a virtual cluster asks by its syncer alone.
    fn user(&self) -> &str {
        let syncer = self.vcluster.as_ref().filter(|_| self.vantage == Asker::Host).map(|vcluster| &*vcluster.account);
        self.user.as_deref().or(syncer).unwrap_or("kubernetes-admin")
    }

    fn built(
        &self,
        operation: Operation,
        object: Option<&Value>,
        old_object: Option<&Value>,
    ) -> anyhow::Result<Review> {
        let asked = Asked { operation, user: self.user(), groups: &self.groups, object, old_object };
        let text = of_manifest(&asked, None)?.to_string();
        Ok(review::parse(text.into(), &Limits::default())?)
    }
}

/// The items of a `List`, or the document itself.
fn items(document: Option<&Value>) -> Vec<Option<&Value>> {
    let is_list = |kind: &str| kind.ends_with("List");
    let list = document.filter(|document| document.get("kind").and_then(Value::as_str).is_some_and(is_list));
    match list.and_then(|list| list.get("items")).and_then(Value::as_array) {
        Some(items) => items.iter().map(Some).collect(),
        None => vec![document],
    }
}

pub(super) fn one_document(path: &Path) -> anyhow::Result<Value> {
    single(path, documents(path)?)
}

fn one_document_of(path: &Path, text: &str) -> anyhow::Result<Value> {
    single(path, parsed(path, text)?)
}

fn single(path: &Path, mut documents: Vec<Value>) -> anyhow::Result<Value> {
    match documents.len() {
        1 => Ok(documents.swap_remove(0)),
        count => bail!("{}: expected one document, found {count}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_are_read_in_any_case() {
        assert_eq!(operation("delete"), Ok(Operation::Delete));
        assert!(operation("PATCH").unwrap_err().contains("CONNECT"));
    }

    #[test]
    fn a_list_is_judged_item_by_item() {
        let list = json!({ "kind": "PodList", "items": [{ "kind": "Pod" }, { "kind": "Pod" }] });
        assert_eq!(items(Some(&list)).len(), 2);
        let pod = json!({ "kind": "Pod" });
        assert_eq!(items(Some(&pod)), [Some(&pod)]);
    }
}
