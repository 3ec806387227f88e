//! Our own kinds in a cluster: installed once, with the command that the README gives.

use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::api::eventually;
use super::world::World;

/// What a `bylaw` command prints; it must succeed.
pub fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_bylaw")).args(arguments).output().expect("bylaw runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

/// Our kinds on the shared cluster, once.
pub fn definitions(world: &'static World) {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        apply_definitions(world);
        let established = |path: &str| {
            let ask = || world.api.get(path).object();
            let has = |object: &Value, kind: &str| {
                let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
                conditions.iter().any(|condition| condition["type"] == kind && condition["status"] == "True")
            };
            eventually("the kind is served", ask, |object| has(object, "Established") && has(object, "NamesAccepted"));
        };
        for plural in ["jspolicies", "jspolicybundles", "jspolicyviolations"] {
            established(&format!(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.policy.jspolicy.com"
            ));
        }
        established("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/policyexceptions.bylaw.dev");
        // The handlers of a new kind come a moment later.
        let list = "/apis/bylaw.dev/v1alpha1/policyexceptions";
        eventually("objects are served", || world.api.get(list), |reply| reply.status == 200);
        let list = "/apis/policy.jspolicy.com/v1beta1/jspolicies";
        eventually("objects are served", || world.api.get(list), |reply| reply.status == 200);
    });
}

/// `bylaw crd | kubectl apply --server-side --force-conflicts -f -`
pub fn apply_definitions(world: &World) {
    kubectl(world, &["apply", "--server-side", "--force-conflicts", "-f", "-"], &printed(&["crd"]));
}

/// What kubectl says; it must succeed.
pub fn kubectl(world: &World, arguments: &[&str], input: &str) -> String {
    let output = world.cluster.kubectl_with_input(arguments.iter().copied(), input).expect("kubectl runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}
