//! `--operator`: Bylaw in a cluster. How soon a change is enforced and a start is over, what it holds in memory, what it
//! writes, and what it adds to a request, on a real etcd and kube-apiserver.

mod added;
mod change;
mod flood;
mod memory;
mod start;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Api, Reply};
use crate::cluster::Cluster;
use crate::options::Options;
use crate::serving::Serving;
use crate::table::Table;

const POLICIES: &str = "/apis/policy.jspolicy.com/v1beta1/jspolicies";

/// Who makes objects beside each other.
const MAKERS: usize = 8;

/// What takes longer than this never comes.
const PATIENCE: Duration = Duration::from_mins(5);

pub fn run(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    start::run(options, table)?;
    change::run(options, table)?;
    memory::run(options, table)?;
    flood::run(options, table)?;
    added::run(options, table)
}

/// A cluster with Bylaw's kinds in it, and nothing else.
struct Site {
    cluster: Cluster,
    api: Api,
}

impl Site {
    fn new() -> anyhow::Result<Self> {
        let cluster = Cluster::start()?;
        let printed = Command::new(env!("CARGO_BIN_EXE_bylaw")).arg("crd").output()?;
        anyhow::ensure!(printed.status.success(), "bylaw crd failed");
        let definitions = String::from_utf8(printed.stdout)?;
        let applied = cluster.kubectl_with_input(["apply", "--server-side", "-f", "-"], &definitions)?;
        anyhow::ensure!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        let api = Api::of(&cluster);
        let site = Self { cluster, api };
        site.until("Bylaw's kinds are served", || site.api.get(POLICIES).is_good())?;
        Ok(site)
    }

    fn serve(&self, arguments: &[&str]) -> anyhow::Result<Serving> {
        Serving::of_cluster(&self.cluster.kubeconfig(), arguments)
    }

    fn until(&self, what: &str, is_so: impl Fn() -> bool) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        while !is_so() {
            self.cluster.check()?;
            anyhow::ensure!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(begun.elapsed())
    }

    /// Makes objects, several at a time.
    fn make_all(&self, path: &str, count: usize, object: impl Fn(usize) -> Value + Sync) -> anyhow::Result<()> {
        let make = |number: usize| {
            let reply = self.api.post(path, &object(number));
            anyhow::ensure!(reply.is_good(), "{number}: {reply:?}");
            Ok(())
        };
        thread::scope(|scope| {
            let makers: Vec<_> = (0..MAKERS)
                .map(|maker| scope.spawn(move || (maker..count).step_by(MAKERS).try_for_each(make)))
                .collect();
            makers.into_iter().try_for_each(|maker| maker.join().unwrap_or_else(|_| anyhow::bail!("a maker panicked")))
        })
    }

    /// Makes a policy, or makes it another.
    fn put(&self, policy: &Value) -> anyhow::Result<()> {
        let name = policy.pointer("/metadata/name").and_then(Value::as_str).context("a policy without a name")?;
        let path = format!("{POLICIES}/{name}?fieldManager=bench&force=true");
        let reply = self.api.try_send(Method::PATCH, &path, Some(("application/apply-patch+yaml", policy)))?;
        anyhow::ensure!(reply.is_good(), "{reply:?}");
        Ok(())
    }

    /// Waits until all policies are enforced and told to be.
    fn settled(&self, count: usize) -> anyhow::Result<Duration> {
        let is_synced = |policy: &Value| policy.pointer("/status/phase").is_some_and(|phase| phase == "Synced");
        let synced = |reply: Reply| {
            let all = reply.body.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            all.iter().filter(|policy| is_synced(policy)).count()
        };
        self.until("all policies are synced", || synced(self.api.get(POLICIES)) == count)
    }

    /// Nobody is asked any more: for when the server is gone.
    fn remove_configurations(&self) {
        for plural in ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"] {
            self.api.delete(&format!("/apis/admissionregistration.k8s.io/v1/{plural}/bylaw"));
        }
    }

    fn namespace(&self, name: &str) -> anyhow::Result<()> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let reply = self.api.post("/api/v1/namespaces", &namespace);
        anyhow::ensure!(reply.is_good(), "{reply:?}");
        Ok(())
    }
}

/// The `number`th of many policies that have nothing to say to what is asked: scripts and modules by turns.
fn other(number: usize) -> Value {
    let resource = format!("kinds{}", number % 50);
    let code = if number.is_multiple_of(2) {
        let script = format!("if ((request.object.spec?.size ?? 0) > {number}) {{\n  deny(\"too large\");\n}}\n");
        json!({"javascript": script})
    } else {
        let module = format!(
            "import {{ policy }} from \"@bylaw/sdk\";\nexport default policy<any>({{\n  name: \"other\",\n  \
             validate({{ object, deny }}) {{\n    if (object.spec?.size > {number}) deny(\"too large\", {{ field: \"spec.size\" }});\n  }},\n}});\n"
        );
        json!({"typescript": module})
    };
    js_policy(&format!("other-{number}"), &resource, code)
}

/// A policy of the bench on the creation of one kind of object.
fn js_policy(name: &str, resource: &str, code: Value) -> Value {
    let mut spec = json!({"operations": ["CREATE"], "resources": [resource]});
    if let (Some(spec), Value::Object(code)) = (spec.as_object_mut(), code) {
        spec.extend(code);
    }
    json!({
        "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy",
        "metadata": {"name": format!("{name}.bench.bylaw.dev")}, "spec": spec,
    })
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"bad": "yes"}})
}
