//! Virtual clusters that ask themselves: each at a door of its own, by a token that nobody guesses.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::command::{Ended, bylaw};
use super::folder::Folder;
use super::reviews::{allowed, create, denied, with};
use super::server::Server;

const INVENTORY: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {namespace: vc-one, name: vc-dev, labels: {app: vcluster, release: dev, chart: vcluster-0.36.0}}
---
apiVersion: bylaw.dev/v1alpha1
kind: VirtualCluster
metadata: {namespace: vc-two, name: dev}
spec: {version: 0.30.0}
---
apiVersion: v1
kind: Namespace
metadata: {name: vc-one, labels: {loft.sh/project: shop}}
---
apiVersion: v1
kind: Namespace
metadata: {name: team-a, labels: {stage: prod}}
";

pub fn folder() -> Folder {
    Folder::new(&[("policies/inside.ts", include_str!("policies/inside.ts")), ("inventory.yaml", INVENTORY)])
}

/// Runs a command of `bylaw vcluster` on that host.
pub fn vcluster(folder: &Folder, arguments: &[&str]) -> Ended {
    let (inventory, state) = (folder.argument("inventory.yaml"), folder.argument("state"));
    bylaw(&[&["vcluster"], arguments, &["--inventory", &inventory, "--state-dir", &state]].concat())
}

pub fn token(folder: &Folder, place: &str) -> String {
    let ended = vcluster(folder, &["inspect", place, "--token", "-o", "json"]);
    let told: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    told["token"].as_str().unwrap().to_owned()
}

pub fn serve(folder: &Folder, arguments: &[&str]) -> Server {
    let (policies, inventory) = (folder.argument("policies"), folder.argument("inventory.yaml"));
    let state = folder.argument("state");
    Server::start(&[&["-p", &policies, "--inventory", &inventory, "--state-dir", &state], arguments].concat())
}

/// A server with its tokens of `vc-one/dev` and `vc-two/dev`, for as long as the process runs.
static SHARED: LazyLock<(Folder, Server, [String; 2])> = LazyLock::new(|| {
    let folder = folder();
    let server = serve(&folder, &["-vv"]);
    let tokens = ["vc-one/dev", "vc-two/dev"].map(|place| token(&folder, place));
    (folder, server, tokens)
});

/// A pod of the tenant's, as he makes it.
fn pod() -> Value {
    create(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "team-a"}, "spec": {}}))
}

fn ask(path: &str, review: &Value) -> (u16, Value) {
    SHARED.1.post(path, review)
}

fn door(of: usize, phase: &str) -> String {
    format!("/vcluster/{}/{phase}", SHARED.2[of])
}

fn message(answer: (u16, Value)) -> String {
    denied(answer)["message"].as_str().unwrap().to_owned()
}

/// What a policy was told, out of the message of a denial.
fn told(message: &str) -> Value {
    let (_, text) = message.split_once("[told.inside.example] ").unwrap_or_else(|| panic!("{message}"));
    serde_json::Deserializer::from_str(text).into_iter().next().unwrap().unwrap()
}

#[test]
fn a_token_speaks_for_its_virtual_cluster_alone() {
    let one = message(ask(&door(0, "validate?timeout=10s"), &pod()));
    assert!(one.contains("[one.inside.example]") && !one.contains("[host.inside.example]"), "{one}");
    let expected = json!({
        "kind": "vcluster", "trusted": true, "vcluster": "dev", "in": "team-a", "owner": "shop", "vantage": "virtual",
        "virtual": null, "user": "ann", "namespace": {"name": "team-a"}, "dryRun": false,
    });
    assert_eq!(told(&one), expected);
    let two = message(ask(&door(1, "validate"), &pod()));
    assert!(!two.contains("[one.inside.example]"), "{two}");
    assert_eq!((&told(&two)["owner"], &told(&two)["vcluster"]), (&Value::Null, &json!("dev")));
}

#[test]
fn what_a_virtual_cluster_asks_is_mutated_too() {
    let response = allowed(ask(&door(1, "mutate"), &pod()));
    let patch = response["patch"].as_str().unwrap();
    let patch = String::from_utf8(base64::Engine::decode(&base64::engine::general_purpose::STANDARD, patch).unwrap());
    assert!(patch.as_ref().unwrap().contains("vc-two"), "{patch:?}");
}

#[test]
fn a_token_that_is_none_is_refused_without_a_word() {
    let guess = "A".repeat(43);
    for path in [
        format!("/vcluster/{guess}/validate"),
        format!("/vcluster/{guess}/mutate/anything"),
        format!("/vcluster/{}x/validate", SHARED.2[0]),
        "/vcluster/vc-one%2Fdev/validate".to_owned(),
    ] {
        assert_eq!(ask(&path, &pod()), (403, json!({"error": "forbidden"})), "{path}");
    }
    let (_, metrics) = SHARED.1.get(SHARED.1.metrics_url());
    assert!(metrics.contains(r#"bylaw_requests_refused_total{code="403"}"#), "{metrics}");
    SHARED.1.wait_for_log(0, "with a token that is none").unwrap();
}

#[test]
fn no_log_shows_a_token() {
    message(ask(&door(0, "validate"), &pod()));
    assert_eq!(ask(&door(0, "nothing"), &pod()).0, 404);
    assert_eq!(ask(&door(0, "validate"), &json!("no review")).0, 400);
    let log = SHARED.1.log();
    assert!(log.contains("denied"), "it says something");
    assert!(!log.contains(&SHARED.2[0]) && !log.contains("/vcluster/"), "{log}");
}

#[test]
fn namespaces_of_the_host_say_nothing_of_those_inside() {
    // The host has a namespace of that name, and it is prod.
    let unknown = message(ask(&door(1, "validate"), &pod()));
    assert!(!unknown.contains("[prod.inside.example] prod"), "{unknown}");
    assert!(unknown.contains("prod.inside.example"), "what cannot be decided is decided by the policy: {unknown}");
    let asked_from = |stage: &str| {
        let namespace = json!({"metadata": {"name": "team-a", "labels": {"stage": stage}}});
        let options = json!({"kind": "CreateOptions", "vCluster": {"namespace": namespace}});
        message(ask(&door(1, "validate"), &with(pod(), json!({"options": options}))))
    };
    assert!(asked_from("prod").contains("[prod.inside.example] prod"));
    assert!(!asked_from("dev").contains("prod.inside.example"));
}

#[test]
fn central_admission_is_understood_and_not_trusted() {
    let namespace = json!({"metadata": {"name": "team-a", "labels": {"stage": "dev"}}});
    let options = json!({"kind": "CreateOptions", "vCluster": {"namespace": namespace, "name": "web-x-team-a-x-dev"}});
    // It puts the host's namespace into the request.
    let review = with(pod(), json!({"options": options, "namespace": "vc-one"}));
    let central = message(ask("/validate", &review));
    assert!(!central.contains("[host.inside.example]") && central.contains("[one.inside.example]"), "{central}");
    let told = told(&central);
    assert_eq!(
        (&told["vantage"], &told["trusted"], &told["in"], &told["vcluster"]),
        (&json!("virtual"), &json!(false), &json!("team-a"), &json!("dev"))
    );
    assert_eq!(told["namespace"], json!({"name": "team-a", "labels": {"stage": "dev"}}));
    let at_the_door = message(ask(&door(0, "validate"), &review));
    assert_eq!(
        (&self::told(&at_the_door)["trusted"], &self::told(&at_the_door)["in"]),
        (&json!(true), &json!("team-a"))
    );
}

/// A review as an API server with a real syncer sent it.
macro_rules! recorded {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!(
            "../fixtures/vcluster/v0.36.0/reviews/virtual.validate.",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

#[test]
fn what_keeps_a_virtual_cluster_going_is_never_denied() {
    for review in [
        recorded!("CREATE.serviceaccounts.token.default.syncer"),
        recorded!("DELETE.pods.web-579d76775d-wllps.generic-garbage-collector"),
        recorded!("UPDATE.deployments.status.web.deployment-controller"),
        recorded!("UPDATE.replicasets.status.web-579d76775d.replicaset-controller"),
    ] {
        assert_eq!(allowed(ask(&door(0, "validate"), &review))["patch"], Value::Null);
        assert_eq!(allowed(ask(&door(0, "mutate"), &review))["patch"], Value::Null);
    }
    for review in [
        recorded!("CREATE.pods.web-579d76775d-wllps.replicaset-controller"),
        recorded!("CREATE.deployments.web.alice"),
        recorded!("UPDATE.services.web.alice"),
        recorded!("DELETE.services.web.alice"),
    ] {
        let user = review["request"]["userInfo"]["username"].clone();
        assert_eq!(told(&message(ask(&door(0, "validate"), &review)))["user"], user);
    }
}

#[test]
fn one_that_is_not_known_any_more_has_no_door() {
    let folder = folder();
    let token = token(&folder, "vc-two/dev");
    folder.write("inventory.yaml", INVENTORY.split("---").next().unwrap());
    let server = serve(&folder, &[]);
    assert_eq!(server.post(&format!("/vcluster/{token}/validate"), &pod()).0, 403);
    let gone = vcluster(&folder, &["inspect", "vc-two/dev", "--token"]);
    assert!(gone.code == Some(2) && gone.err.contains("known: vc-one/dev"), "{gone:?}");
}
