//! `get`, `list` and writes: which object is meant, whether it may be touched, and where it is.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::value::RawValue;
use url::Url;

use crate::bundle::content_hash;
use crate::cluster::{CacheMode, Cluster, ClusterError, Inventory, Kind, ListQuery, Peek, Write, join, path_segment};
use crate::ledger::Ledger;

use super::arguments::{
    ApplyArguments, GetArguments, ListArguments, ObjectArguments, ObjectHead, PatchArguments, RemoveArguments, parse,
};
use super::gate::{OptionalGate, WrittenObject};
use super::pretence::{Pretence, noted};
use super::selector::Selection;
use super::{Answer, Begun, Caller, HostError, Pending, Rehearsal, permission};

/// Where objects are read from, and written to.
#[derive(Clone, Default)]
pub enum Objects {
    #[default]
    Nowhere,
    /// Read only.
    Inventory(Arc<Inventory>),
    Cluster(Cluster),
    /// Those of a test case; writes are recorded.
    Rehearsal(Arc<Rehearsal>),
    /// Nothing is real.
    Pretended(Arc<dyn Pretence>),
}

impl Objects {
    pub(super) fn pretence(&self) -> Option<&dyn Pretence> {
        match self {
            Self::Pretended(pretence) => Some(&**pretence),
            _ => None,
        }
    }

    /// That of the test case, where one is played.
    pub(super) fn ledger(&self) -> Option<Ledger> {
        match self {
            Self::Rehearsal(rehearsal) => Some(rehearsal.ledger()),
            _ => None,
        }
    }

    pub(super) fn get(&self, caller: &Caller<'_>, args: &str) -> Result<Begun, HostError> {
        let GetArguments { api_version, kind, namespace, name, cache } = parse("get", args)?;
        let kind = Kind::new(&api_version, &kind)?;
        let namespace = namespace.unwrap_or_default();
        check_names(&namespace, Some(&name))?;
        permission::read(caller, &kind)?;
        permission::place(caller, &namespace)?;
        let cache = cache_of(caller, cache);
        match self {
            Self::Nowhere => Err(not_connected(&format!("read {kind} from"))),
            Self::Inventory(inventory) => from_inventory(inventory, &kind, &namespace, &name),
            Self::Pretended(pretence) => from_inventory(&pretence.inventory(caller.policy), &kind, &namespace, &name),
            Self::Cluster(cluster) => {
                Ok(from_cluster(seen_by(cluster, caller)?.as_ref(), kind, namespace, name, cache, caller))
            }
            Self::Rehearsal(rehearsal) => from_inventory(&rehearsal.inventory(), &kind, &namespace, &name),
        }
    }

    pub(super) fn list(&self, caller: &Caller<'_>, args: &str, limit: usize) -> Result<Begun, HostError> {
        let ListArguments { api_version, kind, namespace, label_selector, cache } = parse("list", args)?;
        let kind = Kind::new(&api_version, &kind)?;
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        check_names(namespace.as_deref().unwrap_or_default(), None)?;
        let kinds = readable(caller, kind)?;
        permission::place(caller, namespace.as_deref().unwrap_or_default())?;
        let cache = cache_of(caller, cache);
        let Selection { label_selector, fits } = Selection::of(label_selector)?;
        let query = ListQuery { namespace, label_selector, fits };
        match self {
            Self::Nowhere => Err(not_connected(&format!("list {} from", names(&kinds)))),
            Self::Inventory(inventory) => listed(inventory, &kinds, &query, limit),
            Self::Rehearsal(rehearsal) => listed(&rehearsal.inventory(), &kinds, &query, limit),
            Self::Pretended(pretence) => listed(&pretence.inventory(caller.policy), &kinds, &query, limit),
            Self::Cluster(cluster) => {
                let cluster = seen_by(cluster, caller)?;
                if let Peek::Known(found) = cluster.peek_list(&kinds, &query, cache) {
                    return Ok(Begun::Done(array(&found, limit)?));
                }
                let (cluster, deadline) = (cluster.into_owned(), caller.deadline);
                Ok(Begun::Waits(Box::pin(async move {
                    let found = cluster.list(&kinds, &query, cache, deadline).await?;
                    array(&found, limit)
                })))
            }
        }
    }

    /// The API server at this URL as the policy's own `ServiceAccount` sees it; `None` for any other place, and for policies
    /// without one.
    pub(super) fn api_server(&self, caller: &Caller<'_>, url: &Url) -> Result<Option<Cluster>, ClusterError> {
        match (self, &caller.permissions.service_account) {
            (Self::Cluster(cluster), Some(account)) if cluster.is_at(url) => cluster.acting_as(account).map(Some),
            _ => Ok(None),
        }
    }

    /// Keeps a line that a policy printed, where somebody wants it.
    pub(super) fn print(&self, line: &str) -> bool {
        let Self::Rehearsal(rehearsal) = self else { return false };
        rehearsal.print(line);
        true
    }

    pub(super) fn create(&self, caller: &Caller<'_>, args: &str, gate: OptionalGate<'_>) -> Result<Begun, HostError> {
        let ObjectArguments { object } = parse("create", args)?;
        let Reference { kind, namespace, .. } = Reference::of("create", object)?;
        let write = Write::Create { namespace, object: object.get().to_owned() };
        self.write(caller, ("create", args), kind, write, gate)
    }

    pub(super) fn update(&self, caller: &Caller<'_>, args: &str, gate: OptionalGate<'_>) -> Result<Begun, HostError> {
        let ObjectArguments { object } = parse("update", args)?;
        let Reference { kind, namespace, name } = Reference::of("update", object)?;
        let write = Write::Update { namespace, name, object: object.get().to_owned() };
        self.write(caller, ("update", args), kind, write, gate)
    }

    pub(super) fn patch(&self, caller: &Caller<'_>, args: &str, gate: OptionalGate<'_>) -> Result<Begun, HostError> {
        let PatchArguments { api_version, kind, namespace, name, patch } = parse("patch", args)?;
        let kind = Kind::new(&api_version, &kind)?;
        let (namespace, patch) = (namespace.unwrap_or_default(), patch.get().to_owned());
        let write = match patch.bytes().next() {
            Some(b'{') => Write::MergePatch { namespace, name, patch },
            Some(b'[') => Write::JsonPatch { namespace, name, patch },
            _ => {
                return Err(HostError::wrong_arguments(
                    "patch",
                    "patch is neither an object nor an array of operations",
                ));
            }
        };
        self.write(caller, ("patch", args), kind, write, gate)
    }

    /// Server-side apply, in the name of the policy.
    pub(super) fn apply(&self, caller: &Caller<'_>, args: &str, gate: OptionalGate<'_>) -> Result<Begun, HostError> {
        let ApplyArguments { object, force } = parse("apply", args)?;
        let Reference { kind, namespace, name } = Reference::of("apply", object)?;
        let (object, manager) = (object.get().to_owned(), field_manager(caller.policy));
        let write = Write::Apply { namespace, name, object, manager, force: force.unwrap_or(true) };
        self.write(caller, ("apply", args), kind, write, gate)
    }

    pub(super) fn remove(&self, caller: &Caller<'_>, args: &str, gate: OptionalGate<'_>) -> Result<Begun, HostError> {
        let RemoveArguments { object, api_version, kind, namespace, name } = parse("remove", args)?;
        let Reference { kind, namespace, name } = match object {
            Some(object) => Reference::of("remove", object)?,
            None => Reference { kind: Kind::new(&api_version, &kind)?, namespace: namespace.unwrap_or_default(), name },
        };
        self.write(caller, ("remove", args), kind, Write::Remove { namespace, name }, gate)
    }

    fn write(
        &self,
        caller: &Caller<'_>,
        given: (&str, &str),
        kind: Kind,
        write: Write,
        gate: OptionalGate<'_>,
    ) -> Result<Begun, HostError> {
        check_names(write.namespace(), write.name())?;
        permission::write(caller, &kind)?;
        if let Self::Rehearsal(rehearsal) = self {
            return Ok(Begun::Done(Some(rehearsal.write(&kind, &write, caller.dry_run)?)));
        }
        if let Some(pretence) = self.pretence() {
            return noted(caller, pretence, given.0, given.1).map(Begun::Done);
        }
        let Self::Cluster(cluster) = self else { return Err(not_connected(&format!("write {kind} to"))) };
        let (cluster, dry_run) = (seen_by(cluster, caller)?.into_owned(), caller.dry_run);
        let what = WrittenObject {
            kind: kind.clone(),
            namespace: write.namespace().to_owned(),
            name: write.name().map(str::to_owned),
            is_removed: matches!(write, Write::Remove { .. }),
        };
        let work: Pending = Box::pin(async move {
            let text = cluster.write(&kind, &write, dry_run).await?;
            Ok(Some(text.as_ref().to_owned()))
        });
        match gate {
            Some(gate) if caller.reconciles => Ok(Begun::Waits(gate.pass(caller, what, work))),
            // Nobody would stop it, or see what it does.
            None if caller.reconciles => Err(HostError::new("NotLeading", "controllers do not run here")),
            _ => Ok(Begun::Waits(work)),
        }
    }
}

/// The API server's bound on the name of a field manager.
const LONGEST_MANAGER: usize = 128;

/// Each policy owns the fields that it applies.
fn field_manager(policy: &str) -> String {
    let manager = format!("bylaw/{policy}");
    if manager.len() <= LONGEST_MANAGER { manager } else { format!("bylaw/{}", content_hash(policy)) }
}

/// Which object an object says it is.
struct Reference {
    kind: Kind,
    namespace: String,
    /// Empty where it has none, as before the server makes one of `generateName`.
    name: String,
}

impl Reference {
    fn of(op: &str, object: &RawValue) -> Result<Self, HostError> {
        let head: ObjectHead = parse(op, object.get())?;
        Ok(Self {
            kind: Kind::new(&head.api_version, &head.kind)?,
            namespace: head.metadata.namespace.unwrap_or_default(),
            name: head.metadata.name.unwrap_or_default(),
        })
    }
}

fn from_inventory(inventory: &Inventory, kind: &Kind, namespace: &str, name: &str) -> Result<Begun, HostError> {
    let Some(store) = inventory.of(kind) else { return Ok(Begun::Done(None)) };
    match store.get(namespace, name) {
        None if namespace.is_empty() && store.is_namespaced() => {
            Err(ClusterError::NamespaceRequired { kind: kind.to_string() }.into())
        }
        found => Ok(Begun::Done(found.map(|text| text.as_ref().to_owned()))),
    }
}

fn listed(inventory: &Inventory, kinds: &[Kind], query: &ListQuery, limit: usize) -> Result<Begun, HostError> {
    let store = kinds.iter().find_map(|kind| inventory.of(kind));
    let found = store.map(|store| store.list(query.namespace.as_deref(), &*query.fits));
    Ok(Begun::Done(array(&found.unwrap_or_default(), limit)?))
}

/// A tenant does not decide which kinds of the whole cluster are kept in memory.
fn cache_of(caller: &Caller<'_>, asked: CacheMode) -> CacheMode {
    if caller.permissions.within.is_some() { CacheMode::Live } else { asked }
}

/// As Bylaw, or as the policy's own `ServiceAccount`.
fn seen_by<'c>(cluster: &'c Cluster, caller: &Caller<'_>) -> Result<Cow<'c, Cluster>, ClusterError> {
    match &caller.permissions.service_account {
        Some(account) => cluster.acting_as(account).map(Cow::Owned),
        None => Ok(Cow::Borrowed(cluster)),
    }
}

fn from_cluster(
    cluster: &Cluster,
    kind: Kind,
    namespace: String,
    name: String,
    cache: CacheMode,
    caller: &Caller<'_>,
) -> Begun {
    if let Peek::Known(found) = cluster.peek_get(&kind, &namespace, &name, cache) {
        return Begun::Done(found.map(|text| text.as_ref().to_owned()));
    }
    let (cluster, deadline) = (cluster.clone(), caller.deadline);
    Begun::Waits(Box::pin(async move {
        let found = cluster.get(&kind, &namespace, &name, cache, deadline).await?;
        Ok(found.map(|text| text.as_ref().to_owned()))
    }))
}

/// The kinds that a list may mean and the policy may read: `PodList` is the list of `Pod`, as in jsPolicy, but there are
/// kinds whose own name ends so.
fn readable(caller: &Caller<'_>, given: Kind) -> Result<Vec<Kind>, HostError> {
    let (mut allowed, mut refusal) = (Vec::new(), None);
    for kind in given.without_list().into_iter().chain([given]) {
        match permission::read(caller, &kind) {
            Ok(()) => allowed.push(kind),
            Err(denied) => drop(refusal.get_or_insert(denied)),
        }
    }
    refusal.filter(|_| allowed.is_empty()).map_or(Ok(allowed), Err)
}

fn array(found: &[Arc<str>], limit: usize) -> Answer {
    let bytes: usize = found.iter().map(|text| text.len()).sum();
    if bytes > limit {
        let mend = "narrow it with a namespace or a labelSelector";
        return Err(HostError::new("TooLarge", format!("the list has {bytes} bytes, more than {limit}: {mend}")));
    }
    Ok(Some(join(found)))
}

fn names(kinds: &[Kind]) -> String {
    kinds.first().map(Kind::to_string).unwrap_or_default()
}

fn check_names(namespace: &str, name: Option<&str>) -> Result<(), ClusterError> {
    if !namespace.is_empty() {
        path_segment("a namespace", namespace)?;
    }
    name.map_or(Ok(()), |name| path_segment("a name", name).map(drop))
}

fn not_connected(action: &str) -> HostError {
    let mend = "start with --kubeconfig FILE or --in-cluster, or give objects to read with --inventory PATH";
    HostError::new("NotConnected", format!("there is no cluster to {action}: {mend}"))
}
