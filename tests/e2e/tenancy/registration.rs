//! The API server of a virtual cluster is told to ask, and is kept so. It is a real one of its own; there is no syncer.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::chart::workload;
use crate::api::{Reply, eventually, within};
use crate::bylaw::path_in;
use crate::objects::config_map;
use crate::operator::{Operator, js_policy, with_cluster};
use crate::world::World;

const CONFIGURATION: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/bylaw-host";
const PROTECTION: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/bylaw-host.protection.bylaw.dev";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// One that stands is looked at every 20 s.
const LOOKED_AT_WITHIN: Duration = Duration::from_mins(1);

/// Serves an operator that knows the kind.
fn with_host(test: impl FnOnce(&mut Operator)) {
    with_cluster(|operator| {
        let crd = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/bylaw/crds/virtualclusters.yaml");
        let applied = operator.world.cluster.kubectl(["apply", "-f", crd]).unwrap();
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        eventually("the kind is served", || operator.api().get(&collection(operator)), Reply::is_good);
        // Also what a test that failed has left.
        clear(operator);
        operator.serve();
        test(operator);
        clear(operator);
    });
}

fn clear(operator: &Operator) {
    for name in ["dev", "dead", "garbage", "silent", "stopped"] {
        operator.api().delete(&path(operator, name));
        operator.api().delete(&path_in(&operator.namespace, &format!("secrets/vc-{name}")));
    }
    operator.api().delete(&path_in(&operator.namespace, "apps/v1/statefulsets/stopped"));
}

fn collection(operator: &Operator) -> String {
    format!("/apis/bylaw.dev/v1alpha1/namespaces/{}/virtualclusters", operator.namespace)
}

fn path(operator: &Operator, name: &str) -> String {
    format!("{}/{name}", collection(operator))
}

/// A kubeconfig as vCluster writes it.
fn kubeconfig(inside: &World) -> String {
    let authority = STANDARD.encode(fs::read(inside.cluster.authority()).unwrap());
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "my-vcluster",
        "clusters": [{"name": "my-vcluster", "cluster": {
            "server": "https://localhost:8443", "certificate-authority-data": authority,
        }}],
        "contexts": [{"name": "my-vcluster", "context": {"cluster": "my-vcluster", "user": "my-vcluster"}}],
        "users": [{"name": "my-vcluster", "user": {"token": inside.cluster.admin_token()}}],
    })
    .to_string()
}

fn register(operator: &Operator, name: &str, url: &str, kubeconfig: &str) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("vc-{name}")},
        "stringData": {"config": kubeconfig},
    });
    operator.api().post(&path_in(&operator.namespace, "secrets"), &secret).object();
    let object = json!({
        "apiVersion": "bylaw.dev/v1alpha1", "kind": "VirtualCluster", "metadata": {"name": name},
        "spec": {"register": "Webhook", "url": url, "kubeconfigSecret": format!("vc-{name}")},
    });
    operator.api().post(&collection(operator), &object).object();
}

/// Waits for a condition of that status and reason; with its message.
fn says(operator: &Operator, name: &str, of: &str, status: &str, reason: &str) -> String {
    let found = |reply: &Reply| -> Option<Value> {
        let conditions = reply.body["status"]["conditions"].as_array()?;
        conditions.iter().find(|one| one["type"] == of && one["status"] == status && one["reason"] == reason).cloned()
    };
    let what = format!("{name}: {of} is {status} for {reason}");
    let reply =
        within(LOOKED_AT_WITHIN, &what, || operator.api().get(&path(operator, name)), |reply| found(reply).is_some());
    found(&reply).unwrap()["message"].as_str().unwrap().to_owned()
}

fn bad() -> Value {
    config_map("asked", json!({"bad": "yes"}))
}

#[test]
fn an_api_server_asks_is_kept_asking_and_is_left_in_peace_once_it_is_not_to() {
    with_host(|operator| {
        let Some(inside) = World::start() else { return };
        let script = "if (request.object.data?.bad) deny('not inside');";
        operator.put("inside", &json!({"javascript": script, "vantage": "virtual"}));
        let of_another =
            json!({"javascript": "deny('no')", "vantage": "virtual", "tenants": ["other"], "resources": ["secrets"]});
        operator.put("other", &of_another);
        register(operator, "dev", inside.cluster.url(), &kubeconfig(&inside));
        says(operator, "dev", "Ready", "True", "Asks");
        let refused = |reply: &Reply| reply.message().contains("not inside");
        let ask = || inside.api.post(&format!("{MAPS}?dryRun=All"), &bad());
        eventually("it asks", ask, refused);
        operator.allows(json!({"bad": "yes"}));
        let stands = |reply: &Reply| {
            let webhooks = reply.body["webhooks"].as_array().cloned().unwrap_or_default();
            !webhooks.is_empty() && webhooks.iter().all(|one| one["failurePolicy"] == "Fail")
        };
        let configuration = eventually("it may rely on the answer", || inside.api.get(CONFIGURATION), stands);
        assert!(!configuration.body.to_string().contains("secrets"), "what is meant for others: {configuration:?}");
        let url = configuration.body["webhooks"][0]["clientConfig"]["url"].as_str().unwrap().to_owned();
        let token = url.split('/').nth(4).unwrap().to_owned();
        assert_eq!(token.len(), 43, "{url}");

        // What protects it is in the way of whoever does it by mistake …
        let protected = |reply: &Reply| reply.message().contains("the platform keeps this configuration");
        let tried = format!("{CONFIGURATION}?dryRun=All");
        eventually("it cannot be deleted", || inside.api.delete(&tried), protected);
        eventually("nor weakened", || inside.api.merge(&tried, &json!({"webhooks": []})), protected);
        // … and whoever knows of it is found out.
        inside.api.delete(PROTECTION).object();
        within(LOOKED_AT_WITHIN, "it is let through", || inside.api.delete(CONFIGURATION), Reply::is_good);
        within(LOOKED_AT_WITHIN, "it is put right", || inside.api.get(CONFIGURATION), stands);
        within(LOOKED_AT_WITHIN, "it asks again", ask, refused);
        let events = path_in(&operator.namespace, "events");
        let is_told = |reply: &Reply| {
            let told = |event: &Value| {
                event["reason"] == "RegistrationTampered"
                    && event["involvedObject"]["name"] == "dev"
                    && event["message"].as_str().is_some_and(|message| message.contains("guarded/dev"))
            };
            reply.body["items"].as_array().is_some_and(|items| items.iter().any(told))
        };
        within(LOOKED_AT_WITHIN, "an event of it", || operator.api().get(&events), is_told);

        operator.api().merge(&path(operator, "dev"), &json!({"spec": {"register": "Off"}})).object();
        says(operator, "dev", "Registered", "False", "Removed");
        for gone in [CONFIGURATION, PROTECTION] {
            assert_eq!(inside.api.get(gone).status, 404, "{gone}");
        }
        assert!(eventually("nobody asks", ask, Reply::is_good).is_good());
        assert!(!operator.server().log().contains(&token), "a log shows the token");
    });
}

#[test]
fn what_is_broken_is_said_of_each_and_costs_no_other_its_turn() {
    with_host(|operator| {
        let Some(inside) = World::start() else { return };
        // It takes connections and never says a word.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let mute = format!("https://{}", silent.local_addr().unwrap());
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        register(operator, "garbage", inside.cluster.url(), "clusters: s3cret");
        register(operator, "dead", &format!("https://{nobody}"), &kubeconfig(&inside));
        register(operator, "silent", &mute, &kubeconfig(&inside));
        let mut resting = workload("stopped");
        resting["spec"]["replicas"] = json!(0);
        operator.api().post(&path_in(&operator.namespace, "apps/v1/statefulsets"), &resting).object();
        register(operator, "stopped", &mute, "");
        register(operator, "dev", inside.cluster.url(), &kubeconfig(&inside));
        says(operator, "dev", "Ready", "True", "Asks");
        let garbage = says(operator, "garbage", "Ready", "False", "BadKubeconfig");
        assert!(garbage.contains("guarded/vc-garbage") && !garbage.contains("s3cret"), "{garbage}");
        let dead = says(operator, "dead", "Ready", "False", "Unreachable");
        assert!(dead.contains(&nobody.to_string()), "{dead}");
        says(operator, "silent", "Ready", "False", "Unreachable");
        assert!(says(operator, "stopped", "Ready", "False", "Resting").contains("stopped"));
        operator.api().delete(&path(operator, "garbage")).object();
        let secret = path_in(&operator.namespace, "secrets/vc-dead");
        operator.api().delete(&secret).object();
        says(operator, "dead", "Ready", "False", "NoSecret");
    });
}

#[test]
fn a_policy_that_is_changed_is_asked_for_inside_too() {
    with_host(|operator| {
        let Some(inside) = World::start() else { return };
        register(operator, "dev", inside.cluster.url(), &kubeconfig(&inside));
        says(operator, "dev", "Ready", "True", "Asks");
        let ask = || inside.api.post(&format!("{MAPS}?dryRun=All"), &bad());
        assert!(ask().is_good());
        for word in ["first", "second"] {
            let script = format!("if (request.object.data?.bad) deny('{word}');");
            let policy = js_policy("inside", &json!({"javascript": script, "vantage": "both"}));
            operator.put("inside", &policy["spec"]);
            within(LOOKED_AT_WITHIN, word, ask, |reply| reply.message().contains(word));
        }
    });
}
