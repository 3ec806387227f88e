//! A patch taken apart: what each of its parts does to the copy, and the worst of it.

use serde_json::Value;

use super::field::shown;
use super::table::{Written, goes_deeper, of_field};
use super::{Class, Syncer};
use crate::decision::PatchOp;
use crate::review::Operation;

/// Findings that are kept of one patch: enough to see what is wrong.
const MOST_FINDINGS: usize = 8;
/// Fields that are looked at. A patch has at most 10,000 operations; what is beyond is taken for the worst.
const MOST_FIELDS: usize = 20_000;

/// What can be added to in the spec of a pod that exists; and images can be changed.
const TOLERATIONS: [&str; 2] = ["spec", "tolerations"];

const LISTS: [&str; 2] = ["containers", "initContainers"];

/// A change to an object that a syncer copied.
#[derive(Debug, Clone, Copy)]
pub struct Mutated<'a> {
    pub resource: &'a str,
    pub sub_resource: &'a str,
    pub operation: Operation,
    pub syncer: Syncer,
    /// Who changes it wants to be asked about updates too, and can make the change again.
    pub is_repeated: bool,
    /// As the syncer sent it.
    pub sent: &'a Value,
    pub after: &'a Value,
    /// As it is on the host, where it is there already.
    pub stored: Option<&'a Value>,
}

/// One thing that does not stay on the host alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub field: String,
    pub class: Class,
    pub why: &'static str,
}

/// What becomes of a whole patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The worst of it.
    pub class: Class,
    /// Of the worst first; those that are safe left out.
    pub findings: Vec<Finding>,
    /// Findings that are left out.
    pub more: usize,
}

impl Judged {
    /// One line for each field that does not stay on the host alone.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let more = (self.more > 0)
            .then(|| format!("and {} more fields of the host's copy do not stay as they are", self.more));
        self.findings.iter().map(Finding::line).chain(more)
    }

    /// Why it must not be made, and what to do instead.
    #[must_use]
    pub fn refusal(&self) -> String {
        const SHOWN: usize = 3;
        let worst = self.findings.iter().filter(|one| one.class == self.class);
        let lines: Vec<String> = worst.clone().take(SHOWN).map(Finding::line).collect();
        let more = worst.count().saturating_sub(SHOWN);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        format!("{}{more}; {MEND}", lines.join("; "))
    }
}

impl Finding {
    fn line(&self) -> String {
        let Self { field, class, why } = self;
        format!("{field} {class}: {why}")
    }
}

/// What to do instead of a change that does not hold.
pub const MEND: &str = "make the change in the virtual cluster with `vantage: \"virtual\"`, or say `hostMutations: \"Allow\"` if you know better";

impl Mutated<'_> {
    #[must_use]
    pub fn judge(&self, patch: &[PatchOp]) -> Judged {
        let mut walk = Walk { mutated: self, left: MOST_FIELDS, found: Vec::new(), path: Vec::new() };
        for op in patch {
            walk.path = steps(op.path());
            match op {
                PatchOp::Add { value, .. } => walk.field(Written::Added, Some(value)),
                PatchOp::Replace { value, .. } => walk.field(Written::Changed, Some(value)),
                PatchOp::Remove { path } => walk.field(Written::Changed, self.sent.pointer(path)),
            }
        }
        let mut findings = walk.found;
        findings.sort_by(|a, b| b.class.cmp(&a.class).then_with(|| a.field.cmp(&b.field)));
        findings.dedup();
        let class = findings.first().map_or(Class::Safe, |worst| worst.class);
        let more = findings.len().saturating_sub(MOST_FINDINGS);
        findings.truncate(MOST_FINDINGS);
        Judged { class, findings, more }
    }

    /// What the table says, corrected by what only the whole object tells.
    fn class(&self, path: &[String], written: Written) -> (Class, &'static str) {
        let is_update = self.operation == Operation::Update;
        if is_update && self.is_as_stored(path) {
            return (Class::Safe, "");
        }
        let (class, why) = of_field(self.resource, path, written, self.syncer);
        if self.resource != "pods" || path.first().is_none_or(|first| first != "spec") {
            return (class, why);
        }
        let is_of_list = path.get(1).is_some_and(|list| LISTS.contains(&list.as_str()));
        if is_of_list && is_like(path, &["spec", "*", "*", "image"]) {
            return self.image(class, why);
        }
        let is_changeable = written == Written::Added && path.len() >= 2 && starts(path, &TOLERATIONS);
        if is_update && self.sub_resource.is_empty() && !is_changeable && class != Class::BreaksSync {
            return (Class::BreaksSync, FROZEN);
        }
        if is_of_list && path.len() == 3 {
            return match written {
                Written::Added => self.injected(),
                Written::Changed => (Class::BreaksSync, REPLACED),
            };
        }
        (class, why)
    }

    /// An image that is rewritten whenever the syncer sets it back stays rewritten, unless the syncer cannot set it back.
    fn image(&self, class: Class, why: &'static str) -> (Class, &'static str) {
        if self.has_injected() {
            return (Class::BreaksSync, BOTH);
        }
        if self.is_repeated { (Class::Safe, "") } else { (class, why) }
    }

    fn injected(&self) -> (Class, &'static str) {
        if self.has_other_image() { (Class::BreaksSync, BOTH) } else { (Class::Safe, "") }
    }

    /// Whether there is a container that the syncer did not send.
    fn has_injected(&self) -> bool {
        LISTS.iter().any(|list| {
            let sent = containers(self.sent, list);
            containers(self.after, list).iter().any(|one| !sent.iter().any(|own| own.get("name") == one.get("name")))
        })
    }

    fn has_other_image(&self) -> bool {
        LISTS.iter().any(|list| {
            let after = containers(self.after, list);
            let is_other = |own: &Value| {
                after.iter().any(|one| one.get("name") == own.get("name") && one.get("image") != own.get("image"))
            };
            containers(self.sent, list).iter().any(is_other)
        })
    }

    /// Whether the change brings back what is on the host.
    fn is_as_stored(&self, path: &[String]) -> bool {
        let at = |value| path.iter().try_fold(value, |value, key| step(value, key));
        self.stored.is_some_and(|stored| at(self.after) == at(stored))
    }
}

const FROZEN: &str =
    "it cannot be changed once the pod is there: the API server refuses the syncer's update, each time";
const REPLACED: &str = "the tenant's pod has a container that the host's has not: its status, logs and exec are lost";
const BOTH: &str = "the syncer sets the tenant's image again and leaves out the containers that it does not know, which the API \
                    server refuses: the pod is never synced again";

/// On the way through the fields of a patch.
struct Walk<'m, 'a> {
    mutated: &'m Mutated<'a>,
    left: usize,
    found: Vec<Finding>,
    path: Vec<String>,
}

impl Walk<'_, '_> {
    /// The field at the path, or what is in it where the table knows that more exactly.
    fn field(&mut self, written: Written, value: Option<&Value>) {
        let Some(left) = self.left.checked_sub(1) else {
            self.add(Class::BreaksSync, "there are more changes than can be looked at");
            return;
        };
        self.left = left;
        if goes_deeper(self.mutated.resource, &self.path) {
            match value {
                Some(Value::Object(fields)) if !self.is_container() => {
                    for (key, value) in fields {
                        self.inside(key.clone(), written, value);
                    }
                    return;
                }
                Some(Value::Array(items)) => {
                    for (index, item) in items.iter().enumerate() {
                        self.inside(index.to_string(), written, item);
                    }
                    return;
                }
                _ => {}
            }
        }
        let (class, why) = self.mutated.class(&self.path, written);
        if class != Class::Safe {
            self.add(class, why);
        }
    }

    fn inside(&mut self, step: String, written: Written, value: &Value) {
        self.path.push(step);
        self.field(written, Some(value));
        self.path.pop();
    }

    /// A container comes and goes as a whole.
    fn is_container(&self) -> bool {
        self.mutated.resource == "pods" && is_like(&self.path, &["spec", "*", "*"])
    }

    fn add(&mut self, class: Class, why: &'static str) {
        self.found.push(Finding { field: shown(&self.path), class, why });
    }
}

fn containers<'v>(object: &'v Value, list: &str) -> &'v [Value] {
    let found = object.get("spec").and_then(|spec| spec.get(list)).and_then(Value::as_array);
    found.map(Vec::as_slice).unwrap_or_default()
}

fn step<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    match value {
        Value::Object(fields) => fields.get(key),
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}

fn steps(pointer: &str) -> Vec<String> {
    let steps = pointer.split('/').skip(1);
    steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

fn is_like(path: &[String], wanted: &[&str]) -> bool {
    path.len() == wanted.len() && starts(path, wanted)
}

fn starts(path: &[String], wanted: &[&str]) -> bool {
    path.iter().zip(wanted).all(|(step, wanted)| *wanted == "*" || step == *wanted)
}
