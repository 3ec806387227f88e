use super::*;
use crate::isolate::testing::validate;
use crate::operator::Leading;
use crate::policy::{Oversight, Revision};

/// Inside of a runtime: a client has tasks.
fn exceptions(allowed: &[&str]) -> Exceptions {
    let named = |name: &str, refuses_exceptions: bool| {
        let revision = (*validate("").named(name).made()).clone();
        let oversight = Arc::new(Oversight { refuses_exceptions, ..Oversight::default() });
        Arc::new(Revision { oversight, ..revision })
    };
    let revisions = vec![named("a.b.c", false), named("d.e.f", true)];
    let (_, catalogs) = watch::channel(Arc::new(Catalog { revisions, ..Catalog::default() }));
    // Nothing is sent here.
    let service = tower::service_fn(|_: hyper::http::Request<kube::client::Body>| async {
        Ok::<_, std::convert::Infallible>(hyper::http::Response::new(kube::client::Body::empty()))
    });
    let client = Client::new(service, "default");
    let allowed = allowed.iter().filter_map(|text| Pattern::parse(text)).collect();
    Exceptions { client, leadership: Leading::new().1, catalogs, allowed }
}

fn object(name: &str, policies: &[&str], expires: &str) -> Value {
    json!({
        "apiVersion": "bylaw.dev/v1alpha1", "kind": "PolicyException",
        "metadata": {"name": name, "namespace": "shop", "uid": "u", "generation": 1},
        "spec": {
            "policies": policies, "reason": "legacy", "expires": expires,
            "objects": [{"resources": ["pods"], "names": ["web-*"]}],
        },
    })
}

fn known(objects: Vec<Value>) -> Known {
    let mut known = Known::new();
    take(&mut known, Seen::All(objects));
    known
}

fn now() -> Timestamp {
    "2026-11-01T00:00:00Z".parse().unwrap()
}

fn due(of: &Exceptions, objects: Vec<Value>) -> (Vec<Value>, Duration) {
    let catalog = of.catalogs.borrow().clone();
    let (due, next) = of.due(&known(objects), &catalog, now());
    (due.into_iter().map(|due| due.status).collect(), next)
}

const LATER: &str = "2026-11-01T00:00:30Z";

#[tokio::test]
async fn the_status_says_whether_it_counts_and_if_not_why() {
    let told = |allowed: &[&str], policies: &[&str], expires: &str| {
        let (statuses, _) = due(&exceptions(allowed), vec![object("e", policies, expires)]);
        let ready = &statuses[0]["conditions"][0];
        let word = |name: &str| ready[name].as_str().unwrap().to_owned();
        (word("status"), word("reason"), word("message"))
    };
    let said = |status: &str, reason: &str, message: &str| (status.to_owned(), reason.to_owned(), message.to_owned());
    assert_eq!(told(&["*"], &["a.b.c"], LATER), said("True", "InForce", ""));
    let partly = "d.e.f does not let itself be excepted from; x.y.z is no policy that is enforced here";
    assert_eq!(told(&["*"], &["a.b.c", "d.e.f", "x.y.z"], LATER), said("True", "InForce", partly));
    let not_allowed = "a.b.c is not among the policies that --allow-exceptions names";
    assert_eq!(told(&[], &["a.b.c"], LATER), said("False", "NothingExcepted", not_allowed));
    assert_eq!(told(&["*"], &["a.b.c"], "2026-11-01T00:00:00Z").1, "Expired");
    assert_eq!(told(&["*"], &[], LATER), said("False", "Invalid", "spec.policies: must name at least one policy"));
}

#[tokio::test]
async fn what_is_said_already_is_not_written_again_and_the_end_is_waited_for() {
    let of = exceptions(&["*"]);
    let mut object = object("e", &["a.b.c"], LATER);
    let (statuses, next) = due(&of, vec![object.clone()]);
    assert!((30_000..31_000).contains(&next.as_millis()), "{next:?}");
    object["status"] = statuses[0].clone();
    assert!(due(&of, vec![object.clone()]).0.is_empty());
    object["metadata"]["generation"] = json!(2);
    let again = due(&of, vec![object]).0;
    assert_eq!(again[0]["observedGeneration"], 2);
    let times = [&again[0], &statuses[0]].map(|status| status["conditions"][0]["lastTransitionTime"].clone());
    assert_eq!(times[0], times[1], "it is in force as before");
}

#[tokio::test]
async fn those_of_a_namespace_beyond_the_ones_that_count_are_told_so() {
    let all = (0..MOST_EXCEPTIONS_IN_NAMESPACE + 2).map(|at| object(&format!("e{at:04}"), &["a.b.c"], LATER)).collect();
    let (statuses, _) = due(&exceptions(&["*"]), all);
    let reasons: Vec<&str> =
        statuses.iter().map(|status| status["conditions"][0]["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons.iter().filter(|reason| **reason == "TooMany").count(), 2);
    assert_eq!(reasons.last(), Some(&"TooMany"));
}

#[test]
fn what_is_gone_is_forgotten_with_its_namespace() {
    let mut known = known(vec![object("e", &["a.b.c"], LATER)]);
    take(&mut known, Seen::Gone { namespace: "bank".to_owned(), name: "e".to_owned() });
    assert_eq!(known.len(), 1);
    take(&mut known, Seen::Gone { namespace: "shop".to_owned(), name: "e".to_owned() });
    assert!(known.is_empty());
}
