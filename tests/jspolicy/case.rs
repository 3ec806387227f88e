//! A case: a request, and the answer that it must get. Read from `cases/*.yaml`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// Of the cases that name no other.
    #[serde(default)]
    pub policy: String,
    pub cases: Vec<Case>,
}

/// What a request has besides is made up from the object.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// Asked at `/policy/<name>`.
    #[serde(default)]
    pub policy: String,
    /// Another path, such as `/validate`.
    pub path: Option<String>,
    /// What it shows; absent where `run` says it already.
    #[serde(default, rename = "case")]
    pub shows: String,
    /// `object.data.run` of a `ConfigMap`: chooses what a policy of `manifests/globals` does.
    pub run: Option<String>,
    pub object: Option<Value>,
    pub old_object: Option<Value>,
    /// CREATE where absent.
    pub operation: Option<String>,
    pub namespace: Option<String>,
    /// Fields of the AdmissionRequest that stand over what was made up; `null` takes one away.
    #[serde(default)]
    pub request: Map<String, Value>,
    /// JSON text that takes the place of the word `"RAW"`.
    pub raw: Option<String>,
    /// Of AdmissionReview; v1 where absent.
    pub version: Option<String>,
    /// `?timeout=`, as the API server sends it.
    pub timeout: Option<String>,
    pub expect: Expect,
}

/// What is not expected must not be there: a warning, a patch, a reason.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Expect {
    /// Status of HTTP; 200 where absent, and then there must be a review.
    pub http: Option<u16>,
    pub allowed: bool,
    /// 403 where absent.
    pub code: Option<u16>,
    /// `Forbidden` where absent, none where the code is 500.
    pub reason: Option<String>,
    pub message: Option<String>,
    pub message_contains: Option<String>,
    /// The message, read as JSON.
    pub says: Option<Value>,
    pub warnings: Vec<String>,
    /// The object after the patch.
    pub patched: Option<Value>,
    /// The pointers of the patch, in any order.
    pub patch_paths: Option<Vec<String>>,
    /// In the server's log, each of them.
    pub log: Vec<String>,
    /// Seconds that the answer may take.
    pub within: Option<f64>,
    /// What the API server was asked to write: `POST /api/v1/namespaces/a/configmaps`.
    pub writes: Vec<String>,
}

impl Case {
    /// What it is called in a report.
    pub fn title(&self) -> String {
        let run = self.run.as_deref().unwrap_or_default();
        [self.shows.as_str(), run].iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join(": ")
    }

    pub fn path(&self) -> String {
        let path = self.path.clone().unwrap_or_else(|| format!("/policy/{}", self.policy));
        self.timeout.as_ref().map_or(path.clone(), |timeout| format!("{path}?timeout={timeout}"))
    }

    pub fn api_version(&self) -> String {
        format!("admission.k8s.io/{}", self.version.as_deref().unwrap_or("v1"))
    }

    /// The object that is judged.
    pub fn object(&self) -> Option<Value> {
        let chosen = self.run.as_ref().map(|run| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chooser", "namespace": "team-a"}, "data": {"run": run}})
        });
        match (self.object.clone(), chosen) {
            (Some(mut object), Some(chosen)) => {
                for field in ["apiVersion", "kind", "metadata"] {
                    let fields = object.as_object_mut().expect("the object of a case is one");
                    fields.entry(field).or_insert_with(|| chosen[field].clone());
                }
                object["data"]["run"] = chosen["data"]["run"].clone();
                Some(object)
            }
            (object, chosen) => object.or(chosen),
        }
    }

    /// The review's JSON text.
    pub fn review(&self, uid: &str) -> String {
        let object = self.object();
        let example = object.as_ref().or(self.old_object.as_ref());
        let mut request = Map::new();
        request.insert("uid".to_owned(), uid.into());
        if let Some(example) = example {
            describe(example, &mut request);
        }
        request.insert("operation".to_owned(), self.operation.as_deref().unwrap_or("CREATE").into());
        request.insert("userInfo".to_owned(), json!({"username": "ann", "groups": ["system:authenticated"]}));
        for (field, value) in [("object", object), ("oldObject", self.old_object.clone())] {
            request.insert(field.to_owned(), value.unwrap_or_default());
        }
        if let Some(namespace) = &self.namespace {
            request.insert("namespace".to_owned(), namespace.as_str().into());
        }
        request.insert("dryRun".to_owned(), false.into());
        for (field, value) in &self.request {
            match value {
                Value::Null => drop(request.remove(field)),
                _ => drop(request.insert(field.clone(), value.clone())),
            }
        }
        let review =
            json!({"apiVersion": self.api_version(), "kind": "AdmissionReview", "request": request}).to_string();
        match &self.raw {
            Some(raw) => review.replace("\"RAW\"", raw),
            None => review,
        }
    }
}

/// What the API server derives from an object.
fn describe(object: &Value, request: &mut Map<String, Value>) {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("/apiVersion").rsplit_once('/').unwrap_or(("", text("/apiVersion")));
    let kind = text("/kind");
    let kind_value = json!({"group": group, "version": version, "kind": kind});
    let resource = json!({"group": group, "version": version, "resource": plural(kind)});
    for (field, value) in
        [("kind", &kind_value), ("requestKind", &kind_value), ("resource", &resource), ("requestResource", &resource)]
    {
        request.insert(field.to_owned(), value.clone());
    }
    for (field, pointer) in [("name", "/metadata/name"), ("namespace", "/metadata/namespace")] {
        if !text(pointer).is_empty() {
            request.insert(field.to_owned(), text(pointer).into());
        }
    }
    // The object itself says nothing of its namespace's own name.
    if kind == "Namespace" {
        request.insert("namespace".to_owned(), text("/metadata/name").into());
    }
}

fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    if kind.ends_with('s') { format!("{kind}es") } else { format!("{kind}s") }
}
