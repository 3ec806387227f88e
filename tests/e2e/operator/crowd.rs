//! A namespace with ten thousand objects: made through the webhook, listed by a policy, judged in the background, deleted.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::api::within;
use super::super::load::Creates;
use super::super::report_kinds;
use super::faults::prepare;
use super::*;

const OBJECTS: usize = 10_000;
const CLIENTS: usize = 8;

/// The background scan takes a thousand objects a second at most.
const PATIENCE: Duration = Duration::from_mins(3);

#[test]
fn a_namespace_with_ten_thousand_objects_costs_no_create() {
    let Some(world) = World::start().inspect(report_kinds::install) else { return };
    let operator = &mut Operator::new(&world);
    let target = prepare(operator);
    operator.give(&["--report", "policy-reports", "--scan-interval", "1", "--report-writes", "6000"]);
    operator.serve();
    let operator = &*operator;
    let ((), tally) = target.under_load("a namespace with 10,000 objects", Creates::Both, || {
        let begun = Instant::now();
        make(operator);
        eprintln!("  made in {:?}", begun.elapsed());

        let put = Instant::now();
        let minds = |message: &str| {
            let code = format!("if (request.object.data?.n === '77') deny('{message}');");
            json!({"background": true, "javascript": code})
        };
        operator.put("crowd", &minds("first"));
        operator.refuses(json!({"n": "77"}), "first");
        eprintln!("  a policy for them is enforced after {:?}", put.elapsed());
        let path = format!(
            "/apis/wgpolicyk8s.io/v1alpha2/namespaces/{}/policyreports/bylaw-background-scan",
            operator.namespace
        );
        let summary = || operator.api().get(&path).body["summary"].clone();
        let is_told = |summary: &Value| summary["fail"] == 1 && summary["pass"].as_u64() >= Some(OBJECTS as u64 - 1);
        within(PATIENCE, "the one that is bad is found", summary, is_told);
        eprintln!("  all of them are judged {:?} after it was made", put.elapsed());

        operator.put("counting", &counting());
        let put = Instant::now();
        let count = || {
            let reply = operator.ask(json!({"count": "yes"}));
            reply.message().rsplit("there are ").next().and_then(|count| count.parse::<usize>().ok())
        };
        within(PATIENCE, "they are all listed", count, |count| *count >= Some(OBJECTS));
        eprintln!("  a policy that lists them finds all after {:?}", put.elapsed());

        let edited = Instant::now();
        operator.put("crowd", &minds("second"));
        operator.refuses(json!({"n": "77"}), "second");
        eprintln!("  an edit of the policy for them is enforced after {:?}", edited.elapsed());

        let begun = Instant::now();
        let crowd = format!("{}?labelSelector=crowd%3Dyes", path_in(&operator.namespace, "configmaps"));
        let left = || {
            // It may take longer than a request may.
            drop(operator.api().try_send(Method::DELETE, &crowd, None));
            operator.api().get(&format!("{crowd}&limit=1")).body["items"].as_array().map(Vec::len)
        };
        within(PATIENCE, "they are deleted", left, |left| *left == Some(0));
        eprintln!("  deleted in {:?}", begun.elapsed());
        let is_over = |summary: &Value| summary["fail"] == 0;
        within(PATIENCE, "the report follows", summary, is_over);
    });
    eprintln!("  {} MiB resident at the end", resident(operator.server()) >> 20);
    tally.is_whole();
}

/// Each of them is judged, and none may fail.
fn make(operator: &Operator) {
    let path = path_in(&operator.namespace, "configmaps");
    let one = |number: usize| {
        let mut object = config_map(&format!("crowd-{number}"), json!({"n": number.to_string()}));
        object["metadata"]["labels"] = json!({"crowd": "yes"});
        let reply = operator.api().post(&path, &object);
        assert!(reply.is_good() && reply.warnings.len() == 1, "{number}: {reply:?}");
    };
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || (client..OBJECTS).step_by(CLIENTS).for_each(one));
        }
    });
}

fn counting() -> Value {
    let module = r#"
        import { policy } from "@bylaw/sdk";
        export default policy<any>({
          name: "whatever.e2e.example.com",
          match: { resources: ["configmaps"], operations: ["CREATE"] },
          permissions: { read: ["v1/ConfigMap"] },
          validate({ object, list, deny }) {
            if (object.data?.count) deny(`there are ${list("v1/ConfigMap", { namespace: object.metadata.namespace }).length}`);
          },
        });"#;
    json!({"typescript": module})
}

/// In bytes.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}
