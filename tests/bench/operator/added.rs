//! What a dry-run create takes through the API server: judged by nobody, by Bylaw, and by a `ValidatingAdmissionPolicy` of
//! the same content; by turns, in one run.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::{Site, js_policy};
use crate::options::Options;
use crate::table::Table;

/// Namespaces, by who judges there.
const JUDGES: [&str; 3] = ["nobody", "bylaw", "cel"];

const ROW: &str = "operator/dry-run create";

pub fn run(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    if !options.wants(ROW) {
        return Ok(());
    }
    let site = Site::new()?;
    for name in JUDGES {
        site.namespace(name)?;
    }
    let _serving = site.serve(&[])?;
    site.put(&by_bylaw())?;
    for (plural, object) in
        [("validatingadmissionpolicies", by_cel()), ("validatingadmissionpolicybindings", binding())]
    {
        let reply = site.api.post(&format!("/apis/admissionregistration.k8s.io/v1/{plural}"), &object);
        anyhow::ensure!(reply.is_good(), "{reply:?}");
    }
    site.settled(1)?;
    for (judge, is_judged) in JUDGES.into_iter().zip([false, true, true]) {
        let is_refused = || !site.api.post(&path(judge), &pod("docker.io/web:1")).is_good();
        site.until("a bad pod is judged as it should be", || is_refused() == is_judged)?;
    }
    let requests = if options.quick { 200 } else { 2_000 };
    for _ in 0..options.runs() {
        for clients in [1, 8] {
            one_run(&site, table, clients, requests)?;
        }
    }
    Ok(())
}

fn one_run(site: &Site, table: &mut Table, clients: usize, requests: usize) -> anyhow::Result<()> {
    let new = || Histogram::<u64>::new(3);
    let times = Mutex::new([new()?, new()?, new()?]);
    let good = pod("registry.example.com/web:1");
    let client = || -> anyhow::Result<()> {
        for _ in 0..requests / clients {
            for (at, judge) in JUDGES.iter().enumerate() {
                let path = path(judge);
                let begun = Instant::now();
                let reply = site.api.post(&path, &good);
                let took = begun.elapsed();
                anyhow::ensure!(reply.is_good(), "{reply:?}");
                let mut times = times.lock().map_err(|_| anyhow::anyhow!("a client panicked"))?;
                if let Some(times) = times.get_mut(at) {
                    times.record(u64::try_from(took.as_nanos())?)?;
                }
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        running.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| anyhow::bail!("a client panicked")))
    })?;
    let [nobody, bylaw, cel] = times.into_inner().map_err(|_| anyhow::anyhow!("a client panicked"))?;
    let row = |judge: &str| format!("{ROW}, {clients} at a time, judged by {judge}");
    for (judge, times) in JUDGES.iter().zip([&nobody, &bylaw, &cel]) {
        table.latencies(&row(judge), times);
    }
    for (judge, times) in [("bylaw", &bylaw), ("cel", &cel)] {
        for (figure, quantile) in [("added, p50", 0.5), ("added, p99", 0.99)] {
            let at = |times: &Histogram<u64>| Duration::from_nanos(times.value_at_quantile(quantile)).as_secs_f64();
            table.add(&row(judge), figure, "us", (at(times) - at(&nobody)) * 1e6);
        }
    }
    Ok(())
}

fn path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods?dryRun=All")
}

fn by_bylaw() -> Value {
    let module = r#"import { policy } from "@bylaw/sdk";
export default policy<any>({
  name: "images",
  validate({ object, deny }) {
    for (const { image, securityContext } of object.spec.containers) {
      if (!image.startsWith("registry.example.com/")) deny(`${image} is not ours`);
      if (securityContext?.privileged) deny("privileged");
    }
  },
});
"#;
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": "bylaw"}});
    js_policy("images", "pods", json!({"typescript": module, "namespaceSelector": selector}))
}

fn by_cel() -> Value {
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]});
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "images.bench.bylaw.dev"},
        "spec": {
            "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]},
            "validations": [
                {
                    "expression": "object.spec.containers.all(c, c.image.startsWith('registry.example.com/'))",
                    "message": "an image is not ours",
                },
                {
                    "expression": "object.spec.containers.all(c, !has(c.securityContext) || !has(c.securityContext.privileged) || !c.securityContext.privileged)",
                    "message": "privileged",
                },
            ],
        },
    })
}

fn binding() -> Value {
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": "cel"}});
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "images.bench.bylaw.dev"},
        "spec": {
            "policyName": "images.bench.bylaw.dev", "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": selector},
        },
    })
}

fn pod(image: &str) -> Value {
    let container = |name: &str| json!({"name": name, "image": image, "securityContext": {"privileged": false}});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [container("web"), container("side")]}})
}
