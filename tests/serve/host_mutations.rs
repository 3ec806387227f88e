//! Mutations of a tenant's pod on the host, offline: what `bylaw review` says of them.

use serde_json::{Value, json};

use super::command::bylaw;
use super::folder::Folder;

const INVENTORY: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {namespace: vc-one, name: vc-dev, labels: {app: vcluster, release: dev, chart: vcluster-0.36.0}}
";

/// A pod as the syncer of `vc-one/dev` makes it.
fn synced() -> Value {
    let host = "web-x-team-a-x-dev";
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {
        "name": host, "namespace": "vc-one", "labels": {"vcluster.loft.sh/managed-by": "dev"},
        "annotations": {
            "vcluster.loft.sh/object-name": "web", "vcluster.loft.sh/object-namespace": "team-a",
            "vcluster.loft.sh/object-host-name": host, "vcluster.loft.sh/object-host-namespace": "vc-one",
        },
    }, "spec": {"containers": [{"name": "c", "image": "a"}]}})
}

/// What is answered where a policy with these members does this to the pod.
fn answer(members: &str, vantage: &str, body: &str) -> Value {
    let policy = format!(
        "import {{ policy }} from \"@bylaw/sdk\";
export default policy({{
  name: \"p.pods.example.com\", {members}
  match: {{ resources: [\"pods\"], operations: [\"CREATE\"] {vantage} }},
  mutate({{ object }}) {{ {body} }},
}});"
    );
    let pod = synced().to_string();
    let folder = Folder::new(&[("p.ts", &policy), ("inventory.yaml", INVENTORY), ("pod.json", &pod)]);
    let (policies, object, inventory) =
        (folder.argument("p.ts"), folder.argument("pod.json"), folder.argument("inventory.yaml"));
    let user = "system:serviceaccount:vc-one:vc-dev";
    let arguments =
        ["review", "-p", &policies, "--object", &object, "--inventory", &inventory, "--user", user, "-o", "json"];
    let ended = bylaw(&arguments);
    let answer: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    answer["response"].clone()
}

const GATE: &str = "object.spec.schedulingGates = [{ name: 'example.com/gate' }];";

#[test]
fn what_breaks_the_syncing_is_refused_with_path_class_and_mend() {
    let denied = answer("", "", GATE);
    assert_eq!(denied["allowed"], false);
    let message = denied["status"]["message"].as_str().unwrap();
    let told = "[p.pods.example.com] policy failed: spec.schedulingGates breaks sync: the syncer takes gates off again";
    assert!(message.starts_with(told) && message.contains("`vantage: \"virtual\"`"), "{message}");

    let allowed = answer("onError: \"Allow\",", "", GATE);
    assert_eq!((&allowed["allowed"], &allowed["patch"]), (&json!(true), &Value::Null), "{allowed}");
    assert!(allowed["warnings"][0].as_str().unwrap().contains("breaks sync"), "{allowed}");

    let made = answer("hostMutations: \"Allow\",", "", GATE);
    assert!(made["patch"].is_string() && made.get("warnings").is_none(), "{made}");
}

#[test]
fn what_does_not_hold_is_warned_of_and_left_to_the_virtual_cluster_where_both_ask() {
    let image = "object.spec.containers[0].image = 'mirror/a';";
    let made = answer("", "", image);
    assert!(made["patch"].is_string(), "{made}");
    assert!(made["warnings"][0].as_str().unwrap().contains("spec.containers[0].image reverted: "), "{made}");
    for body in [image, GATE] {
        let left = answer("", ", vantage: \"both\"", body);
        assert_eq!((&left["allowed"], &left["patch"]), (&json!(true), &Value::Null), "{left}");
        assert!(left["warnings"][0].as_str().unwrap().contains("left to the virtual cluster: on the host"), "{left}");
    }
}
