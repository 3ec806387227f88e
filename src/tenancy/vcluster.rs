//! One virtual cluster, read from what the host shows of it: the workload that its chart makes, or the object that
//! registers it. None of it comes from the virtual cluster, where the tenant is master.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::access::Access;
use super::registry::Place;

/// Versions whose syncer is known: from the one that leaves tenants' labels alone to the newest that was recorded.
const KNOWN: std::ops::RangeInclusive<(u32, u32)> = (0, 21)..=(0, 36);

/// The container that the chart runs the syncer in.
const SYNCER: &str = "syncer";

#[derive(Debug, Clone, PartialEq)]
pub struct VirtualCluster {
    /// Where it is on the host.
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    /// The `ServiceAccount` of its syncer, as a user.
    pub account: Arc<str>,
    /// Something says which that is; it is the chart's own otherwise.
    pub has_own_account: bool,
    /// Without the `v`; empty where nothing says it.
    pub version: Arc<str>,
    pub state: State,
    pub parameters: Map<String, Value>,
    /// Of what makes it one, its workload before the object that registers it: it is another when it is made anew.
    pub uid: Arc<str>,
    /// How it is to be told of Bylaw, where an object registers it.
    pub access: Option<Arc<Access>>,
}

/// Whether there is a syncer at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    #[default]
    Running,
    /// `vcluster pause`.
    Paused,
    /// Put to sleep by the platform.
    Asleep,
    /// No replica is asked for, by whomever.
    Stopped,
}

/// Why an object that looks like a virtual cluster is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOne {
    #[error("it has no label release")]
    NoRelease,
    #[error("{0:?} cannot be the name of a virtual cluster")]
    BadName(String),
    #[error("it has no container {SYNCER}")]
    NoSyncer,
    #[error("{0:?} cannot be the name of a ServiceAccount")]
    BadAccount(String),
    #[error("it has no namespace")]
    NoNamespace,
}

impl State {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Asleep => "asleep",
            Self::Stopped => "stopped",
        }
    }
}

impl VirtualCluster {
    /// From a `StatefulSet` or Deployment with the label `app=vcluster`.
    pub fn of_workload(object: &Value) -> Result<Self, NotOne> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let name = text("/metadata/labels/release").ok_or(NotOne::NoRelease)?;
        let pod = object.pointer("/spec/template/spec");
        let containers = pod.and_then(|pod| pod.get("containers")).and_then(Value::as_array);
        let syncer = containers
            .and_then(|all| all.iter().find(|one| one.get("name").is_some_and(|name| name == SYNCER)))
            .ok_or(NotOne::NoSyncer)?;
        let account =
            pod.and_then(|pod| pod.get("serviceAccountName")).and_then(Value::as_str).filter(|name| !name.is_empty());
        let chart = text("/metadata/labels/chart").and_then(|chart| chart.strip_prefix("vcluster-"));
        let image = || syncer.get("image").and_then(Value::as_str).and_then(tag);
        let version = chart.or_else(image).unwrap_or_default();
        Ok(Self {
            state: state(object),
            uid: uid(object),
            ..Self::new(text("/metadata/namespace").unwrap_or_default(), name, account, version)?
        })
    }

    /// From the `ServiceAccount` that the chart makes: all that is known where manifests alone are at hand.
    pub fn of_account(object: &Value) -> Result<Self, NotOne> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let name = text("/metadata/labels/release").ok_or(NotOne::NoRelease)?;
        let account = text("/metadata/name").unwrap_or_default();
        if account != format!("vc-{name}") {
            return Err(NotOne::BadAccount(account.to_owned()));
        }
        let version = text("/metadata/labels/chart").and_then(|chart| chart.strip_prefix("vcluster-"));
        Self::new(text("/metadata/namespace").unwrap_or_default(), name, Some(account), version.unwrap_or_default())
    }

    /// From a `VirtualCluster` object.
    pub fn of_object(object: &Value) -> Result<Self, NotOne> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let parameters = object.pointer("/spec/parameters").and_then(Value::as_object).cloned();
        let found = Self::new(
            text("/metadata/namespace").unwrap_or_default(),
            text("/metadata/name").unwrap_or_default(),
            text("/spec/serviceAccountName"),
            text("/spec/version").unwrap_or_default(),
        )?;
        let access = Some(Arc::new(Access::of(object, &found.name)));
        Ok(Self { parameters: parameters.unwrap_or_default(), uid: uid(object), access, ..found })
    }

    /// `account` is the name of a `ServiceAccount` of that namespace; the chart's own where nothing is said.
    pub fn new(namespace: &str, name: &str, account: Option<&str>, version: &str) -> Result<Self, NotOne> {
        if !is_dns_name(name) {
            return Err(NotOne::BadName(clipped(name)));
        }
        if !is_dns_name(namespace) {
            return Err(NotOne::NoNamespace);
        }
        let has_own_account = account.is_some();
        let account = account.map_or_else(|| format!("vc-{name}"), str::to_owned);
        if !is_dns_name(&account) {
            return Err(NotOne::BadAccount(clipped(&account)));
        }
        Ok(Self {
            account: format!("{ACCOUNT}{namespace}:{account}").into(),
            has_own_account,
            namespace: namespace.into(),
            name: name.into(),
            version: version.trim_start_matches('v').into(),
            state: State::default(),
            parameters: Map::new(),
            uid: Arc::default(),
            access: None,
        })
    }

    /// Its namespace and name.
    #[must_use]
    pub fn place(&self) -> Place {
        (Arc::clone(&self.namespace), Arc::clone(&self.name))
    }

    /// Whether what its syncer does is known.
    #[must_use]
    pub fn has_known_syncer(&self) -> bool {
        let mut parts = self.version.split(['.', '-', '+']);
        let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
        number().zip(number()).is_some_and(|version| KNOWN.contains(&version))
    }
}

/// What the users of `ServiceAccounts` begin with.
pub(super) const ACCOUNT: &str = "system:serviceaccount:";

fn uid(object: &Value) -> Arc<str> {
    object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().into()
}

fn tag(image: &str) -> Option<&str> {
    let name = image.split('@').next()?;
    let (_, tag) = name.rsplit_once(':')?;
    (!tag.contains('/')).then_some(tag)
}

fn state(object: &Value) -> State {
    let annotation =
        |key: &str| object.pointer("/metadata/annotations").and_then(|all| all.get(key)).and_then(Value::as_str);
    let replicas = object.pointer("/spec/replicas").and_then(Value::as_i64);
    match replicas {
        _ if annotation("sleepmode.loft.sh/sleeping-since").is_some_and(|since| !since.is_empty()) => State::Asleep,
        _ if annotation("loft.sh/paused") == Some("true") => State::Paused,
        Some(0) => State::Stopped,
        _ => State::Running,
    }
}

fn is_dns_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let is_end = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    name.len() <= 253 && is_end(bytes.first()) && is_end(bytes.last()) && bytes.iter().all(|byte| is_inner(*byte))
}

fn clipped(name: &str) -> String {
    crate::review::clip::clip(name, 64).replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workload() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {
                "name": "tenant1", "namespace": "vc-tenant1",
                "labels": {"app": "vcluster", "release": "tenant1", "chart": "vcluster-0.36.0"},
            },
            "spec": {"replicas": 1, "template": {"spec": {
                "serviceAccountName": "vc-tenant1",
                "containers": [{"name": "syncer", "image": "ghcr.io/loft-sh/vcluster-pro:0.36.0"}],
            }}},
        })
    }

    fn with(change: impl FnOnce(&mut Value)) -> Result<VirtualCluster, NotOne> {
        let mut object = workload();
        change(&mut object);
        VirtualCluster::of_workload(&object)
    }

    #[test]
    fn a_workload_tells_name_account_version_and_state() {
        let found = with(|_| {}).unwrap();
        assert_eq!((&*found.namespace, &*found.name, &*found.version), ("vc-tenant1", "tenant1", "0.36.0"));
        assert_eq!(&*found.account, "system:serviceaccount:vc-tenant1:vc-tenant1");
        assert_eq!(found.state, State::Running);
        assert!(found.has_known_syncer());

        let other = with(|object| object["spec"]["template"]["spec"]["serviceAccountName"] = json!("other")).unwrap();
        assert_eq!(&*other.account, "system:serviceaccount:vc-tenant1:other");
    }

    #[test]
    fn a_workload_at_rest_says_so() {
        let state = |annotations: Value, replicas: i64| {
            let found = with(|object| {
                object["metadata"]["annotations"] = annotations;
                object["spec"]["replicas"] = replicas.into();
            });
            found.unwrap().state
        };
        assert_eq!(state(json!({}), 0), State::Stopped);
        assert_eq!(state(json!({"loft.sh/paused": "true"}), 0), State::Paused);
        assert_eq!(state(json!({"sleepmode.loft.sh/sleeping-since": "1790000000"}), 0), State::Asleep);
        assert_eq!(state(json!({"loft.sh/paused": "no"}), 2), State::Running);
    }

    #[test]
    fn an_image_tells_the_version_where_no_label_does() {
        let version = |image: &str| {
            let found = with(|object| {
                object["metadata"]["labels"].as_object_mut().unwrap().remove("chart");
                object["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
            });
            found.unwrap()
        };
        assert_eq!(&*version("registry:5000/vcluster:v0.30.0@sha256:0").version, "0.30.0");
        assert_eq!(&*version("registry:5000/vcluster").version, "");
        assert!(!version("vcluster:latest").has_known_syncer());
        assert!(!version("vcluster:0.99.0").has_known_syncer());
        assert!(!version("vcluster:0.19.3").has_known_syncer());
    }

    #[test]
    fn what_looks_like_one_and_is_none_is_told_apart() {
        let labels = |object: &mut Value, name: &str| object["metadata"]["labels"]["release"] = name.into();
        assert_eq!(with(|object| labels(object, "a:b")).unwrap_err(), NotOne::BadName("a:b".to_owned()));
        assert_eq!(with(|object| labels(object, "")).unwrap_err(), NotOne::BadName(String::new()));
        let nameless = with(|object| drop(object["metadata"]["labels"].as_object_mut().unwrap().remove("release")));
        assert_eq!(nameless.unwrap_err(), NotOne::NoRelease);
        let bare = with(|object| object["spec"] = json!(7));
        assert_eq!(bare.unwrap_err(), NotOne::NoSyncer);
        let account = with(|object| object["spec"]["template"]["spec"]["serviceAccountName"] = json!("a:admin"));
        assert_eq!(account.unwrap_err(), NotOne::BadAccount("a:admin".to_owned()));
    }

    #[test]
    fn an_object_registers_one_without_a_workload() {
        let object =
            json!({"metadata": {"namespace": "far", "name": "edge"}, "spec": {"parameters": {"tier": "gold"}}});
        let found = VirtualCluster::of_object(&object).unwrap();
        assert_eq!((&*found.account, &*found.version), ("system:serviceaccount:far:vc-edge", ""));
        assert_eq!(found.parameters.get("tier"), Some(&json!("gold")));
    }
}
