//! A cluster behind its caches, against an API server of a few lines that remembers what it was asked.

use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

use futures::stream;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

use super::super::Trouble;
use super::*;

type Asked = Arc<Mutex<Vec<String>>>;
type AnswerBody = http_body_util::combinators::UnsyncBoxBody<bytes::Bytes, Infallible>;

/// What the server does about lists of pods and their watch.
#[derive(Clone, Copy, PartialEq)]
enum Pods {
    Served,
    /// 403, as for a role that may `get` but not `list`.
    Forbidden,
    /// The first list never comes.
    Hang,
}

fn pod(name: &str, revision: u64) -> Value {
    json!({"metadata": {"name": name, "namespace": "ns", "resourceVersion": revision.to_string(), "labels": {"app": name},
        "managedFields": [{"manager": "m"}]}, "spec": {}})
}

fn status(code: u16, reason: &str, name: &str) -> (u16, String) {
    let status = json!({"kind": "Status", "reason": reason, "message": format!("{reason} said the server"), "details": {"name": name}, "code": code});
    (code, status.to_string())
}

fn answer(request: &Request<Body>, pods: Pods, body: &Value) -> (u16, String) {
    let path = request.uri().path();
    match (request.method().as_str(), path) {
        ("GET", "/api/v1") => {
            let resources = json!([{"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod", "verbs": []},
                {"name": "nodes", "singularName": "node", "namespaced": false, "kind": "Node", "verbs": []}]);
            (200, json!({"groupVersion": "v1", "resources": resources}).to_string())
        }
        ("GET", "/api/v1/pods") if pods == Pods::Forbidden => status(403, "Forbidden", ""),
        ("GET", "/api/v1/pods" | "/api/v1/namespaces/ns/pods") => {
            let list = json!({"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "10"}, "items": [pod("a", 1), pod("b", 2)]});
            (200, list.to_string())
        }
        ("GET", "/api/v1/nodes") => (200, json!({"metadata": {"resourceVersion": "10"}, "items": []}).to_string()),
        ("GET", "/api/v1/namespaces/ns/pods/live") => (200, pod("live", 3).to_string()),
        ("GET", path) if path.starts_with("/api/v1/") => status(404, "NotFound", "x"),
        ("POST", "/api/v1/namespaces/ns/pods") if body["metadata"]["name"] == "taken" => {
            status(409, "AlreadyExists", "taken")
        }
        ("POST", "/api/v1/namespaces/ns/pods") => (201, pod("made", 11).to_string()),
        ("PUT" | "PATCH", _) => (200, pod("a", 12).to_string()),
        ("DELETE", _) => (200, json!({"kind": "Status", "status": "Success"}).to_string()),
        _ => (404, "404 page not found".to_owned()),
    }
}

async fn serve(request: Request<Body>, pods: Pods, asked: Asked) -> Result<Response<AnswerBody>, Infallible> {
    let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
    if is_watch {
        return Ok(Response::new(
            StreamBody::new(stream::pending::<Result<Frame<bytes::Bytes>, Infallible>>()).boxed_unsync(),
        ));
    }
    if pods == Pods::Hang
        && request.uri().path() == "/api/v1/pods"
        && !request.uri().query().unwrap().contains("labelSelector")
    {
        std::future::pending::<()>().await;
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let content_type = head.headers.get("content-type").map_or("", |v| v.to_str().unwrap());
    asked.lock().unwrap().push(format!(
        "{} {} {content_type} {}",
        head.method,
        head.uri,
        String::from_utf8_lossy(&body)
    ));
    let value = serde_json::from_slice(&body).unwrap_or_default();
    let (code, text) = answer(&Request::from_parts(head, Body::empty()), pods, &value);
    Ok(Response::builder().status(code).body(Full::new(bytes::Bytes::from(text)).boxed_unsync()).unwrap())
}

fn cluster_with(pods: Pods, limits: CacheLimits) -> (Cluster, Asked) {
    let asked = Asked::default();
    let remember = asked.clone();
    let service = service_fn(move |request| serve(request, pods, remember.clone()));
    let client = Client::new(service, "default");
    (Cluster::new(client, &Handle::current(), limits), asked)
}

fn cluster(pods: Pods) -> (Cluster, Asked) {
    cluster_with(pods, CacheLimits::default())
}

fn kind(text: &str) -> Kind {
    Kind::parse(text).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn everything() -> ListQuery {
    ListQuery { namespace: None, label_selector: None, fits: Arc::new(|_| true) }
}

async fn get(cluster: &Cluster, name: &str, mode: CacheMode) -> Result<Option<Arc<str>>, ClusterError> {
    cluster.get(&kind("v1/Pod"), "ns", name, mode, soon()).await
}

/// Requests about pods since the last look.
fn pods_asked(asked: &Asked) -> Vec<String> {
    asked.lock().unwrap().drain(..).filter(|request| request.contains("/pods")).collect()
}

#[tokio::test]
async fn a_cached_kind_is_listed_once_and_then_answered_from_memory() {
    let (cluster, asked) = cluster(Pods::Served);
    let text = get(&cluster, "a", CacheMode::Cached).await.unwrap().unwrap();
    let object: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&object["kind"], &object["metadata"]["managedFields"]), (&json!("Pod"), &Value::Null));
    assert_eq!(get(&cluster, "none", CacheMode::Cached).await, Ok(None));
    assert_eq!(cluster.list(&[kind("v1/Pod")], &everything(), CacheMode::Cached, soon()).await.unwrap().len(), 2);
    assert_eq!(pods_asked(&asked).len(), 1);
    assert!(matches!(cluster.peek_get(&kind("v1/Pod"), "ns", "b", CacheMode::Cached), Peek::Known(Some(_))));
    assert_eq!(cluster.peek_get(&kind("v1/Node"), "", "n", CacheMode::Cached), Peek::Ask);
}

#[tokio::test]
async fn live_and_smart_reads_ask_the_server_when_they_should() {
    let (cluster, asked) = cluster(Pods::Served);
    assert!(get(&cluster, "live", CacheMode::Live).await.unwrap().is_some());
    assert_eq!(pods_asked(&asked), ["GET /api/v1/namespaces/ns/pods/live  "]);
    assert_eq!(get(&cluster, "live", CacheMode::Cached).await, Ok(None));
    assert!(get(&cluster, "live", CacheMode::Smart).await.unwrap().is_some());
    assert!(get(&cluster, "a", CacheMode::Smart).await.unwrap().is_some());
    assert_eq!(pods_asked(&asked).len(), 2, "the list of the cache, and one live get");
}

#[tokio::test]
async fn a_kind_that_may_not_be_listed_answers_at_once_with_the_servers_reason() {
    let (cluster, _) = cluster(Pods::Forbidden);
    let started = Instant::now();
    let error = cluster.list(&[kind("v1/Pod")], &everything(), CacheMode::Cached, soon()).await.unwrap_err();
    assert_eq!((error.reason(), error.to_string().as_str()), ("Forbidden", "Forbidden said the server"));
    assert!(get(&cluster, "live", CacheMode::Cached).await.unwrap().is_some(), "but get may be allowed");
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_slow_first_list_gives_way_to_a_live_read() {
    let (cluster, asked) = cluster(Pods::Hang);
    let started = Instant::now();
    assert!(get(&cluster, "live", CacheMode::Cached).await.unwrap().is_some());
    assert!(started.elapsed() < Duration::from_secs(2));
    let query =
        ListQuery { namespace: Some("ns".to_owned()), label_selector: Some("app in (a,b)".to_owned()), ..everything() };
    let found = cluster.list(&[kind("v1/Pod")], &query, CacheMode::Cached, soon()).await.unwrap();
    assert_eq!(found.len(), 2);
    assert!(pods_asked(&asked)[1].contains("limit=500&labelSelector=app+in+%28a%2Cb%29"));
}

#[tokio::test]
async fn a_kind_too_large_for_memory_is_read_live() {
    let (cluster, _) = cluster_with(Pods::Served, CacheLimits { bytes: 100, ..CacheLimits::default() });
    assert!(get(&cluster, "live", CacheMode::Cached).await.unwrap().is_some());
    assert_eq!(cluster.cached().0, 0);
}

#[tokio::test]
async fn with_no_room_for_another_kind_it_is_read_live() {
    let (cluster, _) = cluster_with(Pods::Served, CacheLimits { kinds: 1, ..CacheLimits::default() });
    assert_eq!(cluster.get(&kind("v1/Node"), "", "n", CacheMode::Cached, soon()).await, Ok(None));
    assert!(get(&cluster, "live", CacheMode::Cached).await.unwrap().is_some());
    assert_eq!(cluster.cached().1, 1);
}

#[tokio::test]
async fn kinds_that_are_not_served_and_objects_without_their_namespace_are_named() {
    let (cluster, asked) = cluster(Pods::Served);
    let widget = kind("example.com/v1/Widget");
    for _ in 0..3 {
        let error = cluster.get(&widget, "ns", "w", CacheMode::Cached, soon()).await.unwrap_err();
        assert_eq!(error, ClusterError::UnknownKind { kind: "example.com/v1/Widget".to_owned() });
    }
    assert_eq!(asked.lock().unwrap().len(), 1, "not asked again at once");
    let error = cluster.get(&kind("v1/Pod"), "", "a", CacheMode::Cached, soon()).await.unwrap_err();
    assert_eq!(error.reason(), "NamespaceRequired");
    let kinds = [kind("v1/Widget"), kind("v1/Pod")];
    assert_eq!(cluster.list(&kinds, &everything(), CacheMode::Cached, soon()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn writes_go_out_as_they_are_and_dry_on_a_dry_run() {
    let (cluster, asked) = cluster(Pods::Served);
    let (namespace, name) = ("ns".to_owned(), "a".to_owned());
    let object = r#"{"n":9007199254740993}"#.to_owned();
    let writes = [
        Write::Create { namespace: namespace.clone(), object: object.clone() },
        Write::Update { namespace: namespace.clone(), name: name.clone(), object },
        Write::MergePatch { namespace: namespace.clone(), name: name.clone(), patch: "{}".to_owned() },
        Write::JsonPatch { namespace: namespace.clone(), name: name.clone(), patch: "[]".to_owned() },
        Write::Remove { namespace, name },
    ];
    for write in writes {
        cluster.write(&kind("v1/Pod"), &write, true).await.unwrap();
    }
    assert_eq!(
        pods_asked(&asked),
        [
            r#"POST /api/v1/namespaces/ns/pods?dryRun=All application/json {"n":9007199254740993}"#,
            r#"PUT /api/v1/namespaces/ns/pods/a?dryRun=All application/json {"n":9007199254740993}"#,
            "PATCH /api/v1/namespaces/ns/pods/a?dryRun=All application/merge-patch+json {}",
            "PATCH /api/v1/namespaces/ns/pods/a?dryRun=All application/json-patch+json []",
            r#"DELETE /api/v1/namespaces/ns/pods/a?dryRun=All application/json {"dryRun":["All"]}"#,
        ]
    );
}

#[tokio::test]
async fn a_policy_reads_what_it_wrote_unless_it_was_a_dry_run() {
    let (cluster, _) = cluster(Pods::Served);
    assert_eq!(get(&cluster, "made", CacheMode::Cached).await, Ok(None));
    let create = |name: &str| Write::Create {
        namespace: "ns".to_owned(),
        object: json!({"metadata": {"name": name}}).to_string(),
    };
    cluster.write(&kind("v1/Pod"), &create("made"), true).await.unwrap();
    assert_eq!(get(&cluster, "made", CacheMode::Cached).await, Ok(None));
    cluster.write(&kind("v1/Pod"), &create("made"), false).await.unwrap();
    assert!(get(&cluster, "made", CacheMode::Cached).await.unwrap().is_some());
    let error = cluster.write(&kind("v1/Pod"), &create("taken"), false).await.unwrap_err();
    assert_eq!(error.reason(), "AlreadyExists");
}

#[tokio::test]
async fn prepared_kinds_are_in_memory_before_anyone_asks() {
    let (cluster, _) = cluster(Pods::Served);
    cluster.prepare([kind("v1/Pod"), kind("example.com/v1/Widget")].into()).await;
    let known = async {
        while cluster.peek_get(&kind("v1/Pod"), "ns", "a", CacheMode::Cached) == Peek::Ask {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), known).await.unwrap();
}

/// Remembers what it is told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Listener for Told {
    fn there(&self, _: &Kind, object: &StoredObject) {
        self.0.lock().unwrap().push(format!("there {}", object.name));
    }

    fn changed(&self, _: &Kind, object: &StoredObject) {
        self.0.lock().unwrap().push(format!("changed {}", object.name));
    }

    fn gone(&self, _: &Kind, object: &StoredObject) {
        self.0.lock().unwrap().push(format!("gone {}", object.name));
    }
}

#[tokio::test]
async fn a_listener_is_told_of_what_is_there_whenever_it_begins_to_listen() {
    let (cluster, asked) = cluster(Pods::Served);
    let told = [Arc::new(Told::default()), Arc::new(Told::default())];
    let mut followed = Vec::new();
    for one in &told {
        let one: Arc<dyn Listener> = one.clone();
        followed.push(cluster.follow(&kind("v1/Pod"), Arc::downgrade(&one)).await.unwrap());
        // The first comes before the list, the second after it.
        drop(get(&cluster, "a", CacheMode::Cached).await);
    }
    for one in &told {
        assert_eq!(*one.0.lock().unwrap(), ["there a", "there b"]);
    }
    assert_eq!(pods_asked(&asked).len(), 1, "one watch for both, and for whoever reads");
    assert_eq!(
        (followed[0].trouble(soon() - Instant::now()), followed[0].get("ns", "b").map(|b| b.revision)),
        (None, Some(2))
    );
    let told: Arc<dyn Listener> = told[0].clone();
    let absent = cluster.follow(&kind("v1/Absent"), Arc::downgrade(&told)).await;
    assert!(matches!(absent, Err(ClusterError::UnknownKind { .. })));
}

#[tokio::test]
async fn a_kind_that_may_not_be_listed_says_so_to_whoever_follows_it() {
    let (cluster, _) = cluster(Pods::Forbidden);
    let told: Arc<dyn Listener> = Arc::new(Told::default());
    let followed = cluster.follow(&kind("v1/Pod"), Arc::downgrade(&told)).await.unwrap();
    drop(get(&cluster, "live", CacheMode::Cached).await);
    let trouble = followed.trouble(cluster.stale()).unwrap();
    assert!(matches!(&trouble, Trouble::Failing(why) if why.contains("Forbidden")), "{trouble:?}");
}
