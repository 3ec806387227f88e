//! Against a service that answers as an API server does, and remembers what it was asked, by whom.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use http_body_util::{BodyExt as _, Full};
use hyper::http::{Request, Response};
use kube::client::Body;
use serde_json::Value;
use tokio::runtime::Handle;
use tower::service_fn;

use super::*;
use crate::cluster::{CacheLimits, CacheMode, Cluster, Kind, Write};

#[derive(Default)]
struct Server {
    /// `Authorization METHOD path`, for all but tokens.
    asked: Mutex<Vec<String>>,
    tokens: AtomicUsize,
    /// The status of the next token requests; 0 for good ones.
    refusal: AtomicU16,
    /// The status of what is asked with the first token; 0 for good ones.
    first_token_is: AtomicU16,
}

impl Server {
    fn answer(&self, request: &Request<Body>) -> (u16, Value) {
        let path = request.uri().path();
        if path == "/api/v1" {
            let pods = json!({"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod", "verbs": []});
            return (200, json!({"groupVersion": "v1", "resources": [pods]}));
        }
        let refused =
            |code: u16| (code, json!({"kind": "Status", "message": "no", "reason": "No", "details": {"name": "x"}}));
        if path.ends_with("/token") {
            assert_eq!(path, "/api/v1/namespaces/shop/serviceaccounts/images/token");
            let count = self.tokens.fetch_add(1, Ordering::Relaxed) + 1;
            return match self.refusal.load(Ordering::Relaxed) {
                0 => (201, json!({"spec": {"expirationSeconds": 600}, "status": {"token": format!("t{count}")}})),
                code => refused(code),
            };
        }
        let bearer = request.headers().get("authorization").map_or("-", |value| value.to_str().unwrap());
        self.asked.lock().unwrap().push(format!("{bearer} {} {path}", request.method()));
        let code = self.first_token_is.load(Ordering::Relaxed);
        if code != 0 && bearer == "Bearer t1" {
            return refused(code);
        }
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "ns"}});
        let is_one = path.ends_with("/a") || request.method() == "POST";
        (200, if is_one { pod } else { json!({"metadata": {}, "items": [pod]}) })
    }
}

fn cluster() -> (Cluster, Arc<Server>) {
    let server = Arc::new(Server::default());
    let answering = Arc::clone(&server);
    let service = service_fn(move |request: Request<Body>| {
        let (code, body) = answering.answer(&request);
        let body = Full::new(bytes::Bytes::from(body.to_string())).boxed_unsync();
        async move { Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap()) }
    });
    let client = Client::new(service, "default");
    let addresses = vec![("10.0.0.1".to_owned(), 6443)];
    let accounts =
        Accounts::new(&Connected { client: client.clone(), bare: client.clone(), addresses }, Some("shop".to_owned()));
    (Cluster::with_accounts(client, accounts, &Handle::current(), CacheLimits::default()), server)
}

async fn get(cluster: &Cluster) -> Result<Option<Arc<str>>, ClusterError> {
    let deadline = Instant::now() + Duration::from_secs(10);
    cluster.get(&Kind::parse("v1/Pod").unwrap(), "ns", "a", CacheMode::Cached, deadline).await
}

fn account() -> Account {
    Account::parse("images").unwrap()
}

#[tokio::test]
async fn reads_and_writes_go_live_with_one_token_of_the_account() {
    let (cluster, server) = cluster();
    let acting = cluster.acting_as(&account()).unwrap();
    let kind = Kind::parse("v1/Pod").unwrap();
    for _ in 0..2 {
        assert!(get(&acting).await.unwrap().is_some());
    }
    let object = r#"{"metadata":{"name":"a"}}"#.to_owned();
    acting.write(&kind, &Write::Create { namespace: "ns".to_owned(), object }, false).await.unwrap();
    let path = "/api/v1/namespaces/ns/pods";
    let expected =
        [format!("Bearer t1 GET {path}/a"), format!("Bearer t1 GET {path}/a"), format!("Bearer t1 POST {path}")];
    assert_eq!(*server.asked.lock().unwrap(), expected);
    assert_eq!(server.tokens.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_bylaw_has_in_memory_is_not_for_accounts() {
    let (cluster, server) = cluster();
    get(&cluster).await.unwrap();
    server.first_token_is.store(403, Ordering::Relaxed);
    let error = get(&cluster.acting_as(&account()).unwrap()).await.unwrap_err();
    assert!(matches!(error, ClusterError::Api { code: 403, .. }), "{error}");
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more_is_replaced_once() {
    let (cluster, server) = cluster();
    server.first_token_is.store(401, Ordering::Relaxed);
    let acting = cluster.acting_as(&account()).unwrap();
    assert!(get(&acting).await.unwrap().is_some());
    assert!(get(&acting).await.unwrap().is_some());
    assert_eq!(server.tokens.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_is_not_asked_for_again_at_once() {
    for (code, mend) in [(404, "make it"), (403, "bylaw crd --rbac")] {
        let (cluster, server) = cluster();
        server.refusal.store(code, Ordering::Relaxed);
        let acting = cluster.acting_as(&account()).unwrap();
        for _ in 0..3 {
            let error = get(&acting).await.unwrap_err();
            assert_eq!(error.reason(), "ServiceAccountRefused");
            let told = error.to_string();
            assert!(
                told.starts_with("cannot ask as the ServiceAccount shop/images: ") && told.contains(mend),
                "{told}"
            );
        }
        assert_eq!(server.tokens.load(Ordering::Relaxed), 1);
        assert!(server.asked.lock().unwrap().is_empty(), "nobody asks as somebody else instead");
    }
}

#[test]
fn a_token_is_replaced_before_its_end_and_not_shown() {
    let begun = Instant::now();
    let token = Token::read(r#"{"spec":{"expirationSeconds":600},"status":{"token":"secret"}}"#, begun).unwrap();
    assert_eq!((token.renewed_at, token.ends), (begun + Duration::from_mins(8), begun + Duration::from_mins(10)));
    assert!(!format!("{:?}", token.header).contains("secret"));
    for text in ["", "{}", r#"{"spec":{"expirationSeconds":600},"status":{"token":""}}"#] {
        assert!(Token::read(text, begun).is_none(), "{text}");
    }
}

#[tokio::test]
async fn only_tls_to_the_api_server_itself_is_taken_for_it() {
    let (cluster, _) = cluster();
    let is_at = |url: &str| cluster.is_at(&Url::parse(url).unwrap());
    assert!(is_at("https://10.0.0.1:6443/api"));
    for url in [
        "http://10.0.0.1:6443/",
        "https://10.0.0.1/",
        "https://10.0.0.1.example.com:6443/",
        "https://10.0.0.1:6443@evil.org/",
    ] {
        assert!(!is_at(url), "{url}");
    }
}
