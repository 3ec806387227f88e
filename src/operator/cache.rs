//! What the cluster held when it was last seen, on disk: with the API server away at the start, what is known is enforced.
//! Only what was good is kept, so that a restart loses no last good revision either.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tracing::warn;

use crate::bundle::artifact;
use crate::bundle::content_hash;
use crate::policy::live::{BundleObject, ConfigMapData, ConfigMapRef, Live, PolicyObject, Reports};

const FILE: &str = "cluster-policies.cache";

/// What a file begins with; the hash is of all that follows the line.
const START: &str = "bylaw-cluster-policies/v1 sha256:";

/// Beyond what may be kept in memory nothing is.
const MAX_BYTES: u64 = 512 << 20;

/// How often it is written at most: a policy that is edited a hundred times a second is kept so often.
const REST: Duration = Duration::from_secs(2);

/// One policy as it was last good, and the bundle that its code came from.
#[derive(Debug, Clone)]
struct Kept {
    object: Arc<PolicyObject>,
    bundle: Option<Arc<BundleObject>>,
}

impl Kept {
    fn is_like(&self, other: &Self) -> bool {
        // To compare what is in them takes long, and mostly it is the very same.
        (Arc::ptr_eq(&self.object, &other.object) || self.object == other.object) && self.bundle == other.bundle
    }
}

/// The file, and what is in it.
pub struct Cache {
    path: PathBuf,
    kept: BTreeMap<Arc<str>, Kept>,
}

impl Cache {
    /// Reads what there is into `live`. How many policies; 0 where there is no file, or none that can be believed.
    #[must_use]
    pub fn load(folder: &Path, live: &Live) -> (Self, usize) {
        let mut cache = Self { path: folder.join(FILE), kept: BTreeMap::new() };
        match read(&cache.path) {
            Ok(Some(content)) => cache.take(&content, live),
            Ok(None) => {}
            Err(reason) => {
                warn!(path = %cache.path.display(), "what was known of the cluster is not used: {reason}");
            }
        }
        let count = cache.kept.len();
        (cache, count)
    }

    fn take(&mut self, content: &Value, live: &Live) {
        let list = |name: &str| content.get(name).and_then(Value::as_array).into_iter().flatten();
        let bundles: Vec<BundleObject> = list("bundles").filter_map(BundleObject::of).collect();
        let policies: Vec<PolicyObject> = list("policies")
            .filter_map(|object| {
                let namespace = object.get("namespace").and_then(Value::as_str).unwrap_or_default();
                PolicyObject::of(object, namespace)
            })
            .collect();
        for map in list("configMaps") {
            let text = |name: &str| map.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let of = ConfigMapRef { namespace: text("namespace"), name: text("name") };
            let data: Option<ConfigMapData> =
                map.get("data").and_then(|data| serde_json::from_value(data.clone()).ok());
            live.put_config_map(&of, data);
        }
        // It was bounded when it was written.
        let _ = live.replace_bundles(bundles);
        let _ = live.replace(policies);
        for object in live.policies() {
            let kept = Kept { bundle: live.bundle(&object.name), object };
            self.kept.insert(Arc::clone(&kept.object.name), kept);
        }
    }

    /// Writes what is good whenever that changes, until it is aborted.
    pub async fn keep(mut self, live: Live) {
        let mut reports = live.reports();
        loop {
            let now = reports.borrow_and_update().clone();
            if self.update(&now, &live) {
                let (path, kept, live) = (self.path.clone(), self.kept.clone(), live.clone());
                let written = tokio::task::spawn_blocking(move || write(&path, &content(&kept, &live))).await;
                if let Ok(Err(reason)) = written {
                    warn!(path = %self.path.display(), "what is known of the cluster cannot be kept: {reason}");
                }
            }
            tokio::time::sleep(REST).await;
            if reports.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether there is something else to keep.
    fn update(&mut self, reports: &Reports, live: &Live) -> bool {
        let mut is_changed = false;
        self.kept.retain(|name, _| {
            let is_there = reports.objects.contains_key(name);
            is_changed |= !is_there;
            is_there
        });
        for (name, report) in &reports.objects {
            // What is broken or on its way is kept as it was when it was last good, also where that was for a moment only.
            let Some(object) = report.good.clone() else { continue };
            let kept = Kept { object, bundle: live.bundle(name) };
            if !self.kept.get(name).is_some_and(|before| before.is_like(&kept)) {
                self.kept.insert(Arc::clone(name), kept);
                is_changed = true;
            }
        }
        is_changed
    }
}

fn content(kept: &BTreeMap<Arc<str>, Kept>, live: &Live) -> String {
    let policies = kept.values().map(|kept| policy(&kept.object));
    let bundles = kept.values().filter_map(|kept| kept.bundle.as_deref()).map(BundleObject::to_value);
    let config_maps = live.known_config_maps();
    let config_maps =
        config_maps.iter().map(|(of, data)| json!({ "namespace": of.namespace, "name": of.name, "data": **data }));
    let content = json!({
        "policies": policies.collect::<Vec<_>>(), "bundles": bundles.collect::<Vec<_>>(),
        "configMaps": config_maps.collect::<Vec<_>>(),
    });
    content.to_string()
}

/// As the API server would have it.
fn policy(object: &PolicyObject) -> Value {
    let mut value = object.value.clone();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("uid".to_owned(), object.uid.as_str().into());
        metadata.insert("generation".to_owned(), object.generation.into());
    }
    if let Some(fields) = value.as_object_mut() {
        fields.insert("status".to_owned(), json!({ "bundleHash": object.bundle_hash }));
        let namespace = object.config_map.as_ref().map(|of| of.namespace.as_str()).unwrap_or_default();
        fields.insert("namespace".to_owned(), namespace.into());
    }
    value
}

fn read(path: &Path) -> Result<Option<Value>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("it is larger than {MAX_BYTES} bytes"));
    }
    let (stated, content) = text
        .strip_prefix(START)
        .and_then(|rest| rest.split_once('\n'))
        .ok_or_else(|| "it is not what this version writes".to_owned())?;
    if stated != content_hash(content) {
        return Err("it is damaged".to_owned());
    }
    serde_json::from_str(content).map(Some).map_err(|error| error.to_string())
}

/// As a whole or not at all.
fn write(path: &Path, content: &str) -> Result<(), String> {
    let text = format!("{START}{}\n{content}", content_hash(content));
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("it would be larger than {MAX_BYTES} bytes"));
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    artifact::write(path, text.as_bytes()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::npm::Lock;
    use crate::policy::PolicyType;
    use crate::policy::live::{BundleState, ObjectReport, Standing};

    fn put(live: &Live, code: &str, generation: i64) {
        let object = json!({
            "metadata": {"name": "a.b.c", "uid": "u", "generation": generation},
            "spec": {"javascript": code, "parametersFrom": {"configMap": {"name": "m"}}},
        });
        live.put(PolicyObject::of(&object, "own").unwrap()).unwrap();
    }

    fn reports(live: &Live, good: bool) -> Reports {
        let object = live.policy("a.b.c");
        let report = ObjectReport {
            home: None,
            name: "a.b.c".into(),
            uid: "u".to_owned(),
            generation: 1,
            good: object.filter(|_| good),
            standing: Standing::Serving,
            kind: PolicyType::Validating,
            source: String::new(),
            code: None,
            packages: Lock::default(),
            bundle: BundleState::Stale,
            notes: Vec::new(),
        };
        Reports { generation: 1, objects: [("a.b.c".into(), Arc::new(report))].into() }
    }

    fn code_in(live: &Live) -> String {
        live.policy("a.b.c").unwrap().spec()["javascript"].as_str().unwrap().to_owned()
    }

    #[test]
    fn what_was_last_good_is_there_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let live = Live::default();
        let (mut cache, count) = Cache::load(folder.path(), &live);
        assert_eq!(count, 0);
        put(&live, "deny('good')", 1);
        let of = ConfigMapRef { namespace: "own".to_owned(), name: "m".to_owned() };
        live.put_config_map(&of, Some(BTreeMap::from([("a".to_owned(), "1".to_owned())])));
        let packed = crate::bundle::pack("deny('bundle')").unwrap();
        let own = json!({"metadata": {"name": "a.b.c", "annotations": {"bylaw.dev/source": "s"}}, "spec": {"bundle": packed}});
        live.put_bundle(BundleObject::of(&own).unwrap()).unwrap();
        let good = reports(&live, true);
        put(&live, "deny(;", 2);
        assert!(cache.update(&good, &live), "it was good, though it is not any more");
        assert!(!cache.update(&good, &live), "nothing else is to be kept");
        assert!(!cache.update(&reports(&live, false), &live));
        write(&cache.path, &content(&cache.kept, &live)).unwrap();

        let again = Live::default();
        let (_, count) = Cache::load(folder.path(), &again);
        assert_eq!((count, code_in(&again).as_str()), (1, "deny('good')"));
        assert_eq!(again.bundle("a.b.c"), live.bundle("a.b.c"));
        assert_eq!(again.known_config_maps(), live.known_config_maps());
        assert_eq!(again.policy("a.b.c").unwrap().generation, 1);
    }

    #[test]
    fn a_damaged_or_strange_file_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        write(&path, &json!({"policies": []}).to_string()).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        assert!(read(&path).unwrap().is_some());
        for text in [&whole[..whole.len() - 1], &whole.replace("policies", "policiez"), "", "nonsense\n{}"] {
            std::fs::write(&path, text).unwrap();
            assert!(read(&path).is_err(), "{text}");
            assert_eq!(Cache::load(folder.path(), &Live::default()).1, 0);
        }
    }
}
