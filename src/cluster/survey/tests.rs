//! Lists that go wrong half-way, against an API server of a few lines: a real one forgets a list when it likes.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

use super::*;

/// Answers the requests in turn and notes their queries.
fn server(answers: Vec<(u16, Value)>) -> (Survey, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let (answers, notes) = (Arc::new(Mutex::new(answers.into_iter())), Arc::clone(&asked));
    let service = service_fn(move |request: Request<Body>| {
        notes.lock().unwrap().push(request.uri().path_and_query().unwrap().to_string());
        let (status, body) = answers.lock().unwrap().next().unwrap_or((500, json!({})));
        let answer = Response::builder().status(status).body(Full::new(bytes::Bytes::from(body.to_string())));
        async move { Ok::<_, Infallible>(answer.unwrap()) }
    });
    let survey = Survey { pause: Duration::ZERO, ..Survey::new(Client::new(service, "default")) };
    (survey, asked)
}

fn page(names: &[&str], next: &str) -> (u16, Value) {
    let items: Vec<Value> = names.iter().map(|name| json!({"metadata": {"namespace": "a", "name": name}})).collect();
    (200, json!({"metadata": {"continue": next}, "items": items}))
}

fn refusal(code: u16, next: &str) -> (u16, Value) {
    (code, json!({"kind": "Status", "code": code, "message": "no", "metadata": {"continue": next}}))
}

fn pods() -> Listed {
    Listed { kind: Kind::parse("v1/Pod").unwrap(), plural: "pods".to_owned(), namespaced: true }
}

/// All names of a list, or what ended it.
async fn listed(answers: Vec<(u16, Value)>) -> (Vec<String>, Option<ClusterError>, Vec<String>) {
    let (survey, asked) = server(answers);
    let mut pages = survey.pages(&pods(), None);
    let mut names = Vec::new();
    let error = loop {
        match pages.next().await {
            Ok(Some(texts)) => names.extend(texts.iter().map(|text| {
                serde_json::from_str::<Value>(text).unwrap()["metadata"]["name"].as_str().unwrap().to_owned()
            })),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(pages.next().await.unwrap().is_none(), "a list that is over stays over");
    let asked = asked.lock().unwrap().clone();
    (names, error, asked)
}

#[tokio::test]
async fn a_list_comes_page_by_page() {
    let (names, error, asked) = listed(vec![page(&["a", "b"], "t 1"), page(&["c"], "")]).await;
    assert_eq!((names.concat().as_str(), error), ("abc", None));
    assert_eq!(asked, ["/api/v1/pods?limit=500", "/api/v1/pods?limit=500&continue=t+1"]);
}

#[tokio::test]
async fn a_list_that_is_too_old_goes_on_where_the_server_offers_it() {
    let (names, error, asked) = listed(vec![page(&["a"], "old"), refusal(410, "new"), page(&["b"], "")]).await;
    assert_eq!((names.concat().as_str(), error), ("ab", None));
    assert!(asked[2].ends_with("continue=new"), "{asked:?}");
}

#[tokio::test]
async fn a_list_that_is_too_old_for_any_offer_begins_anew_and_repeats_nothing() {
    let answers = vec![page(&["b", "c"], "old"), refusal(410, ""), page(&["a", "b", "c"], "n"), page(&["d"], "")];
    let (names, error, asked) = listed(answers).await;
    assert_eq!((names.concat().as_str(), error), ("bcd", None));
    assert_eq!(asked[2], "/api/v1/pods?limit=500");
}

#[tokio::test]
async fn a_bad_moment_passes_and_a_bad_server_does_not() {
    let (names, error, _) = listed(vec![refusal(503, ""), refusal(429, ""), page(&["a"], "")]).await;
    assert_eq!((names.concat().as_str(), error), ("a", None));
    let (_, error, asked) = listed(vec![refusal(500, ""); 9]).await;
    assert_eq!((error.unwrap().to_string().as_str(), asked.len()), ("no", ATTEMPTS as usize));
}

#[tokio::test]
async fn a_refusal_ends_the_list_after_what_came_before() {
    let (names, error, _) = listed(vec![page(&["a"], "t"), refusal(403, "")]).await;
    assert_eq!((names.concat().as_str(), error.unwrap().to_string().as_str()), ("a", "no"));
}

#[tokio::test]
async fn what_is_served_is_told_with_the_preferred_version_first() {
    let versions = |names: &[&str]| -> Vec<Value> {
        names.iter().map(|name| json!({"groupVersion": format!("g.io/{name}"), "version": name})).collect()
    };
    let groups = json!({"groups": [{"name": "g.io", "versions": versions(&["v1beta1", "v1"]),
        "preferredVersion": {"groupVersion": "g.io/v1", "version": "v1"}}]});
    let resource = |name: &str, verbs: &[&str]| json!({"name": name, "singularName": "", "namespaced": true, "kind": "X", "verbs": verbs});
    let list = json!({"groupVersion": "g.io/v1", "resources": [resource("xs", &["list"]), resource("xs/status", &["list"]), resource("ys", &["create"])]});
    let (survey, asked) = server(vec![(200, groups), (200, list), (403, json!({"message": "not yours"}))]);
    let served = survey.served(|group, _| group == "g.io").await.unwrap();
    let kind = Kind::parse("g.io/v1/X").unwrap();
    assert_eq!(served.resources, [Listed { kind, plural: "xs".to_owned(), namespaced: true }]);
    assert_eq!(served.unknown.len(), 1);
    assert_eq!(served.unknown[0].0, "g.io/v1beta1");
    assert_eq!(*asked.lock().unwrap(), ["/apis", "/apis/g.io/v1", "/apis/g.io/v1beta1"]);
}
