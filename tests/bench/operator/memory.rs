//! What the process holds with a thousand policies and twenty thousand pods that one of them may list.

use std::time::Duration;

use serde_json::{Value, json};

use super::{POLICIES, Site, config_map, js_policy, other};
use crate::options::Options;
use crate::policies;
use crate::table::Table;

const ROW: &str = "operator/memory with 1,000 policies";
const POLICIES_MADE: usize = 1_000;
const PODS: usize = 20_000;

/// What is freed after the start is given back by then.
const REST: Duration = Duration::from_secs(10);

pub fn run(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    if !options.wants(ROW) {
        return Ok(());
    }
    let site = Site::new()?;
    site.namespace("crowd")?;
    site.make_all(POLICIES, POLICIES_MADE - 1, other)?;
    let pod = pod()?;
    let of = |number: usize| {
        let mut pod = pod.clone();
        if let Some(name) = pod.pointer_mut("/metadata/name") {
            *name = format!("web-{number}").into();
        }
        pod
    };
    site.make_all("/api/v1/namespaces/crowd/pods", PODS, of)?;
    for _ in 0..options.runs() {
        let serving = site.serve(&[])?;
        site.settled(POLICIES_MADE - 1)?;
        std::thread::sleep(REST);
        table.mebibytes(ROW, "RSS, policies alone", serving.resident());
        site.put(&counting())?;
        let expected = format!("there are {PODS}");
        let asked = || site.api.post("/api/v1/namespaces/default/configmaps?dryRun=All", &config_map("asked"));
        let seen = site.until("all pods are listed", || asked().message().contains(&expected))?;
        table.millis(ROW, "20,000 pods seen after", seen);
        table.mebibytes(ROW, "RSS, right after", serving.resident());
        std::thread::sleep(REST);
        table.mebibytes(ROW, "RSS with 20,000 pods", serving.resident());
        drop(serving);
        site.api.delete(&format!("{POLICIES}/counting.bench.bylaw.dev"));
        // Nobody answers for it any more.
        site.remove_configurations();
    }
    Ok(())
}

fn counting() -> Value {
    let module = r#"import { policy } from "@bylaw/sdk";
export default policy<any>({
  name: "counting",
  permissions: { read: ["v1/Pod"] },
  validate({ list, deny }) { deny(`there are ${list("v1/Pod", { namespace: "crowd" }).length}`); },
});
"#;
    js_policy("counting", "configmaps", json!({"typescript": module}))
}

/// The pod of the bench as a client sends it: 2.4 KB.
fn pod() -> anyhow::Result<Value> {
    let review: Value = serde_json::from_str(&policies::review())?;
    let mut pod = review.pointer("/request/object").cloned().unwrap_or_default();
    if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| field == "name" || field == "labels" || field == "annotations");
    }
    if let Some(pod) = pod.as_object_mut() {
        pod.remove("status");
    }
    Ok(pod)
}
