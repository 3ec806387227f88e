//! One case (contract §4): what is asked, in which circumstances, and what is expected of the answer.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::{Fault, Place};
use super::expect::Expectation;
use super::fields::{EXPECT, Fields, Taken};
use crate::isolate::Vantage;
use crate::ledger::Seed;
use crate::review::Operation;

const FIELDS: [&str; 18] = [
    "name",
    "policy",
    "object",
    "objectFile",
    "request",
    "operation",
    "oldObject",
    "user",
    "groups",
    "namespace",
    "parameters",
    "vantage",
    "tenant",
    "inventory",
    "ledger",
    "now",
    "dryRun",
    EXPECT,
];

/// Those that a whole request says itself.
const OF_A_REQUEST: [&str; 7] = ["object", "objectFile", "operation", "oldObject", "user", "groups", "dryRun"];

type Fits = fn(&Value) -> bool;

/// What a tenant has, and of what type.
const TENANT: &[(&str, Fits)] = &[
    ("kind", Value::is_string),
    ("trusted", Value::is_boolean),
    ("name", Value::is_string),
    ("namespace", Value::is_string),
    ("vcluster", Value::is_object),
    ("owner", |_| true),
    ("labels", Value::is_object),
    ("parameters", Value::is_object),
    ("quotas", Value::is_object),
];

#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    pub place: Place,
    /// Of the policies of its folder.
    pub policy: Option<(String, Place)>,
    pub subject: Subject,
    pub namespace: Namespace,
    pub parameters: Option<(Value, Place)>,
    pub vantage: Vantage,
    /// As JSON, complete.
    pub tenant: Option<Value>,
    pub inventory: Vec<Value>,
    /// What is reserved already.
    pub ledger: Vec<Seed>,
    /// Milliseconds since 1970.
    pub now: Option<f64>,
    pub expect: Expectation,
}

/// What is asked about.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// A whole AdmissionRequest.
    Request(Value),
    Object(Box<Asked>),
}

/// An object, from which the request is made as an API server would.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub object: Option<Value>,
    pub old_object: Option<Value>,
    pub operation: Operation,
    pub user: User,
    pub dry_run: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    pub username: String,
    #[serde(default)]
    pub uid: Option<String>,
    #[serde(default)]
    pub groups: Vec<String>,
    #[serde(default)]
    pub extra: Map<String, Value>,
}

/// The namespace of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    pub name: Option<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl Case {
    /// Reads one document. `None` where there are faults, which are told; `used` collects the files that it takes its
    /// object from.
    pub(super) fn read(fields: Fields, place: Place, faults: &mut Vec<Fault>, used: &mut Vec<PathBuf>) -> Option<Self> {
        let before = faults.len();
        let file = place.clone();
        let mut taken = Taken::new(fields, &file, faults);
        let name: String = taken.take("name", "text").unwrap_or_default();
        if name.trim().is_empty() {
            taken.fault(place.clone(), "a case has no name: say in `name` what is to be so");
        }
        let policy = taken.value("policy").and_then(|(value, at)| {
            let policy = taken.typed("policy", "the name of a policy", value, at.clone())?;
            Some((policy, at))
        });
        let subject = subject(&mut taken, &place, used);
        let namespace = namespace(&mut taken);
        let parameters = taken.value("parameters").filter(|(value, at)| {
            let is_object = value.is_object();
            if !is_object {
                taken.fault(at.clone(), "parameters: must be a mapping");
            }
            is_object
        });
        let vantage = vantage(&mut taken);
        let tenant = taken.value("tenant").and_then(|(value, at)| tenant(&mut taken, value, at));
        let inventory = inventory(&mut taken);
        let ledger = ledger(&mut taken);
        let now = now(&mut taken);
        let expect = taken.inner(EXPECT).and_then(|(fields, at)| Some((fields?, at)));
        if expect.is_none() {
            let message = "expects nothing: say in `expect` what the answer is to be, such as { allowed: false }";
            taken.fault(place.clone(), message);
        }
        taken.finish(&FIELDS);
        let expect = expect.and_then(|(fields, at)| Expectation::read(fields, &at, faults));
        if faults.len() > before {
            return None;
        }
        let (subject, expect) = (subject?, expect?);
        Some(Self {
            name,
            place,
            policy,
            subject,
            namespace,
            parameters,
            vantage,
            tenant,
            inventory,
            ledger,
            now,
            expect,
        })
    }

    /// Whether both ask and expect the same, wherever they stand.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let parameters = |case: &Self| case.parameters.as_ref().map(|(value, _)| value.clone());
        let policy = |case: &Self| case.policy.as_ref().map(|(name, _)| name.clone());
        self.name == other.name
            && policy(self) == policy(other)
            && self.subject == other.subject
            && self.namespace == other.namespace
            && parameters(self) == parameters(other)
            && self.vantage == other.vantage
            && self.tenant == other.tenant
            && self.inventory == other.inventory
            && self.ledger == other.ledger
            && self.now == other.now
            && self.expect == other.expect
    }
}

fn subject(taken: &mut Taken<'_>, place: &Place, used: &mut Vec<PathBuf>) -> Option<Subject> {
    if let Some(at) = taken.place("request") {
        let both: Vec<&str> = OF_A_REQUEST.into_iter().filter(|name| taken.has(name)).collect();
        if !both.is_empty() {
            let names = both.join("` and `");
            taken.fault(at, format!("`request` says all of the request: leave out `{names}`"));
        }
        let (value, at) = taken.value("request")?;
        for name in OF_A_REQUEST {
            drop(taken.value(name));
        }
        // The whole review is what people copy out of a log.
        let value = match value {
            Value::Object(mut review) if review.get("kind").is_some_and(|kind| kind == "AdmissionReview") => {
                review.remove("request").unwrap_or_default()
            }
            other => other,
        };
        if !value.is_object() {
            taken.fault(at, "request: must be an AdmissionRequest");
            return None;
        }
        return Some(Subject::Request(value));
    }
    let given = taken.place("object").zip(taken.place("objectFile"));
    if let Some((_, at)) = given {
        taken.fault(at, "`object` and `objectFile` are both there: leave one of them out");
    }
    let object = object(taken, "object");
    let from_file = taken.value("objectFile").and_then(|(value, at)| object_file(taken, value, &at, used));
    let object = object.or(from_file);
    let old_object = self::object(taken, "oldObject");
    let fallback = match (&object, &old_object) {
        (Some(_), Some(_)) => Operation::Update,
        (None, Some(_)) => Operation::Delete,
        _ => Operation::Create,
    };
    let operation = operation(taken).unwrap_or(fallback);
    let asker = user(taken);
    let dry_run = taken.take("dryRun", "true or false").unwrap_or_default();
    if object.is_none() && old_object.is_none() {
        let message = "asks about nothing: give an `object`, an `objectFile`, an `oldObject` or a whole `request`";
        taken.fault(place.clone(), message);
        return None;
    }
    Some(Subject::Object(Box::new(Asked { object, old_object, operation, user: asker, dry_run })))
}

fn object(taken: &mut Taken<'_>, name: &str) -> Option<Value> {
    let (value, at) = taken.value(name)?;
    if !value.is_object() {
        taken.fault(at, format!("{name}: must be an object with apiVersion, kind and metadata"));
        return None;
    }
    for (pointer, field) in [("/apiVersion", "apiVersion"), ("/kind", "kind")] {
        if value.pointer(pointer).and_then(Value::as_str).is_none() {
            taken.fault(at.clone(), format!("{name}: has no {field}"));
        }
    }
    let is_named = ["/metadata/name", "/metadata/generateName"]
        .iter()
        .any(|pointer| value.pointer(pointer).and_then(Value::as_str).is_some());
    if !is_named {
        taken.fault(at, format!("{name}: has no metadata.name"));
    }
    Some(value)
}

/// A file beside the case. It stays in the folder of the policy: a case comes with a package, and reads nothing else.
fn object_file(taken: &mut Taken<'_>, value: Value, at: &Place, used: &mut Vec<PathBuf>) -> Option<Value> {
    let name: String = taken.typed("objectFile", "the path of a file", value, at.clone())?;
    let is_inside = Path::new(&name).components().filter(|part| matches!(part, Component::ParentDir)).count() <= 1
        && Path::new(&name).is_relative();
    if !is_inside {
        taken.fault(at.clone(), "objectFile: must be a path from the folder of the case, within that of the policy");
        return None;
    }
    let path = at.file.parent().unwrap_or(Path::new("")).join(&name);
    let path = crate::bundle::normalise(&path);
    used.push(path.clone());
    match super::files::one_document(&path) {
        Ok(value) => Some(value),
        Err(reason) => {
            taken.fault(at.clone(), format!("objectFile: {reason}"));
            None
        }
    }
}

fn operation(taken: &mut Taken<'_>) -> Option<Operation> {
    let (value, at) = taken.value("operation")?;
    let text = value.as_str().unwrap_or_default().to_owned();
    let all = [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect];
    let found = all.into_iter().find(|operation| operation.as_str().eq_ignore_ascii_case(&text));
    if found.is_none() {
        taken.fault(at, "operation: must be one of CREATE, UPDATE, DELETE, CONNECT");
    }
    found
}

/// A name, or all that an API server tells of a user; `groups` beside it stand for the groups.
fn user(taken: &mut Taken<'_>) -> User {
    let groups: Option<Vec<String>> = taken.take("groups", "a list of names");
    let mut user = match taken.value("user") {
        Some((Value::String(username), _)) => User { username, ..User::default() },
        Some((value, at)) => {
            mapping(taken, "user", "a name, or a mapping of username, uid, groups and extra", value, at)
        }
        None => User { username: "kubernetes-admin".to_owned(), ..User::default() },
    };
    user.groups.extend(groups.into_iter().flatten());
    user
}

/// A list would do for a mapping, field by field.
fn mapping<T: DeserializeOwned + Default>(
    taken: &mut Taken<'_>,
    name: &str,
    what: &str,
    value: Value,
    place: Place,
) -> T {
    if value.is_array() {
        taken.fault(place, format!("{name}: must be {what}, not a list"));
        return T::default();
    }
    taken.typed(name, what, value, place).unwrap_or_default()
}

fn namespace(taken: &mut Taken<'_>) -> Namespace {
    match taken.value("namespace") {
        Some((Value::String(name), _)) => Namespace { name: Some(name), ..Namespace::default() },
        Some((value, at)) => mapping(taken, "namespace", "a name, or a mapping of name and labels", value, at),
        None => Namespace::default(),
    }
}

fn vantage(taken: &mut Taken<'_>) -> Vantage {
    match taken.value("vantage") {
        None => Vantage::Host,
        Some((value, at)) => match value.as_str() {
            Some("host") => Vantage::Host,
            Some("virtual") => Vantage::Virtual,
            _ => {
                taken.fault(at, "vantage: must be host or virtual");
                Vantage::Host
            }
        },
    }
}

fn tenant(taken: &mut Taken<'_>, value: Value, at: Place) -> Option<Value> {
    let Value::Object(given) = value else {
        taken.fault(at, "tenant: must be a mapping");
        return None;
    };
    for (name, value) in &given {
        match TENANT.iter().find(|(known, _)| known == name) {
            None => {
                let names: Vec<&str> = TENANT.iter().map(|(known, _)| *known).collect();
                taken.fault(at.clone(), format!("tenant.{name}: is not a field; there are {}", names.join(", ")));
            }
            Some((_, fits)) if !fits(value) => {
                taken.fault(at.clone(), format!("tenant.{name}: is of the wrong type"));
            }
            Some(_) => {}
        }
    }
    let mut tenant: Map<String, Value> = serde_json::from_str(&crate::isolate::no_tenant()).unwrap_or_default();
    tenant.extend(given);
    Some(Value::Object(tenant))
}

fn inventory(taken: &mut Taken<'_>) -> Vec<Value> {
    let Some((value, at)) = taken.value("inventory") else { return Vec::new() };
    let objects: Vec<Value> = taken.typed("inventory", "a list of objects", value, at.clone()).unwrap_or_default();
    if let Err(error) = crate::cluster::Inventory::from_objects(objects.clone()) {
        taken.fault(at, format!("inventory: {error}"));
    }
    objects
}

fn ledger(taken: &mut Taken<'_>) -> Vec<Seed> {
    let Some((value, at)) = taken.value("ledger") else { return Vec::new() };
    let entries: Vec<Value> = taken.typed("ledger", "a list of reservations", value, at.clone()).unwrap_or_default();
    let read = |(index, entry): (usize, &Value)| {
        let seed = Seed::read(entry);
        seed.map_err(|why| taken.fault(at.clone(), format!("ledger[{index}]: {why}"))).ok()
    };
    entries.iter().enumerate().filter_map(read).collect()
}

fn now(taken: &mut Taken<'_>) -> Option<f64> {
    let (value, at) = taken.value("now")?;
    let parsed = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    if parsed.is_none() {
        taken.fault(at, "now: must be a time such as 2026-03-01T12:00:00Z");
    }
    #[expect(clippy::cast_precision_loss, reason = "a date of JavaScript has no more precision")]
    parsed.map(|time| time.as_millisecond() as f64)
}
