//! An API server of a few lines: discovery, reads, and writes that it remembers. Watches are opened and stay silent.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use hyper::body::Bytes;
use hyper::{Method, Request};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::http::{self, Answer};

/// Group and version, kind, plural, and whether it lives in namespaces.
const KINDS: [(&str, &str, &str, bool); 6] = [
    ("v1", "Namespace", "namespaces", false),
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Secret", "secrets", true),
    ("v1", "Pod", "pods", true),
    ("apps/v1", "Deployment", "deployments", true),
    ("networking.k8s.io/v1", "Ingress", "ingresses", true),
];

/// The name of an object that no quota lets in.
const REFUSED_NAME: &str = "over-quota";

/// A running server. It serves until the process ends.
#[derive(Clone, Default)]
pub struct FakeApi(Arc<Mutex<Store>>);

#[derive(Default)]
struct Store {
    /// By plural, namespace and name.
    objects: BTreeMap<(String, String, String), Value>,
    version: u64,
    writes: Vec<String>,
}

/// What a path leads to.
struct Place {
    api_version: String,
    kind: &'static str,
    plural: String,
    namespace: String,
    name: Option<String>,
}

impl FakeApi {
    /// Starts to serve these objects; with its URL.
    pub async fn serve(objects: Vec<Value>) -> (Self, String) {
        let api = Self::default();
        for object in objects {
            api.0.lock().unwrap().keep(object);
        }
        let served = api.clone();
        let handler = move |request: Request<Bytes>| Some(served.answer(&request));
        let url = format!("http://{}", http::serve(None, Arc::new(handler)).await);
        (api, url)
    }

    /// What it was asked to write since [`Self::forget_writes`]: method, path and query.
    pub fn writes(&self) -> Vec<String> {
        self.0.lock().unwrap().writes.clone()
    }

    pub fn forget_writes(&self) {
        self.0.lock().unwrap().writes.clear();
    }

    fn answer(&self, request: &Request<Bytes>) -> Answer {
        let unknown = || http::text(404, "404 page not found");
        let (method, uri) = (request.method(), request.uri());
        let Some((api_version, rest)) = group_of(uri.path()) else { return unknown() };
        if rest.is_empty() {
            return discovery(&api_version).map_or_else(unknown, |found| http::json(200, &found));
        }
        let Some(place) = Place::of(api_version, &rest) else { return unknown() };
        let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let query: HashMap<String, String> = query.into_owned().collect();
        if query.contains_key("watch") {
            return http::silence();
        }
        let mut store = self.0.lock().unwrap();
        if method == Method::GET {
            let (code, found) = store.read(&place, query.get("labelSelector").map_or("", String::as_str));
            return http::json(code, &found);
        }
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let dry_run = query.contains_key("dryRun") || body["dryRun"][0] == "All";
        store.writes.push(format!("{method} {}{}", uri.path(), if dry_run { " dry run" } else { "" }));
        let (code, written) = store.write(method, &place, body, dry_run);
        http::json(code, &written)
    }
}

impl Store {
    fn keep(&mut self, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(key_of(&object), object.clone());
        object
    }

    fn read(&self, place: &Place, selector: &str) -> (u16, Value) {
        let Some(name) = &place.name else { return (200, self.list(place, selector)) };
        let found = self.objects.get(&(place.plural.clone(), place.namespace.clone(), name.clone()));
        found.map_or_else(|| refusal(404, "NotFound", place, name, "not found"), |object| (200, object.clone()))
    }

    fn list(&self, place: &Place, selector: &str) -> Value {
        let fits = |object: &Value| {
            selector.split(',').filter(|term| !term.is_empty()).all(|term| {
                let (label, value) = term.split_once('=').expect("this server knows equality only");
                object["metadata"]["labels"][label] == value
            })
        };
        let wanted = |(plural, namespace, _): &(String, String, String)| {
            *plural == place.plural && (place.namespace.is_empty() || *namespace == place.namespace)
        };
        let found = self.objects.iter().filter(|(key, object)| wanted(key) && fits(object));
        let items: Vec<&Value> = found.map(|(_, object)| object).collect();
        let metadata = json!({"resourceVersion": self.version.to_string()});
        json!({"apiVersion": place.api_version, "kind": format!("{}List", place.kind), "metadata": metadata, "items": items})
    }

    fn write(&mut self, method: &Method, place: &Place, body: Value, dry_run: bool) -> (u16, Value) {
        let name =
            place.name.clone().or_else(|| body["metadata"]["name"].as_str().map(str::to_owned)).unwrap_or_default();
        let key = (place.plural.clone(), place.namespace.clone(), name.clone());
        let refused = |code, reason, words| refusal(code, reason, place, &name, words);
        let known = self.objects.get(&key);
        let version = body["metadata"]["resourceVersion"].as_str();
        match (method, known) {
            _ if name == REFUSED_NAME => refused(403, "Forbidden", "is over its quota"),
            (&Method::POST, Some(_)) => refused(409, "AlreadyExists", "already exists"),
            (&Method::PUT | &Method::DELETE, None) => refused(404, "NotFound", "not found"),
            (&Method::PUT, Some(known))
                if version.is_some_and(|version| known["metadata"]["resourceVersion"] != version) =>
            {
                refused(409, "Conflict", "has been modified")
            }
            (&Method::DELETE, Some(_)) => {
                if !dry_run {
                    self.objects.remove(&key);
                }
                (200, json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}))
            }
            _ => {
                let code = if method == Method::POST { 201 } else { 200 };
                (code, if dry_run { body } else { self.keep(body) })
            }
        }
    }
}

fn key_of(object: &Value) -> (String, String, String) {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = text("/kind");
    let plural = KINDS.iter().find(|(_, known, _, _)| *known == kind).map(|(_, _, plural, _)| (*plural).to_owned());
    (plural.unwrap_or_else(|| panic!("{kind} is not served")), text("/metadata/namespace"), text("/metadata/name"))
}

fn refusal(code: u16, reason: &str, place: &Place, name: &str, words: &str) -> (u16, Value) {
    let plural = &place.plural;
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "reason": reason,
        "message": format!("{plural} {name:?} {words}"), "details": {"name": name, "kind": plural}});
    (code, status)
}

/// `apps/v1`, and the segments after it.
fn group_of(path: &str) -> Option<(String, Vec<&str>)> {
    let mut segments = path.trim_matches('/').split('/');
    let api_version = match segments.next()? {
        "api" => segments.next()?.to_owned(),
        "apis" => format!("{}/{}", segments.next()?, segments.next()?),
        _ => return None,
    };
    Some((api_version, segments.collect()))
}

fn discovery(api_version: &str) -> Option<Value> {
    let kinds = KINDS.iter().filter(|(served, ..)| *served == api_version);
    let resources: Vec<Value> = kinds
        .map(|(_, kind, plural, namespaced)| {
            json!({"name": plural, "singularName": kind.to_lowercase(), "namespaced": namespaced, "kind": kind, "verbs": ["get", "list", "watch"]})
        })
        .collect();
    let served = !resources.is_empty();
    served.then(
        || json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": resources}),
    )
}

impl Place {
    fn of(api_version: String, rest: &[&str]) -> Option<Self> {
        let (namespace, plural, name) = match rest {
            ["namespaces", namespace, plural, name] => (*namespace, *plural, Some(*name)),
            ["namespaces", namespace, plural] => (*namespace, *plural, None),
            [plural, name] => ("", *plural, Some(*name)),
            [plural] => ("", *plural, None),
            _ => return None,
        };
        let known = KINDS.iter().find(|(served, _, known, _)| *served == api_version && *known == plural);
        let kind = known.map(|(_, kind, ..)| *kind)?;
        let (namespace, name) = (namespace.to_owned(), name.map(str::to_owned));
        Some(Self { api_version, kind, plural: plural.to_owned(), namespace, name })
    }
}
